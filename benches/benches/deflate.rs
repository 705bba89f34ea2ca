//! `selvedge-deflate` against the compressors that people use, on what a training writes.
//!
//! `cargo bench -p selvedge-benches --bench deflate`
//!
//! `benches/README.md` has the options, the contenders, and how to read the report, which is also in
//! `target/bench/deflate.md`. No time is asserted anywhere; that every stream gives its bytes back is.

use std::path::PathBuf;
use std::process::ExitCode;

use selvedge_benches::deflate::data::{STEPS, Tensor, trajectory};
use selvedge_benches::deflate::{steps, temporal};
use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::peer::Python;
use selvedge_benches::report::Report;
use selvedge_benches::scratch::Scratch;
use selvedge_benches::{Result, exit_code};
use selvedge_deflate::Encoder;

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    let groups = ["steps", "temporal"];
    let selected = groups.map(|group| options.selects(&format!("deflate/{group}")));
    if selected == [false, false] {
        return Ok(());
    }
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    let mut peer = match &options.python {
        Some(python) => Some(Python::start(python, "deflate_peer.py")?),
        None => None,
    };

    let (mut tensors, origin) = match options.scale {
        Scale::Smoke => (Vec::new(), "none: made-up values only".to_owned()),
        _ => trajectory()?,
    };
    tensors.push(Tensor::gaussian(options.scale.pick(16, 16, 1)));
    let mut report = Report::default();
    let mut facts = machine::describe(scratch.path());
    facts.push(("instructions", Encoder::new().instructions().to_owned()));
    facts.push(("trajectory", origin));
    facts.push(match peer.as_mut() {
        Some(peer) => ("peers", peer.call(&["available"])?),
        None => ("peers", "none: SELVEDGE_PYTHON is not set".to_owned()),
    });
    let rounds = options.rounds;
    facts.push(("rounds", format!("{rounds} and one that does not count")));
    report.head("bfloat16 into zlib streams, against its peers", &facts);
    report.scale(options.scale);

    if selected[0] {
        let table = steps::table(&tensors, rounds, &scratch, peer.as_mut())?;
        report.note(&format!("## deflate/steps: a chunk is one step\n\n{table}"));
    }
    if selected[1] {
        let rows = options.scale.pick(
            &[8, 16, 32, 64, 125, 250, 500][..],
            &[16, 125][..],
            &[5][..],
        );
        let table = temporal::table(&tensors, rows, rounds)?;
        report.note(&format!(
            "## deflate/temporal: a chunk is {STEPS} steps of some rows\n\n{table}"
        ));
    }
    if options.scale != Scale::Smoke {
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        report.save(&tmp, "deflate")?;
    }
    Ok(())
}
