//! What tells an object of a file apart, and where it lies.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use hdf5::sync::sync;
use hdf5::{Dataset, File, Location};
use hdf5_sys::h5d::H5Dopen2;
use hdf5_sys::h5o::{H5O_INFO_BASIC, H5O_INFO_NUM_ATTRS, H5O_info2_t, H5O_token_t, H5Oget_info3};
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

/// What an object goes by within its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(H5O_token_t);

impl Token {
    pub(super) fn new(token: H5O_token_t) -> Self {
        Self(token)
    }

    pub(super) fn raw(self) -> H5O_token_t {
        self.0
    }

    /// The address of the object's header in its file.
    pub(crate) fn address(self) -> u64 {
        const { assert!(size_of::<H5O_token_t>() == 16) };
        // SAFETY: the token is 16 bytes, of which each is initialized.
        let token = unsafe { (&raw const self.0).cast::<[u8; 16]>().read() };
        // In a file on a disk it is the address, little-endian, and zeros.
        token
            .first_chunk()
            .map_or(u64::MAX, |&address| u64::from_le_bytes(address))
    }
}

/// What is known of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectInfo {
    pub(crate) token: Token,
    /// The number of its attributes.
    pub(crate) attributes: u64,
}

/// What is known of an object; `None` where its header cannot be read.
pub(crate) fn object_info(object: &Location) -> Option<ObjectInfo> {
    let mut info = MaybeUninit::<H5O_info2_t>::zeroed();
    let fields = H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS;
    let status = sync(|| {
        // SAFETY: the identifier belongs to `object`, which is alive, the library's lock is held, and the
        // pointer is to memory for the type that is asked for.
        unsafe { H5Oget_info3(object.id(), info.as_mut_ptr(), fields) }
    });
    // SAFETY: the place lies in `info`, whose bytes were zeros before the call.
    let token = unsafe { &raw const (*info.as_ptr()).token };
    // SAFETY: the pointer is to a field that is initialized.
    let token = unsafe { token.read() };
    // SAFETY: as of the token.
    let attributes = unsafe { &raw const (*info.as_ptr()).num_attrs };
    // SAFETY: as of the token.
    let attributes = unsafe { attributes.read() };
    (status >= 0).then_some(ObjectInfo {
        token: Token(token),
        attributes,
    })
}

/// Gives back what libhdf5 keeps of the memory of objects that were closed.
pub(crate) fn collect_garbage() {
    // SAFETY: the library's lock is held, and the function frees only what is not in use.
    sync(|| unsafe { hdf5_sys::h5::H5garbage_collect() });
}
