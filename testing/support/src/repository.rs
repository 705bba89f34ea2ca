//! A repository of notebooks and tensor files whose faults are known by construction.

use std::path::Path;

use crate::python;

/// Makes the repository in `folder`, which may not be there yet, and returns which finding
/// `selvedge check` has to come to in which file: lines of a path and a code, sorted.
///
/// The files are made by Python, json and h5py: by others than those that check them.
///
/// # Panics
///
/// As [`python::run`].
#[must_use]
pub fn make_repository(folder: &Path, notebooks: usize, tensor_files: usize) -> Vec<String> {
    let (notebooks, tensor_files) = (notebooks.to_string(), tensor_files.to_string());
    let printed = python::run(
        include_str!("../python/repository.py"),
        [
            folder.as_os_str(),
            notebooks.as_ref(),
            tensor_files.as_ref(),
        ],
    );
    printed.lines().map(str::to_owned).collect()
}
