//! The files on their way that a program leaves behind when it is ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::{FileError, LockedFile, Process};

type List = Mutex<Vec<(PathBuf, Arc<LockedFile>)>>;

/// Forks in line after which a list is used again.
const LISTS: usize = 32;

/// The partial files of this process that are worth nothing before they are complete. A process that it
/// makes by `fork` has another list: this one can be locked for ever there, and what it lists is not its
/// own.
static ON_THEIR_WAY: [List; LISTS] = [const { Mutex::new(Vec::new()) }; LISTS];

fn list() -> &'static List {
    let generation = usize::try_from(Process::generation()).unwrap_or(usize::MAX);
    &ON_THEIR_WAY[generation % LISTS]
}

/// Makes a file that is to be removed where the process ends before it is complete. There is no moment
/// at which it is there and not listed.
pub(super) fn enlisted(
    path: &Path,
    make: impl FnOnce() -> Result<LockedFile, FileError>,
) -> Result<Arc<LockedFile>, FileError> {
    let mut listed = list().lock();
    let file = Arc::new(make()?);
    listed.push((path.to_owned(), file.clone()));
    Ok(file)
}

/// Forgets a file that got its name, or was removed, or is to be kept.
pub(super) fn strike(file: &Arc<LockedFile>) {
    list()
        .lock()
        .retain(|(_, listed)| !Arc::ptr_eq(listed, file));
}

/// Removes the file, if it is still the one under its partial name, and this process made it.
pub(super) fn remove(path: &Path, file: &LockedFile) -> bool {
    file.is_ours() && file.is_named(path) && fs::remove_file(path).is_ok()
}

/// Removes the partial files of this process, and returns their names: for a program that is about to
/// be ended by a signal, by which no destructor runs.
///
/// Afterwards no other file can be begun or given up in this process: who tries waits for its end.
/// One that is just being renamed gets its name, or is removed.
pub fn remove_partials() -> Vec<PathBuf> {
    let listed = list().lock();
    let removed = listed.iter().filter(|(path, file)| remove(path, file));
    let removed = removed.map(|(path, _)| path.clone()).collect();
    MutexGuard::leak(listed);
    removed
}
