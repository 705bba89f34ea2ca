//! HDF5's shuffle filter for elements of two bytes, a plane at a time.

/// The low bytes.
#[inline(always)]
pub(crate) fn low(elements: &[u16], plane: &mut [u8]) {
    for (&element, byte) in elements.iter().zip(plane) {
        *byte = (element & 0xFF) as u8;
    }
}

/// The high bytes.
#[inline(always)]
pub(crate) fn high(elements: &[u16], plane: &mut [u8]) {
    for (&element, byte) in elements.iter().zip(plane) {
        *byte = (element >> 8) as u8;
    }
}
