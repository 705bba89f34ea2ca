//! In the place of the file: lists of what was written, and when it counted. It has two tensors; the second
//! one may be compressed.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunks::Written;
use storage::Storage;
use trajectory::Chunk;

/// Bytes of a step of each tensor.
pub(crate) const STEP_BYTES: [u64; 2] = [2, 3];

/// What all bytes of a step are.
pub(crate) fn value(tensor: usize, step: u64) -> u8 {
    u8::try_from(2 * step + tensor as u64 + 1).expect("few steps")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorageError {
    WriterPanicked,
    /// A call on the file failed.
    Disk,
}

#[derive(Debug)]
pub(crate) struct DeclareError;

pub(crate) struct TensorSpec;

impl TensorSpec {
    pub(crate) fn step_bytes(&self) -> Result<u64, DeclareError> {
        Ok(1)
    }
}

pub(crate) mod chunks {
    pub(crate) fn to_usize(number: u64) -> usize {
        usize::try_from(number).expect("small numbers")
    }

    /// The steps of a chunk.
    pub(crate) type Written = std::ops::Range<u64>;

    pub(crate) struct ChunkEncoder;

    impl ChunkEncoder {
        pub(crate) fn new(_chunk_bytes: usize) -> Self {
            Self
        }
    }
}

pub(crate) mod plan {
    #[derive(Clone, Copy)]
    pub(crate) struct EncodingPlan {
        pub(crate) threads: usize,
    }

    pub(crate) struct QueuePlan {
        pub(crate) blocks: u64,
        pub(crate) block_bytes: u64,
        pub(crate) steps_per_block: u64,
    }

    pub(crate) fn region_bytes(step_bytes: u64, steps: u64) -> u64 {
        step_bytes * steps
    }
}

pub(crate) mod storage {
    pub(crate) trait Storage: Send + Sync {
        fn sync_data(&self) -> std::io::Result<()>;
    }
}

pub(crate) mod trajectory {
    use std::ops::Range;
    use std::sync::Arc;

    pub(crate) use super::TrajectoryFile;
    use super::chunks::{ChunkEncoder, Written};
    use super::{Disk, StorageError, check};

    /// Some steps of the compressed tensor.
    pub(crate) struct Chunk {
        pub(crate) tensor: usize,
        pub(crate) steps: Range<u64>,
        /// Where they are among the steps that it was cut from.
        pub(crate) bytes: Range<usize>,
    }

    impl Chunk {
        pub(crate) fn len(&self) -> usize {
            self.bytes.len()
        }
    }

    pub(crate) struct Packer(pub(super) Arc<Disk>);

    impl Packer {
        pub(crate) fn pack(
            &self,
            _encoder: &mut ChunkEncoder,
            chunk: &Chunk,
            steps: &[u8],
        ) -> Result<Written, StorageError> {
            self.0.call()?;
            check(
                chunk.tensor,
                chunk.steps.clone(),
                &steps[chunk.bytes.clone()],
            );
            Ok(chunk.steps.clone())
        }
    }
}

/// Whether `bytes` are those of these steps.
fn check(tensor: usize, steps: Range<u64>, bytes: &[u8]) {
    let len = chunks::to_usize(STEP_BYTES[tensor]);
    let expected = steps.flat_map(|step| std::iter::repeat_n(value(tensor, step), len));
    assert!(expected.eq(bytes.iter().copied()), "{bytes:?}");
}

#[derive(Default)]
struct State {
    /// Steps of each tensor that are written, and a reader would find them.
    written: [BTreeSet<u64>; 2],
    /// Steps that all tensors had when the medium was last synced.
    synced: u64,
    extent: u64,
    announced: u64,
    ended: Option<bool>,
    calls: usize,
    failed: bool,
}

impl State {
    /// Steps that all tensors have.
    fn complete(&self) -> u64 {
        let has = |step: &u64| self.written.iter().all(|written| written.contains(step));
        (0..).take_while(has).count() as u64
    }
}

/// The medium.
pub(crate) struct Disk {
    state: Mutex<State>,
    /// The call that fails, and all after it.
    fails_at: Option<usize>,
    durable: bool,
}

impl Disk {
    pub(crate) fn new(fails_at: Option<usize>, durable: bool) -> Self {
        Self {
            state: Mutex::default(),
            fails_at,
            durable,
        }
    }

    /// No order of threads depends on this lock: it is never held for longer than a call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn extent(&self) -> u64 {
        self.state().extent
    }

    pub(crate) fn ended(&self) -> Option<bool> {
        self.state().ended
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Counts a call, which fails if it is its turn.
    pub(super) fn call(&self) -> Result<(), StorageError> {
        let mut state = self.state();
        state.calls += 1;
        if self.fails_at.is_some_and(|at| state.calls >= at) {
            state.failed = true;
            return Err(StorageError::Disk);
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn sync_data(&self) -> io::Result<()> {
        let began = self.state().complete();
        // It takes a while.
        shuttle::thread::yield_now();
        self.call().map_err(|_| io::Error::other("the disk"))?;
        self.state().synced = began;
        Ok(())
    }
}

pub(crate) struct StepTensor {
    compressed: bool,
}

impl StepTensor {
    pub(crate) fn is_compressed(&self) -> bool {
        self.compressed
    }
}

pub(crate) struct TrajectoryFile {
    pub(crate) tensors: Vec<StepTensor>,
    disk: Arc<Disk>,
    /// Chunks that are written and not in the index.
    pending: Vec<Written>,
}

impl TrajectoryFile {
    pub(crate) fn new(disk: Arc<Disk>, compressed: bool) -> Self {
        Self {
            tensors: [false, compressed]
                .map(|compressed| StepTensor { compressed })
                .into(),
            disk,
            pending: Vec::new(),
        }
    }

    pub(crate) fn packer(&self) -> Option<trajectory::Packer> {
        let compressed = self.tensors[1].compressed;
        compressed.then(|| trajectory::Packer(self.disk.clone()))
    }

    pub(crate) fn verify(&self) -> Result<(), StorageError> {
        self.disk.call()
    }

    pub(crate) fn raise_end_of_file_for_block(&mut self, _: u64) -> Result<(), StorageError> {
        self.disk.call()
    }

    pub(crate) fn write_steps(
        &mut self,
        tensor: usize,
        first: u64,
        count: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.disk.call()?;
        check(tensor, first..first + count, bytes);
        let written = &mut self.disk.state().written[tensor];
        assert!((first..first + count).all(|step| written.insert(step)));
        Ok(())
    }

    /// A chunk of each step.
    pub(crate) fn cut_chunks(&mut self, first: u64, count: u64) -> Vec<Chunk> {
        let len = chunks::to_usize(STEP_BYTES[1]);
        let chunk = |nth: u64| Chunk {
            tensor: 1,
            steps: first + nth..first + nth + 1,
            bytes: chunks::to_usize(nth) * len..chunks::to_usize(nth + 1) * len,
        };
        (0..count).map(chunk).collect()
    }

    pub(crate) fn add_chunks(&mut self, count: u64, chunks: Vec<Written>) {
        assert_eq!(chunks.len() as u64, count);
        self.pending.extend(chunks);
    }

    pub(crate) fn announce_commit(&mut self, steps: u64) -> Result<(), StorageError> {
        self.disk.call()?;
        self.disk.state().announced = steps;
        Ok(())
    }

    pub(crate) fn stage_chunks(&mut self) -> Result<bool, StorageError> {
        self.disk.call()?;
        Ok(!self.pending.is_empty())
    }

    pub(crate) fn show_chunks(&mut self) -> Result<(), StorageError> {
        self.disk.call()?;
        let written = &mut self.disk.state().written[1];
        let mut steps = self.pending.drain(..).flatten();
        assert!(steps.all(|step| written.insert(step)));
        Ok(())
    }

    /// What it uncovers is there, and was announced; and on the medium, where that is asked for.
    pub(crate) fn set_extents(&mut self, steps: u64) -> Result<(), StorageError> {
        self.disk.call()?;
        let mut state = self.disk.state();
        assert!(state.extent <= steps && steps <= state.complete());
        assert!(!self.disk.durable || steps <= state.synced);
        assert_eq!(state.announced, steps);
        state.extent = steps;
        Ok(())
    }

    pub(crate) fn sync_failed(&self, _: io::Error) -> StorageError {
        StorageError::Disk
    }

    pub(crate) fn finish(&mut self) -> Result<(), StorageError> {
        self.end(true)
    }

    pub(crate) fn give_back(&mut self) -> Result<(), StorageError> {
        self.end(false)
    }

    fn end(&mut self, finish: bool) -> Result<(), StorageError> {
        self.disk.call()?;
        self.disk.state().ended = Some(finish);
        Ok(())
    }
}
