//! Opening a file: which one it is, whether somebody writes it, and why it cannot be opened.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use selvedge_base::{FileError, disk, open_regular};

use super::Reader;
use crate::error::LibraryError;
use crate::ffi::Mode;
use crate::layout::{Superblock, WriterMark};
use crate::{Error, ffi};

/// How often a file that another one was renamed over, or whose writer came or went meanwhile, is
/// opened again.
const TRIES: usize = 10;

/// Opens the file at `path` twice: for reads past libhdf5, and by libhdf5. Both are the same file.
pub(super) fn open(path: &Path) -> Result<(File, hdf5::File), Error> {
    ffi::forget_plugin_folders();
    let mut tries = 0;
    loop {
        tries += 1;
        let data = open_data(path)?;
        // HDF5's lock is taken here and not by libhdf5, whose descriptor every process inherits that
        // is started meanwhile, and the lock with it. Not all file systems have locks.
        if let Err(TryLockError::WouldBlock) = data.try_lock_shared() {
            let path = path.to_owned();
            return Err(FileError::OpenForWriting { path }.into());
        }
        let mark = WriterMark::find(&data);
        let mode = match mark.as_ref().is_some_and(WriterMark::is_swmr) {
            true => Mode::ReadSwmr,
            false => Mode::Read,
        };
        match ffi::open_file(path, mode) {
            Ok(file) if is_same(&data, &file) => return Ok((data, file)),
            Ok(_) if tries == TRIES => {
                let why = "another file gets its name all the time".to_owned();
                return Err(Error::library(path, "open", LibraryError::new(why)));
            }
            Err(error) if WriterMark::find(&data) == mark || tries == TRIES => {
                let why = why_closed(path, &data, mark.as_ref());
                return Err(why.unwrap_or_else(|| Error::library(path, "open", error)));
            }
            _ => {}
        }
    }
}

/// Opens a regular file for reading.
pub(crate) fn open_data(path: &Path) -> Result<File, Error> {
    open_regular(path).map_err(|error| Error::io(path, "open", error))
}

impl Reader {
    /// Whether another program writes the file in HDF5's SWMR mode, or died at it: the file has its mark.
    /// The steps are those that it had written when the file was opened;
    /// [`recover`](crate::recover()) takes the mark out if nobody writes it any more.
    #[must_use]
    pub fn has_swmr_mark(&self) -> bool {
        WriterMark::find(&self.data).is_some()
    }

    /// Whether a program of this machine has the file open for writing; `None` where the system does not
    /// tell. Of a file with the [mark](Self::has_swmr_mark) of a writer it tells whether that died.
    #[must_use]
    pub fn is_open_for_writing(&self) -> Option<bool> {
        disk::is_open_for_writing(&self.data)
    }
}

/// Whether both are one file. Where libhdf5 does not tell, they are taken for one.
fn is_same(data: &File, file: &hdf5::File) -> bool {
    let opened = data.metadata().map(|found| (found.dev(), found.ino())).ok();
    let identity = ffi::identity(file);
    identity.is_none() || opened.is_none() || identity == opened
}

/// The common causes for which libhdf5's message says neither path nor lengths nor what to do.
fn why_closed(path: &Path, data: &File, mark: Option<&WriterMark>) -> Option<Error> {
    let found = data.metadata().ok()?;
    if found.is_dir() {
        let error = std::io::ErrorKind::IsADirectory.into();
        return Some(Error::io(path, "open", error));
    }
    let path = path.to_owned();
    if mark.is_none() && !Superblock::is_hdf5(data) {
        return Some(Error::NotHdf5 { path });
    }
    let expected = match mark {
        Some(mark) => mark.end_of_file(),
        None => Superblock::read(data).ok()?.end_of_file,
    };
    let found = found.len();
    if found < expected {
        return Some(Error::Truncated {
            path,
            expected,
            found,
        });
    }
    mark?;
    // A writer without a lock, since its user wants none.
    Some(match disk::is_open_for_writing(data) {
        Some(true) => FileError::OpenForWriting { path }.into(),
        _ => Error::MarkedByWriter { path },
    })
}
