//! `cargo xtask bench [OPTIONS]`: Selvedge beside its peers, as a report.
//!
//! Starts `cargo run --release -p selvedge-benches` with all arguments, in an environment with the Python peers, and with
//! a trajectory of the demo, whose tensors are what compression is measured on.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Command;
use crate::args;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "bench",
    about: "Measure Selvedge beside its peers, and write a report",
    help: "\
Usage: cargo xtask bench [--quick] [--only GROUP]... [--out DIR] [--scratch DIR] [--rounds N] [--no-peers] [--record]
       cargo xtask bench --docs | --list | --compare A.json B.json

Measures all groups, contender by contender in turns, prints tables, and writes report.json, with all samples, and
report.html. Installs the peers under the target directory first (see `cargo xtask setup`), and trains the demo for some
steps where it has not run yet: compression is measured on what it records. `benches/README.md` says what the groups are.

  --quick        a tenth of the data and five rounds, in under three minutes; without it, about forty
  --only GROUP   only the groups that begin with this: `read`, `record/small`
  --out DIR      folder for the report (default: <target>/bench)
  --scratch DIR  folder for the files that are written and read (default: one in --out); not a tmpfs
  --rounds N     rounds that count (default: 9, and 5 with --quick)
  --no-peers     without Python
  --record       also keep the report in benches/record, and make docs/benchmarks.md and the README's figures from it
  --docs         measure nothing: make them from the report in benches/record
  --list         measure nothing: list the groups
  --compare A B  measure nothing: tell where two reports disagree on who is faster
",
    forwards_help: false,
    run,
};

/// Options with which nothing is measured.
const NOTHING: [&str; 3] = ["--docs", "--list", "--compare"];

/// Steps that the demo trains for the groups `compress`, where it has not run: 0.6 GB.
const DEMO_STEPS: &str = "120";

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let measures = !NOTHING.into_iter().any(has);
    let peers = measures && !has("--no-peers");
    let python = if peers {
        Python::Benches
    } else {
        Python::Unused
    };
    let tools = Tools::prepare(&workspace, python)?;

    let mut bench = tools.cargo();
    bench.args(["run", "--release", "--package", "selvedge-benches", "--"]);
    if measures {
        if args::value_of(args, "--out").is_none() {
            bench.arg("--out").arg(workspace.target.join("bench"));
        }
        if peers && needs_trajectory(args) {
            match trajectory(&workspace, &tools) {
                Ok(path) => {
                    bench.arg("--trajectory").arg(path);
                }
                // The report says that it is missing.
                Err(failure) => {
                    eprintln!("note: going on without a trajectory of the demo: {failure}");
                }
            }
        }
    }
    run_child(bench.args(args))
}

/// Sections that measure on what the demo recorded.
const ON_THE_DEMO: [&str; 2] = ["compress", "encode"];

/// Whether a group of [`ON_THE_DEMO`] is among those that are chosen.
fn needs_trajectory(args: &[OsString]) -> bool {
    let mut chosen = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let arg = arg.to_string_lossy();
        if let Some(group) = arg.strip_prefix("--only=") {
            chosen.push(group.to_owned());
        } else if let (true, Some(group)) = (arg == "--only", args.get(index + 1)) {
            chosen.push(group.to_string_lossy().into_owned());
        }
    }
    let needs = |group: &String| {
        let section = |&section: &&str| group.starts_with(section) || section.starts_with(group);
        ON_THE_DEMO.iter().any(section)
    };
    chosen.is_empty() || chosen.iter().any(needs)
}

/// The file that the demo has recorded; a short one is made where it has not run.
fn trajectory(workspace: &Workspace, tools: &Tools) -> Result<PathBuf> {
    let file = "tensors/Thimble/thimble_1.h5";
    let made = workspace.target.join("bench/demo");
    for folder in [workspace.target.join("demo"), made.clone()] {
        if folder.join(file).is_file() {
            return Ok(folder.join(file));
        }
    }
    let mut demo = tools.cargo();
    demo.args([
        "run",
        "--release",
        "--package",
        "thimble",
        "--",
        "--steps",
        DEMO_STEPS,
    ]);
    run_child(
        demo.arg("--corpus")
            .arg(&workspace.root)
            .arg("--out")
            .arg(&made),
    )?;
    Ok(made.join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_needed_where_compression_is_measured() {
        let check = |line: &str| {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            needs_trajectory(&args)
        };
        assert!(check("--quick"));
        assert!(check("--only read --only compress/W"));
        assert!(check("--only=compress"));
        assert!(check("--only encode"));
        assert!(check("--only enc"));
        assert!(!check("--only read --quick"));
        assert!(!check("--only=record"));
    }
}
