//! How far the work has come.

use std::path::Path;

use selvedge_base::{FileError, Mutex, Process};

/// How far the work has come, in bytes of tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes that there are to do.
    pub total: u64,
}

/// Who is told how far the work has come.
pub(crate) type Callback<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Adds up what the threads have done, and tells it.
pub(crate) struct Meter<'a> {
    progress: Mutex<(Progress, Callback<'a>)>,
    process: Process,
}

impl<'a> Meter<'a> {
    /// A meter of `total` bytes, of which it is told that none are done.
    pub(crate) fn new(total: u64, callback: Callback<'a>) -> Self {
        let progress = Progress { done: 0, total };
        callback(progress);
        Self {
            progress: Mutex::new((progress, callback)),
            process: Process::current(),
        }
    }

    /// `bytes` bytes more of the file at `path` are done.
    ///
    /// It fails in a process that the callback has forked, in which it returned as well: else both would
    /// go on with one file.
    pub(crate) fn add(&self, bytes: u64, path: &Path) -> Result<(), FileError> {
        let mut inner = self.progress.lock();
        let (progress, callback) = &mut *inner;
        progress.done = progress.done.saturating_add(bytes).min(progress.total);
        callback(*progress);
        self.process.check("this work", path)
    }
}
