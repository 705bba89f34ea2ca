//! Taking out the mark of an HDF5 writer that died, so that HDF5 opens its file again.

use std::fs::{File, TryLockError};
use std::path::Path;

use selvedge_base::{FileError, LockedFile, disk};

use crate::StorageError;
use crate::layout::WriterMark;
use crate::reader::{Reader, open_data};

/// Takes the mark out of the file at `path`, if it has one and nobody writes the file; without `write`
/// it only looks. Returns the steps of the file, 0 where it only looks; `None` for a file without a mark.
///
/// The superblock is all that is written: its flags, its checksum, and the end of the file where a
/// SWMR writer has not told it yet. The file keeps its length and every other byte. (`h5clear -s` cuts
/// such a file where the superblock says that it ends.) If it cannot be opened then, the superblock is
/// put back.
pub(crate) fn unmark(path: &Path, write: bool) -> Result<Option<u64>, StorageError> {
    let failed = |error| StorageError::io(path, "open", error);
    let data = open_data(path)?;
    let Some(mark) = WriterMark::find(&data) else {
        return Ok(None);
    };
    // A SWMR writer holds no lock, for its readers' sake: the system knows whether it has the file open.
    let nobody_tells = || StorageError::MarkedByWriter {
        path: path.to_owned(),
    };
    let open = disk::stays_open_for_writing(&data);
    match open {
        Some(false) => {}
        None if !mark.is_swmr() => {}
        Some(true) => return Err(elsewhere(path)),
        None => return Err(nobody_tells()),
    }
    let file = LockedFile::open(path)?;
    // What was found out is of the file that was opened before.
    let (own, looked_at) = (
        file.metadata().map_err(failed)?,
        data.metadata().map_err(failed)?,
    );
    if !disk::is_same(&own, &looked_at) {
        return Err(failed(std::io::Error::other(
            "another file has got its name; try again",
        )));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(elsewhere(path)),
        // Then the system has to know it: a writer there has no lock, either.
        Err(TryLockError::Error(error)) if disk::is_without_locks(&error) => {
            open.ok_or_else(nobody_tells)?;
        }
        Err(TryLockError::Error(error)) => return Err(StorageError::io(path, "lock", error)),
    }
    // It may have gone meanwhile.
    let Some(mark) = WriterMark::find(&*file) else {
        return Ok(None);
    };
    let (found, expected) = (file.metadata().map_err(failed)?.len(), mark.end_of_file());
    if found < expected {
        return Err(StorageError::Truncated {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    let mut committed = 0;
    if write {
        let failed =
            |error| StorageError::library(path, "take the mark of its writer out of", error);
        mark.remove(&*file, found).map_err(failed)?;
        let read = sync(path, &file).and_then(|()| steps(path, &file));
        if read.is_err() {
            mark.restore(&*file).map_err(failed)?;
            sync(path, &file)?;
        }
        committed = read?;
    }
    Ok(Some(committed))
}

fn elsewhere(path: &Path) -> StorageError {
    let path = path.to_owned();
    FileError::OpenElsewhere { path }.into()
}

fn sync(path: &Path, file: &File) -> Result<(), StorageError> {
    file.sync_data()
        .map_err(|error| StorageError::io(path, "sync", error))
}

/// The steps of the file, as any reader finds them now: all of its datasets are looked at.
fn steps(path: &Path, file: &LockedFile) -> Result<u64, StorageError> {
    // A reader shares the lock. Nobody else gets it, since HDF5 writers want it alone.
    file.share(path)?;
    let reader = Reader::open_held(file, path)?;
    for tensor in reader.tensors() {
        tensor.data_layout()?;
    }
    Ok(reader.committed_steps())
}
