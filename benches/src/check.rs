//! `selvedge check`: of a repository with notebooks and tensor files, beside Python that merely opens them, and of many
//! notebooks, beside the tools that look at notebooks.
//!
//! The repository is made by `testing/support/python/repository.py`, which knows all findings; what the program finds is held
//! against them in every round. Of the notebooks each tool has to say that they are as they should be; nbstripout, that
//! each of them has outputs.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use selvedge_testing::make_repository;

use crate::prelude::*;

/// `nbformat` of each notebook.
const VALIDATE: &str = "import pathlib, sys, nbformat\n\
    for path in pathlib.Path(sys.argv[1]).rglob('*.ipynb'): \
    nbformat.validate(nbformat.read(path, as_version=4))";
const VERSIONS: &str = "import json, importlib.metadata as m\n\
    print(json.dumps({n: m.version(n) for n in ('nbformat', 'nbstripout', 'ruff')}))";

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let Some(python) = bench.options.python() else {
        bench.note("No `check`: the repository is made by Python, and so are the peers.");
        return Ok(());
    };
    // Of the profile of this one.
    let program = std::env::current_exe()?.with_file_name("selvedge");
    if !program.is_file() {
        let what = "is not there: `cargo build --release -p selvedge-cli`, or `cargo xtask bench`";
        bench.note(format!("**No `check`:** {} {what}.", program.display()));
        return Ok(());
    }
    let by_python = |args: &[&str]| {
        let mut command = Command::new(&python);
        command.arg("-I").args(args);
        command
    };
    for spec in groups {
        let folder = scratch.file("checked");
        let (mut expected, mut notebooks) = (Vec::new(), Vec::new());
        let group = if spec.name == "check/repository" {
            let files = spec.numbers[0] * spec.count / 500;
            let [count, of_tensors] = [spec.count, files].map(usize::try_from);
            expected = make_repository(&folder, count?, of_tensors?);
            let (count, faults) = (spec.count, expected.len());
            let text = format!("{count} notebooks, {files} tensor files, {faults} faults");
            spec.group(1, 0, &text, &None)
        } else {
            let told = by_python(&["-c", VERSIONS]).output()?;
            let versions: Result<BTreeMap<String, String>, _> =
                serde_json::from_slice(&told.stdout);
            let Ok(versions) = versions else {
                let name = spec.name;
                let what = "this Python lacks nbformat, nbstripout or ruff";
                bench.note(format!("**No `{name}`:** {what}."));
                continue;
            };
            bench.report.versions.extend(versions);
            let bytes;
            (notebooks, bytes) = make_notebooks(&folder, spec.count)?;
            spec.group(spec.count, bytes, "", &None)
        };
        bench.rounds(spec, group, true, |who, _| {
            let mut command = match who.key {
                "check" => Command::new(&program),
                "open" => by_python(&["-c", include_str!("../python/open_all.py")]),
                "nbformat" => by_python(&["-c", VALIDATE]),
                "nbstripout" => by_python(&["-m", "nbstripout", "--verify"]),
                "ruff" => by_python(&["-m", "ruff", "check", "--isolated", "--no-cache", "-q"]),
                _ => return unknown(who),
            };
            match who.key {
                "check" => command.args(["check", "--quiet", "--output-format", "concise", "."]),
                "nbstripout" => command.args(&notebooks),
                _ => command.arg(&folder),
            };
            // The repository is one of its own, wherever it is made.
            command.env("GIT_CEILING_DIRECTORIES", scratch.path());
            command.current_dir(&folder);
            let begin = Instant::now();
            let output = command.stderr(Stdio::inherit()).output()?;
            let sample = since(begin);
            // Findings are told, and nbstripout says of each that it would take the outputs out.
            let status =
                i32::from(who.key == "nbstripout" || who.key == "check" && !expected.is_empty());
            if output.status.code() != Some(status) {
                return Err(format!("it ended with {}", output.status).into());
            }
            if who.key == "check" {
                compare(&String::from_utf8(output.stdout)?, &expected)?;
            }
            Ok(sample)
        });
        scratch.settle(&folder)?;
    }
    Ok(())
}

/// Holds what the program prints against what is to be found.
fn compare(printed: &str, expected: &[String]) -> Result<()> {
    // `PATH:PLACE: SEVERITY[CODE] …`, with the path from where the program runs.
    let finding = |line: &str| {
        let (head, rest) = line.split_once('[')?;
        let (path, code) = (head.split_once(':')?.0, rest.split_once(']')?.0);
        Some(format!("{path} {code}"))
    };
    let mut found: Vec<String> = printed.lines().filter_map(finding).collect();
    found.sort();
    if found == expected {
        return Ok(());
    }
    let mut both = found.iter().zip(expected);
    let first = both.find(|(found, expected)| found != expected);
    let [found, expected] = [found.len(), expected.len()];
    Err(format!("{found} findings, expected {expected}; the first that differs: {first:?}").into())
}

/// Notebooks of twelve cells that have run from top to bottom, and print and draw. Returns their paths, and the bytes of all.
fn make_notebooks(folder: &Path, count: u64) -> Result<(Vec<PathBuf>, u64)> {
    fs::create_dir_all(folder.join("notebooks"))?;
    fs::write(folder.join("selvedge.toml"), "")?;
    // A picture has 64 kB.
    let picture = "iVBORw0K";
    let text = include_str!("../notebook.json").replace(picture, &picture.repeat(8000));
    let path = |number| folder.join(format!("notebooks/1.{number}a_cells.ipynb"));
    let paths: Vec<PathBuf> = (1..=count).map(path).collect();
    paths.iter().try_for_each(|path| fs::write(path, &text))?;
    Ok((paths, count * text.len() as u64))
}
