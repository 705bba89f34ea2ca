//! Which tensors are compressed, and how they are cut into chunks for it.

use std::fmt;

use super::chunks::cut;
use crate::{Error, TensorSpec};

/// A chunk is encoded as a whole: so it stays small enough for a cache, and for several threads to
/// share a large step.
const CHUNK: u64 = 4 << 20;
/// Smaller steps stay as they are: what a chunk takes in the index, and each read of it, would cost
/// more than the bytes saved.
const LEAST_STEP: u64 = 16 << 10;
/// Bytes of the elements that are compressed: those of a bfloat16.
const ELEMENT: usize = 2;

/// Whether recorded steps are compressed, without loss.
///
/// Compressed are the tensors with elements of 2 bytes (bfloat16, float16, the 16-bit integers) and
/// steps of 16 KiB or more; the others stay as they are. Any HDF5 reads the result, by its own
/// filters shuffle and deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Steps are stored as they are: the default.
    #[default]
    None,
    /// The low bytes of the elements are stored and the high bytes Huffman-coded, at the speed of
    /// the disk. Each step is a chunk of its own, or several from 4 MiB on, and is committed as
    /// without compression.
    Fast,
}

impl Compression {
    /// Shape of a chunk of `spec` in elements, the steps first; `None` where it is not compressed.
    pub(super) fn chunk(self, spec: &TensorSpec, shape: &[u64]) -> Result<Option<Vec<u64>>, Error> {
        let step_bytes = spec.step_bytes()?;
        if self == Self::None || spec.dtype.size() != ELEMENT || step_bytes < LEAST_STEP {
            return Ok(None);
        }
        let mut chunk = vec![1];
        if step_bytes > CHUNK {
            chunk.extend(cut(shape, ELEMENT as u64, CHUNK));
        } else {
            chunk.extend(shape);
        }
        Ok(Some(chunk))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Fast => "fast",
        })
    }
}

/// The threads that encode, and their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodingPlan {
    /// Number of threads.
    pub threads: u64,
    /// Memory of each in bytes, at most.
    pub thread_bytes: u64,
}

impl EncodingPlan {
    /// More threads than this leave too few to the training loop.
    const MOST_THREADS: usize = 4;
    /// What an encoder has of its own, at most, beside twice the chunk.
    const ENCODER: u64 = 1 << 20;

    /// A plan for chunks of at most `chunk_bytes` bytes.
    pub(super) fn new(chunk_bytes: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.min(Self::MOST_THREADS) as u64,
            // The stream, a copy of a chunk that reaches beyond its step, and the encoder's memory.
            thread_bytes: chunk_bytes.saturating_mul(4).saturating_add(Self::ENCODER),
        }
    }

    /// The memory of all threads in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.threads.saturating_mul(self.thread_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Compression;
    use crate::grid::Grid;
    use crate::{ChunkPlan, Dtype, ReadPattern, TensorSpec};

    fn plan(dtype: Dtype, shape: &[usize], compression: Compression) -> ChunkPlan {
        let spec = TensorSpec::new("W", dtype, shape);
        let pattern = ReadPattern::default();
        ChunkPlan::new(&spec, Some(6001), pattern, 2_000_000_000, compression).unwrap()
    }

    #[test]
    fn a_step_is_a_chunk() {
        let plan = plan(Dtype::Bf16, &[10_000, 64], Compression::Fast);
        assert!(plan.compressed);
        assert_eq!(plan.chunk_shape, [1, 10_000, 64]);
        assert_eq!((plan.chunks(), plan.tail_steps()), (6001, Some(0)));
        assert_eq!(
            plan.to_string(),
            "6,001 chunks (1, 10000, 64) of 1.28 MB before compression"
        );
    }

    #[test]
    fn a_large_step_is_several_chunks() {
        let plan = plan(Dtype::Bf16, &[3, 2_000_000, 4], Compression::Fast);
        assert_eq!(plan.chunk_shape, [1, 1, 500_000, 4]);
        assert_eq!(plan.chunks_per_step, 12);
        let grid = Grid::new(&plan.step_shape, &plan.chunk_shape, 2).unwrap();
        assert_eq!(grid.pieces(), plan.chunks_per_step);
    }

    #[test]
    fn other_tensors_stay_as_they_are() {
        for (dtype, shape) in [
            (Dtype::F32, &[10_000, 64][..]),
            (Dtype::U8, &[1 << 20]),
            (Dtype::Bf16, &[8191]),
            (Dtype::Bf16, &[]),
        ] {
            let with = plan(dtype, shape, Compression::Fast);
            assert_eq!(
                with,
                plan(dtype, shape, Compression::None),
                "{dtype} {shape:?}"
            );
        }
        assert!(plan(Dtype::I16, &[8192], Compression::Fast).compressed);
    }
}
