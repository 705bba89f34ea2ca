//! The two locks of a recorder: one against other recorders, one against other writers.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::{Error, sys};

/// Opens `path` for reading and writing, and takes the recorder's exclusive lock on it. `name` is
/// the path that an error names.
pub(crate) fn open_locked(path: &Path, name: &Path, create: bool) -> Result<File, Error> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .open(path)
        .map_err(|error| Error::io(name, if create { "create" } else { "open" }, error))?;
    match sys::lock_for_recording(&file) {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(Error::InUse {
            path: name.to_owned(),
        }),
        Err(error) => Err(Error::io(name, "lock", error)),
    }
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
