//! Reading a trajectory, whole and in part, against a plain `pread` of the same bytes and h5py.
//!
//! `cargo bench -p selvedge-benches --bench read`
//!
//! `benches/README.md` has the options, the contenders, and how to read the report, which is also in
//! `target/bench/read.md`. No time is asserted anywhere; the sum of what was read is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::read::contender::{Contender, Memory, What};
use selvedge_benches::read::data::{Data, ROW_BYTES, STEP_BYTES};
use selvedge_benches::read::peer::Peer;
use selvedge_benches::read::report::{Cache, table};
use selvedge_benches::report::Report;
use selvedge_benches::rounds::take_turns;
use selvedge_benches::scratch::Scratch;
use selvedge_benches::{Result, exit_code};

/// The groups, in the order of the report.
const GROUPS: [What; 5] = [
    What::Whole,
    What::Fresh,
    What::Rows,
    What::Strided,
    What::Single,
];

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    let name = |what: What, cache: Cache| match cache {
        Cache::Warm => format!("read/{}", what.name()),
        Cache::Cold => format!("read/{}-cold", what.name()),
    };
    let all = GROUPS
        .into_iter()
        .flat_map(|what| [(what, Cache::Warm), (what, Cache::Cold)]);
    let chosen: Vec<(What, Cache)> = all
        .filter(|&(what, cache)| options.selects(&name(what, cache)))
        .collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    let path = scratch.file("run_1.h5");
    let steps = options.scale.pick(1_600, 160, 32);
    let bytes = steps * STEP_BYTES as u64;
    if !scratch.fits(bytes)? {
        let folder = scratch.path().display();
        return Err(
            format!("{folder} has no room for {bytes} bytes; set SELVEDGE_BENCH_DIR").into(),
        );
    }

    let mut facts = machine::describe(scratch.path());
    let mut peer = options.python.as_deref().map(Peer::start).transpose()?;
    facts.push(match peer.as_mut() {
        Some(peer) => ("peer", peer.version()?),
        None => ("peer", "none: SELVEDGE_PYTHON is not set".to_owned()),
    });
    let rounds = options.rounds;
    facts.push(("rounds", format!("{rounds} and one that does not count")));
    let shape = format!("W, bfloat16 ({steps}, 10000, 64), {bytes} bytes");
    facts.push(("tensor", shape));
    let mut report = Report::default();
    report.head("Reading a trajectory, against its peers", &facts);
    report.scale(options.scale);

    let data = Data::record(&path, steps)?;
    // Nothing is left to be written while somebody reads.
    rustix::fs::sync();
    if let Some(peer) = peer.as_mut() {
        peer.prepare(&path, &data, &scratch)?;
    }
    let mut memory = Memory::new(&data);
    for (what, cache) in chosen {
        let contenders = what.contenders().iter().copied();
        let contenders: Vec<Contender> = contenders
            .filter(|contender| peer.is_some() || !matches!(contender, Contender::H5py(_)))
            .collect();
        let outcomes = take_turns(&contenders, rounds, |contender, round| {
            if cache == Cache::Cold {
                scratch.evict(&path)?;
            }
            let seconds = contender.read(what, &path, &data, &mut memory, peer.as_mut())?;
            let (group, who) = (name(what, cache), contender.name());
            eprintln!("{group}, round {round} of {rounds}: {who}, {seconds:.4} s, checked");
            Ok(Some(seconds))
        })?;
        table(&mut report, what, cache, read_bytes(what, &data), &outcomes);
    }
    if options.scale != Scale::Smoke {
        report.requirements();
        report.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "read")?;
    }
    Ok(())
}

/// Bytes of the result.
fn read_bytes(what: What, data: &Data) -> u64 {
    let step = STEP_BYTES as u64;
    match what {
        What::Whole | What::Fresh => data.steps * step,
        What::Rows => data.steps * (data.rows.len() * ROW_BYTES) as u64,
        What::Strided => data.steps.div_ceil(10) * step,
        What::Single => data.single.len() as u64 * step,
    }
}
