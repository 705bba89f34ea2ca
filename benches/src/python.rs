//! The Python package: recording from a loop of PyTorch and reading into its tensors, beside h5py and others.

use selvedge_hdf5::{Compression, Reader};

use crate::data::{STEP_BYTES, Steps, TENSOR, Trajectory, same, word_sum};
use crate::prelude::*;
use crate::record::Files;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let torch = bench.options.torch.clone();
    let Some(python) = torch.filter(|_| !bench.options.no_peers) else {
        let why = "they need a Python with torch and the package, which `cargo xtask bench` makes";
        bench.note(format!("No groups `python`: {why}."));
        return Ok(());
    };
    let Some(mut peer) = bench.start(&python, "torch_peer.py") else {
        return Ok(());
    };
    let is_read = |spec: &&Spec| spec.name.starts_with("python/read");
    let (reads, loops): (Vec<&Spec>, Vec<&Spec>) = groups.iter().partition(is_read);
    for spec in loops {
        let steps = Steps::of(&spec.numbers)?;
        // Files of fill values, or one for each step, take a little more.
        let files = Files::new(steps, spec.count, scratch)?;
        // A step's own time counts, while the queue has room, or that of all.
        let is_append = spec.name.starts_with("python/append");
        let count = if is_append { 1 } else { files.count };
        let size = count * files.steps.step_bytes();
        let group = spec.group(count, size, "", &files.note);
        bench.rounds(spec, group, true, |who, _| {
            scratch.settle(&files.path)?;
            if who.key == "rust" {
                return files.recorder(Compression::None, true);
            }
            let (count, shape) = (spec.numbers[0], &spec.numbers[1..]);
            let args = (who.key, &files.path, count, shape, files.count, is_append);
            let mut sample: Sample = peer.call("record", args)?;
            if is_append {
                sample.insert(Figure::Seconds, sample[&Figure::BlockedP50]);
            }
            Ok(sample)
        });
        scratch.settle(&files.path)?;
    }
    let Some(first) = reads.first() else {
        return Ok(());
    };
    let (steps, note) = scratch.fit(first.count, STEP_BYTES as u64, 1)?;
    let single = bench.pick(1000, 100, 10);
    let data = Trajectory::record(scratch.file("read_1.h5"), steps, single)?;
    peer.call::<()>("prepare", (&data.rows, &data.single))?;
    for spec in reads {
        let what = match spec.name.trim_start_matches("python/read-") {
            "steps" => "single",
            what => what,
        };
        let (count, size, expected) = data.asked(what);
        let group = spec.group(count, size, &Grouped(steps).to_string(), &note);
        bench.rounds(spec, group, true, |who, _| {
            let (sample, sum) = match who.key {
                "rust" => from_rust(what, &data)?,
                key => peer.call("read", (format!("{what}_by_{key}"), &data.path))?,
            };
            same("the sum", sum, expected)?;
            Ok(sample)
        });
    }
    scratch.settle(&data.path)
}

/// The time of reading in Rust, and the sum of what was read; of single steps, of the first word of each.
fn from_rust(what: &str, data: &Trajectory) -> Result<(Sample, u64)> {
    let begin = Instant::now();
    let reader = Reader::open(&data.path)?;
    let tensor = reader.tensor(TENSOR)?;
    let values: Vec<u16> = match what {
        "whole" => tensor.read()?,
        "rows" => tensor.select().rows(data.rows.clone()).read()?,
        _ => {
            let mut first = Vec::new();
            for &step in &data.single {
                first.extend_from_slice(&tensor.read_step::<u16>(step)?[..4]);
            }
            first
        }
    };
    Ok((since(begin), word_sum(cast_slice(&values))))
}
