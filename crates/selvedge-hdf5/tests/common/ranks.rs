//! A run of four ranks, whose every value is a function of tensor, step and index.

use std::path::{Path, PathBuf};

use selvedge_hdf5::{Dtype, Join, Recorder, RecorderBuilder, Shard, TensorSpec, bf16, new_run_id};

pub(crate) const WORLD: u64 = 4;
/// A step of `W`, cut along its first axis into parts that are not even; of `M`, along its second.
pub(crate) const W: [usize; 2] = [10, 6];
pub(crate) const M: [usize; 2] = [4, 8];

/// The rows of `W` that a rank has.
pub(crate) fn rows(rank: usize) -> [usize; 2] {
    [3 * rank, (3 * rank + 3).min(W[0])]
}

pub(crate) fn w(step: u64, row: usize, column: usize) -> bf16 {
    let index = step * 60 + (row * W[1] + column) as u64;
    bf16::from_bits(u16::try_from(index.wrapping_mul(40_503) % 65_536).unwrap())
}

pub(crate) fn m(step: u64, row: usize, column: usize) -> f32 {
    (step * 100 + (row * M[1] + column) as u64) as f32
}

/// Elements of rows and columns of a step.
pub(crate) fn block<T>(
    value: impl Fn(u64, usize, usize) -> T,
    step: u64,
    [top, bottom]: [usize; 2],
    [left, right]: [usize; 2],
) -> Vec<T> {
    let rows = (top..bottom).flat_map(|row| (left..right).map(move |column| (row, column)));
    rows.map(|(row, column)| value(step, row, column)).collect()
}

pub(crate) fn loss(step: u64) -> f32 {
    1.0 / (step + 1) as f32
}

/// What a recorder has: all, or the part of a rank.
pub(crate) fn declare(builder: RecorderBuilder, rank: Option<usize>) -> RecorderBuilder {
    let mask: Vec<bool> = (0..W[0]).map(|row| row % 3 == 0).collect();
    let [top, bottom] = rank.map_or([0, W[0]], rows);
    let [left, right] = rank.map_or([0, M[1]], |rank| [2 * rank, 2 * rank + 2]);
    let part = |spec: TensorSpec, whole: &[usize], offset: &[usize]| match rank {
        Some(_) => spec.part_of(whole, offset),
        None => spec,
    };
    let w = TensorSpec::new("W", Dtype::Bf16, [bottom - top, W[1]]);
    let m = TensorSpec::new("M", Dtype::F32, [M[0], right - left]);
    let mask_part = TensorSpec::new("mask", Dtype::Bool, [bottom - top]);
    let bytes = mask[top..bottom].iter().map(|&is| is.into()).collect();
    builder
        .tensor_spec(part(w, &W, &[top, 0]))
        .tensor_spec(part(m, &M, &[0, left]))
        .scalar::<f32>("loss")
        .constant_bytes(part(mask_part, &W[..1], &[top]), bytes)
        .constant("ids", &[7_i32, 8, 9])
        .constant("scale", &0.5_f64)
        .attribute("learning_rate", 1e-3)
        .tensor_attribute("loss", "unit", "nat")
}

pub(crate) fn append(run: &mut Recorder, rank: Option<usize>, until: u64) {
    let w_rows = rank.map_or([0, W[0]], rows);
    let m_columns = rank.map_or([0, M[1]], |rank| [2 * rank, 2 * rank + 2]);
    for step in run.appended()..until {
        let (w, m) = (
            block(w, step, w_rows, [0, W[1]]),
            block(m, step, [0, M[0]], m_columns),
        );
        run.append(|row| row.put("W", &w)?.put("M", &m)?.put("loss", &loss(step)))
            .unwrap();
    }
}

pub(crate) fn shard(run: &str, rank: usize) -> Shard {
    Shard {
        run: run.to_owned(),
        rank: rank as u64,
        world_size: WORLD,
    }
}

pub(crate) fn path_of(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("rank_{rank}.h5"))
}

pub(crate) fn record(folder: &Path, run: &str, rank: usize, steps: u64) -> PathBuf {
    let path = path_of(folder, rank);
    let builder = Recorder::create(&path)
        .shard(shard(run, rank))
        .chunk_target(600);
    let mut run = declare(builder, Some(rank)).start().unwrap();
    append(&mut run, Some(rank), steps);
    run.finish().unwrap();
    path
}

/// Four ranks of different numbers of steps, 57 of which all have.
pub(crate) fn four(folder: &Path) -> Vec<PathBuf> {
    let run = new_run_id().unwrap();
    let steps = [60, 57, 60, 59];
    let ranks = steps.into_iter().enumerate();
    ranks
        .map(|(rank, steps)| record(folder, &run, rank, steps))
        .collect()
}

/// What one process would have recorded.
pub(crate) fn single(folder: &Path, steps: u64) -> PathBuf {
    let path = folder.join("single.h5");
    let mut run = declare(Recorder::create(&path), None).start().unwrap();
    append(&mut run, None, steps);
    run.finish().unwrap();
    path
}

pub(crate) fn joined(folder: &Path) -> (Vec<PathBuf>, PathBuf) {
    let (paths, view) = (four(folder), folder.join("view.h5"));
    Join::new(&paths).write(&view).unwrap();
    (paths, view)
}

pub(crate) fn bits_of(values: &[bf16]) -> Vec<u16> {
    values.iter().map(|value| value.to_bits()).collect()
}
