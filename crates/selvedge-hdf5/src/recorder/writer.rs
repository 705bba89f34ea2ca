//! The writer thread: takes blocks from the queue, writes them, and moves the extents.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::block::{Block, BlockLayout};
use super::queue::{Queue, Task};
use crate::Error;
use crate::encoder::Encoders;
use crate::trajectory::TrajectoryFile;

/// When recorded steps are put on the medium with `fdatasync`.
///
/// A killed process loses nothing that is committed either way: what was written is in the
/// operating system's memory. A power cut or a crash of the system loses what is only there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Never: the operating system writes when it sees fit. The default.
    #[default]
    Never,
    /// After every so many steps, at `commit` and at `finish`. Steps are committed only then: an
    /// extent advances after the `fdatasync` of the data it uncovers, and is then synced itself.
    EverySteps(NonZeroU64),
}

impl Durability {
    /// `fdatasync` after every `steps` steps; 0 counts as 1.
    #[must_use]
    pub fn every(steps: u64) -> Self {
        Self::EverySteps(NonZeroU64::new(steps).unwrap_or(NonZeroU64::MIN))
    }

    /// The most steps between two commits.
    pub(crate) fn interval(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::EverySteps(steps) => Some(steps.get()),
        }
    }
}

/// The writer's side of a run.
pub(crate) struct Writer {
    pub(crate) file: TrajectoryFile,
    pub(crate) layout: BlockLayout,
    pub(crate) durability: Durability,
    pub(crate) queue: Arc<Queue>,
    /// Where a tensor is compressed.
    pub(crate) encoders: Option<Encoders>,
    /// Steps written, committed or not.
    pub(crate) written: u64,
}

impl Writer {
    /// Works until the queue is closed or something fails, which stops the queue.
    pub(crate) fn run(mut self) {
        // If this thread panics, nobody may wait for it for ever.
        let _guard = StopOnPanic(self.queue.clone());
        loop {
            let result = match self.queue.next(self.written) {
                Task::Write(block) => self.write(block),
                Task::Commit => self.commit(),
                Task::Close { finish } => {
                    if self.queue.stopped().is_none()
                        && let Err(error) = self.close(finish)
                    {
                        self.queue.stop(error);
                    }
                    break;
                }
            };
            if let Err(error) = result {
                self.queue.stop(error);
                break;
            }
        }
    }

    fn write(&mut self, block: Block) -> Result<(), Error> {
        // A block need not end where a commit is due.
        let uncommitted = self.written - self.queue.committed();
        let due = |interval| uncommitted > 0 && uncommitted + block.len as u64 > interval;
        if self.durability.interval().is_some_and(due) {
            self.commit()?;
        }
        // Before the data too: a file that another program took over is not ours to write to.
        self.file.verify()?;
        let (first, steps) = (block.first, block.len as u64);
        if let Some(encoders) = &self.encoders {
            self.file.announce_packed(self.layout.capacity() as u64)?;
            let bytes = |tensor| block.steps(&self.layout, tensor);
            self.file.pack_steps(encoders, first, steps, bytes)?;
        }
        for tensor in 0..self.file.tensors.len() {
            if !self.file.is_packed(tensor) {
                let bytes = block.steps(&self.layout, tensor);
                self.file.write_steps(tensor, first, steps, bytes)?;
            }
        }
        self.written = block.first + block.len as u64;
        self.queue.recycle(block);
        match self.durability.interval() {
            Some(interval) if self.written - self.queue.committed() < interval => Ok(()),
            _ => self.commit(),
        }
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.file.verify()?;
        let durable = self.durability != Durability::Never;
        let staged = self.file.stage_chunks()?;
        if durable {
            self.file.sync()?;
        }
        if staged {
            self.file.show_chunks()?;
            if durable {
                self.file.sync()?;
            }
        }
        self.file.set_extents(self.written)?;
        if durable {
            self.file.sync()?;
        }
        self.queue.set_committed(self.written);
        Ok(())
    }

    fn close(&mut self, finish: bool) -> Result<(), Error> {
        if self.written > self.queue.committed() {
            self.commit()?;
        }
        if finish { self.file.finish() } else { Ok(()) }
    }
}

/// Stops the queue if the writer thread unwinds.
struct StopOnPanic(Arc<Queue>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(Error::WriterPanicked);
        }
    }
}
