//! `cargo xtask bench [--bench NAME] [ARGS]`: the benches, with the Python peers they are held against.
//!
//! `cargo bench -p selvedge-benches [--bench NAME] -- ARGS`, with `SELVEDGE_PYTHON` set. ARGS are the bench's: a filter,
//! `--quick`, criterion's `--save-baseline NAME` and so on.

use std::ffi::OsString;

use super::Command;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "bench",
    about: "Run the benches against their peers",
    help: "\
Usage: cargo xtask bench [--bench NAME] [ARGS]

Installs the tools where they are missing (see `cargo xtask setup`) and runs the benches: all of them, or NAME alone
(`convert`, `deflate`, `read`, ...). ARGS go to the benches: a filter, `--quick`, ... `benches/README.md` has them.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Required)?;
    // A bench is chosen by cargo; everything else is for the bench.
    let (chosen, rest) = match args {
        [option, ..] if option == "--bench" => args.split_at(args.len().min(2)),
        _ => args.split_at(0),
    };
    run_child(
        tools
            .cargo()
            .args(["bench", "--package", "selvedge-benches"])
            .args(chosen)
            .arg("--")
            .args(rest),
    )
}
