//! Writing checksums into a file.

use std::path::Path;

use hdf5::file::LibraryVersion;
use selvedge_base::{Chain, LockedFile};

use super::verify::{check_values, compute};
use super::{COVERED, Checksums, STEPS, SUMS};
use crate::bulk::{Callback, MEMORY, Meter, Progress};
use crate::reader::{ReaderOptions, Tensor};
use crate::run::Standing;
use crate::{ReadError, RewriteError, RunState, StorageError, ffi};

/// Adds checksums to every tensor of the finished trajectory at `path`. Those that are there already are held
/// against the values first, and stay where they cover all of a tensor. `progress` is told how far it has come.
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
/// [`StorageError::WrittenAnew`] for one that another program wrote anew, [`StorageError::Library`] also where this process has the file open; [`RewriteError::Read`];
/// [`RewriteError::WrongChecksums`] where values are not those that the checksums of the file were made of.
pub fn add_checksums(
    path: impl AsRef<Path>,
    progress: impl FnMut(Progress) + Send,
) -> Result<(), RewriteError> {
    ChecksumOptions::default().add(path, progress).map(|_| ())
}

/// How checksums are [added](ChecksumOptions::add).
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens before `add`"]
pub struct ChecksumOptions {
    trust_values: bool,
    skip_unsupported: bool,
    opening: ReaderOptions,
}

impl ChecksumOptions {
    /// Makes checksums of all values as they are, whatever those say that are there: for values that were changed
    /// on purpose. Default: no, that is [`RewriteError::WrongChecksums`].
    pub fn trust_values(mut self, trust: bool) -> Self {
        self.trust_values = trust;
        self
    }

    /// Leaves tensors without new checksums that [cannot be read here](ReadError::is_unsupported), since a filter or
    /// another file is not here. Default: no, they are an error.
    pub fn skip_unsupported(mut self, skip: bool) -> Self {
        self.skip_unsupported = skip;
        self
    }

    /// How the file is opened: whether other files that it names are read, and plugins loaded. Default: neither,
    /// but for sources of virtual datasets in its folder.
    pub fn input_options(mut self, options: ReaderOptions) -> Self {
        self.opening = options;
        self
    }

    /// Does what [`add_checksums`] does, and returns the tensors that got none, each with the reason: those of a
    /// type that is not read, and what was skipped.
    ///
    /// # Errors
    ///
    /// Those of [`add_checksums`].
    pub fn add(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<(String, String)>, RewriteError> {
        add(path.as_ref(), self, &mut progress)
    }
}

fn add(
    path: &Path,
    options: &ChecksumOptions,
    progress: Callback<'_>,
) -> Result<Vec<(String, String)>, RewriteError> {
    let file = LockedFile::open(path)?;
    file.share(path)?;
    let reader = options.opening.open_as(path.to_owned(), Some(&file))?;
    let trajectory = reader.trajectory(&file, true)?;
    if !matches!(trajectory.state(), RunState::Finished | RunState::Recovered) {
        let path = path.to_owned();
        return Err(RewriteError::NotFinished { path });
    }
    let run = reader.step_tensors();
    run.refuse_one_of(path, run.standing(Standing::Appended))?;
    if !options.trust_values {
        check_values(&reader, MEMORY, progress)?;
    }
    let mut tensors: Vec<&Tensor> = Vec::new();
    let (mut left_out, mut total) = (Vec::new(), 0_u64);
    for tensor in reader.tensors() {
        let unread = tensor
            .check_readable()
            .err()
            .filter(ReadError::is_unsupported);
        if let Some(error) = unread {
            // A type that is not read has no checksums in any case.
            if !options.skip_unsupported && tensor.dtype().is_ok() {
                return Err(error.into());
            }
            left_out.push((tensor.name().to_owned(), Chain(&error).to_string()));
            continue;
        }
        if tensor.all_bytes()? == 0 {
            continue;
        }
        if options.trust_values || !has_all(tensor)? {
            tensors.push(tensor);
            total = total.saturating_add(tensor.all_bytes()?);
        }
    }
    let meter = Meter::new(total, progress);
    let sums = compute(&reader, &tensors, &meter)?;
    let names = tensors.iter().map(|tensor| tensor.name().to_owned());
    let named: Vec<(String, Checksums)> = names.zip(sums).collect();
    // libhdf5 does not open a file for writing that it has open for reading.
    drop(reader);
    write_checksums(&file, path, &named)?;
    trajectory.sync()?;
    Ok(left_out)
}

/// Whether a tensor has checksums of all its values, of the ranges that new ones would have.
fn has_all(tensor: &Tensor) -> Result<bool, ReadError> {
    let (rows, row_bytes) = (tensor.rows(), tensor.row_bytes()?);
    let found = tensor.checksums()?;
    let steps = Checksums::range_rows(rows, row_bytes);
    Ok(found.is_some_and(|found| found.covered == rows && found.steps == steps))
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
