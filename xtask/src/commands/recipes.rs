//! `cargo xtask recipes`: runs the recipes of `examples/scale` with real processes, workers and servers.
//!
//! Outside CI: what they run with (Dask, Ray, a server of S3) is large, and no part of the package's tests. It is
//! installed into `<target>/neighbours`, which `cargo xtask neighbours` takes, too.

use std::ffi::OsString;
use std::process;

use super::Command;
use super::python::Package;
use crate::args;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "recipes",
    about: "Run the recipes of many processes, object stores and clusters",
    help: "\
Usage: cargo xtask recipes

Makes <target>/neighbours (Python with torch, Dask, Ray, moto and readers of Zarr, pinned in testing/python), builds and
installs the package there, and runs the scripts of examples/scale: four processes of torch.distributed, of which one is
killed; S3, which moto plays; a cluster of Dask; Ray; an array of jobs as SLURM starts them. What they read is held
against a run of one process, bit for bit. Not part of `cargo xtask test`.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [] = args::switches(args, [])?;
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    let python = Package::among_neighbours(&workspace, &tools)?;
    let mut pytest = process::Command::new(python);
    pytest.args(["-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider"]);
    run_child(pytest.arg(workspace.root.join("examples/scale")))
}
