//! HDF5's shuffle filter for elements of two bytes.

/// All low bytes to `low`, all high bytes to `high`.
#[inline(always)]
pub(crate) fn split(elements: &[u16], low: &mut [u8], high: &mut [u8]) {
    for ((&element, low), high) in elements.iter().zip(low).zip(high) {
        let [first, second] = element.to_le_bytes();
        *low = first;
        *high = second;
    }
}
