//! What the binding's safe interface does not have.

use std::mem::MaybeUninit;

use hdf5::{Dataset, Datatype};
use hdf5_sys::h5o::{H5O_INFO_BASIC, H5O_info2_t, H5O_token_t, H5Oget_info3};
use hdf5_sys::h5t::{H5T_class_t, H5Tget_class, H5Tget_fields};

/// The bits of a floating-point type's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FloatBits {
    pub(crate) exponent: usize,
    pub(crate) mantissa: usize,
}

/// The parts of a floating-point type; `None` for one of another class.
///
/// The binding takes every float of two bytes for IEEE binary16, and HDF5 2 has a bfloat16 type of
/// its own.
pub(crate) fn float_bits(datatype: &Datatype) -> Option<FloatBits> {
    let (mut sign, mut exponent_at, mut exponent, mut mantissa_at, mut mantissa) = (0, 0, 0, 0, 0);
    let found = hdf5::sync::sync(|| {
        // SAFETY: the identifier belongs to `datatype`, which is alive, and the library's lock is
        // held.
        if unsafe { H5Tget_class(datatype.id()) } != H5T_class_t::H5T_FLOAT {
            return false;
        }
        // SAFETY: as above; the pointers are to local variables of the type that is asked for.
        let status = unsafe {
            H5Tget_fields(
                datatype.id(),
                &raw mut sign,
                &raw mut exponent_at,
                &raw mut exponent,
                &raw mut mantissa_at,
                &raw mut mantissa,
            )
        };
        status >= 0
    });
    found.then_some(FloatBits { exponent, mantissa })
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
