//! The two locks of a writer: one against other writers, one against programs that use HDF5's.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::{FileError, Process, disk, regular, sys};

/// A file that one writer has to itself.
///
/// The writer's own lock keeps other writers of this crate out, and readers do not see it. Beside it
/// there can be a `flock`, which HDF5 programs take as well: a shared one lets them read, an
/// exclusive one does not.
///
/// Locks belong to the open file, and so would live on in every process that was forked meanwhile
/// and still has its descriptor: so they are given back when this is dropped, and not only closed. But
/// not where it is dropped in such a process, which has a copy of this and would give back what is still
/// needed: there nothing is done, and what would change the locks is [`FileError::OtherProcess`].
///
/// On a file system without locks nothing keeps two writers apart. That is no reason to write
/// nothing, so they go on as if they had them.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    process: Process,
}

impl LockedFile {
    /// Opens the file at `path` for reading and writing, and takes the writer's lock.
    ///
    /// # Errors
    ///
    /// [`FileError::InUse`] while another writer has it, and [`FileError::Io`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, true, sys::lock_for_writing)
    }

    /// Opens the file at `path`, which is to be replaced or renamed, and keeps everybody from writing it
    /// meanwhile. Several may do so at a time.
    ///
    /// # Errors
    ///
    /// [`FileError::InUse`] and [`FileError::OpenForWriting`] while somebody writes it, and
    /// [`FileError::Io`].
    pub fn claim(path: &Path) -> Result<Self, FileError> {
        let file = Self::open_with(path, false, sys::lock_against_writing)?;
        file.share(path)?;
        // Some writers have no lock, for the sake of their readers: those of HDF5's SWMR mode.
        if disk::stays_open_for_writing(&file) == Some(true) {
            let path = path.to_owned();
            return Err(FileError::OpenForWriting { path });
        }
        Ok(file)
    }

    fn open_with(
        path: &Path,
        write: bool,
        lock: fn(&File) -> io::Result<()>,
    ) -> Result<Self, FileError> {
        loop {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(write);
            // To open a pipe would be to wait for somebody.
            let options = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            let file = options.open(path).and_then(|file| {
                regular::check(&file.metadata()?)?;
                Ok(file)
            });
            let file = file.map_err(FileError::io(path, "open"))?;
            let Some(file) = Self::lock_with(file, path, lock)? else {
                return Err(FileError::InUse {
                    path: path.to_owned(),
                    partial: None,
                });
            };
            // Between the two calls its writer can have renamed or removed it: then the lock is on a
            // file that is another one now, or none.
            if file.is_found_at(std::fs::metadata(path)) {
                return Ok(file);
            }
        }
    }

    /// Takes the writer's lock on a file that is open for writing; `None` while another writer has it.
    pub(crate) fn lock(file: File, path: &Path) -> Result<Option<Self>, FileError> {
        Self::lock_with(file, path, sys::lock_for_writing)
    }

    fn lock_with(
        file: File,
        path: &Path,
        lock: fn(&File) -> io::Result<()>,
    ) -> Result<Option<Self>, FileError> {
        match lock(&file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if !disk::is_without_locks(&error) => {
                return Err(FileError::io(path, "lock")(error));
            }
            _ => {}
        }
        Ok(Some(Self {
            file,
            process: Process::current(),
        }))
    }

    /// Lets HDF5 programs read the file at `path`, which is this one, and keeps them from writing it,
    /// by a shared `flock`.
    ///
    /// # Errors
    ///
    /// [`FileError::OpenForWriting`] while another program has it exclusively, and [`FileError::Io`].
    pub fn share(&self, path: &Path) -> Result<(), FileError> {
        self.check("the lock", path)?;
        if flock(self.file.try_lock_shared(), path)? {
            return Ok(());
        }
        Err(FileError::OpenForWriting {
            path: path.to_owned(),
        })
    }

    /// Keeps HDF5 programs from reading the file at `path`, too, by an exclusive `flock`.
    ///
    /// # Errors
    ///
    /// [`FileError::OpenElsewhere`] while another program has a lock, and [`FileError::Io`].
    pub fn seclude(&self, path: &Path) -> Result<(), FileError> {
        if self.is_secluded(path)? {
            return Ok(());
        }
        Err(FileError::OpenElsewhere {
            path: path.to_owned(),
        })
    }

    /// The same; `false` while another program has a lock.
    pub(crate) fn is_secluded(&self, path: &Path) -> Result<bool, FileError> {
        self.check("the lock", path)?;
        flock(self.file.try_lock(), path)
    }

    /// Checks that this process has the locks, and not one that it was forked from, for `handle` of the
    /// file at `path`.
    ///
    /// # Errors
    ///
    /// [`FileError::OtherProcess`].
    pub fn check(&self, handle: &'static str, path: &Path) -> Result<(), FileError> {
        self.process.check(handle, path)
    }

    /// Whether this process has the locks, and not one that it was forked from.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.process.is_current()
    }

    /// Whether a writer has its lock on `file`, however it was opened.
    ///
    /// # Errors
    ///
    /// The errors of asking. On a file system without locks there is no answer.
    pub fn has_writer(file: &File) -> io::Result<bool> {
        sys::is_locked_for_writing(file)
    }

    /// Whether `path` is a name of this file; a link to it is none.
    #[must_use]
    pub fn is_named(&self, path: &Path) -> bool {
        self.is_found_at(std::fs::symlink_metadata(path))
    }

    fn is_found_at(&self, found: io::Result<Metadata>) -> bool {
        match (found, self.file.metadata()) {
            (Ok(found), Ok(own)) => disk::is_same(&found, &own),
            _ => false,
        }
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = self.file.unlock();
            let _ = sys::unlock(&self.file);
        }
    }
}

/// Whether a lock was got; a file system without locks gives all of them.
fn flock(locked: Result<(), TryLockError>, path: &Path) -> Result<bool, FileError> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if disk::is_without_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(FileError::io(path, "lock")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test started Python while another one replaced the file that it had just written: the new
    /// process had the file open for a moment, as every process has that is started, and it was
    /// refused as the file of another program.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_writer_that_is_gone_in_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let open = File::create(&path).unwrap();
        let claimed = LockedFile::claim(&path);
        assert!(matches!(claimed, Err(FileError::OpenForWriting { .. })));
        let claimed = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                drop(open);
            });
            LockedFile::claim(&path)
        });
        claimed.unwrap();
    }

    #[test]
    fn a_file_that_is_to_be_replaced_gets_no_writer_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        std::fs::write(&path, "x").unwrap();
        let claims = [1, 2].map(|_| LockedFile::claim(&path).unwrap());
        let writer = LockedFile::open(&path);
        assert!(matches!(writer, Err(FileError::InUse { .. })), "{writer:?}");
        assert!(!LockedFile::has_writer(&claims[0]).unwrap());
        drop(claims);
        LockedFile::open(&path).unwrap();
    }

    #[test]
    fn a_file_has_one_writer_and_any_number_of_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        std::fs::write(&path, "x").unwrap();
        let reader = File::open(&path).unwrap();
        assert!(!LockedFile::has_writer(&reader).unwrap());
        let first = LockedFile::open(&path).unwrap();
        assert!(LockedFile::has_writer(&reader).unwrap());
        for second in [LockedFile::open(&path), LockedFile::claim(&path)] {
            assert!(matches!(second, Err(FileError::InUse { .. })), "{second:?}");
        }

        first.share(&path).unwrap();
        reader.try_lock_shared().unwrap();
        let alone = first.seclude(&path);
        assert!(
            matches!(alone, Err(FileError::OpenElsewhere { .. })),
            "{alone:?}"
        );
        reader.unlock().unwrap();
        first.seclude(&path).unwrap();
        assert!(reader.try_lock_shared().is_err());
        drop(first);
        reader.try_lock().unwrap();
        let other = LockedFile::open(&path).unwrap().share(&path);
        assert!(
            matches!(other, Err(FileError::OpenForWriting { .. })),
            "{other:?}"
        );
    }
}
