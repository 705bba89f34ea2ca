//! `cargo xtask fuzz [TARGET]`: the fuzz targets of `testing/fuzz`, with cargo-fuzz and a nightly toolchain.
//!
//! The seeds of a target lie in `testing/fuzz/seeds/TARGET`, its dictionary in `testing/fuzz/dictionaries/TARGET.dict`; what libFuzzer
//! finds to be new goes to `testing/fuzz/corpus`, and what makes a target fail to `testing/fuzz/artifacts`. Neither is committed: a
//! finding becomes a regression test.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process;

use super::Command;
use crate::args;
use crate::cargo_tool::CargoTool;
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

const CARGO_FUZZ: CargoTool = CargoTool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

pub(super) const COMMAND: Command = Command {
    name: "fuzz",
    about: "Fuzz the parsers, with a nightly toolchain",
    help: "\
Usage: cargo xtask fuzz [TARGET] [--seconds N] [--runs N]

Runs a fuzz target of testing/fuzz/targets, or each of them in turn. Needs a nightly toolchain (`rustup toolchain install
nightly`); builds cargo-fuzz under the target directory where it is missing.

  --seconds N  how long, for each target (default: 60)
  --runs N     how many executions instead
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let workspace = Workspace::find()?;
    let chosen = choose(args, &targets(&workspace.root)?)?;
    check_nightly()?;
    let program = CARGO_FUZZ.find_or_install(&workspace)?;
    // One of the targets stands on HDF5.
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    for target in &chosen.targets {
        println!("=== {target}");
        let corpus = workspace.root.join("testing/fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).map_err(Failure::io("create", &corpus))?;
        let fuzz = tools.command(&program);
        run_child(&mut command(fuzz, &workspace, target, &chosen.limit))?;
    }
    Ok(())
}

/// What one input may take, in seconds and megabytes.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];

/// What an allocation may take, and whether all must be given back. libhdf5 asks for as much as a damaged file says
/// and then finds that the file is shorter: what is never touched takes no memory. Where it fails it forgets some bytes.
fn of_memory(target: &str) -> &'static [&'static str] {
    match target {
        ON_HDF5 => &["-malloc_limit_mb=1000000000", "-detect_leaks=0"],
        _ => &["-malloc_limit_mb=1024"],
    }
}

/// The target that stands on libhdf5.
const ON_HDF5: &str = "recover";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    targets: Vec<String>,
    /// The option of libFuzzer that ends it.
    limit: String,
}

fn choose(args: &[OsString], known: &[String]) -> Result<Chosen> {
    let mut targets = Vec::new();
    let mut limit = "-max_total_time=60".to_owned();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let arg = arg.to_string_lossy();
        let option = match &*arg {
            "--seconds" => "max_total_time",
            "--runs" => "runs",
            name => {
                if !known.iter().any(|target| target == name) {
                    let options = ["--seconds", "--runs", "--help"];
                    let known: Vec<&str> =
                        known.iter().map(String::as_str).chain(options).collect();
                    return Err(args::unknown("target", name, &known));
                }
                targets.push(name.to_owned());
                continue;
            }
        };
        let value = rest.next().map(|value| value.to_string_lossy());
        let value = value.as_deref().unwrap_or("nothing");
        if value.parse::<u64>().is_err() {
            return Err(Failure::Usage(format!(
                "`{arg}` takes a number, found `{value}`"
            )));
        }
        limit = format!("-{option}={value}");
    }
    if targets.is_empty() {
        targets = known.to_vec();
    }
    Ok(Chosen { targets, limit })
}

/// The names of the files in `testing/fuzz/targets`.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("testing/fuzz/targets");
    let mut targets = Vec::new();
    for entry in folder.read_dir().map_err(Failure::io("list", &folder))? {
        let path = entry.map_err(Failure::io("list", &folder))?.path();
        if path.extension() == Some(OsStr::new("rs"))
            && let Some(name) = path.file_stem()
        {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

fn check_nightly() -> Result<()> {
    let output = process::Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output();
    if output.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(Failure::Failed(
        "fuzzing needs a nightly toolchain of rustup: `rustup toolchain install nightly`"
            .to_owned(),
    ))
}

/// Adds to `command`, which starts cargo-fuzz, what it has to do.
fn command(
    mut command: process::Command,
    workspace: &Workspace,
    target: &str,
    limit: &str,
) -> process::Command {
    let fuzz = workspace.root.join("testing/fuzz");
    command
        .current_dir(&workspace.root)
        // cargo-fuzz starts cargo, which rustup lets be of the toolchain that this names. What our own cargo has set
        // for its children is not that one's.
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        // More than there is gets the answer that the system would give, and is not an error by itself.
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        .args(["fuzz", "run", "--fuzz-dir"])
        .arg(&fuzz)
        .arg("--target-dir")
        .arg(workspace.target.join("fuzz"))
        .arg(target)
        .arg(fuzz.join("corpus").join(target));
    let seeds = fuzz.join("seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command
        .args(["--", limit])
        .args(LIMITS)
        .args(of_memory(target));
    let dictionary = fuzz.join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Chosen> {
        let args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        choose(&args, &["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn targets_and_limits_are_chosen() {
        let all = chosen("").unwrap();
        assert_eq!(all.targets, ["a", "b"]);
        assert_eq!(all.limit, "-max_total_time=60");
        let one = chosen("b --runs 1000").unwrap();
        assert_eq!(
            (one.targets, one.limit),
            (vec!["b".to_owned()], "-runs=1000".to_owned())
        );
        assert!(matches!(chosen("c"), Err(Failure::Usage(_))));
        assert!(matches!(chosen("--runs"), Err(Failure::Usage(_))));
    }

    #[test]
    fn there_are_targets_and_each_is_declared() {
        let root = Workspace::find().unwrap().root;
        let manifest = fs::read_to_string(root.join("testing/fuzz/Cargo.toml")).unwrap();
        let targets = targets(&root).unwrap();
        assert!(targets.iter().any(|target| target == ON_HDF5));
        for target in targets {
            assert!(
                manifest.contains(&format!("path = \"targets/{target}.rs\"")),
                "{target}"
            );
        }
    }
}
