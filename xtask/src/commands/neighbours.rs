//! `cargo xtask neighbours`: lets other programs read files of each kind, and writes `docs/generated/neighbours.md`.
//!
//! What is judged, and the traps that are known, are in `testing/neighbours`. Python packages are installed into
//! `<target>/neighbours`, those for Node beside them. Octave, R and the tools of HDF5 and netCDF are those of the
//! machine; the page says which it lacked.

use std::ffi::OsString;
use std::process;

use super::Command;
use super::python::Package;
use crate::args;
use crate::failure::Result;
use crate::tools::{Python, Tools, on_path};
use crate::workspace::{Workspace, run as run_child};

/// The readers of HDF5 for Node.
const FOR_NODE: [&str; 2] = ["h5wasm@0.10.3", "jsfive@0.4.2"];

pub(super) const COMMAND: Command = Command {
    name: "neighbours",
    about: "Let other programs read our files, and write docs/generated/neighbours.md",
    help: "\
Usage: cargo xtask neighbours

Makes <target>/neighbours (pinned in testing/python; see `cargo xtask recipes`), installs h5wasm and jsfive there where the
machine has Node, makes a plain, a compressed, an archived, a live and a joined file, lets each program read them, and
writes docs/generated/neighbours.md. Octave (`octave-cli`), R with hdf5r or rhdf5, h5repack, h5dump and ncdump are run where they are on
the PATH (Debian: octave r-cran-hdf5r r-bioc-rhdf5 hdf5-tools netcdf-bin); the page says which were not. Fails where a program
returns wrong values that the page does not warn of, and where a trap that it warns of is gone. Not part of `cargo xtask test`.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [] = args::switches(args, [])?;
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    let python = Package::among_neighbours(&workspace, &tools)?;
    let folder = workspace.target.join("neighbours");
    let mut table = process::Command::new(python);
    if let (Some(_), Some(npm)) = (on_path("node"), on_path("npm")) {
        let node = folder.join("node");
        let mut install = process::Command::new(npm);
        install.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        run_child(install.arg(&node).args(FOR_NODE))?;
        table.env("NODE_FOLDER", node);
    }
    table
        .arg(workspace.root.join("testing/neighbours/neighbours.py"))
        .arg(folder.join("files"))
        .arg(workspace.root.join("docs/generated/neighbours.md"));
    run_child(&mut table)
}
