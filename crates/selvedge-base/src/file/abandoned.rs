//! What writers left behind when they died.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::name::name_when_complete;
use super::partial::{Leftover, clear, has_begun};
use crate::disk::{self, is_without_locks};
use crate::{FileError, LockedFile, open_regular};

/// What a file begins with that is fetched out of an object store, until all of it is there.
pub const PULL_MARK: &str = "selvedge pull\n";

/// What the journal of an upload into an object store begins with. It lies beside the file that is sent, until the
/// store has all of it.
pub const PUSH_MARK: &str = "selvedge push\n";

/// Whether the file at `path` is one that is fetched out of an object store, of which a part is there.
#[must_use]
pub fn is_pulled(path: &Path) -> bool {
    begins_with(path, PULL_MARK)
}

/// Whether the file at `path` is the journal of an upload into an object store, of which a part is there.
#[must_use]
pub fn is_push_journal(path: &Path) -> bool {
    begins_with(path, PUSH_MARK)
}

fn begins_with(path: &Path, mark: &str) -> bool {
    let mut start = vec![0; mark.len()];
    let read = open_regular(path).and_then(|file| file.read_exact_at(&mut start, 0));
    read.is_ok() && start == mark.as_bytes()
}

/// A file that a writer left behind when it died, under the name that it had until it was complete: see
/// [`Partial`](super::Partial).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Where it lies.
    pub path: PathBuf,
    /// The bytes that it takes on the disk.
    pub bytes: u64,
    /// Whether it is a growing file with something in it that can be recovered.
    pub is_recoverable: bool,
}

impl Abandoned {
    /// Looks at the file at `path`, as [`find_all`](Self::find_all) does.
    ///
    /// # Errors
    ///
    /// The errors of opening and asking.
    pub fn find(path: &Path) -> io::Result<Option<Self>> {
        let mut found = Self::find_all(&[path]);
        found.pop().unwrap_or(Ok(None))
    }

    /// Looks at the files at `paths`. One is none where its name is another, where a program has it open for
    /// writing or has HDF5's lock on it, and where the file system has no locks to tell by. What looks as if it
    /// were being written is [asked again](disk::stays_open_for_writing), all of it together.
    ///
    /// It returns of each what there is, or the errors of opening and asking.
    pub fn find_all(paths: &[impl AsRef<Path>]) -> Vec<io::Result<Option<Self>>> {
        const TRIES: u32 = 200;
        const PAUSE: Duration = Duration::from_millis(5);
        let mut found: Vec<_> = paths.iter().map(|path| look(path.as_ref())).collect();
        for _ in 1..TRIES {
            if !found.iter().any(|found| matches!(found, Ok(Look::Written))) {
                break;
            }
            thread::sleep(PAUSE);
            for (path, found) in paths.iter().zip(&mut found) {
                if matches!(found, Ok(Look::Written)) {
                    *found = look(path.as_ref());
                }
            }
        }
        let found = found.into_iter().map(|found| match found? {
            Look::Left(left) => Ok(Some(left)),
            Look::Other | Look::Written => Ok(None),
        });
        found.collect()
    }

    /// Removes it, if no writer has taken it up meanwhile.
    ///
    /// # Errors
    ///
    /// [`FileError::Unfinished`] where it is recoverable; [`FileError::InUse`]; [`FileError::InTheWay`];
    /// [`FileError::Io`].
    pub fn remove(&self) -> Result<(), FileError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let target = name_when_complete(&name).unwrap_or(&name);
        if matches!(Self::find(&self.path), Ok(None)) {
            return Err(FileError::InUse {
                path: self.path.with_file_name(target),
                partial: Some(self.path.clone()),
            });
        }
        let leftover = match name.starts_with('.') {
            true => Leftover::Discard,
            false => Leftover::Keep,
        };
        clear(&self.path, &self.path.with_file_name(target), leftover)
    }
}

/// What a file is at this moment.
enum Look {
    Left(Abandoned),
    /// Other programs give files such names, too, and have other locks or none.
    Written,
    Other,
}

fn look(path: &Path) -> io::Result<Look> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name_when_complete(&name).is_none() || !path.symlink_metadata()?.is_file() {
        return Ok(Look::Other);
    }
    let file: File = open_regular(path)?;
    match LockedFile::has_writer(&file) {
        Ok(false) => {}
        Ok(true) => return Ok(Look::Other),
        Err(error) if is_without_locks(&error) => return Ok(Look::Other),
        Err(error) => return Err(error),
    }
    let is_locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    if is_locked || disk::is_open_for_writing(&file) == Some(true) {
        return Ok(Look::Written);
    }
    Ok(Look::Left(Abandoned {
        path: path.to_owned(),
        bytes: file.metadata()?.blocks().saturating_mul(512),
        is_recoverable: !name.starts_with('.') && has_begun(&file),
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Partial;

    #[test]
    fn what_a_writer_left_is_found_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("W.npy");
        let mut partial = Partial::create(&path, false).unwrap();
        partial.file().write_all_at(&[1; 4096], 0).unwrap();
        let on_its_way = partial.path().to_owned();
        assert_eq!(Abandoned::find(&on_its_way).unwrap(), None, "it is at work");
        partial.keep();
        drop(partial);
        let left = Abandoned::find(&on_its_way).unwrap().unwrap();
        assert!(left.bytes >= 4096 && !left.is_recoverable);
        left.remove().unwrap();
        assert!(!on_its_way.exists());
        std::fs::write(&path, "whole").unwrap();
        assert_eq!(Abandoned::find(&path).unwrap(), None, "another name");
    }

    /// Files that h5py wrote without a lock, or with its own, were removed under its hands.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_program_without_our_lock_writes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".x.h5.partial");
        let open = File::create(&path).unwrap();
        assert_eq!(Abandoned::find(&path).unwrap(), None);
        drop(open);
        let left = Abandoned::find(&path).unwrap().unwrap();
        let locked = File::open(&path).unwrap();
        locked.try_lock().unwrap();
        assert_eq!(Abandoned::find(&path).unwrap(), None);
        assert!(matches!(left.remove(), Err(FileError::InUse { .. })));
        drop(locked);
        left.remove().unwrap();
    }

    /// `clean` waited a second for each of the files that others write.
    #[cfg(target_os = "linux")]
    #[test]
    fn all_that_is_written_is_waited_for_together() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [1, 2, 3, 4].map(|number| folder.path().join(format!(".{number}.h5.partial")));
        let open = paths.each_ref().map(|path| File::create(path).unwrap());
        let started = Instant::now();
        let found = Abandoned::find_all(&paths);
        assert!(found.iter().all(|found| matches!(found, Ok(None))));
        assert!(started.elapsed() < Duration::from_secs(3));
        drop(open);
        let found = Abandoned::find_all(&paths);
        assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
    }

    #[test]
    fn what_can_be_recovered_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        for (first, is_recoverable) in [(0_u8, false), (1, true)] {
            let path = folder.path().join("W.npy");
            let mut partial = Partial::create_growing(&path, false, Leftover::Keep).unwrap();
            partial.file().write_all_at(&[first; 64], 0).unwrap();
            let on_its_way = partial.path().to_owned();
            partial.keep();
            drop(partial);
            let left = Abandoned::find(&on_its_way).unwrap().unwrap();
            assert_eq!(left.is_recoverable, is_recoverable);
            let removed = left.remove();
            assert_eq!(removed.is_err(), is_recoverable, "{removed:?}");
            assert_eq!(on_its_way.exists(), is_recoverable);
        }
    }
}
