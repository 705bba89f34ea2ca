//! `cargo xtask deny`: the licences and sources of all dependencies, against `deny.toml`.
//!
//! Runs cargo-deny from `<target>/tools/bin` or the PATH; where there is neither, builds a pinned version into
//! `<target>/tools`, which takes some minutes, once. Advisories are asked for with a flag only: their database needs the
//! network and changes without us, so a commit that was good could turn bad. `docs/security.md` says when they are, and
//! when they last were.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process;

use super::Command;
use crate::args;
use crate::cargo_tool::CargoTool;
use crate::failure::Result;
use crate::workspace::{Workspace, run as run_child};

const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};

pub(super) const COMMAND: Command = Command {
    name: "deny",
    about: "Check the licences and sources of dependencies with cargo-deny",
    help: "\
Usage: cargo xtask deny [--advisories]

Runs `cargo deny check bans licenses sources` against deny.toml. Where cargo-deny is neither on the PATH nor in
<target>/tools, first builds a pinned version there, which takes some minutes, once.

  --advisories  ask the database of RustSec, too, which is fetched from the network: a step of every release
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [advisories] = args::switches(args, ["--advisories"])?;
    let workspace = Workspace::find()?;
    let program = find_or_install(&workspace)?;
    let mut check = check(&workspace, &program);
    if advisories {
        check.arg("advisories");
    }
    run_child(&mut check)
}

/// cargo-deny, which is built where it is missing.
pub(super) fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    CARGO_DENY.find_or_install(workspace)
}

/// cargo-deny, if it is there.
pub(super) fn find(workspace: &Workspace) -> Option<PathBuf> {
    CARGO_DENY.find(workspace)
}

/// The check itself.
pub(super) fn check(workspace: &Workspace, program: &Path) -> process::Command {
    let mut command = process::Command::new(program);
    command
        .args(["check", "bans", "licenses", "sources"])
        .current_dir(&workspace.root);
    command
}
