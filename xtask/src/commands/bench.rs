//! `cargo xtask bench [ARGS]`: the benches, with the Python peers they are held against.
//!
//! `cargo bench -p selvedge-benches -- ARGS`, with `SELVEDGE_PYTHON` set. ARGS are criterion's: a filter,
//! `--save-baseline NAME` and so on.

use std::ffi::OsString;

use super::Command;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "bench",
    about: "Run the benches against their peers",
    help: "\
Usage: cargo xtask bench [ARGS]

Installs the tools where they are missing (see `cargo xtask setup`) and runs `cargo bench -p selvedge-benches -- ARGS`.
ARGS go to criterion: a filter, `--save-baseline NAME`, `--baseline NAME`, ...
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Required)?;
    run_child(
        tools
            .cargo()
            .args(["bench", "--package", "selvedge-benches", "--"])
            .args(args),
    )
}
