//! The chunk shape of one step tensor.

use std::fmt;

use super::{Bytes, Grouped, Shape};
use crate::Compression;
use crate::{DeclareError, Dtype, TensorSpec};

/// HDF5's limit on the size of a chunk: its size is a 32-bit number of bytes.
pub const MAX_CHUNK_BYTES: u64 = u32::MAX as u64;

/// Chunks of a run of unknown length stay under this many bytes: the part of the last chunk that
/// the run did not reach is a hole in the file, and a small chunk makes a small one.
const OPEN_ENDED_TARGET: u64 = 256_000_000;
/// … and hold at most this many steps, so that a scalar does not reserve a chunk of gigabytes.
const OPEN_ENDED_STEPS: u64 = 65_536;
/// Steps smaller than this are chunked together also where single steps are read.
const SMALL_CHUNK: u64 = 1 << 20;
/// For token subsets: the bytes of one step in a chunk. Smaller pieces would make the recorder
/// issue many small writes for each step.
const PIECE: u64 = 64 << 10;
/// For token subsets: the size of a chunk.
const SUBSET_TARGET: u64 = 64_000_000;

/// How a tensor will mostly be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadPattern {
    /// All steps at once: the fewest chunks of even length under the target size.
    #[default]
    WholeTensor,
    /// One step at a time: a chunk for each step, or about 1 MiB of small ones.
    SingleSteps,
    /// Some indices of the first axis (tokens) over all steps: chunks of a run of tokens, 64 KiB
    /// of each step, over many steps.
    TokenSubset,
}

impl ReadPattern {
    /// As the attribute `selvedge_read_pattern` of a file has it. Whole tensors are what is read where
    /// a file says nothing.
    pub(crate) fn stored(self) -> Option<&'static str> {
        match self {
            Self::WholeTensor => None,
            Self::SingleSteps => Some("single-steps"),
            Self::TokenSubset => Some("token-subsets"),
        }
    }
}

impl fmt::Display for ReadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WholeTensor => "whole tensors",
            Self::SingleSteps => "single steps",
            Self::TokenSubset => "token subsets",
        })
    }
}

/// The planned chunks of one step tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkPlan {
    /// Name of the tensor.
    pub tensor: String,
    /// Its dtype.
    pub dtype: Dtype,
    /// Shape of one step in elements.
    pub step_shape: Vec<u64>,
    /// Shape of a chunk in elements, the steps first.
    pub chunk_shape: Vec<u64>,
    /// Size of a chunk in bytes.
    pub chunk_bytes: u64,
    /// Number of chunks that hold one step: 1, unless a step is cut.
    pub chunks_per_step: u64,
    /// Planned steps; `None` for a run of unknown length.
    pub steps: Option<u64>,
    /// Whether chunks are compressed. Then they get their places as steps come.
    pub compressed: bool,
}

impl ChunkPlan {
    /// Plans the chunks of `spec` over `steps` steps (`None`: unknown), for reading by `pattern`,
    /// with chunks of at most `target` bytes. The chunks of a tensor that is compressed are those
    /// that this needs, whatever the pattern and the target.
    ///
    /// With [`ReadPattern::WholeTensor`] and a known number of steps: with `m` the most steps that
    /// fit the target, there are `n = ceil(steps / m)` chunks of `ceil(steps / n)` steps, so at
    /// most `n - 1` steps of the last chunk are unused. A step of more than `target` bytes is a
    /// chunk of its own, and one beyond [`MAX_CHUNK_BYTES`] is cut along its axes.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidTensor`] for a name, shape or number of steps that HDF5 cannot hold.
    pub fn new(
        spec: &TensorSpec,
        steps: Option<u64>,
        pattern: ReadPattern,
        target: u64,
        compression: Compression,
    ) -> Result<Self, DeclareError> {
        spec.check()?;
        if steps == Some(0) {
            return Err(DeclareError::NoPlannedSteps);
        }
        let step_bytes = spec.step_bytes()?;
        let run_bytes = steps.map(|steps| steps.checked_mul(step_bytes));
        if run_bytes.is_some_and(|bytes| bytes.is_none_or(|bytes| i64::try_from(bytes).is_err())) {
            return Err(spec.invalid("a run of less than 2^63 bytes"));
        }
        let shape: Vec<u64> = spec.shape.iter().map(|&axis| axis as u64).collect();
        let target = target.clamp(1, MAX_CHUNK_BYTES);
        let element = spec.dtype.size() as u64;

        if let Some(chunk) = compression.chunk(spec, &shape, steps)? {
            let mut plan = Self {
                tensor: spec.name.clone(),
                dtype: spec.dtype,
                step_shape: shape,
                chunk_shape: Vec::new(),
                chunk_bytes: 0,
                chunks_per_step: 0,
                steps,
                compressed: true,
            };
            plan.set_chunk_shape(&chunk);
            return Ok(plan);
        }
        // First what of a step a chunk holds, then how many steps of it.
        let piece_shape = if step_bytes > MAX_CHUNK_BYTES {
            cut(&shape, element, target)
        } else if pattern == ReadPattern::TokenSubset && !shape.is_empty() {
            cut_tokens(&shape, step_bytes)
        } else {
            shape.clone()
        };
        let piece_bytes = piece_shape.iter().product::<u64>() * element;
        // What a chunk may have at most; a run of unknown length starts with smaller ones.
        let most = match (pattern, steps) {
            (ReadPattern::WholeTensor, Some(_)) => target,
            (ReadPattern::WholeTensor, None) => OPEN_ENDED_TARGET,
            (ReadPattern::SingleSteps, _) => SMALL_CHUNK,
            (ReadPattern::TokenSubset, _) => SUBSET_TARGET,
        };
        // HDF5 has 32 bits for the length of an axis of a chunk, too.
        let most = (most.min(target) / piece_bytes).clamp(1, u64::from(u32::MAX));
        let chunk_steps = match steps {
            Some(steps) => even(steps, most),
            None => most.min(OPEN_ENDED_STEPS),
        };
        let chunks_per_step = shape
            .iter()
            .zip(&piece_shape)
            .map(|(axis, extent)| axis.div_ceil(*extent))
            .product();
        let mut chunk_shape = vec![chunk_steps];
        chunk_shape.extend(&piece_shape);
        Ok(Self {
            tensor: spec.name.clone(),
            dtype: spec.dtype,
            step_shape: shape,
            chunk_shape,
            chunk_bytes: chunk_steps * piece_bytes,
            chunks_per_step,
            steps,
            compressed: false,
        })
    }

    /// Takes the chunk shape of a file that exists.
    pub(crate) fn set_chunk_shape(&mut self, chunk: &[u64]) {
        self.chunk_shape = chunk.to_vec();
        self.chunk_bytes = chunk.iter().product::<u64>() * self.dtype.size() as u64;
        let axes = self.step_shape.iter().zip(&chunk[1..]);
        self.chunks_per_step = axes.map(|(axis, extent)| axis.div_ceil(*extent)).product();
    }

    /// Bytes of one step.
    #[must_use]
    pub fn step_bytes(&self) -> u64 {
        self.step_shape.iter().product::<u64>() * self.dtype.size() as u64
    }

    /// Steps in a chunk.
    #[must_use]
    pub fn chunk_steps(&self) -> u64 {
        self.chunk_shape[0]
    }

    /// Number of chunks of the whole run; for a run of unknown length those it starts with.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        let rows = self
            .steps
            .map_or(1, |steps| steps.div_ceil(self.chunk_steps()));
        rows.saturating_mul(self.chunks_per_step)
    }

    /// Bytes that the chunks reserve in the file; of a compressed tensor, those that they take at
    /// most.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.chunks().saturating_mul(self.chunk_bytes)
    }

    /// Steps of the last chunk that the planned run does not reach.
    #[must_use]
    pub fn tail_steps(&self) -> Option<u64> {
        let steps = self.steps?;
        let held = steps
            .div_ceil(self.chunk_steps())
            .saturating_mul(self.chunk_steps());
        Some(held - steps)
    }

    /// Reserved bytes that no planned step fills, as a share of the data.
    #[must_use]
    pub fn waste(&self) -> Option<f64> {
        let data = self.step_bytes().saturating_mul(self.steps?);
        Some(self.file_bytes().saturating_sub(data) as f64 / data as f64)
    }
}

impl fmt::Display for ChunkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} chunk{} {} of {}",
            Grouped(self.chunks()),
            if self.chunks() == 1 { "" } else { "s" },
            Shape(&self.chunk_shape),
            Bytes(self.chunk_bytes),
        )?;
        if self.compressed {
            f.write_str(" before compression")?;
            // What no step fills are zeros, of which nothing is left.
            if self.steps.is_some() {
                return Ok(());
            }
        }
        match (self.tail_steps(), self.waste()) {
            (Some(0), _) => Ok(()),
            (Some(tail), Some(waste)) => {
                let plural = if tail == 1 { "" } else { "s" };
                write!(
                    f,
                    ", tail {} step{plural} ({:.2} %)",
                    Grouped(tail),
                    waste * 100.0
                )
            }
            _ => write!(f, ", and more as the run goes on"),
        }
    }
}

/// The length of the parts when `total` is cut into the fewest even parts of at most `most`.
fn even(total: u64, most: u64) -> u64 {
    total.div_ceil(total.div_ceil(most))
}

/// Cuts a step into even pieces of at most `target` bytes: along the first axis whose rows fit.
pub(super) fn cut(shape: &[u64], element: u64, target: u64) -> Vec<u64> {
    let mut piece = shape.to_vec();
    for axis in 0..shape.len() {
        let row = shape[axis + 1..].iter().product::<u64>() * element;
        if row <= target || axis + 1 == shape.len() {
            piece[axis] = even(shape[axis], (target / row).max(1));
            break;
        }
        piece[axis] = 1;
    }
    piece
}

/// Cuts the first axis into even runs of about [`PIECE`] bytes of a step.
fn cut_tokens(shape: &[u64], step_bytes: u64) -> Vec<u64> {
    let row = step_bytes / shape[0];
    let mut piece = shape.to_vec();
    piece[0] = even(shape[0], (PIECE / row).clamp(1, shape[0]));
    piece
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ChunkPlan, MAX_CHUNK_BYTES, ReadPattern};
    use crate::Compression;
    use crate::chunks::Grid;
    use crate::{Dtype, TensorSpec};

    fn plan(shape: &[usize], steps: Option<u64>, pattern: ReadPattern, target: u64) -> ChunkPlan {
        let spec = TensorSpec::new("W", Dtype::Bf16, shape);
        ChunkPlan::new(&spec, steps, pattern, target, Compression::None).unwrap()
    }

    #[test]
    fn the_run_of_the_design_has_four_chunks() {
        let plan = plan(
            &[10_000, 64],
            Some(6001),
            ReadPattern::WholeTensor,
            2_000_000_000,
        );
        assert_eq!(plan.chunk_shape, [1501, 10_000, 64]);
        assert_eq!((plan.chunks(), plan.tail_steps()), (4, Some(3)));
        assert_eq!(
            plan.to_string(),
            "4 chunks (1501, 10000, 64) of 1.92 GB, tail 3 steps (0.05 %)"
        );
    }

    #[test]
    fn a_step_beyond_the_limit_is_cut() {
        let plan = plan(
            &[3, 2_000_000, 1000],
            Some(10),
            ReadPattern::WholeTensor,
            2_000_000_000,
        );
        assert_eq!(plan.chunk_shape, [1, 1, 1_000_000, 1000]);
        assert_eq!(plan.chunks_per_step, 6);
    }

    #[test]
    fn a_token_subset_gets_runs_of_tokens() {
        let plan = plan(
            &[10_000, 64],
            Some(6001),
            ReadPattern::TokenSubset,
            2_000_000_000,
        );
        assert_eq!(plan.chunk_shape[1..], [500, 64]);
        assert_eq!(plan.chunks_per_step, 20);
        assert!(plan.chunk_bytes <= 64_000_000);
    }

    proptest! {
        #[test]
        fn whole_tensors_get_the_fewest_even_chunks(
            shape in prop::collection::vec(1..300_usize, 0..4),
            steps in 1..100_000_u64,
            target in 1..3_000_000_000_u64,
        ) {
            let plan = plan(&shape, Some(steps), ReadPattern::WholeTensor, target);
            let step = plan.step_bytes();
            prop_assert!(plan.chunk_bytes <= MAX_CHUNK_BYTES);
            prop_assert!(plan.chunk_bytes <= target.max(step));
            // Fewest: one chunk less could not hold the steps under the target.
            let most = (target / step).max(1);
            prop_assert_eq!(plan.chunks(), steps.div_ceil(most));
            // Even: the tail is shorter than the number of chunks.
            prop_assert!(plan.tail_steps().unwrap() < plan.chunks());
            prop_assert!(plan.file_bytes() >= step * steps);
        }

        #[test]
        fn every_plan_is_a_grid_under_the_limit(
            shape in prop::collection::vec(1..3_000_usize, 0..5),
            steps in prop::option::of(1..1_000_000_u64),
            pattern in prop::sample::select(vec![
                ReadPattern::WholeTensor, ReadPattern::SingleSteps, ReadPattern::TokenSubset,
            ]),
            target in 1..6_000_000_000_u64,
            compression in prop::sample::select(vec![
                Compression::None, Compression::Fast, Compression::Temporal,
            ]),
        ) {
            let spec = TensorSpec::new("W", Dtype::Bf16, &shape);
            let bytes = shape.iter().fold(2, |all, &axis| all * axis as u128);
            let plan = match ChunkPlan::new(&spec, steps, pattern, target, compression) {
                Ok(plan) => plan,
                Err(error) => {
                    let run = bytes * u128::from(steps.unwrap_or(1));
                    prop_assert!(run > i64::MAX as u128, "{}", error);
                    return Ok(());
                }
            };
            prop_assert!(plan.chunk_bytes <= MAX_CHUNK_BYTES);
            prop_assert!(steps.is_none_or(|steps| plan.chunk_steps() <= steps));
            let grid = Grid::new(&plan.step_shape, &plan.chunk_shape, 2).unwrap();
            prop_assert_eq!(grid.pieces(), plan.chunks_per_step);
            prop_assert_eq!(grid.chunk_bytes(), plan.chunk_bytes);
        }
    }
}
