//! `selvedge check` of a repository with 500 notebooks and 300 tensor files, against Python that merely
//! opens them.
//!
//! `cargo bench -p selvedge-benches --bench check`
//!
//! The repository is made by `testing/python/repository.py`, which knows all findings; what the program
//! finds is held against them in every round. No time is asserted.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::report::Report;
use selvedge_benches::rounds::take_turns;
use selvedge_benches::scratch::Scratch;
use selvedge_benches::{Result, exit_code};
use selvedge_testing::make_repository;

const NAME: &str = "check/repository";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    /// The program, as it is built.
    Selvedge,
    /// json.load, h5py.File and the header of each file, one after the other, and no rule.
    Python,
}

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    // What the tests of the program check at a small scale needs no bench.
    if !options.selects(NAME) || options.scale == Scale::Smoke {
        return Ok(());
    }
    let Some(python) = options.python.as_deref() else {
        return Err("SELVEDGE_PYTHON is not set, and makes the repository".into());
    };
    let program = build()?;
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    let repository = scratch.file("repository");
    let (notebooks, tensor_files) = (500, 300);
    let expected = make_repository(&repository, notebooks, tensor_files);

    let mut facts = machine::describe(scratch.path());
    let rounds = options.rounds;
    facts.push(("rounds", format!("{rounds} and one that does not count")));
    let size = format!(
        "{notebooks} notebooks, {tensor_files} tensor files, {} faults",
        expected.len()
    );
    facts.push(("repository", size));
    let mut report = Report::default();
    report.head("Checking a repository", &facts);
    report.scale(options.scale);

    let contenders = [Contender::Selvedge, Contender::Python];
    let outcomes = take_turns(&contenders, rounds, |contender, round| {
        let start = Instant::now();
        match contender {
            Contender::Selvedge => check(&program, &repository, &expected)?,
            Contender::Python => open_all(python, &repository)?,
        }
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{NAME}, round {round} of {rounds}: {contender:?}, {seconds:.3} s, checked");
        Ok(Some(seconds))
    })?;
    let [selvedge, peer] = &outcomes[..] else {
        return Err("two contenders have two outcomes".into());
    };
    for (name, outcome) in [("selvedge check", selvedge), ("Python", peer)] {
        if let Some(spread) = outcome.spread(|&seconds| Some(seconds)) {
            report.note(&format!(
                "{name}: {:.3} s ({:.3} to {:.3})",
                spread.median, spread.min, spread.max
            ));
        }
    }
    if let Some(speed) = selvedge.speed_by(peer, |&seconds| seconds) {
        report.note(&format!(
            "selvedge check is {:.1} times as fast",
            speed.median
        ));
    }
    report.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "check")
}

/// The program in the profile of the benches, built if it is not yet.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "selvedge-cli"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release/selvedge");
    if status.success() && program.is_file() {
        return Ok(program);
    }
    Err(format!("cargo did not build {}", program.display()).into())
}

fn check(program: &Path, repository: &Path, expected: &[String]) -> Result<()> {
    let output = Command::new(program)
        .args(["check", "--quiet", "--output-format", "concise"])
        .arg(repository)
        .output()?;
    // `PATH:PLACE: SEVERITY[CODE] …`
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
    Err(format!("{} findings, expected {}", found.len(), expected.len()).into())
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
