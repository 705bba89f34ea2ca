//! The two locks of a recorder: one against other recorders, one against other writers.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Error, sys};

/// A file with the recorder's locks, which go with it.
///
/// They belong to the open file, and so would live on in every process that was forked meanwhile
/// and still has its descriptor: so they are given back, and not only closed.
#[derive(Debug)]
pub(crate) struct LockedFile(File);

impl std::ops::Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
        let _ = sys::unlock(&self.0);
    }
}

/// Opens `path` for reading and writing, and takes the recorder's exclusive lock on it. `name` is
/// the path that an error names.
pub(crate) fn open_locked(path: &Path, name: &Path, create: bool) -> Result<LockedFile, Error> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::io(name, if create { "create" } else { "open" }, error))?;
        match sys::lock_for_recording(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(Error::InUse {
                    path: name.to_owned(),
                });
            }
            Err(error) => return Err(Error::io(name, "lock", error)),
        }
        let file = LockedFile(file);
        // Between the two calls its recorder can have renamed or removed it: then the lock is on a
        // file that is another one now, or none.
        let opened = file
            .metadata()
            .map_err(|error| Error::io(name, "lock", error))?;
        let same = |named: Metadata| (named.dev(), named.ino()) == (opened.dev(), opened.ino());
        if std::fs::metadata(path).is_ok_and(same) {
            return Ok(file);
        }
    }
}

/// Takes both locks on the file at `path` that is to be replaced; `None` where there is no file.
pub(crate) fn claim(path: &Path) -> Result<Option<LockedFile>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = open_locked(path, path, false)?;
    share(path, &file)?;
    Ok(Some(file))
}

/// Takes the shared `flock` that lets HDF5 programs read the file, and keeps them from writing it.
pub(crate) fn share(path: &Path, file: &File) -> Result<(), Error> {
    match file.try_lock_shared() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::LockedByHdf5 {
            path: path.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io(path, "lock", error)),
    }
}
