//! `cargo xtask check-conventions [PATH...]`: this repository against its own conventions.
//!
//! Starts `cargo run -p selvedge-cli -- check` with all arguments. A debug build, since that is what the tests have built
//! already: headers are read in milliseconds by either.

use std::ffi::OsString;
use std::process;

use super::Command;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "check-conventions",
    about: "Check this repository, or PATHs, against the conventions",
    help: "\
Usage: cargo xtask check-conventions [PATH...] [FLAGS]

Builds the program `selvedge` and runs `selvedge check` with all arguments. Without a PATH it checks this workspace. Exit
codes are those of `selvedge check`: 0 clean, 1 findings, 2 could not run.
",
    forwards_help: true,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    run_child(command(&workspace, &tools).args(args))
}

/// `selvedge check`, to which arguments may be added. It runs where we were started, for which PATHs are meant.
fn command(workspace: &Workspace, tools: &Tools) -> process::Command {
    let mut command = tools.cargo();
    command
        .args(["run", "--quiet", "--package", "selvedge-cli"])
        .arg("--manifest-path")
        .arg(workspace.root.join("Cargo.toml"))
        .args(["--", "check"]);
    command
}
