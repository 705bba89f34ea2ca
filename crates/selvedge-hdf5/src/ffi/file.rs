//! Opening and making a file whose name may be any bytes. The binding takes UTF-8 only.

use std::ffi::{CString, c_int, c_void};
use std::fs::File as Plain;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr::null_mut;

use hdf5::file::{FileAccess, FileAccessBuilder, MetadataCacheConfig};
use hdf5::sync::sync;
use hdf5::{File, Location, h5check};
use hdf5_sys::h5f::{
    H5F_ACC_RDONLY, H5F_ACC_RDWR, H5F_ACC_SWMR_READ, H5F_ACC_TRUNC, H5Fcreate, H5Fget_name,
    H5Fget_vfd_handle, H5Fopen,
};
use hdf5_sys::h5p::H5P_DEFAULT;

/// Bytes of structures of a file that libhdf5 keeps while the file is read, counted as they are in the file.
/// In memory the headers of small datasets take forty times as much, its own limit is 32 MiB, and a walk
/// through ten thousand datasets looks at each once.
const CACHE_FOR_READING: usize = 256 << 10;
/// The same while a file is made: the names of a group are one structure, which each dataset changes.
const CACHE_FOR_MAKING: usize = 4 << 20;

/// How a file is opened or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    /// Beside another program that writes it in SWMR mode.
    ReadSwmr,
    Write,
    /// It is made anew, over whatever is there.
    Create,
}

/// Opens or makes a file, without HDF5's lock: every file here has locks of its own.
pub(crate) fn open_file(path: &Path, mode: Mode) -> hdf5::Result<File> {
    open_file_with(path, mode, |access| access)
}

/// As [`open_file`], with these properties of access.
pub(crate) fn open_file_with(
    path: &Path,
    mode: Mode,
    properties: impl FnOnce(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "a zero byte in the path")?;
    let mut access = FileAccess::build();
    access.file_locking(false);
    let cache = match mode {
        Mode::Read | Mode::ReadSwmr => Some(CACHE_FOR_READING),
        Mode::Create => Some(CACHE_FOR_MAKING),
        Mode::Write => None,
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
    let open = |flags| {
        // SAFETY: the name is a string of C, and the identifier that of `access`; both are alive.
        unsafe { H5Fopen(name.as_ptr(), flags, access.id()) }
    };
    sync(|| {
        let id = match mode {
            Mode::Read => open(H5F_ACC_RDONLY),
            Mode::ReadSwmr => open(H5F_ACC_RDONLY | H5F_ACC_SWMR_READ),
            Mode::Write => open(H5F_ACC_RDWR),
            // SAFETY: as above.
            Mode::Create => unsafe {
                H5Fcreate(name.as_ptr(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id())
            },
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

/// Device and inode of the file that libhdf5 has open.
pub(crate) fn identity(file: &File) -> Option<(u64, u64)> {
    sync(|| {
        let mut handle: *mut c_void = null_mut();
        // SAFETY: the identifier is that of `file`, which is alive, and the pointer is to a local
        // variable.
        let found = unsafe { H5Fget_vfd_handle(file.id(), H5P_DEFAULT, &raw mut handle) };
        if found < 0 || handle.is_null() {
            return None;
        }
        // SAFETY: the driver for files of the system, which every file here is opened with, has put the
        // address of its descriptor there.
        let descriptor = unsafe { *handle.cast::<c_int>() };
        // SAFETY: it is open as long as `file` is, and not closed by what borrows it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let found = Plain::from(borrowed.try_clone_to_owned().ok()?)
            .metadata()
            .ok()?;
        Some((found.dev(), found.ino()))
    })
}
