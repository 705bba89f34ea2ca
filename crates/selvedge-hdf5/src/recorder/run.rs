//! What a recorder shares with a step that is open.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use selvedge_base::{FileError, Process};

use super::queue::{Filling, Queue, Refused};
use crate::{RecordError, StorageError, TensorSpec};

/// A run at work.
pub(super) struct Run {
    pub(super) path: PathBuf,
    /// The step tensors, in the order of their declaration.
    pub(super) specs: Vec<TensorSpec>,
    /// Elements of one step of each tensor.
    pub(super) lengths: Vec<usize>,
    /// Whether committed steps stay in a file, also without `finish`.
    pub(super) kept: bool,
    pub(super) queue: Arc<Queue>,
    /// The process that records. In one that was forked from it the queue is a copy, and may be locked for
    /// ever.
    pub(super) process: Process,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("path", &self.path)
            .field("committed", &self.queue.committed())
            .finish_non_exhaustive()
    }
}

impl Run {
    /// That the writer has stopped.
    pub(super) fn stopped(&self, source: Arc<StorageError>) -> RecordError {
        RecordError::Stopped {
            path: self.path.clone(),
            committed: self.queue.committed(),
            kept: self.kept,
            source,
        }
    }

    /// Fails in a process that was forked from the one that records. It takes no system call.
    pub(super) fn check_process(&self) -> Result<(), FileError> {
        self.process.check("this recorder", &self.path)
    }

    /// Takes a step that is complete. Returns its number.
    pub(super) fn complete(&self, filling: Filling) -> Result<u64, RecordError> {
        let step = filling.number;
        let complete = self.queue.complete(filling);
        complete.map_err(|refused| match refused {
            Refused::Stopped(cause) => self.stopped(cause),
            Refused::Closed => self.too_late(step),
        })
    }

    /// That step `step` is no longer open, or its recorder no longer at work.
    pub(super) fn too_late(&self, step: u64) -> RecordError {
        RecordError::StepTooLate {
            path: self.path.clone(),
            step,
        }
    }
}
