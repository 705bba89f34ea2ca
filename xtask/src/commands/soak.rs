//! `cargo xtask soak [--minutes N] [--only GROUP]`: tries to break the promise, and writes down what came of it.
//!
//! The program is the package `testing/soak`; it runs on Linux. `miri` is a group of its own here, since it needs a nightly
//! toolchain and no program of ours: the tests of the crates that it can run.

use std::ffi::{OsStr, OsString};
use std::process;

use super::Command;
use crate::args;
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "soak",
    about: "Kill, tear, starve and damage files, and record what is lost",
    help: "\
Usage: cargo xtask soak [--minutes N] [--only GROUP] [--most N] [--seed N] [--keep FOLDER] [--dry]

Runs the groups kills, power, errors, files and live, or GROUP alone, and writes testing/soak/record.json and the tables of
docs/durability.md. Fails where a promise was broken. Linux on x86-64 only. `--only miri` runs the tests
of the crates that Miri can run, which needs a nightly toolchain (`rustup +nightly component add miri`).

  --minutes N   how long, for all groups together (default: 10)
  --most N      most points that are tried of each row
  --seed N      where what is random begins
  --keep FOLDER keep the bad files there that a reader crashes on, or does not come back from
  --dry         write nothing
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let given: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let known = [
        "--minutes",
        "--only",
        "--most",
        "--seed",
        "--keep",
        "--dry",
        "--help",
    ];
    let options = given.iter().filter(|arg| arg.starts_with('-'));
    for option in options {
        if !known.contains(&&**option) {
            return Err(args::unknown("option", option, &known));
        }
    }
    if given
        .windows(2)
        .any(|pair| pair[0] == "--only" && pair[1] == "miri")
    {
        return miri(&workspace);
    }
    let tools = Tools::prepare(&workspace, Python::Required)?;
    let mut command = tools.cargo();
    command.current_dir(&workspace.root);
    command.args(["run", "--quiet", "--package", "selvedge-soak", "--"]);
    command.args(args.iter().filter(|arg| *arg != OsStr::new("--dry")));
    if !given.iter().any(|arg| arg == "--dry") {
        command.arg("--record").arg(&workspace.root);
    }
    run_child(&mut command)
}

/// The crates whose code Miri runs, and of each what is told to its unit tests: not the sweeps through all values, which
/// take hours there, and not what calls C or the system as Miri cannot.
const MIRI: &[(&str, &[&str])] = &[
    (
        "selvedge-bf16",
        &["view::", "known_values", "refuses", "part_of_a_slice"],
    ),
    (
        "selvedge-base",
        &[
            "clock::",
            "indices::",
            "natural::",
            "pool::",
            "shape::",
            "units::",
        ],
    ),
    (
        "selvedge-safetensors",
        &["element::", "an_error_is_told", "spec::", "write::layout::"],
    ),
];

/// The tests of the crates that Miri can run.
fn miri(workspace: &Workspace) -> Result<()> {
    let output = process::Command::new("rustup")
        .args(["run", "nightly", "cargo", "miri", "--version"])
        .output();
    if !output.is_ok_and(|output| output.status.success()) {
        return Err(Failure::Failed(
            "there is no Miri: `rustup toolchain install nightly --component miri`".to_owned(),
        ));
    }
    for (package, tests) in MIRI {
        let mut command = process::Command::new("rustup");
        command
            .args(["run", "nightly", "cargo", "miri", "test", "--lib"])
            .args(["--package", package, "--"])
            .args(*tests)
            .current_dir(&workspace.root)
            .env("CARGO_TARGET_DIR", workspace.target.join("miri"))
            // The clock and the folders of the system are asked for, the pool has a second thread, and parking_lot keeps
            // pointers in integers.
            .env(
                "MIRIFLAGS",
                "-Zmiri-disable-isolation -Zmiri-num-cpus=2 -Zmiri-permissive-provenance",
            )
            .env("PROPTEST_CASES", "4");
        run_child(&mut command)?;
    }
    Ok(())
}
