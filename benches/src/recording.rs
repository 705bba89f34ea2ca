//! Recording and reading with compression beside doing so without it: the four tensors of the demo, whole steps as a
//! training loop has them.

use std::hint::black_box;
use std::sync::LazyLock;

use ndarray::Array2;
use selvedge_hdf5::{Compression, Durability, Reader};

use crate::data::{LAYER, STEP_BYTES, Steps};
use crate::numbers::seconds;
use crate::prelude::*;
use crate::record::Files;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let Some(demo) = bench.options.trajectory.clone() else {
        return Ok(());
    };
    for spec in groups {
        let mut files = Files::new(Steps::of_demo(&demo, 40)?, spec.count, scratch)?;
        if spec.name.starts_with("compress/reading") {
            read(bench, scratch, spec, files)?;
            continue;
        }
        files.work = (spec.name == "compress/training").then_some(multiply);
        files.durability = match spec.numbers[0] {
            0 => Durability::Never,
            steps => Durability::every(steps),
        };
        let begin = Instant::now();
        multiply();
        let taken = seconds(begin.elapsed().as_secs_f64());
        let size = files.count * files.steps.step_bytes();
        let group = spec.group(files.count, size, &taken, &files.note);
        bench.rounds(spec, group, false, |who, round| {
            scratch.settle(&files.path)?;
            let sample = match who.key {
                "plain" => files.recorder(Compression::None, true)?,
                "compressed" => files.recorder(Compression::Fast, true)?,
                "not" => {
                    let begin = Instant::now();
                    (0..files.count).for_each(|_| multiply());
                    return Ok(since(begin));
                }
                _ => return unknown(who),
            };
            if round == 0 {
                let all = 0..files.count;
                files.steps.check(&files.path, files.count, all)?;
            }
            Ok(sample)
        });
        scratch.settle(&files.path)?;
    }
    Ok(())
}

/// Rows and columns of the matrices that are multiplied between two steps, and how often they are.
const SIZE: usize = 256;
const TIMES: usize = 4;

static FACTORS: LazyLock<[Array2<f32>; 2]> = LazyLock::new(|| {
    let value = |i: usize| (i % 1009) as f32 / 1009.0;
    let factor = |seed| move |(row, column)| value((row * SIZE + column) * seed);
    [7, 31].map(|seed| Array2::from_shape_fn((SIZE, SIZE), factor(seed)))
});

/// What keeps the loop's thread busy: a product of matrices, always the same.
fn multiply() {
    let [left, right] = &*FACTORS;
    (0..TIMES).for_each(|_| drop(black_box(left.dot(right))));
}

/// Two files that are read whole, one without compression and one with it.
fn read(bench: &mut Bench, scratch: &Scratch, spec: &Spec, mut files: Files) -> Result<()> {
    let paths = ["plain_1.h5", "compressed_1.h5"].map(|name| scratch.file(name));
    for (path, compression) in paths.iter().zip([Compression::None, Compression::Fast]) {
        files.path.clone_from(path);
        files.recorder(compression, true)?;
        meter::sync_data(path)?;
    }
    if bench.evicts(spec, scratch, &paths[0])? {
        let is_new = spec.name.ends_with("-new");
        let mut memory = vec![1; usize::try_from(files.count)? * STEP_BYTES / 2];
        bench.rounds(spec, files.group(spec), false, |who, round| {
            let path = &paths[usize::from(who.kind == Kind::Ours)];
            scratch.evict(spec, path)?;
            let mut seconds = 0.0;
            for (nth, name) in LAYER.iter().enumerate() {
                if is_new {
                    memory = Vec::new();
                }
                let begin = Instant::now();
                let reader = Reader::open(path)?;
                match is_new {
                    true => memory = reader.tensor(name)?.read()?,
                    false => reader.tensor(name)?.read_into(&mut memory)?,
                }
                seconds += begin.elapsed().as_secs_f64();
                // Every round a few, and all of them once.
                let every = if round == 0 { 1 } else { 29 };
                let found = cast_slice::<u16, u8>(&memory).chunks(STEP_BYTES);
                for (step, bytes) in (0..).zip(found).step_by(every) {
                    if files.steps.step(step).nth(nth) != Some(bytes) {
                        return Err(format!("other values in step {step} of {name}").into());
                    }
                }
            }
            Ok(timed(seconds))
        });
    }
    paths.iter().try_for_each(|path| scratch.settle(path))
}
