//! Writing checksums into a file.

use std::path::Path;

use hdf5::file::LibraryVersion;
use selvedge_base::LockedFile;

use super::verify::compute;
use super::{COVERED, Checksums, STEPS, SUMS};
use crate::bulk::{Meter, Progress};
use crate::reader::{Reader, Tensor};
use crate::run::Standing;
use crate::{RewriteError, RunState, StorageError, ffi};

/// Adds checksums to every tensor of the finished trajectory at `path`, in place of those that are
/// there. `progress` is told how far it has come.
///
/// It reads the whole file, and then libhdf5 adds some attributes, which takes milliseconds: a kill
/// within those can leave a file that does not open. [`Rechunk::checksums`](crate::Rechunk::checksums)
/// writes them into a new file, which has no such moment.
///
/// # Errors
///
/// [`RewriteError::NotFinished`] for a file whose recording has not ended (see
/// [`recover`](crate::recover())); [`RewriteError::Storage`]: a [`FileError`](crate::FileError) while a
/// recorder or another program writes it, [`StorageError::NotATrajectory`] for a file of another program,
/// [`StorageError::WrittenAnew`] for one that another program wrote anew, [`StorageError::Library`] also where this process has the file open; [`RewriteError::Read`].
pub fn add_checksums(
    path: impl AsRef<Path>,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<(), RewriteError> {
    let path = path.as_ref();
    let file = LockedFile::open(path)?;
    file.share(path)?;
    let reader = Reader::open_held(&file, path)?;
    let trajectory = reader.trajectory(&file, true)?;
    if !matches!(trajectory.state(), RunState::Finished | RunState::Recovered) {
        let path = path.to_owned();
        return Err(RewriteError::NotFinished { path });
    }
    let run = reader.step_tensors();
    run.refuse_one_of(path, run.standing(Standing::Appended))?;
    let mut tensors: Vec<&Tensor> = Vec::new();
    let mut total = 0_u64;
    for tensor in reader.tensors() {
        if tensor.dtype().is_ok() && tensor.all_bytes()? > 0 {
            tensors.push(tensor);
            total = total.saturating_add(tensor.all_bytes()?);
        }
    }
    let meter = Meter::new(total, &mut progress);
    let sums = compute(&reader, &tensors, &meter)?;
    let names = tensors.iter().map(|tensor| tensor.name().to_owned());
    let named: Vec<(String, Checksums)> = names.zip(sums).collect();
    // libhdf5 does not open a file for writing that it has open for reading.
    drop(reader);
    write_checksums(&file, path, &named)?;
    Ok(trajectory.sync()?)
}

/// Writes checksums into a file that nobody else has open; errors name it `name`.
pub(crate) fn write_checksums(
    held: &LockedFile,
    name: &Path,
    tensors: &[(String, Checksums)],
) -> Result<(), StorageError> {
    let failed = |error: hdf5::Error| StorageError::library(name, "add checksums to", error);
    let file = ffi::open_held(held, name, ffi::Mode::Write, |access| {
        // libhdf5 may move what the recorder patches to the end of the file, which can have any
        // length.
        access
            .libver_bounds(LibraryVersion::Earliest, LibraryVersion::V18)
            .alignment(1, 8)
    })
    .map_err(failed)?;
    for (tensor, checksums) in tensors {
        let dataset = file.dataset(tensor).map_err(failed)?;
        write(&dataset, checksums).map_err(failed)?;
    }
    file.close().map_err(failed)
}

fn write(dataset: &hdf5::Dataset, checksums: &Checksums) -> hdf5::Result<()> {
    for name in [SUMS, COVERED, STEPS] {
        if ffi::has_attribute(dataset, name) {
            dataset.delete_attr(name)?;
        }
    }
    for (name, value) in [(STEPS, checksums.steps), (COVERED, checksums.covered)] {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        dataset
            .new_attr::<i64>()
            .create(name)?
            .write_scalar(&value)?;
    }
    dataset
        .new_attr::<u64>()
        .shape(checksums.sums.len())
        .create(SUMS)?
        .write_raw(&checksums.sums)
}
