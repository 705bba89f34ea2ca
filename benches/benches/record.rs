//! The recorder, against a plain `write` of the same bytes and against h5py.
//!
//! `cargo bench -p selvedge-benches --bench record`
//!
//! Files are written in paired rounds by a harness of our own (`selvedge_benches::rounds` says why
//! criterion cannot do that); what takes nanoseconds and no file of a given size is criterion's.
//! `benches/README.md` has the options, the contenders, and how to read the report, which is also
//! in `target/bench/record.md`. No time is asserted anywhere; every file's content is.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use criterion::{Bencher, Criterion};
use selvedge_benches::contender::{Contender, append, builder};
use selvedge_benches::h5py::Peer;
use selvedge_benches::latency;
use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::report::Report;
use selvedge_benches::rounds;
use selvedge_benches::scratch::Scratch;
use selvedge_benches::workload::Workload;
use selvedge_benches::{Result, exit_code};

/// Groups of rounds, in the order of the report.
const GROUPS: [&str; 5] = ["large", "small", "scalars", "append-large", "append-small"];

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    if GROUPS.iter().any(|group| selects(&options, group)) {
        paired_rounds(&options, &scratch)?;
    }
    single_calls(&scratch)
}

fn selects(options: &Options, group: &str) -> bool {
    options.selects(&format!("record/{group}"))
}

fn paired_rounds(options: &Options, scratch: &Scratch) -> Result<()> {
    let scale = options.scale;
    let mut report = Report::default();
    let mut facts = machine::describe(scratch.path());
    let mut peer = options.python.as_deref().map(Peer::start).transpose()?;
    facts.push(match peer.as_mut() {
        Some(peer) => ("peer", peer.version()?),
        None => ("peer", "none: SELVEDGE_PYTHON is not set".to_owned()),
    });
    facts.push((
        "rounds",
        format!("{} and one that does not count", options.rounds),
    ));
    report.head("Recording, against its peers", &facts);
    report.scale(scale);

    let large = Workload::large(scale.pick(300, 40, 3))?;
    let small = Workload::small(scale.pick(20_000, 2000, 100))?;
    let scalars = Workload::scalars(scale.pick(100_000, 10_000, 500))?;
    for workload in [large, small, scalars] {
        if selects(options, workload.name) {
            files(options, scratch, peer.as_mut(), &mut report, workload)?;
        }
    }
    for (group, workload, bursts) in [
        ("append-large", Workload::large(0)?, scale.pick(10, 2, 1)),
        ("append-small", Workload::small(0)?, scale.pick(20, 4, 1)),
    ] {
        if selects(options, group) {
            let calls = calls(options, scratch, &workload, bursts)?;
            report.latency(&workload, &calls, latency::clock());
        }
    }
    if scale != Scale::Smoke {
        report.requirements();
        report.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "record")?;
    }
    Ok(())
}

/// Rounds of whole files.
fn files(
    options: &Options,
    scratch: &Scratch,
    peer: Option<&mut Peer>,
    report: &mut Report,
    mut workload: Workload,
) -> Result<()> {
    let mut contenders = vec![Contender::Plain, Contender::Recorder];
    if workload.name == "large" {
        contenders.push(Contender::OpenEnded);
    }
    let cut = scratch.fit(&mut workload)?;
    if peer.is_some() {
        contenders.push(Contender::H5py);
        if workload.name == "large" && options.scale == Scale::Full {
            contenders.push(Contender::H5pySeed);
        }
    }
    let fits = |contender: &Contender| scratch.fits(contender.file_bytes(&workload));
    let left_out = match contenders.last() {
        Some(last) if !fits(last)? => contenders.pop(),
        _ => None,
    };
    let outcomes = rounds::run(&workload, &contenders, options.rounds, scratch, peer)?;
    report.rounds(&workload, &outcomes);
    if let Some(cut) = cut {
        report.note(&format!("This workload was {cut}."));
    }
    if options.scale == Scale::Quick && workload.name == "large" {
        report.note("A short run leaves out h5py with the seed's settings: it writes 7.68 GB.");
    }
    if let Some(contender) = left_out {
        report.note(&format!("No room on the disk for: {}.", contender.name()));
    }
    Ok(())
}

/// Rounds of single calls of `append`.
fn calls(
    options: &Options,
    scratch: &Scratch,
    workload: &Workload,
    bursts: u64,
) -> Result<Vec<latency::Calls>> {
    let path = scratch.file("calls.h5");
    let mut rounds = Vec::new();
    for round in 1..=options.rounds {
        scratch.settle(&path)?;
        rounds.push(latency::measure(workload, &path, bursts)?);
        eprintln!(
            "record/append-{}, round {round} of {}",
            workload.name, options.rounds
        );
    }
    scratch.settle(&path)?;
    Ok(rounds)
}

/// What criterion measures: `append` where copying is next to nothing, and planning a run.
fn single_calls(scratch: &Scratch) -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let path = scratch.file("criterion.h5");

    let mut failure = None;
    let scalars = Workload::scalars(0)?;
    criterion.bench_function("record/append-scalar", |b| {
        failure = time_append(b, &scalars, &path).err().or(failure.take());
    });
    if let Some(error) = failure {
        return Err(error);
    }

    let thimble = Workload::large(0)?;
    criterion.bench_function("record/plan", |b| {
        b.iter(|| black_box(builder(&thimble, &path).steps(6001)).plan());
    });
    criterion.final_summary();
    Ok(())
}

fn time_append(b: &mut Bencher<'_>, workload: &Workload, path: &Path) -> Result<()> {
    let mut run = builder(workload, path).overwrite(true).start()?;
    let (mut step, mut last) = (0, Ok(0));
    b.iter(|| {
        last = append(&mut run, workload, step);
        step += 1;
    });
    // A recorder that has failed once fails ever after.
    last?;
    run.finish()?;
    Ok(())
}
