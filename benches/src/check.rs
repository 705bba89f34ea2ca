//! `selvedge check`: of a repository with notebooks and tensor files, beside Python that merely opens them, and of many
//! notebooks, beside the tools that look at notebooks.
//!
//! The repository is made by `testing/python/repository.py`, which knows all findings; what the program finds is held
//! against them in every round. Of the notebooks each tool has to say that they are as they should be; nbstripout, that
//! each of them has outputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use selvedge_testing::make_repository;

use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::options::Scale;
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;

/// The names of the groups.
pub const GROUPS: &[&str] = &["check/repository", "check/notebooks"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    /// The program, as it is built.
    Selvedge,
    /// json.load, h5py.File and the header of each file, one after the other, and no rule.
    Python,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Selvedge => "selvedge check",
            Self::Python => "Python, opening each",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Selvedge => Kind::Ours,
            Self::Python => Kind::Peer,
        }
    }
}

/// Who looks at many notebooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Selvedge,
    /// `nbformat.validate(nbformat.read(…))` of each, in one process.
    Nbformat,
    Nbstripout,
    Ruff,
}

impl Named for Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Selvedge => "selvedge check",
            Self::Nbformat => "nbformat, validating each",
            Self::Nbstripout => "nbstripout --verify",
            Self::Ruff => "ruff check",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Selvedge => Kind::Ours,
            _ => Kind::Peer,
        }
    }
}

/// Runs those that are selected.
///
/// # Errors
///
/// A repository that cannot be made.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    // What the tests of the program check at a small scale needs no bench.
    if bench.options.scale == Scale::Smoke {
        return Ok(());
    }
    let Some(python) = bench.options.python.clone() else {
        bench
            .note("No `check`: the repository is made by Python, and so are the peers.".to_owned());
        return Ok(());
    };
    let program = match program() {
        Ok(program) => program,
        Err(error) => {
            bench.note(format!("**No `check`:** {error}"));
            return Ok(());
        }
    };
    if bench.selects(GROUPS[0]) {
        of_repository(bench, scratch, &python, &program)?;
    }
    if bench.selects(GROUPS[1]) {
        of_notebooks(bench, scratch, &python, &program)?;
    }
    Ok(())
}

fn of_repository(
    bench: &mut Bench,
    scratch: &Scratch,
    python: &Path,
    program: &Path,
) -> Result<()> {
    let repository = scratch.file("repository");
    let (notebooks, tensor_files) = bench.options.scale.pick((500, 300), (100, 60), (0, 0));
    let expected = make_repository(&repository, notebooks, tensor_files);
    let what = format!(
        "{notebooks} notebooks, {tensor_files} tensor files, {} faults, which have to be found; Python only opens the files.",
        expected.len()
    );
    let title = "Checking a repository";
    let reference = Contender::Python.name();
    let group = Group::new(GROUPS[0], title, what, (1, "check"), 0, reference);
    bench.rounds(
        group,
        &[Contender::Python, Contender::Selvedge],
        |who, _| {
            let begin = Instant::now();
            match who {
                Contender::Selvedge => check(program, &repository, &expected)?,
                Contender::Python => open_all(python, &repository)?,
            }
            Ok(Sample::from([(
                Figure::Seconds,
                begin.elapsed().as_secs_f64(),
            )]))
        },
    );
    Ok(())
}

fn of_notebooks(bench: &mut Bench, scratch: &Scratch, python: &Path, program: &Path) -> Result<()> {
    const VALIDATE: &str = "import pathlib, sys, nbformat\n\
        for path in pathlib.Path(sys.argv[1]).rglob('*.ipynb'): \
        nbformat.validate(nbformat.read(path, as_version=4))";
    let folder = scratch.file("notebooks");
    let count = bench.options.scale.pick(5000, 500, 0);
    let (paths, bytes) = make_notebooks(&folder, count)?;
    match versions(python) {
        Ok(versions) => bench.report.versions.extend(versions),
        Err(_) => {
            let name = GROUPS[1];
            bench.note(format!(
                "**No `{name}`:** this Python lacks nbformat, nbstripout or ruff."
            ));
            return Ok(());
        }
    }
    let what = format!(
        "{count} notebooks of {CELLS} cells with their outputs, each of which is as it should be."
    );
    let title = "Checking notebooks";
    let reference = Tool::Nbformat.name();
    let group = Group::new(
        GROUPS[1],
        title,
        what,
        (count, "notebook"),
        bytes,
        reference,
    );
    let tools = [Tool::Nbformat, Tool::Nbstripout, Tool::Ruff, Tool::Selvedge];
    bench.rounds(group, &tools, |who, _| {
        let mut command = Command::new(if who == Tool::Selvedge {
            program
        } else {
            python
        });
        // nbstripout says of each that it would take the outputs out.
        let expected = i32::from(who == Tool::Nbstripout);
        match who {
            Tool::Selvedge => command.args(["check", "--quiet"]).arg(&folder),
            Tool::Nbformat => command.args(["-I", "-c", VALIDATE]).arg(&folder),
            Tool::Nbstripout => command
                .args(["-I", "-m", "nbstripout", "--verify"])
                .args(&paths),
            Tool::Ruff => command
                .args([
                    "-I",
                    "-m",
                    "ruff",
                    "check",
                    "--isolated",
                    "--no-cache",
                    "--quiet",
                ])
                .arg(&folder),
        };
        let begin = Instant::now();
        let status = command.stdout(Stdio::null()).status()?;
        let seconds = begin.elapsed().as_secs_f64();
        if status.code() == Some(expected) {
            return Ok(Sample::from([(Figure::Seconds, seconds)]));
        }
        Err(format!("{} ended with {status}", who.name()).into())
    });
    Ok(())
}

/// The versions of the tools that are packages of Python.
fn versions(python: &Path) -> Result<BTreeMap<String, String>> {
    const TELL: &str = "import json, importlib.metadata as m\n\
        print(json.dumps({n: m.version(n) for n in ('nbformat', 'nbstripout', 'ruff')}))";
    let told = Command::new(python).args(["-I", "-c", TELL]).output()?;
    Ok(serde_json::from_slice(&told.stdout)?)
}

/// Cells of each notebook.
const CELLS: usize = 12;

/// Notebooks that have run from top to bottom, and print and draw. Returns their paths, and the bytes of all.
fn make_notebooks(folder: &Path, count: u64) -> Result<(Vec<PathBuf>, u64)> {
    fs::create_dir_all(folder.join("notebooks"))?;
    fs::write(folder.join("selvedge.toml"), "")?;
    let image = "iVBORw0K".repeat(8000);
    let cells: Vec<String> = (1..=CELLS)
        .map(|number| {
            let drawn = match number {
                CELLS => format!(
                    r#", {{"output_type": "display_data", "metadata": {{}}, "data": {{"image/png": "{image}"}}}}"#
                ),
                _ => String::new(),
            };
            format!(
                r#"{{"cell_type": "code", "id": "cell-{number}", "metadata": {{}}, "execution_count": {number},
 "source": ["x = {number}\n", "print(x)"],
 "outputs": [{{"output_type": "stream", "name": "stdout", "text": ["{number}\n"]}}{drawn}]}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": [{}]}}"#,
        cells.join(",\n")
    );
    let paths: Vec<PathBuf> = (1..=count)
        .map(|number| folder.join(format!("notebooks/1.{number}a_cells.ipynb")))
        .collect();
    for path in &paths {
        fs::write(path, &text)?;
    }
    Ok((paths, count * text.len() as u64))
}

/// The program in the profile of this one, beside it; built if it is not yet.
fn program() -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "selvedge-cli"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    let program = ours.with_file_name("selvedge");
    if status.success() && program.is_file() {
        return Ok(program);
    }
    Err(format!("cargo did not build {}", program.display()).into())
}

fn check(program: &Path, repository: &Path, expected: &[String]) -> Result<()> {
    let output = Command::new(program)
        .args(["check", "--quiet", "--output-format", "concise"])
        .current_dir(repository)
        // The repository is one of its own, wherever it is made.
        .env(
            "GIT_CEILING_DIRECTORIES",
            repository.parent().unwrap_or(repository),
        )
        .output()?;
    // `PATH:PLACE: SEVERITY[CODE] …`, with the path from where the program runs.
    let text = String::from_utf8(output.stdout)?;
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (head, rest) = line.split_once('[')?;
            let (path, _) = head.split_once(':')?;
            let (code, _) = rest.split_once(']')?;
            Some(format!("{path} {code}"))
        })
        .collect();
    found.sort();
    if found == expected {
        return Ok(());
    }
    let first = |these: &[String], those: &[String]| {
        let other = these.iter().find(|finding| !those.contains(finding));
        other.map_or_else(|| "nothing else".to_owned(), ToOwned::to_owned)
    };
    Err(format!(
        "{} findings, expected {}; found {}, and not {}",
        found.len(),
        expected.len(),
        first(&found, expected),
        first(expected, &found)
    )
    .into())
}

fn open_all(python: &Path, repository: &Path) -> Result<()> {
    let status = Command::new(python)
        .args(["-I", "-c", include_str!("../python/open_all.py")])
        .arg(repository)
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("the peer failed: {status}").into())
}
