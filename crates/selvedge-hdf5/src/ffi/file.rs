//! Opening and making files whose names may be any bytes. The binding takes UTF-8 only.

use std::ffi::CString;
use std::fs::File as Plain;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use hdf5::file::{FileAccess, FileAccessBuilder, MetadataCacheConfig};
use hdf5::sync::sync;
use hdf5::{File, Location, h5check};
use hdf5_sys::h5f::{
    H5F_ACC_RDONLY, H5F_ACC_RDWR, H5F_ACC_SWMR_READ, H5F_ACC_TRUNC, H5Fcreate, H5Fget_name, H5Fopen,
};
use hdf5_sys::h5p::H5P_DEFAULT;

use super::{driver, filter};
use crate::other_files::OtherFiles;
use crate::ranges::{Data, RangeReader};
use crate::write_back::WriteBack;

/// Bytes of structures of a file that libhdf5 keeps while the file is read, counted as they are in the file.
/// In memory the headers of small datasets take forty times as much, its own limit is 32 MiB, and a walk
/// through ten thousand datasets looks at each once.
const CACHE_FOR_READING: usize = 256 << 10;
/// The same while a file is made: the names of a group are one structure, which each dataset changes.
const CACHE_FOR_MAKING: usize = 4 << 20;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    /// Beside another program that writes it in SWMR mode.
    ReadSwmr,
    Write,
}

/// Opens the file that `held` has open: never another one, which has got its `path` meanwhile, and never what a
/// link leads to that came there. No other file is opened by way of it.
pub(crate) fn open_held(
    held: &Plain,
    path: &Path,
    mode: Mode,
    properties: impl FnOnce(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    let held = held.try_clone().map_err(|error| error.to_string())?;
    open_given(held.into(), path, mode, &OtherFiles::default(), properties)
}

/// Makes a new file, which errors call `path`.
pub(crate) fn make(
    file: &Arc<WriteBack>,
    path: &Path,
    properties: impl FnOnce(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    let read: Arc<dyn RangeReader> = file.clone();
    let (read, others) = (Data::Ranges(read.into()), OtherFiles::default());
    open(read, Some(file), path, Mode::Write, &others, properties)
}

/// Opens a file that is open, without HDF5's lock: every file here has locks of its own. Other files that it
/// names are opened as `others` lets them, by names that begin where `path` does.
pub(crate) fn open_given(
    file: Data,
    path: &Path,
    mode: Mode,
    others: &OtherFiles,
    properties: impl FnOnce(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    open(file, None, path, mode, others, properties)
}

fn open(
    file: Data,
    new: Option<&Arc<WriteBack>>,
    path: &Path,
    mode: Mode,
    others: &OtherFiles,
    properties: impl FnOnce(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    super::check_usable()?;
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "a zero byte in the path")?;
    filter::load_no_plugins();
    let mut access = FileAccess::build();
    access.file_locking(false);
    let cache = match mode {
        Mode::Read | Mode::ReadSwmr => Some(CACHE_FOR_READING),
        Mode::Write => new.map(|_| CACHE_FOR_MAKING),
    };
    if let Some(size) = cache {
        access.mdc_config(&MetadataCacheConfig {
            initial_size: size.min(2 << 20),
            max_size: size,
            min_size: size.min(1 << 20),
            ..MetadataCacheConfig::default()
        });
    }
    let access = properties(&mut access).finish()?;
    driver::set_driver(&access, file, new.cloned(), others)?;
    let open = |flags| {
        // SAFETY: the name is a string of C, and the identifier that of `access`; both are alive.
        unsafe { H5Fopen(name.as_ptr(), flags, access.id()) }
    };
    sync(|| {
        let id = match mode {
            Mode::Read => open(H5F_ACC_RDONLY),
            Mode::ReadSwmr => open(H5F_ACC_RDONLY | H5F_ACC_SWMR_READ),
            // SAFETY: as above.
            Mode::Write if new.is_some() => unsafe {
                H5Fcreate(name.as_ptr(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id())
            },
            Mode::Write => open(H5F_ACC_RDWR),
        };
        // SAFETY: the identifier was opened for us just now, and nobody else has it.
        unsafe { hdf5::from_id(h5check(id)?) }
    })
}

/// The name of the file that an object is in, as it was opened.
pub(crate) fn file_name(location: &Location) -> Option<Vec<u8>> {
    let id = location.id();
    super::text_of(|text, room| {
        // SAFETY: the identifier is that of `location`, which is alive, and there is the room for text
        // that is told.
        unsafe { H5Fget_name(id, text, room) }
    })
    .ok()
}
