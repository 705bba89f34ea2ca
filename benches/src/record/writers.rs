//! The contenders of `record` in Rust: from the first step to the end of `close`, each step with its time.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use bytemuck::pod_collect_to_vec;
use selvedge_hdf5::{Dtype, RecorderBuilder};

use super::contender::{Medium, append};
use super::workload::Workload;
use crate::Result;
use crate::meter;
use crate::report::{Figure, Sample};

/// Steps of fewer bytes have no times of their own: to ask for the time costs a tenth of writing a number.
const FEWEST_BYTES: u64 = 4096;

/// A clock that runs while a file is recorded.
struct Clock {
    begin: Instant,
    create: f64,
    /// The times of the steps, where they are taken.
    steps: Option<Vec<f64>>,
}

impl Clock {
    /// The clock of a file whose creation began at `begin` and is done.
    fn created(begin: Instant, workload: &Workload) -> Self {
        let watched = workload.step_bytes >= FEWEST_BYTES;
        let capacity = usize::try_from(workload.steps).unwrap_or(0);
        let steps = watched.then(|| Vec::with_capacity(capacity));
        let now = Instant::now();
        Self {
            begin: now,
            create: (now - begin).as_secs_f64(),
            steps,
        }
    }

    fn step<T>(&mut self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(times) = &mut self.steps else {
            return step();
        };
        let begin = Instant::now();
        let result = step();
        times.push(begin.elapsed().as_secs_f64());
        result
    }

    /// The file is closed: with [`Medium::Disk`], waits for the disk.
    fn closed(self, path: &Path, medium: Medium) -> Result<Sample> {
        if medium == Medium::Disk {
            meter::sync_data(path)?;
        }
        let seconds = self.begin.elapsed().as_secs_f64();
        let mut sample = Sample::from([(Figure::Seconds, seconds), (Figure::Create, self.create)]);
        meter::blocked(self.steps.unwrap_or_default(), &mut sample);
        Ok(sample)
    }
}

/// `write` into a plain file.
pub(super) fn write(workload: &Workload, path: &Path, medium: Medium) -> Result<Sample> {
    let begin = Instant::now();
    let mut file = File::create(path)?;
    let mut clock = Clock::created(begin, workload);
    for step in 0..workload.steps {
        clock.step(|| {
            for bytes in workload.step(step) {
                file.write_all(bytes)?;
            }
            Ok(())
        })?;
    }
    drop(file);
    clock.closed(path, medium)
}

/// `write` of each step as a whole.
pub(super) fn write_steps(workload: &Workload, path: &Path, medium: Medium) -> Result<Sample> {
    let begin = Instant::now();
    let mut file = File::create(path)?;
    let mut clock = Clock::created(begin, workload);
    for step in 0..workload.steps {
        let whole = workload.whole_step(step).ok_or("a step with gaps")?;
        clock.step(|| Ok(file.write_all(whole)?))?;
    }
    drop(file);
    clock.closed(path, medium)
}

/// Where each tensor begins in the file of [`write_at`], and the bytes of its step.
pub(super) fn places(workload: &Workload) -> Result<Vec<(u64, u64)>> {
    let mut begin = 0;
    let places = workload.tensors.iter().map(|tensor| {
        let size = tensor.step_bytes()?;
        let place = (begin, size);
        begin += workload.steps * size;
        Ok(place)
    });
    places.collect()
}

/// `pwrite` into a plain file in which each tensor has its steps in a row, as a trajectory has.
pub(super) fn write_at(workload: &Workload, path: &Path, medium: Medium) -> Result<Sample> {
    let begin = Instant::now();
    let file = File::create(path)?;
    let places = places(workload)?;
    let mut clock = Clock::created(begin, workload);
    for step in 0..workload.steps {
        clock.step(|| {
            for (bytes, (begin, size)) in workload.step(step).zip(&places) {
                file.write_all_at(bytes, begin + step * size)?;
            }
            Ok(())
        })?;
    }
    drop(file);
    clock.closed(path, medium)
}

/// Selvedge, as `builder` says.
pub(super) fn recorder(
    workload: &Workload,
    builder: RecorderBuilder,
    path: &Path,
    medium: Medium,
) -> Result<Sample> {
    let begin = Instant::now();
    let mut run = builder.start()?;
    let mut clock = Clock::created(begin, workload);
    for step in 0..workload.steps {
        clock.step(|| Ok(append(&mut run, workload, step)?))?;
    }
    run.finish()?;
    clock.closed(path, medium)
}

/// hdf5-metno, as somebody writes it who has read its documentation: a chunk of the whole run, and `write_slice`.
pub(super) fn hdf5_crate(workload: &Workload, path: &Path, medium: Medium) -> Result<Sample> {
    let steps = usize::try_from(workload.steps)?;
    let begin = Instant::now();
    let file = hdf5::File::create(path)?;
    let mut datasets = Vec::new();
    for tensor in &workload.tensors {
        let shape: Vec<usize> = std::iter::once(steps)
            .chain(tensor.shape.iter().copied())
            .collect();
        let dataset = match tensor.dtype {
            Dtype::F32 => file.new_dataset::<f32>(),
            _ => file.new_dataset::<u16>(),
        };
        let dataset = dataset.shape(shape.clone()).chunk(shape);
        datasets.push((dataset.create(tensor.name.as_str())?, &tensor.shape));
    }
    let mut clock = Clock::created(begin, workload);
    for step in 0..workload.steps {
        let index = usize::try_from(step)?;
        clock.step(|| {
            for ((dataset, shape), bytes) in datasets.iter().zip(workload.step(step)) {
                match shape[..] {
                    [] => {
                        let values = pod_collect_to_vec::<u8, f32>(bytes);
                        dataset.write_slice(&ndarray::Array1::from(values), index..index + 1)?;
                    }
                    [length] => {
                        let values = ndarray::ArrayView1::from_shape(
                            length,
                            bytemuck::cast_slice::<u8, u16>(bytes),
                        )?;
                        dataset.write_slice(values, (index, ..))?;
                    }
                    _ => {
                        let shape = (shape[0], shape[1]);
                        let values = ndarray::ArrayView2::from_shape(
                            shape,
                            bytemuck::cast_slice::<u8, u16>(bytes),
                        )?;
                        dataset.write_slice(values, (index, .., ..))?;
                    }
                }
            }
            Ok(())
        })?;
    }
    drop(datasets);
    file.close()?;
    clock.closed(path, medium)
}
