//! `selvedge check` of a repository with notebooks and tensor files, beside Python that merely opens them.
//!
//! The repository is made by `testing/python/repository.py`, which knows all findings; what the program finds is held
//! against them in every round.

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
pub const GROUPS: &[&str] = &["check/repository"];

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

/// Runs it.
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
        bench.note("No `check/repository`: the repository is made by Python.".to_owned());
        return Ok(());
    };
    let program = match program() {
        Ok(program) => program,
        Err(error) => {
            bench.note(format!("**No `check/repository`:** {error}"));
            return Ok(());
        }
    };
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
                Contender::Selvedge => check(&program, &repository, &expected)?,
                Contender::Python => open_all(&python, &repository)?,
            }
            Ok(Sample::from([(
                Figure::Seconds,
                begin.elapsed().as_secs_f64(),
            )]))
        },
    );
    Ok(())
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
