//! `cargo xtask bench [OPTIONS]`: Selvedge beside its peers, as a report.
//!
//! Starts `cargo run --release -p selvedge-benches` with all arguments, in an environment with the Python peers, with the
//! Python package beside torch, and with a trajectory of the demo, whose tensors are what compression is measured on.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process;

use super::Command;
use super::python::{Package, Profile};
use crate::args::{self, Takes};
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "bench",
    about: "Measure Selvedge beside its peers, and write a report",
    help: "\
Usage: cargo xtask bench [--quick] [--only GROUP]... [--out DIR] [--scratch DIR] [--rounds N] [--no-peers] [--record]
       cargo xtask bench --docs | --list | --compare A.json B.json

Measures all groups, contender by contender in turns, prints tables, and writes report.json, with all samples, and
report.html. Installs the peers under the target directory first (see `cargo xtask setup`), and for the groups `python` the
package beside torch (see `cargo xtask python`), and trains the demo once, for 3,001 steps (10 GB, some four minutes), or
120 with --quick: compression is measured on what it records.
`benches/README.md` says what the groups are.

  --quick        a tenth of the data and five rounds, in under three minutes; without it, about fifty
  --only GROUP   only the groups that begin with this: `read`, `record/small`
  --out DIR      folder for the report (default: <target>/bench)
  --scratch DIR  folder for the files that are written and read (default: one in --out); not a tmpfs
  --rounds N     rounds that count (default: 9, and 5 with --quick)
  --no-peers     without Python
  --record       also keep the report in benches/record, and make docs/generated/benchmarks.md and the README's figures from it
  --docs         measure nothing: make them from the report in benches/record
  --list         measure nothing: list the groups
  --compare A B  measure nothing: tell where two reports disagree on who is faster
",
    forwards_help: false,
    run,
};

/// Options with which nothing is measured.
const NOTHING: [&str; 3] = ["--docs", "--list", "--compare"];

/// A trajectory of the demo, for the groups that measure compression.
struct Demo {
    /// Its folder, below that of the bench.
    folder: &'static str,
    steps: &'static str,
    /// Whether it is recorded compressed, because of its size.
    compressed: bool,
}

/// For a full bench, as long as trainings are: how much a step repeats of the one before depends on how far the training
/// is. 10 GB.
const LONG: Demo = Demo {
    folder: "demo-long",
    steps: "3001",
    compressed: true,
};

/// For the others, and where the disk has no room for the long one. 0.6 GB.
const SHORT: Demo = Demo {
    folder: "demo",
    steps: "120",
    compressed: false,
};

const FLAGS: [(&str, Takes); 9] = [
    ("--quick", Takes::Nothing),
    ("--only", Takes::Texts(1)),
    ("--out", Takes::Texts(1)),
    ("--scratch", Takes::Texts(1)),
    ("--rounds", Takes::Count),
    ("--no-peers", Takes::Nothing),
    ("--record", Takes::Nothing),
    ("--docs", Takes::Nothing),
    ("--list", Takes::Nothing),
];

fn run(args: &[OsString]) -> Result<()> {
    let compare = ("--compare", Takes::Texts(2));
    args::check(args, &[&FLAGS[..], &[compare]].concat())?;
    let workspace = Workspace::find()?;
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let measures = !NOTHING.into_iter().any(has);
    let peers = measures && !has("--no-peers");
    let python = if peers {
        Python::Benches
    } else {
        Python::Unused
    };
    check_groups(&workspace, &chosen(args))?;
    let tools = Tools::prepare(&workspace, python)?;
    let mut bench = program(&tools, measures);
    if measures {
        if args::value_of(args, "--out").is_none() {
            bench.arg("--out").arg(workspace.target.join("bench"));
        }
        if peers && needs(args, &["check"]) {
            let build = ["build", "--release", "--package", "selvedge-cli"];
            run_child(tools.cargo().args(build))?;
        }
        if peers && needs(args, &["python"]) {
            match package(&workspace, &tools) {
                Ok(python) => {
                    bench.arg("--torch").arg(python);
                }
                Err(failure) => eprintln!("note: going on without the Python package: {failure}"),
            }
        }
        if peers && needs(args, &ON_THE_DEMO) {
            let made = match has("--quick") {
                true => trajectory(&workspace, &tools, &SHORT),
                false => trajectory(&workspace, &tools, &LONG).or_else(|failure| {
                    eprintln!("note: going on with a short trajectory of the demo: {failure}");
                    trajectory(&workspace, &tools, &SHORT)
                }),
            };
            match made {
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

/// The program, of a release build where it measures.
fn program(tools: &Tools, release: bool) -> process::Command {
    let mut program = tools.cargo();
    program.arg("run").args(release.then_some("--release"));
    program.args(["--package", "selvedge-benches", "--"]);
    program
}

/// Sections that measure on what the demo recorded.
const ON_THE_DEMO: [&str; 2] = ["compress", "encode"];

/// The Python with the package and torch.
fn package(workspace: &Workspace, tools: &Tools) -> Result<PathBuf> {
    let python = Tools::package_python(workspace)?;
    let package = Package::new(workspace, tools, &python, Profile::Release)?;
    for mut command in package.install() {
        run_child(&mut command)?;
    }
    Ok(python)
}

/// Refuses what no group begins with, before anything is installed, compiled or trained for it.
fn check_groups(workspace: &Workspace, chosen: &[String]) -> Result<()> {
    let path = workspace.root.join("benches/src/groups.txt");
    let table = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let groups: Vec<&str> = table
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .filter(|name| name.contains('/') && !name.contains(' '))
        .collect();
    let unknown = |begin: &&String| !groups.iter().any(|group| group.starts_with(begin.as_str()));
    match chosen.iter().find(unknown) {
        None => Ok(()),
        Some(begin) => Err(Failure::Usage(format!(
            "--only {begin}: no group begins with it; there are {}",
            groups.join(", ")
        ))),
    }
}

/// The beginnings of groups after `--only`.
fn chosen(args: &[OsString]) -> Vec<String> {
    let mut chosen = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let arg = arg.to_string_lossy();
        if let Some(group) = arg.strip_prefix("--only=") {
            chosen.push(group.to_owned());
        } else if let (true, Some(group)) = (arg == "--only", args.get(index + 1)) {
            chosen.push(group.to_string_lossy().into_owned());
        }
    }
    chosen
}

/// Whether a group of these sections is among those that are chosen.
fn needs(args: &[OsString], sections: &[&str]) -> bool {
    let chosen = chosen(args);
    let needs = |group: &String| {
        let section = |&section: &&str| group.starts_with(section) || section.starts_with(group);
        sections.iter().any(section)
    };
    chosen.is_empty() || chosen.iter().any(needs)
}

/// The file of `demo`, which is trained where it has not run.
fn trajectory(workspace: &Workspace, tools: &Tools, demo: &Demo) -> Result<PathBuf> {
    let folder = workspace.target.join("bench").join(demo.folder);
    let file = folder.join("tensors/Thimble/thimble_1.h5");
    if file.is_file() {
        return Ok(file);
    }
    // A training that is stopped leaves a file, too: only a complete one gets the name.
    let unfinished = folder.with_extension("unfinished");
    let mut train = tools.cargo();
    train.args(["run", "--release", "--package", "thimble", "--"]);
    train.args(["--steps", demo.steps]);
    if demo.compressed {
        train.args(["--compression", "fast"]);
    }
    train
        .arg("--overwrite")
        .arg("--corpus")
        .arg(&workspace.root);
    run_child(train.arg("--out").arg(&unfinished))?;
    let _ = fs::remove_dir_all(&folder);
    fs::rename(&unfinished, &folder).map_err(Failure::io("rename", &unfinished))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_needed_where_compression_is_measured() {
        let check = |line: &str| {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            needs(&args, &ON_THE_DEMO)
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
