//! Recording with compression beside recording without it: the four tensors of the demo, whole steps as a training loop has
//! them.

use std::path::Path;
use std::time::Instant;

use selvedge_hdf5::{Compression, Dtype, Durability, Reader, Recorder, TensorSpec};

use super::data::{Recorded, SHAPE, STEP_BYTES, TENSORS, recorded};
use super::{reading, training};
use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::groups::joined;
use crate::meter::{self, Meter};
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;
use crate::table::grouped;

/// The names of the groups.
pub(super) const GROUPS: [&str; 7] = joined(&[
    &[
        "compress/recording",
        "compress/recording-long",
        "compress/recording-sync",
    ],
    &reading::GROUPS,
    &[training::GROUP],
]);

/// Steps that are in memory, and recorded again and again.
const SOURCE_STEPS: u64 = 40;
/// Steps between two `fdatasync`.
const SYNC: u64 = 8;

/// The recorder, with this compression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recording(pub(super) Compression);

pub(super) const CONTENDERS: [Recording; 2] =
    [Recording(Compression::None), Recording(Compression::Fast)];

impl Named for Recording {
    fn name(self) -> &'static str {
        match self.0 {
            Compression::None => "uncompressed",
            _ => "compressed",
        }
    }

    fn kind(self) -> Kind {
        match self.0 {
            Compression::None => Kind::Plain,
            _ => Kind::Ours,
        }
    }
}

/// Runs those that are selected, on the trajectory at `path`.
pub(super) fn run(bench: &mut Bench, scratch: &Scratch, path: &Path) -> Result<()> {
    if !GROUPS.iter().any(|group| bench.selects(group)) {
        return Ok(());
    }
    let source = TENSORS
        .iter()
        .map(|tensor| recorded(path, tensor.name, SOURCE_STEPS))
        .collect::<Result<Vec<_>>>()?;
    let scale = bench.options.scale;
    let steps = scale.pick(300, 40, 3);
    for (name, title, what, durability, steps) in [
        (
            GROUPS[0],
            "Recording with compression, into the page cache",
            "The time ends with `finish`.",
            Durability::Never,
            steps,
        ),
        (
            GROUPS[1],
            "A long recording with compression",
            "The time ends with `finish`. Of a full bench it is more than the system lets be unwritten in the page cache \
             (Linux: a fifth of the memory), so the disk sets the pace.",
            Durability::Never,
            scale.pick(1500, 120, 4),
        ),
        (
            GROUPS[2],
            "Recording with compression, with syncs",
            "An `fdatasync` after every eighth step.",
            Durability::every(SYNC),
            steps,
        ),
    ] {
        if !bench.selects(name) {
            continue;
        }
        let (steps, group) = group(scratch, steps, (name, title, what), CONTENDERS[0].name())?;
        let file = scratch.file("run_1.h5");
        bench.rounds(group, &CONTENDERS, |who, round| {
            scratch.settle(&file)?;
            let sample = record(&file, &source, steps, (who.0, durability), || ())?;
            if round == 0 {
                check(&file, &source, steps)?;
            }
            Ok(sample)
        });
        scratch.settle(&file)?;
    }
    reading::run(bench, scratch, &source)?;
    training::run(bench, scratch, &source)
}

/// A group of `wanted` steps, or of those that the disk has room for; and how many these are. `reference` is the contender
/// that the others are compared with.
pub(super) fn group(
    scratch: &Scratch,
    wanted: u64,
    (name, title, what): (&str, &str, &str),
    reference: &str,
) -> Result<(u64, Group)> {
    let step_bytes = (STEP_BYTES * TENSORS.len()) as u64;
    let (steps, note) = scratch.fit(wanted, step_bytes, 1)?;
    let what = format!(
        "{} steps of four bfloat16 tensors (10000, 64): W, its gradient and Adam's moments, as the demo recorded them. {what}",
        grouped(steps)
    );
    let mut group = Group::new(
        name,
        title,
        what,
        (steps, "step"),
        steps * step_bytes,
        reference,
    );
    group.notes.extend(note);
    Ok((steps, group))
}

/// Records the steps of `source`, with something to do before each.
pub(super) fn record(
    path: &Path,
    source: &[Vec<u8>],
    steps: u64,
    (compression, durability): (Compression, Durability),
    mut before: impl FnMut(),
) -> Result<Sample> {
    let builder = Recorder::create(path)
        .steps(steps)
        .compression(compression)
        .durability(durability);
    let builder = TENSORS
        .iter()
        .fold(builder, |builder, &Recorded { name, .. }| {
            builder.tensor_spec(TensorSpec::new(name, Dtype::Bf16, SHAPE))
        });
    let meter = Meter::start();
    let begin = Instant::now();
    let mut run = builder.start()?;
    let created = Instant::now();
    let mut blocked = Vec::new();
    for step in 0..steps {
        before();
        let called = Instant::now();
        run.append(|target| {
            for (values, Recorded { name, .. }) in source.iter().zip(&TENSORS) {
                target.put_bytes(name, Dtype::Bf16, step_of(values, step))?;
            }
            Ok(target)
        })?;
        blocked.push(called.elapsed().as_secs_f64());
    }
    run.finish()?;
    let mut sample = Sample::from([
        (Figure::Create, (created - begin).as_secs_f64()),
        (Figure::Seconds, created.elapsed().as_secs_f64()),
    ]);
    meter.stop(&mut sample);
    meter::blocked(blocked, &mut sample);
    sample.insert(Figure::OnDisk, meter::on_disk(path)?);
    Ok(sample)
}

pub(super) fn check(path: &Path, source: &[Vec<u8>], steps: u64) -> Result<()> {
    let reader = Reader::open(path)?;
    for (values, Recorded { name, .. }) in source.iter().zip(&TENSORS) {
        for step in 0..steps {
            let found: Vec<u16> = reader.tensor(name)?.read_step(step)?;
            if bytemuck::cast_slice::<u16, u8>(&found) != step_of(values, step) {
                return Err(format!("other values in step {step} of {name}").into());
            }
        }
    }
    Ok(())
}

/// The bytes of step `step`; the steps that there are come again and again.
pub(super) fn step_of(values: &[u8], step: u64) -> &[u8] {
    let count = (values.len() / STEP_BYTES) as u64;
    let at = usize::try_from(step % count).unwrap_or(0) * STEP_BYTES;
    &values[at..at + STEP_BYTES]
}
