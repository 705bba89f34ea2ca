//! The trajectory that is read, and what is read of it.

use std::path::Path;

use selvedge_hdf5::{Recorder, TensorSpec};

use crate::Result;
use crate::record::workload::{DISTINCT, Workload};
use crate::safetensors::data::random_rows;

/// The tensor that is read: (steps, 10000, 64) of bfloat16, the weights of the small model.
pub const TENSOR: &str = "W";
/// Rows of a step: tokens.
pub const ROWS: usize = 10_000;
/// Bytes of a row.
pub const ROW_BYTES: usize = 128;
/// Rows that are taken: the tokens that the model never saw.
pub const TAKEN: usize = 3_699;
/// Bytes of a step.
pub const STEP_BYTES: usize = ROWS * ROW_BYTES;
/// Every so many steps of the strided read.
pub const STRIDE: u64 = 10;

/// The trajectory, and what is asked of it.
#[derive(Debug)]
pub struct Data {
    /// Steps.
    pub steps: u64,
    /// Rows of each step that are taken, in their order.
    pub rows: Vec<usize>,
    /// Single steps, in no order.
    pub single: Vec<u64>,
    /// For each of the steps that differ: the sum of all words, the sum of those of the rows, and the
    /// first word.
    sums: Vec<[u64; 3]>,
}

impl Data {
    /// Records a trajectory of `steps` steps at `path`, of which `single` will be read alone.
    ///
    /// # Errors
    ///
    /// The errors of the recorder.
    pub fn record(path: &Path, steps: u64, single: usize) -> Result<Self> {
        let source = Workload::large(steps)?;
        let dtype = source.tensors[0].dtype;
        let spec = TensorSpec::new(TENSOR, dtype, [ROWS, 64]);
        let mut run = Recorder::create(path)
            .steps(steps)
            .tensor_spec(spec)
            .start()?;
        for step in 0..steps {
            let bytes = source.step(step).next().ok_or("a step without tensors")?;
            run.append(|filled| filled.put_bytes(TENSOR, dtype, bytes))?;
        }
        run.finish()?;
        let mut rows = Vec::new();
        let mut seen = vec![false; ROWS];
        for row in random_rows(20 * TAKEN, ROWS) {
            if rows.len() < TAKEN && !std::mem::replace(&mut seen[row], true) {
                rows.push(row);
            }
        }
        rows.sort_unstable();
        let single = random_rows(single, usize::try_from(steps)?);
        let sums = (0..DISTINCT).map(|step| {
            let bytes = source.step(step).next().unwrap_or_default();
            let taken = rows
                .iter()
                .map(|row| sum(&bytes[row * ROW_BYTES..][..ROW_BYTES]));
            let taken = taken.fold(0, u64::wrapping_add);
            [sum(bytes), taken, sum(&bytes[..8])]
        });
        Ok(Self {
            steps,
            sums: sums.collect(),
            single: single.into_iter().map(|step| step as u64).collect(),
            rows,
        })
    }

    /// What the sum of a read has to be: of all words (0), of those of the rows (1) or of the first
    /// words (2) of `steps`.
    pub fn expected(&self, steps: impl Iterator<Item = u64>, what: usize) -> u64 {
        let sums = steps.map(|step| self.sums[usize::try_from(step % DISTINCT).unwrap_or(0)][what]);
        sums.fold(0, u64::wrapping_add)
    }
}

/// The sum of bytes as words of 64 bits, little-endian, modulo 2^64. What does not fill a word is
/// left out: there is none here.
#[must_use]
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks();
    let words = words.iter().map(|&word| u64::from_le_bytes(word));
    words.fold(0, u64::wrapping_add)
}
