//! The writer thread: takes blocks from the queue, writes them, and moves the extents.
//!
//! What takes long is done by others: encoding, by [`Packers`], and waiting for the medium, by the
//! [`Syncer`]. The writer goes on with later steps meanwhile. All that the file's structures are
//! changed by is done here, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::block::Steps;
use super::durability::Durability;
use super::packers::{Packers, Packing};
use super::queue::{Progress, Queue, StopOnPanic, Task};
use super::syncer::Syncer;
use super::threads::Instant;
use crate::StorageError;
use crate::trajectory::TrajectoryFile;

/// The writer's side of a run.
pub(crate) struct Writer {
    pub(super) file: TrajectoryFile,
    /// Steps that a block holds.
    pub(super) block_steps: u64,
    pub(super) durability: Durability,
    pub(super) queue: Arc<Queue>,
    /// Where a tensor is compressed.
    pub(super) packers: Option<Packers>,
    /// With a durability.
    pub(super) syncer: Option<Syncer>,
    pub(super) progress: Progress,
    /// Steps whose chunks are in the file, and those of a step before them are not.
    pub(super) packed: Vec<Packing>,
    /// Numbers of steps at which a commit is due, from the first that was not begun.
    pub(super) due: VecDeque<u64>,
    /// The commit that waits for the medium.
    pub(super) commit: Option<Commit>,
    /// Since when there is a step of which no commit was begun.
    pub(super) waiting: Option<Instant>,
}

/// A commit that waits for the medium.
pub(super) struct Commit {
    /// The steps that it commits.
    steps: u64,
    next: Next,
}

/// What a commit does when the medium has all that was written.
#[derive(Clone, Copy)]
enum Next {
    ShowChunks,
    SetExtents,
    Tell,
}

impl Writer {
    /// Works until the queue is closed or something fails, which stops the queue.
    pub(crate) fn run(mut self) {
        // If this thread panics, nobody may wait for it for ever.
        let _guard = StopOnPanic(self.queue.clone());
        loop {
            let late = self.late();
            let result = match self.queue.next(&self.progress, self.commit.is_some(), late) {
                Task::Close { finish } => {
                    if self.queue.stopped().is_none()
                        && let Err(error) = self.close(finish)
                    {
                        self.queue.stop(error);
                    }
                    break;
                }
                task => self.work(task),
            };
            if let Err(error) = result {
                self.queue.stop(error);
                break;
            }
        }
    }

    /// How long the oldest step that is written waits for a commit, and how long it is to wait at most.
    fn late(&self) -> Option<(Instant, Duration)> {
        let is_written = self.progress.written > self.queue.committed();
        let waiting = self.waiting.filter(|_| is_written && self.commit.is_none());
        waiting.zip(self.durability.limit())
    }

    fn work(&mut self, task: Task) -> Result<(), StorageError> {
        match task {
            Task::Write(steps) => self.write(steps),
            Task::Packed(packing) => self.take_packed(packing),
            Task::Synced(result) => {
                result.map_err(|error| self.file.sync_failed(error))?;
                self.go_on_with_commit()
            }
            Task::Commit => self.begin_commit(),
            // It has ended the loop.
            Task::Close { .. } => Ok(()),
        }
    }

    fn write(&mut self, steps: Steps) -> Result<(), StorageError> {
        let (first, count) = (steps.first(), steps.count());
        if let Some(interval) = self.durability.interval() {
            // A block need not end where a commit is due.
            let open = first - self.last_due();
            if open > 0 && open + count > interval {
                self.due.push_back(first);
                self.begin_due()?;
            }
            // While one commit waits for the medium another may become due, and no more.
            let ahead = interval.saturating_mul(2);
            while self.is_busy() && first + count - self.queue.committed() > ahead {
                if !self.wait()? {
                    return Ok(());
                }
            }
        }
        // Before the data too: a file that another program took over is not ours to write to.
        self.file.verify()?;
        self.file.raise_end_of_file_for_block(self.block_steps)?;
        for tensor in 0..self.file.tensors.len() {
            if !self.file.tensors[tensor].is_compressed() {
                self.file
                    .write_steps(tensor, first, count, steps.of(tensor))?;
            }
        }
        self.progress.taken = first + count;
        self.waiting.get_or_insert_with(Instant::now);
        let reached = |interval| self.progress.taken - self.last_due() >= interval;
        if self.durability.interval().is_some_and(reached) {
            self.due.push_back(self.progress.taken);
        }
        if let Some(packers) = &self.packers {
            packers.pack(steps, self.file.cut_chunks(first, count));
            return Ok(());
        }
        self.queue.recycle(steps);
        self.progress.written = self.progress.taken;
        self.begin_due()
    }

    /// Takes steps whose chunks are in the file.
    fn take_packed(&mut self, packing: Packing) -> Result<(), StorageError> {
        self.packed.push(packing);
        while let Some(at) = self
            .packed
            .iter()
            .position(|packing| packing.steps.first() == self.progress.written)
        {
            let (steps, chunks) = self.packed.swap_remove(at).into_parts();
            self.file.add_chunks(steps.count(), chunks);
            self.progress.written += steps.count();
            self.queue.recycle(steps);
        }
        self.begin_due()
    }

    /// The last step at which a commit is due; where none is, that of the commit under way, or of the one
    /// before.
    fn last_due(&self) -> u64 {
        let begun = || self.commit.as_ref().map(|commit| commit.steps);
        let due = self.due.back().copied().or_else(begun);
        due.unwrap_or_else(|| self.queue.committed())
    }

    /// Begins a commit, if one is due and none is under way.
    fn begin_due(&mut self) -> Result<(), StorageError> {
        let written = self.progress.written;
        let due = match self.durability.interval() {
            None => written > self.queue.committed(),
            Some(_) => self.due.front().is_some_and(|&due| due <= written),
        };
        if due && self.commit.is_none() {
            self.begin_commit()?;
        }
        Ok(())
    }

    /// Begins to commit all steps that are written.
    fn begin_commit(&mut self) -> Result<(), StorageError> {
        let steps = self.progress.written;
        // Of what is taken and not written yet the time is not known: it is late rather than early.
        self.waiting = (self.progress.taken > steps).then(Instant::now);
        while self.due.front().is_some_and(|&due| due <= steps) {
            self.due.pop_front();
        }
        self.file.verify()?;
        self.file.announce_commit(steps)?;
        let staged = self.file.stage_chunks()?;
        let next = match staged {
            true => Next::ShowChunks,
            false => Next::SetExtents,
        };
        self.commit = Some(Commit { steps, next });
        match &self.syncer {
            Some(syncer) => {
                syncer.sync();
                Ok(())
            }
            None => self.go_on_with_commit(),
        }
    }

    /// The medium has all that was written before, or the run does not ask for that.
    fn go_on_with_commit(&mut self) -> Result<(), StorageError> {
        while let Some(commit) = &mut self.commit {
            // The wait may have been long enough for another program to take the file over.
            self.file.verify()?;
            match commit.next {
                Next::ShowChunks => {
                    self.file.show_chunks()?;
                    commit.next = Next::SetExtents;
                }
                Next::SetExtents => {
                    self.file.set_extents(commit.steps)?;
                    commit.next = Next::Tell;
                }
                Next::Tell => {
                    self.queue.set_committed(commit.steps);
                    self.commit = None;
                    return self.begin_due();
                }
            }
            if let Some(syncer) = &self.syncer {
                syncer.sync();
                break;
            }
        }
        Ok(())
    }

    /// Whether packers or the syncer are at work.
    fn is_busy(&self) -> bool {
        self.progress.written < self.progress.taken || self.commit.is_some()
    }

    /// Waits until packers or the syncer have done something, and goes on with it. False if the
    /// queue was stopped.
    fn wait(&mut self) -> Result<bool, StorageError> {
        match self.queue.next_completion() {
            Some(task) => self.work(task).map(|()| true),
            None => Ok(false),
        }
    }

    fn close(&mut self, finish: bool) -> Result<(), StorageError> {
        loop {
            if self.is_busy() {
                if !self.wait()? {
                    return Ok(());
                }
            } else if self.progress.written > self.queue.committed() {
                self.begin_commit()?;
            } else {
                break;
            }
        }
        if finish {
            self.file.finish()
        } else {
            self.file.give_back()
        }
    }
}
