//! Which process this is. What a process has open is copied by `fork`, but not its threads: so a handle
//! knows the process that made it, and is of no use in another one.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{FileError, sys};

/// The process that made a handle.
///
/// ```
/// use selvedge_base::Process;
///
/// let process = Process::current();
/// assert!(process.is_current());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// It grows with each `fork`, in the process that this makes.
    forks: u64,
    id: u32,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        sys::count_forks();
        Self {
            forks: sys::forks(),
            id: std::process::id(),
        }
    }

    /// A number that is another one in each process that `fork` makes of this one. It takes no system call.
    #[must_use]
    pub fn generation() -> u64 {
        sys::count_forks();
        sys::forks()
    }

    /// Whether this process is the one. It takes no system call, and so can be asked for each step.
    ///
    /// A process that was copied past the C library, by a bare `clone`, is taken for the one that it is a
    /// copy of.
    #[inline]
    #[must_use]
    pub fn is_current(self) -> bool {
        self.forks == sys::forks()
    }

    /// Checks that this process is the one that made `handle`, such as `this recorder`, of the file at
    /// `path`.
    ///
    /// # Errors
    ///
    /// [`FileError::OtherProcess`].
    #[inline]
    pub fn check(self, handle: &'static str, path: &Path) -> Result<(), FileError> {
        match self.is_current() {
            true => Ok(()),
            false => Err(self.refuse(handle, path)),
        }
    }

    #[cold]
    fn refuse(self, handle: &'static str, path: &Path) -> FileError {
        FileError::OtherProcess {
            path: path.to_owned(),
            handle,
            process: self.id,
        }
    }
}

/// Counts who is at work with something that has locks of its own.
///
/// A process that `fork` makes has a copy of it. That copy is as good as the original where nobody was at
/// work with it at that moment; else a lock may be held there for ever.
#[derive(Debug)]
pub struct InUse {
    process: Process,
    /// The generation of the process that uses it, its lower half, and how many are at work.
    state: AtomicU64,
}

/// Somebody who is at work, until it is dropped.
#[derive(Debug)]
#[must_use = "who is at work counts until it is dropped"]
pub struct AtWork<'a>(&'a AtomicU64);

/// The bits of the number of those at work.
const AT_WORK: u64 = u32::MAX as u64;

impl InUse {
    /// Nobody is at work.
    #[must_use]
    pub fn new() -> Self {
        let process = Process::current();
        Self {
            process,
            state: AtomicU64::new(process.forks << 32),
        }
    }

    /// Begins to work with `handle`, such as `this reader`, of the file at `path`. It takes no system call.
    ///
    /// # Errors
    ///
    /// [`FileError::OtherProcess`] in a process that was forked while somebody was at work.
    pub fn enter(&self, handle: &'static str, path: &Path) -> Result<AtWork<'_>, FileError> {
        let here = sys::forks() << 32;
        let mut found = self.state.load(Ordering::Relaxed);
        loop {
            let next = match (found & !AT_WORK == here, found & AT_WORK) {
                (true, _) => found + 1,
                (false, 0) => here + 1,
                (false, _) => {
                    return Err(self.process.refuse(handle, path));
                }
            };
            match self.state.compare_exchange_weak(
                found,
                next,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(AtWork(&self.state)),
                Err(other) => found = other,
            }
        }
    }
}

impl Default for InUse {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a `fork` found somebody at work, the copy is of no use; where it found nobody, it is.
    #[test]
    fn a_copy_is_used_only_if_nobody_was_at_work() {
        let path = Path::new("x.h5");
        let copied = |at_work| InUse {
            process: Process {
                forks: u64::MAX,
                id: 7,
            },
            state: AtomicU64::new((7_u64 << 32) + at_work),
        };
        let refused = copied(1).enter("this reader", path).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("this reader of x.h5 belongs to process 7")
        );
        let free = copied(0);
        let first = free.enter("this reader", path).unwrap();
        let second = free.enter("this reader", path).unwrap();
        drop((first, second));
        assert_eq!(free.state.load(Ordering::Relaxed) & AT_WORK, 0);
    }
}
