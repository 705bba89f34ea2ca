//! What the binding's safe interface does not have.

use hdf5::Datatype;
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
