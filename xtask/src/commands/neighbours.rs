//! `cargo xtask neighbours`: lets other programs read files of each kind, and writes `docs/generated/neighbours.md`.
//!
//! What is judged, and the traps that are known, are in `testing/neighbours`. Python packages are installed into
//! `<target>/neighbours`, those for Node beside them. Octave, R and the tools of HDF5 and netCDF are those of the
//! machine; the page says which it lacked. What they and our reader take from a store 20 ms away goes into `docs/scale.md`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process;

use super::Command;
use super::python::Package;
use crate::args::{self, Takes};
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools, on_path};
use crate::workspace::{Workspace, run as run_child};

/// The readers of HDF5 for Node.
const FOR_NODE: [&str; 2] = ["h5wasm@0.10.3", "jsfive@0.4.2"];

const FLAGS: [(&str, Takes); 2] = [("--distant", Takes::Nothing), ("--steps", Takes::Count)];

pub(super) const COMMAND: Command = Command {
    name: "neighbours",
    about: "Let other programs read our files, and write docs/generated/neighbours.md",
    help: "\
Usage: cargo xtask neighbours [--distant [--steps N]]

  --distant  read a tensor of two chunks from a store 20 ms away instead, with our reader and with others, and write the table
             of requests, bytes and seconds into docs/scale.md: some 10 minutes, 4 GB of disk and 14 GB of memory
  --steps N  how many steps of 1.28 MB that tensor has (default: 3000)

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
    args::check(args, &FLAGS)?;
    let steps = args::value_of(args, "--steps");
    let is_distant = args.iter().any(|arg| arg == "--distant");
    if steps.is_some() && !is_distant {
        return Err(Failure::Usage("--steps goes with --distant".to_owned()));
    }
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    if is_distant {
        let steps = steps.unwrap_or_else(|| "3000".into());
        return run_distant(&workspace, &tools, &steps);
    }
    let python = Package::among_neighbours(&workspace, &tools)?;
    let folder = workspace.target.join("neighbours");
    let mut table = process::Command::new(python);
    if let (Some(_), Some(npm)) = (on_path("node"), on_path("npm")) {
        let node = folder.join("node");
        let mut install = process::Command::new(npm);
        install.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        match run_child(install.arg(&node).args(FOR_NODE)) {
            Ok(()) => {
                table.env("NODE_FOLDER", node);
            }
            Err(_) => eprintln!(
                "note: going on without {}: npm could not install them; check the network, or `npm config get registry`",
                FOR_NODE.join(" and ")
            ),
        }
    }
    table
        .arg(workspace.root.join("testing/neighbours/neighbours.py"))
        .arg(folder.join("files"))
        .arg(workspace.root.join("docs/generated/neighbours.md"));
    run_child(&mut table)
}

fn run_distant(workspace: &Workspace, tools: &Tools, steps: &OsStr) -> Result<()> {
    let script = |python: PathBuf, command: &str| {
        let mut script = process::Command::new(python);
        script
            .arg(workspace.root.join("testing/neighbours/distant.py"))
            .arg(command)
            .arg(workspace.target.join("neighbours/distant"))
            .arg(steps);
        script
    };
    // Whether there is room and memory is known before two builds are waited for.
    run_child(&mut script(Tools::neighbours_python(workspace)?, "check"))?;
    let python = Package::among_neighbours(workspace, tools)?;
    let mut build = tools.cargo();
    build.args(["build", "--release", "--package", "selvedge-object"]);
    run_child(build.args(["--example", "reads"]))?;
    run_child(
        script(python, "measure")
            .arg(workspace.target.join("release/examples/reads"))
            .arg(workspace.root.join("docs/scale.md")),
    )
}
