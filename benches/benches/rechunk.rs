//! Writing a trajectory anew with other chunks, against a copy of the file and h5py.
//!
//! `cargo bench -p selvedge-benches --bench rechunk`
//!
//! All end with their file on the disk. Selvedge has read its own back by then and compared it; what
//! the others have made is compared outside of the time. No time is asserted.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::peer::{Python, text};
use selvedge_benches::read::data::{Data, STEP_BYTES};
use selvedge_benches::report::Report;
use selvedge_benches::rounds::{Outcome, take_turns};
use selvedge_benches::scratch::Scratch;
use selvedge_benches::table::{Table, or_dash, seconds};
use selvedge_benches::{Result, exit_code};
use selvedge_hdf5::{CompareOptions, ReadPattern, Reader, Rechunk, compare};

/// Who makes a new file of the trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    /// `std::fs::copy`, which has the system copy as `cp` has, and `fdatasync`.
    Copy,
    /// Selvedge, for this way to read.
    Rechunk(ReadPattern),
    /// h5py, 64 steps at a time into the chunks that Selvedge plans for this way to read.
    H5py(ReadPattern),
}

const CONTENDERS: [Contender; 6] = [
    Contender::Copy,
    Contender::Rechunk(ReadPattern::WholeTensor),
    Contender::Rechunk(ReadPattern::SingleSteps),
    Contender::Rechunk(ReadPattern::TokenSubset),
    Contender::H5py(ReadPattern::WholeTensor),
    Contender::H5py(ReadPattern::TokenSubset),
];

impl Contender {
    fn name(self) -> String {
        match self {
            Self::Copy => "copy of the file".to_owned(),
            Self::Rechunk(pattern) => format!("Rechunk for {pattern}"),
            Self::H5py(pattern) => format!("h5py, chunks for {pattern}"),
        }
    }

    /// Seconds until `new` is on the disk.
    fn make(self, old: &Path, new: &Path, peer: Option<&mut Python>) -> Result<f64> {
        let begin = Instant::now();
        match self {
            Self::Copy => {
                std::fs::copy(old, new)?;
                File::open(new)?.sync_data()?;
            }
            Self::Rechunk(pattern) => {
                Rechunk::new(old, new).pattern(pattern).run(|_| {})?;
            }
            Self::H5py(pattern) => {
                let plan = Rechunk::new(old, new).pattern(pattern).plan()?;
                let shape = plan.tensors[0].chunk_shape.iter().map(u64::to_string);
                let shape: Vec<String> = shape.collect();
                let mut command = vec!["rechunk", text(old)?, text(new)?];
                command.extend(shape.iter().map(String::as_str));
                let [seconds] = peer.ok_or("no Python")?.numbers(&command)?;
                return Ok(seconds);
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }
}

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    if !options.selects("rechunk/whole-file") {
        return Ok(());
    }
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    let steps = options.scale.pick(3_200, 320, 64);
    let bytes = steps * STEP_BYTES as u64;
    if !scratch.fits(bytes)? {
        let folder = scratch.path().display();
        return Err(
            format!("{folder} has no room for {bytes} bytes; set SELVEDGE_BENCH_DIR").into(),
        );
    }
    let python = options.python.as_deref();
    let mut peer = python
        .map(|python| Python::start(python, "rechunk_peer.py"))
        .transpose()?;
    let rounds = options.rounds;
    let mut facts = machine::describe(scratch.path());
    facts.push(match peer.as_mut() {
        Some(peer) => ("peer", peer.call(&["version"])?),
        None => ("peer", "none: SELVEDGE_PYTHON is not set".to_owned()),
    });
    facts.push(("rounds", format!("{rounds} and one that does not count")));
    let shape = format!("W, bfloat16 ({steps}, 10000, 64), {bytes} bytes");
    facts.push(("tensor", shape));
    let mut report = Report::default();
    report.head("Writing a trajectory anew, against its peers", &facts);
    report.scale(options.scale);

    let (old, new) = (scratch.file("old.h5"), scratch.file("new.h5"));
    Data::record(&old, steps)?;
    let contenders: Vec<Contender> = CONTENDERS
        .into_iter()
        .filter(|contender| peer.is_some() || !matches!(contender, Contender::H5py(_)))
        .collect();
    let outcomes = take_turns(&contenders, rounds, |contender, round| {
        scratch.settle(&new)?;
        let seconds = contender.make(&old, &new, peer.as_mut())?;
        check(&old, &new)?;
        let who = contender.name();
        eprintln!("rechunk, round {round} of {rounds}: {who}, {seconds:.3} s, checked");
        Ok(Some(seconds))
    })?;
    table(&mut report, bytes, &outcomes);
    if options.scale != Scale::Smoke {
        report.requirements();
        report.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "rechunk")?;
    }
    Ok(())
}

/// The new file has the values of the old one.
fn check(old: &Path, new: &Path) -> Result<()> {
    let (old, new) = (Reader::open(old)?, Reader::open(new)?);
    let found = compare(&old, &new, &CompareOptions::default(), |_| {})?;
    if found.is_equal() {
        return Ok(());
    }
    Err(format!("the new file differs: {found:?}").into())
}

fn table(report: &mut Report, bytes: u64, outcomes: &[Outcome<Contender, f64>]) {
    let find = |who| outcomes.iter().find(|outcome| outcome.contender == who);
    let Some(copy) = find(Contender::Copy) else {
        return;
    };
    let mut table = Table::new(["contender", "time", "GB/s", "of the copy's speed"]);
    for outcome in outcomes {
        let time = outcome.spread(|&seconds| Some(seconds));
        table.row([
            outcome.contender.name(),
            or_dash(time, |time| seconds(time.median)),
            or_dash(time, |time| {
                format!("{:.2}", bytes as f64 / time.median / 1e9)
            }),
            or_dash(outcome.speed_by(copy, |&seconds| seconds), |ratio| {
                ratio.to_string()
            }),
        ]);
    }
    report.add(&format!("\n## The whole file\n\n{table}"));
    for pattern in [
        ReadPattern::WholeTensor,
        ReadPattern::SingleSteps,
        ReadPattern::TokenSubset,
    ] {
        let ours = find(Contender::Rechunk(pattern));
        report.require(
            format!("speed of `Rechunk` for {pattern} over a copy's"),
            "floor 0.5, aim 0.8",
            ours.and_then(|ours| ours.speed_by(copy, |&seconds| seconds)),
        );
    }
}
