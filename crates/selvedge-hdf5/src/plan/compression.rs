//! Which tensors are compressed, and how they are cut into chunks for it.

use selvedge_base::pool;

use super::chunks::cut;
use crate::{Compression, DeclareError, TensorSpec};

/// A chunk is encoded as a whole: so it stays small enough for a cache, and for several threads to
/// share a large step.
const CHUNK: u64 = 4 << 20;
/// Smaller steps stay as they are: what a chunk takes in the index, and each read of it, would cost
/// more than the bytes saved.
const LEAST_STEP: u64 = 16 << 10;
/// Bytes of the elements that are compressed: those of a bfloat16.
const ELEMENT: usize = 2;
/// Steps of a chunk that holds several. Its first step has none before it to repeat; with 16 that is
/// little of it, and whoever reads one step unpacks no more than 16.
const STEPS: u64 = 16;
/// Bytes of a step in such a chunk: 2,048 elements. Deflate names what is up to 32,768 bytes away. The
/// nearer, the shorter the name, and codes fit rows that lie side by side; but each chunk takes an entry
/// in the index, and pays for its codes.
const BAND: u64 = 4 << 10;

impl Compression {
    /// Shape of a chunk of `spec` in elements, the steps first; `None` where it is not compressed.
    pub(super) fn chunk(
        self,
        spec: &TensorSpec,
        shape: &[u64],
        steps: Option<u64>,
    ) -> Result<Option<Vec<u64>>, DeclareError> {
        let step_bytes = spec.step_bytes()?;
        if self == Self::None || spec.dtype.size() != ELEMENT || step_bytes < LEAST_STEP {
            return Ok(None);
        }
        // A single step has nothing before it.
        let (steps, most) = match (self, steps.unwrap_or(STEPS).min(STEPS)) {
            (Self::Temporal, steps @ 2..) => (steps, BAND),
            _ => (1, CHUNK),
        };
        let mut chunk = vec![steps];
        if step_bytes > most {
            chunk.extend(cut(shape, ELEMENT as u64, most));
        } else {
            chunk.extend(shape);
        }
        Ok(Some(chunk))
    }

    /// Fails where a recorder cannot compress like this.
    pub(super) fn check_recording(self) -> Result<(), DeclareError> {
        match self {
            Self::Temporal => Err(DeclareError::NotForRecording { compression: self }),
            Self::None | Self::Fast => Ok(()),
        }
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
    pub(crate) fn new(chunk_bytes: u64) -> Self {
        let cores = pool::cores();
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
    use crate::chunks::Grid;
    use crate::{ChunkPlan, Compression, Dtype, ReadPattern, TensorSpec};

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
    fn an_archive_has_bands_of_sixteen_steps() {
        for (shape, expected) in [
            (&[10_000, 64][..], &[16, 32, 64][..]),
            (&[8192], &[16, 2048]),
            (&[8193], &[16, 1639]),
            (&[3, 50_000], &[16, 1, 2000]),
            (&[20, 3, 2000], &[16, 1, 1, 2000]),
            (&[4, 10, 512], &[16, 1, 4, 512]),
        ] {
            let plan = plan(Dtype::Bf16, shape, Compression::Temporal);
            assert_eq!(plan.chunk_shape, expected, "{shape:?}");
            assert!(plan.compressed && plan.chunk_bytes <= 64 << 10);
            let grid = Grid::new(&plan.step_shape, &plan.chunk_shape, 2).unwrap();
            assert_eq!(grid.pieces(), plan.chunks_per_step);
        }
        let plan = plan(Dtype::Bf16, &[10_000, 64], Compression::Temporal);
        assert_eq!(
            plan.to_string(),
            "117,688 chunks (16, 32, 64) of 65.54 kB before compression"
        );
    }

    #[test]
    fn a_short_run_has_short_chunks() {
        let spec = TensorSpec::new("W", Dtype::Bf16, [10_000, 64]);
        for (steps, expected) in [
            (1, [1, 10_000, 64]),
            (2, [2, 32, 64]),
            (15, [15, 32, 64]),
            (17, [16, 32, 64]),
        ] {
            let pattern = ReadPattern::default();
            let temporal = Compression::Temporal;
            let plan = ChunkPlan::new(&spec, Some(steps), pattern, 1 << 30, temporal).unwrap();
            assert_eq!(plan.chunk_shape, expected);
        }
    }

    #[test]
    fn other_tensors_stay_as_they_are() {
        for (dtype, shape) in [
            (Dtype::F32, &[10_000, 64][..]),
            (Dtype::U8, &[1 << 20]),
            (Dtype::Bf16, &[8191]),
            (Dtype::Bf16, &[]),
        ] {
            let plain = plan(dtype, shape, Compression::None);
            for compression in [Compression::Fast, Compression::Temporal] {
                let with = plan(dtype, shape, compression);
                assert_eq!(with, plain, "{dtype} {shape:?} {compression}");
            }
        }
        assert!(plan(Dtype::I16, &[8192], Compression::Fast).compressed);
    }
}
