//! Where an object lies in its file.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use hdf5::sync::sync;
use hdf5::{Dataset, File};
use hdf5_sys::h5d::H5Dopen2;
use hdf5_sys::h5o::{H5O_INFO_BASIC, H5O_info2_t, H5O_token_t, H5Oget_info3};
use hdf5_sys::h5p::H5P_DEFAULT;

/// The dataset at a path, which may be any bytes; `None` where there is none.
pub(crate) fn open_dataset(file: &File, path: &CStr) -> Option<Dataset> {
    sync(|| {
        // SAFETY: the identifier is that of `file`, which is alive, and the path a string of C.
        let id = unsafe { H5Dopen2(file.id(), path.as_ptr(), H5P_DEFAULT) };
        // SAFETY: the identifier was opened for us just now, and nobody else has it; of one that is
        // none the function makes no handle.
        unsafe { hdf5::from_id(id) }.ok()
    })
}

/// The address of a dataset's object header in its file.
pub(crate) fn object_address(dataset: &Dataset) -> Option<u64> {
    const { assert!(size_of::<H5O_token_t>() == 16) };
    let mut info = MaybeUninit::<H5O_info2_t>::zeroed();
    let status = hdf5::sync::sync(|| {
        // SAFETY: the identifier belongs to `dataset`, which is alive, the library's lock is held, and the
        // pointer is to memory for the type that is asked for.
        unsafe { H5Oget_info3(dataset.id(), info.as_mut_ptr(), H5O_INFO_BASIC) }
    });
    // SAFETY: the place lies in `info`, whose bytes were zeros before the call.
    let token = unsafe { &raw const (*info.as_ptr()).token };
    // SAFETY: the token is 16 bytes in `info`, of which each is initialized.
    let token = unsafe { token.cast::<[u8; 16]>().read() };
    // In a file on a disk it is the address, little-endian, and zeros.
    let (address, _) = token.split_first_chunk::<8>()?;
    (status >= 0).then_some(u64::from_le_bytes(*address))
}
