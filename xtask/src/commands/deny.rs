//! `cargo xtask deny`: the licences and sources of all dependencies, against `deny.toml`.
//!
//! Runs cargo-deny from `<target>/tools/bin` or the PATH; where there is neither, builds a pinned version into
//! `<target>/tools`, which takes some minutes, once. Advisories are left out: their database needs the network and
//! changes without us, so a commit that was good could turn bad.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use super::Command;
use crate::args;
use crate::failure::{Failure, Result};
use crate::tools::on_path;
use crate::workspace::{Workspace, cargo, run as run_child};

const VERSION: &str = "0.20.2";

pub(super) const COMMAND: Command = Command {
    name: "deny",
    about: "Check the licences and sources of dependencies with cargo-deny",
    help: "\
Usage: cargo xtask deny

Runs `cargo deny check bans licenses sources` against deny.toml. Where cargo-deny is neither on the PATH nor in
<target>/tools, first builds a pinned version there, which takes some minutes, once.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [] = args::switches(args, [])?;
    let workspace = Workspace::find()?;
    let program = match find(&workspace) {
        Some(program) => program,
        None => install(&workspace)?,
    };
    run_child(&mut check(&workspace, &program))
}

/// cargo-deny, if it is there: ours, else the PATH's.
pub(super) fn find(workspace: &Workspace) -> Option<PathBuf> {
    let ours = installed(workspace);
    if ours.is_file() {
        Some(ours)
    } else {
        on_path("cargo-deny")
    }
}

/// The check itself.
pub(super) fn check(workspace: &Workspace, program: &Path) -> process::Command {
    let mut command = process::Command::new(program);
    command
        .args(["check", "bans", "licenses", "sources"])
        .current_dir(&workspace.root);
    command
}

fn installed(workspace: &Workspace) -> PathBuf {
    workspace
        .tools()
        .join("bin/cargo-deny")
        .with_extension(std::env::consts::EXE_EXTENSION)
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.tools();
    let build = root.join("cargo-deny-build");
    eprintln!(
        "building cargo-deny {VERSION} into {} (some minutes, once)",
        root.display()
    );
    run_child(
        process::Command::new(cargo())
            .args([
                "install",
                "cargo-deny",
                "--version",
                VERSION,
                "--locked",
                "--root",
            ])
            .arg(&root)
            .arg("--target-dir")
            .arg(&build),
    )?;
    fs::remove_dir_all(&build).map_err(Failure::io("remove", &build))?;
    Ok(installed(workspace))
}
