//! The files on their way that a program leaves behind when it is ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::{FileError, LockedFile};

/// The partial files of this process that are worth nothing before they are complete.
static ON_THEIR_WAY: Mutex<Vec<(PathBuf, Arc<LockedFile>)>> = Mutex::new(Vec::new());

/// Makes a file that is to be removed where the process ends before it is complete. There is no moment
/// at which it is there and not listed.
pub(super) fn enlisted(
    path: &Path,
    make: impl FnOnce() -> Result<LockedFile, FileError>,
) -> Result<Arc<LockedFile>, FileError> {
    let mut listed = ON_THEIR_WAY.lock();
    let file = Arc::new(make()?);
    listed.push((path.to_owned(), file.clone()));
    Ok(file)
}

/// Forgets a file that got its name, or was removed, or is to be kept.
pub(super) fn strike(file: &Arc<LockedFile>) {
    ON_THEIR_WAY
        .lock()
        .retain(|(_, listed)| !Arc::ptr_eq(listed, file));
}

/// Removes the file, if it is still the one under its partial name.
pub(super) fn remove(path: &Path, file: &LockedFile) -> bool {
    file.is_named(path) && fs::remove_file(path).is_ok()
}

/// Removes the partial files of this process, and returns their names: for a program that is about to
/// be ended by a signal, by which no destructor runs.
///
/// Afterwards no other file can be begun or given up in this process: who tries waits for its end.
/// One that is just being renamed gets its name, or is removed.
pub fn remove_partials() -> Vec<PathBuf> {
    let listed = ON_THEIR_WAY.lock();
    let removed = listed.iter().filter(|(path, file)| remove(path, file));
    let removed = removed.map(|(path, _)| path.clone()).collect();
    MutexGuard::leak(listed);
    removed
}
