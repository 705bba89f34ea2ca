//! The whole run: chunks, memory and disk, checked before anything is written.

use std::fmt;
use std::path::Path;

use selvedge_base::disk;
use selvedge_base::text::shown;

use super::{Bytes, ChunkPlan, EncodingPlan, Grouped, ReadPattern, Shape};
use crate::{Compression, DeclareError, TensorSpec};

/// Small steps are gathered into blocks of at least about this size and written together …
const BLOCK_BYTES: u64 = 1 << 20;
/// … so that each tensor has about this many bytes in a block, which is written by a call for each tensor
/// and committed by another …
const RUN_BYTES: u64 = 64 << 10;
/// … of at most this many steps …
const BLOCK_STEPS: u64 = 65_536;
/// … and of at most a part of the queue: some are filled while others are written …
const LEAST_BLOCKS: u64 = 4;
/// … unless that leaves less than this to each tensor, which the page cache takes at half the speed: then
/// two blocks are enough.
const LEAST_RUN_BYTES: u64 = 32 << 10;
/// A page of the page cache, and a group of them that is handled as one.
const PAGE: u64 = 4 << 10;
const PAGE_GROUP: u64 = 16 << 10;
/// More blocks than this do not make the queue any better at evening out a slow disk.
const MAX_BLOCKS: u64 = 64;
/// Two blocks: one is filled while the other is written.
const MIN_BLOCKS: u64 = 2;
/// Each tensor's part of a block starts at a multiple of this many bytes: a cache line.
const ALIGNMENT: u64 = 64;

/// The limits of a run, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Chunks stay under this size. Default: 2 GB.
    pub chunk_target: u64,
    /// The queue between the training loop and the writer takes at most this much memory, or two
    /// steps where these are larger. Default: 64 MiB.
    pub queue: u64,
    /// The run is refused if the recorder needs more memory than this. Default: 24 GB.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_target: 2_000_000_000,
            queue: 64 << 20,
            memory: 24_000_000_000,
        }
    }
}

/// The queue between the training loop and the writer: a fixed set of equal blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuePlan {
    /// Number of blocks.
    pub blocks: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Steps that a block holds.
    pub steps_per_block: u64,
}

impl QueuePlan {
    /// The memory of all blocks in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.block_bytes)
    }
}

/// Bytes that `steps` steps of `step_bytes` bytes take in a block.
pub(crate) fn region_bytes(step_bytes: u64, steps: u64) -> u64 {
    step_bytes
        .saturating_mul(steps)
        .checked_next_multiple_of(ALIGNMENT)
        .unwrap_or(u64::MAX)
}

/// A planned run. Its [`Display`](fmt::Display) is a table for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunPlan {
    /// Planned steps; `None` for a run of unknown length.
    pub steps: Option<u64>,
    /// What the chunks were planned for.
    pub pattern: ReadPattern,
    /// The step tensors, in the order of their declaration.
    pub tensors: Vec<ChunkPlan>,
    /// Bytes of all constants.
    pub constant_bytes: u64,
    /// The queue.
    pub queue: QueuePlan,
    /// The threads that encode, where a tensor is compressed.
    pub encoding: Option<EncodingPlan>,
    /// The memory budget in bytes.
    pub memory_budget: u64,
    /// Free bytes on the disk of the file, where they are known.
    pub free_disk: Option<u64>,
}

impl RunPlan {
    /// Plans a run of `steps` steps (`None`: unknown) of `tensors`, with `constant_bytes` bytes of
    /// constants, for reading by `pattern`. `block_steps` is the most steps that may be written
    /// together.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidTensor`] or [`DeclareError::InvalidName`] for a tensor that HDF5 cannot hold;
    /// [`DeclareError::MemoryBudget`] where two blocks of the queue and the encoders exceed the budget;
    /// [`DeclareError::NotForRecording`] for [`Compression::Temporal`].
    pub fn new(
        tensors: &[TensorSpec],
        steps: Option<u64>,
        pattern: ReadPattern,
        limits: &Limits,
        constant_bytes: u64,
        block_steps: Option<u64>,
        compression: Compression,
    ) -> Result<Self, DeclareError> {
        compression.check_recording()?;
        let tensors = tensors
            .iter()
            .map(|spec| ChunkPlan::new(spec, steps, pattern, limits.chunk_target, compression))
            .collect::<Result<Vec<_>, _>>()?;
        let most = block_steps
            .unwrap_or(u64::MAX)
            .min(steps.unwrap_or(u64::MAX))
            .max(1);
        let queue = plan_queue(&tensors, most, steps.unwrap_or(u64::MAX), limits);
        let mut plan = Self {
            steps,
            pattern,
            tensors,
            constant_bytes,
            queue,
            encoding: None,
            memory_budget: limits.memory,
            free_disk: None,
        };
        plan.plan_encoding();
        if plan.memory_bytes() > limits.memory {
            return Err(DeclareError::MemoryBudget {
                needed: plan.memory_bytes(),
                budget: limits.memory,
            });
        }
        Ok(plan)
    }

    /// Plans the encoders for the chunks as they are now: those of a file that exists can be others.
    pub(crate) fn plan_encoding(&mut self) {
        let compressed = self.tensors.iter().filter(|tensor| tensor.compressed);
        let largest = compressed.map(|tensor| tensor.chunk_bytes).max();
        self.encoding = largest.map(EncodingPlan::new);
    }

    /// The memory that the recorder takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let encoding = self.encoding.map_or(0, |encoding| encoding.bytes());
        self.queue.bytes().saturating_add(encoding)
    }

    /// Bytes of one step of all tensors.
    #[must_use]
    pub fn step_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .map(ChunkPlan::step_bytes)
            .fold(0, u64::saturating_add)
    }

    /// Bytes that the file will have; for a run of unknown length those it starts with, which are
    /// a hole until steps fill them.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .map(ChunkPlan::file_bytes)
            .fold(self.constant_bytes, u64::saturating_add)
    }

    /// Bytes that the run will put on the disk: all planned steps, or one where the length is
    /// unknown. With compression it is at most so much.
    #[must_use]
    pub fn needed_disk(&self) -> u64 {
        self.step_bytes()
            .saturating_mul(self.steps.unwrap_or(1))
            .saturating_add(self.constant_bytes)
    }

    /// Looks up the free disk for a new file at `path`, which need not have its folder yet.
    ///
    /// # Errors
    ///
    /// [`DeclareError::DiskTooSmall`] where there is no room for the run; `free_disk` is set then, too.
    pub fn check_free_disk(&mut self, path: impl AsRef<Path>) -> Result<(), DeclareError> {
        self.check_disk(path.as_ref(), self.needed_disk(), 0)
    }

    /// Looks up the free disk for a file at `path`, and checks that there is room for `needed` bytes
    /// when `freed` bytes more are free.
    pub(crate) fn check_disk(
        &mut self,
        path: &Path,
        needed: u64,
        freed: u64,
    ) -> Result<(), DeclareError> {
        self.free_disk = free_disk(path, freed);
        match self.free_disk {
            Some(free) if free < needed => Err(DeclareError::DiskTooSmall {
                path: path.to_owned(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }
}

/// The free disk for a file at `path` when `freed` bytes more are free, in bytes. A file system that
/// does not tell is no error.
pub(crate) fn free_disk(path: &Path, freed: u64) -> Option<u64> {
    Some(disk::free_bytes(path)?.saturating_add(freed))
}

/// The queue of a run of `steps` steps, of which at most `together` may be written together.
fn plan_queue(tensors: &[ChunkPlan], together: u64, steps: u64, limits: &Limits) -> QueuePlan {
    let block = |steps: u64| {
        tensors
            .iter()
            .map(|tensor| region_bytes(tensor.step_bytes(), steps))
            .fold(0, u64::saturating_add)
    };
    let room = limits.queue.min(limits.memory);
    let wanted = RUN_BYTES.saturating_mul(tensors.len() as u64);
    let wanted = wanted.max(BLOCK_BYTES).min(room / LEAST_BLOCKS);
    let least = LEAST_RUN_BYTES.saturating_mul(tensors.len() as u64);
    let wanted = wanted.max(least.min(room / MIN_BLOCKS));
    let step_bytes = tensors.iter().map(ChunkPlan::step_bytes);
    let step_bytes = step_bytes.fold(0, u64::saturating_add);
    let is_padded = |tensor: &&ChunkPlan| !tensor.step_bytes().is_multiple_of(ALIGNMENT);
    let padded = tensors.iter().filter(is_padded).count();
    let padding = (ALIGNMENT - 1).saturating_mul(padded as u64);
    let steps_per_block = (wanted.saturating_sub(padding) / step_bytes.max(1))
        .clamp(1, BLOCK_STEPS)
        .min(together);
    let steps_per_block = even_steps(tensors, steps_per_block);
    let block_bytes = block(steps_per_block);
    let blocks = (room / block_bytes.max(1)).clamp(MIN_BLOCKS, MAX_BLOCKS);
    // A short run needs no more blocks than it has steps.
    let enough = (steps / steps_per_block).saturating_add(1).max(MIN_BLOCKS);
    QueuePlan {
        blocks: blocks.min(enough),
        block_bytes,
        steps_per_block,
    }
}

/// At most `most` steps, so many that what a block has of each tensor ends where a group of pages of the
/// page cache does, or a page. Tensors that have less than a page in a block do not matter.
fn even_steps(tensors: &[ChunkPlan], most: u64) -> u64 {
    let runs = tensors.iter().map(ChunkPlan::step_bytes);
    let runs = runs.filter(|bytes| bytes.saturating_mul(most) >= PAGE);
    // Of numbers of bytes the largest power of two that divides all of them.
    let Some(bits) = runs.map(u64::trailing_zeros).min() else {
        return most;
    };
    let steps = [PAGE_GROUP, PAGE].map(|unit| unit.checked_shr(bits).unwrap_or(0).max(1));
    let fits = steps.into_iter().find(|&steps| steps <= most);
    fits.map_or(most, |steps| most / steps * steps)
}

impl fmt::Display for RunPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            Some(steps) => write!(
                f,
                "{} steps of {}",
                Grouped(steps),
                Bytes(self.step_bytes())
            )?,
            None => write!(f, "an open number of steps of {}", Bytes(self.step_bytes()))?,
        }
        writeln!(f, ", chunked for reading {}", self.pattern)?;
        let names = self.tensors.iter().map(|t| shown(&t.tensor).to_string());
        let names: Vec<String> = names.collect();
        let name = names.iter().map(|name| name.chars().count());
        let name = name.max().unwrap_or(0);
        let shapes: Vec<_> = self
            .tensors
            .iter()
            .map(|t| Shape(&t.step_shape).to_string())
            .collect();
        let shape = shapes.iter().map(String::len).max().unwrap_or(0);
        for ((tensor, step), shown) in self.tensors.iter().zip(&shapes).zip(&names) {
            writeln!(
                f,
                "  {shown:name$}  {:8}  {step:shape$}  {tensor}",
                tensor.dtype
            )?;
        }
        if self.constant_bytes > 0 {
            writeln!(f, "  constants: {}", Bytes(self.constant_bytes))?;
        }
        let most = if self.encoding.is_some() {
            "at most "
        } else {
            ""
        };
        match self.steps {
            Some(_) => write!(f, "disk: {most}{}", Bytes(self.file_bytes()))?,
            None => write!(
                f,
                "disk: {most}{} for each 1,000 steps",
                Bytes(self.step_bytes().saturating_mul(1000))
            )?,
        }
        if let Some(free) = self.free_disk {
            write!(f, ", {} free", Bytes(free))?;
        }
        let held = self.queue.blocks * self.queue.steps_per_block;
        write!(
            f,
            "\nmemory: {} for a queue of {} step{}",
            Bytes(self.queue.bytes()),
            Grouped(held),
            if held == 1 { "" } else { "s" },
        )?;
        if let Some(encoding) = self.encoding {
            let threads = encoding.threads;
            let plural = if threads == 1 { "" } else { "s" };
            let bytes = Bytes(encoding.bytes());
            write!(f, ", {bytes} for {threads} encoding thread{plural}")?;
        }
        write!(f, ", budget {}", Bytes(self.memory_budget))
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, QueuePlan, RunPlan};
    use crate::{Compression, DeclareError, Dtype, ReadPattern, TensorSpec};

    fn thimble() -> Vec<TensorSpec> {
        let mut tensors: Vec<_> = ["W", "grad_W", "momentum_W", "variance_W"]
            .map(|name| TensorSpec::new(name, Dtype::Bf16, [10_000, 64]))
            .into();
        tensors.push(TensorSpec::new("losses", Dtype::F32, []));
        tensors
    }

    fn plan(limits: &Limits) -> Result<RunPlan, DeclareError> {
        RunPlan::new(
            &thimble(),
            Some(6001),
            ReadPattern::default(),
            limits,
            20_000,
            None,
            Compression::None,
        )
    }

    #[test]
    fn the_plan_explains_itself() {
        let plan = plan(&Limits::default()).unwrap();
        assert_eq!(
            plan.to_string(),
            "\
6,001 steps of 5.12 MB, chunked for reading whole tensors
  W           bfloat16  (10000, 64)  4 chunks (1501, 10000, 64) of 1.92 GB, tail 3 steps (0.05 %)
  grad_W      bfloat16  (10000, 64)  4 chunks (1501, 10000, 64) of 1.92 GB, tail 3 steps (0.05 %)
  momentum_W  bfloat16  (10000, 64)  4 chunks (1501, 10000, 64) of 1.92 GB, tail 3 steps (0.05 %)
  variance_W  bfloat16  (10000, 64)  4 chunks (1501, 10000, 64) of 1.92 GB, tail 3 steps (0.05 %)
  losses      float32   ()           1 chunk (6001,) of 24.00 kB
  constants: 20.00 kB
disk: 30.74 GB
memory: 66.56 MB for a queue of 13 steps, budget 24.00 GB"
        );
    }

    #[test]
    fn a_memory_budget_below_two_steps_is_refused() {
        let limits = Limits {
            memory: 10_000_000,
            ..Limits::default()
        };
        let error = plan(&limits).unwrap_err();
        assert!(matches!(
            error,
            DeclareError::MemoryBudget {
                needed: 10_240_128,
                budget: 10_000_000
            }
        ));
        assert_eq!(
            error.to_string(),
            "the recorder needs 10.24 MB of memory for a queue of two steps, 240.13 kB more than \
             the budget of 10.00 MB; raise the budget or record smaller steps"
        );
    }

    #[test]
    fn small_steps_share_a_block() {
        let tensors = [TensorSpec::new("loss", Dtype::F32, [])];
        let plan = RunPlan::new(
            &tensors,
            None,
            ReadPattern::default(),
            &Limits::default(),
            0,
            None,
            Compression::None,
        )
        .unwrap();
        assert_eq!(plan.queue.steps_per_block, 65_536);
        assert!(plan.queue.bytes() <= 64 << 20);
    }

    /// Blocks of a model of `tensors` tensors of `elements` elements of bfloat16 each.
    fn blocks(
        tensors: usize,
        elements: usize,
        limits: &Limits,
        together: Option<u64>,
    ) -> QueuePlan {
        let spec = |nth| TensorSpec::new(format!("layer{nth}"), Dtype::Bf16, [elements]);
        let tensors: Vec<_> = (0..tensors).map(spec).collect();
        let pattern = ReadPattern::default();
        let none = Compression::None;
        let plan = RunPlan::new(&tensors, None, pattern, limits, 0, together, none);
        plan.unwrap().queue
    }

    /// A block of 1 MiB held two steps of 1,000 tensors of 512 bytes: each step was 500 writes.
    #[test]
    fn blocks_of_many_tensors_hold_many_steps() {
        let limits = Limits::default();
        // A quarter of the queue, or half of it where a quarter leaves less than 32 KiB to each tensor; and writes that
        // end with a group of pages.
        for (tensors, elements, steps, count) in
            [(1000, 256, 64, 2), (300, 256, 96, 4), (300, 2048, 12, 4)]
        {
            let queue = blocks(tensors, elements, &limits, None);
            assert_eq!((queue.steps_per_block, queue.blocks), (steps, count));
            assert_eq!(steps * elements as u64 * 2 % (16 << 10), 0);
        }
        // A few tensors fill a block of 1 MiB as always, and a step of theirs that is larger is one.
        assert_eq!(blocks(4, 2048, &limits, None).steps_per_block, 64);
        assert_eq!(blocks(4, 640_000, &limits, None).steps_per_block, 1);
        // Odd sizes have no such number of steps, and those that are synced together are no more.
        assert_eq!(blocks(100, 257, &limits, None).steps_per_block, 127);
        assert_eq!(blocks(1000, 256, &limits, Some(3)).steps_per_block, 3);
    }

    #[test]
    fn a_small_queue_is_never_exceeded_but_for_two_steps() {
        for (tensors, elements) in [(1, 1), (7, 3), (1000, 1), (300, 256), (40, 100_000)] {
            for bytes in [0, 1000, 4096, 60_000, 1 << 20, 5 << 20] {
                let limits = Limits {
                    queue: bytes,
                    ..Limits::default()
                };
                let queue = blocks(tensors, elements, &limits, None);
                let step = (2 * elements as u64).next_multiple_of(64) * tensors as u64;
                assert!(queue.bytes() <= bytes.max(2 * step), "{queue:?} of {bytes}");
            }
        }
    }

    #[test]
    fn a_run_that_the_disk_cannot_hold_says_by_how_much() {
        let tensors = [TensorSpec::new("W", Dtype::F64, [1 << 30])];
        let mut plan = RunPlan::new(
            &tensors,
            Some(1 << 20),
            ReadPattern::default(),
            &Limits::default(),
            0,
            None,
            Compression::None,
        )
        .unwrap();
        let path = std::env::temp_dir().join("x.h5");
        let error = plan.check_free_disk(&path).unwrap_err();
        assert!(matches!(error, DeclareError::DiskTooSmall { .. }));
        assert!(plan.free_disk.is_some());
        assert!(error.to_string().contains("short"), "{error}");
    }
}
