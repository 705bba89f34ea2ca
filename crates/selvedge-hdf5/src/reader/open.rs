//! Opening a file: which one it is, whether somebody writes it, and why it cannot be opened.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use selvedge_base::{FileError, disk, open_regular, reopen_regular};

use super::Reader;
use crate::ffi::Mode;
use crate::layout::{Superblock, WriterMark};
use crate::other_files::OtherFiles;
use crate::ranges::Data;
use crate::{StorageError, ffi};

/// How often a file whose writer came or went meanwhile is opened again.
const TRIES: usize = 10;

/// Opens the file at `path`, once: for reads past libhdf5, and for libhdf5, which opens other files only as
/// `others` says. Where it is open already, as `held`, it is that one.
pub(super) fn open(
    path: &Path,
    held: Option<&File>,
    others: &OtherFiles,
) -> Result<(Data, hdf5::File), StorageError> {
    let data = match held {
        Some(held) => {
            reopen_regular(held, path).map_err(|error| StorageError::io(path, "open", error))?
        }
        None => open_data(path)?,
    };
    // HDF5's lock is taken here and not by libhdf5.
    if !disk::share(&data) {
        let path = path.to_owned();
        return Err(FileError::OpenForWriting { path }.into());
    }
    let data = Data::from(data);
    let file = by_library(path, &data, others)?;
    Ok((data, file))
}

/// Gives the open file `data`, which goes by `path`, to libhdf5.
pub(super) fn by_library(
    path: &Path,
    data: &Data,
    others: &OtherFiles,
) -> Result<hdf5::File, StorageError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mark = WriterMark::find(data);
        let mode = match mark.as_ref().is_some_and(WriterMark::is_swmr) {
            true => Mode::ReadSwmr,
            false => Mode::Read,
        };
        match ffi::open_given(data.clone(), path, mode, others, |access| access) {
            Ok(file) => return Ok(file),
            Err(error) if WriterMark::find(data) == mark || tries == TRIES => {
                let why = why_closed(path, data, mark.as_ref());
                return Err(why.unwrap_or_else(|| StorageError::library(path, "open", error)));
            }
            Err(_) => {}
        }
    }
}

/// Opens a regular file for reading.
pub(crate) fn open_data(path: &Path) -> Result<File, StorageError> {
    open_regular(path).map_err(|error| StorageError::io(path, "open", error))
}

impl Reader {
    /// Whether another program writes the file in HDF5's SWMR mode, or died at it: the file has its mark.
    /// The steps are those that it had written when the file was opened;
    /// [`recover`](crate::recover()) takes the mark out if nobody writes it any more.
    #[must_use]
    pub fn has_swmr_mark(&self) -> bool {
        WriterMark::find(&self.data).is_some()
    }

    /// Length of the file in bytes.
    ///
    /// # Errors
    ///
    /// The system does not tell it.
    pub fn file_bytes(&self) -> Result<u64, StorageError> {
        let length = self.data.len();
        length.map_err(|error| StorageError::io(self.path(), "look at", error))
    }

    /// Bytes that it takes on the disk, also when another file has its name since; `None` where the system does not tell,
    /// and of an object.
    #[must_use]
    pub fn disk_bytes(&self) -> Option<u64> {
        let metadata = self.data.file()?.metadata().ok()?;
        Some(metadata.blocks().saturating_mul(512))
    }

    /// Whether a program of this machine has the file open for writing; `None` where the system does not
    /// tell. Of a file with the [mark](Self::has_swmr_mark) of a writer it tells whether that died.
    #[must_use]
    pub fn is_open_for_writing(&self) -> Option<bool> {
        disk::is_open_for_writing(self.data.file()?)
    }
}

/// The common causes for which libhdf5's message says neither path nor lengths nor what to do.
fn why_closed(path: &Path, data: &Data, mark: Option<&WriterMark>) -> Option<StorageError> {
    let found = data.len().ok()?;
    let path = path.to_owned();
    if mark.is_none() && !Superblock::is_hdf5(data) {
        return Some(StorageError::NotHdf5 { path });
    }
    let expected = match mark {
        Some(mark) => mark.end_of_file(),
        None => Superblock::read(data).ok()?.end_of_file,
    };
    if found < expected {
        return Some(StorageError::Truncated {
            path,
            expected,
            found,
        });
    }
    mark?;
    // A writer without a lock, since its user wants none.
    Some(match data.file().and_then(disk::is_open_for_writing) {
        Some(true) => FileError::OpenForWriting { path }.into(),
        _ => StorageError::MarkedByWriter { path },
    })
}
