//! Views between `[bf16]`, `[u16]` and bytes, without a copy and without a look at the values.
//!
//! `bf16` is a `repr(transparent)` wrapper of `u16`, and every bit pattern is a value of both, so
//! all views of bytes are sound once alignment and length fit. `bytemuck` holds the casts; this
//! file holds no `unsafe`.

use bytemuck::{AnyBitPattern, NoUninit, must_cast_slice, must_cast_slice_mut};
use half::bf16;

use crate::ViewError;

/// Views values as their bits.
///
/// ```
/// use selvedge_bf16::{bf16, bf16_as_u16};
/// assert_eq!(bf16_as_u16(&[bf16::ONE, bf16::NEG_ZERO]), [0x3F80, 0x8000]);
/// ```
#[must_use]
pub fn bf16_as_u16(values: &[bf16]) -> &[u16] {
    must_cast_slice(values)
}

/// Views values as their bits, to be changed in place.
#[must_use]
pub fn bf16_as_u16_mut(values: &mut [bf16]) -> &mut [u16] {
    must_cast_slice_mut(values)
}

/// Views bits as the values they stand for.
///
/// ```
/// use selvedge_bf16::{bf16, u16_as_bf16};
/// assert_eq!(u16_as_bf16(&[0x3F80, 0xC000]), [bf16::ONE, bf16::from_f32(-2.0)]);
/// ```
#[must_use]
pub fn u16_as_bf16(bits: &[u16]) -> &[bf16] {
    must_cast_slice(bits)
}

/// Views bits as the values they stand for, to be changed in place.
#[must_use]
pub fn u16_as_bf16_mut(bits: &mut [u16]) -> &mut [bf16] {
    must_cast_slice_mut(bits)
}

/// Views values as bytes, in memory order: two a value, the low byte first, as files have them.
///
/// ```
/// use selvedge_bf16::{bf16, bf16_as_bytes};
/// assert_eq!(bf16_as_bytes(&[bf16::ONE]), [0x80, 0x3F]);
/// ```
#[must_use]
pub fn bf16_as_bytes(values: &[bf16]) -> &[u8] {
    must_cast_slice(values)
}

/// Views values as bytes, in memory order, to be changed in place.
///
/// This is the way to fill values from bytes that [`bytes_as_bf16`] refuses because of their
/// alignment, or to read a file straight into values.
///
/// ```
/// use selvedge_bf16::{bf16, bf16_as_bytes_mut};
/// let mut values = [bf16::ZERO; 2];
/// bf16_as_bytes_mut(&mut values).copy_from_slice(&[0x80, 0x3F, 0x00, 0xC0]);
/// assert_eq!(values, [bf16::ONE, bf16::from_f32(-2.0)]);
/// ```
#[must_use]
pub fn bf16_as_bytes_mut(values: &mut [bf16]) -> &mut [u8] {
    must_cast_slice_mut(values)
}

/// Views bits as bytes, in memory order: the low byte first.
#[must_use]
pub fn u16_as_bytes(bits: &[u16]) -> &[u8] {
    must_cast_slice(bits)
}

/// Views bits as bytes, in memory order, to be changed in place.
#[must_use]
pub fn u16_as_bytes_mut(bits: &mut [u16]) -> &mut [u8] {
    must_cast_slice_mut(bits)
}

/// Views bytes as values: two bytes a value, the low byte first.
///
/// # Errors
///
/// [`ViewError::OddLength`] if the length is not a multiple of 2, else [`ViewError::Misaligned`] if
/// the address is not. No bytes are no values, whatever their address.
///
/// ```
/// use selvedge_bf16::{ViewError, bf16, bytes_as_bf16};
///
/// // A `Vec<u16>` is aligned for `bf16`; a byte buffer is only by luck.
/// let bits = vec![0x3F80_u16, 0x4000];
/// let bytes = selvedge_bf16::u16_as_bytes(&bits);
/// assert_eq!(bytes_as_bf16(bytes)?, [bf16::ONE, bf16::from_f32(2.0)]);
/// assert_eq!(bytes_as_bf16(&bytes[..3]), Err(ViewError::OddLength { bytes: 3 }));
/// assert_eq!(bytes_as_bf16(&bytes[1..3]), Err(ViewError::Misaligned { bytes: 2 }));
/// # Ok::<(), ViewError>(())
/// ```
pub fn bytes_as_bf16(bytes: &[u8]) -> Result<&[bf16], ViewError> {
    try_view(bytes)
}

/// Views bytes as values, to be changed in place.
///
/// # Errors
///
/// As [`bytes_as_bf16`].
pub fn bytes_as_bf16_mut(bytes: &mut [u8]) -> Result<&mut [bf16], ViewError> {
    try_view_mut(bytes)
}

/// Views bytes as bits: two bytes each, the low byte first.
///
/// # Errors
///
/// As [`bytes_as_bf16`].
pub fn bytes_as_u16(bytes: &[u8]) -> Result<&[u16], ViewError> {
    try_view(bytes)
}

/// Views bytes as bits, to be changed in place.
///
/// # Errors
///
/// As [`bytes_as_bf16`].
pub fn bytes_as_u16_mut(bytes: &mut [u8]) -> Result<&mut [u16], ViewError> {
    try_view_mut(bytes)
}

/// `T` is one of the two 16-bit types.
fn try_view<T: AnyBitPattern>(bytes: &[u8]) -> Result<&[T], ViewError> {
    if bytes.is_empty() {
        // An empty slice may sit at any address, `&[0_u8; 0]` at an odd one.
        return Ok(&[]);
    }
    bytemuck::try_cast_slice(bytes).map_err(|_| refusal(bytes))
}

/// `T` is one of the two 16-bit types.
fn try_view_mut<T: AnyBitPattern + NoUninit>(bytes: &mut [u8]) -> Result<&mut [T], ViewError> {
    if bytes.is_empty() {
        return Ok(&mut []);
    }
    // Before the cast, because a closure may not look at `bytes` while the cast borrows it.
    let refusal = refusal(bytes);
    bytemuck::try_cast_slice_mut(bytes).map_err(|_| refusal)
}

/// Which of the two conditions a slice does not meet, if it is refused. Length goes first: it may
/// mean lost data.
fn refusal(bytes: &[u8]) -> ViewError {
    let bytes = bytes.len();
    if bytes.is_multiple_of(2) {
        ViewError::Misaligned { bytes }
    } else {
        ViewError::OddLength { bytes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{config, every_pattern};

    #[test]
    fn every_pattern_keeps_its_bits_in_every_view() {
        let bits = every_pattern();
        let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let values: Vec<bf16> = bits.iter().copied().map(bf16::from_bits).collect();

        assert_eq!(bf16_as_u16(&values), bits);
        assert_eq!(bf16_as_u16(u16_as_bf16(&bits)), bits);
        assert_eq!(bf16_as_bytes(&values), bytes);
        assert_eq!(u16_as_bytes(&bits), bytes);
        assert_eq!(bytes_as_u16(bf16_as_bytes(&values)).unwrap(), bits);
        let back = bytes_as_bf16(u16_as_bytes(&bits)).unwrap();
        assert!(back.iter().map(|v| v.to_bits()).eq(bits.iter().copied()));
    }

    #[test]
    fn every_pattern_written_through_a_mutable_view_arrives() {
        let bits = every_pattern();
        let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let values: Vec<bf16> = bits.iter().copied().map(bf16::from_bits).collect();

        let mut into = vec![bf16::ZERO; bits.len()];
        bf16_as_u16_mut(&mut into).copy_from_slice(&bits);
        assert_eq!(bf16_as_u16(&into), bits);

        into.fill(bf16::ZERO);
        bf16_as_bytes_mut(&mut into).copy_from_slice(&bytes);
        assert_eq!(bf16_as_u16(&into), bits);

        let mut into = vec![0; bits.len()];
        u16_as_bf16_mut(&mut into).copy_from_slice(&values);
        assert_eq!(into, bits);

        into.fill(0);
        bytes_as_bf16_mut(u16_as_bytes_mut(&mut into))
            .unwrap()
            .copy_from_slice(&values);
        assert_eq!(into, bits);

        into.fill(0);
        bytes_as_u16_mut(u16_as_bytes_mut(&mut into))
            .unwrap()
            .copy_from_slice(&bits);
        assert_eq!(into, bits);
    }

    #[test]
    fn no_bytes_are_no_values_even_at_an_odd_address() {
        let mut aligned = [0_u16];
        let odd = &mut u16_as_bytes_mut(&mut aligned)[1..1];
        assert_eq!(odd.as_ptr().addr() % 2, 1);
        assert_eq!(bytes_as_bf16(odd), Ok(&[][..]));
        assert_eq!(bytes_as_u16(odd), Ok(&[][..]));
        assert_eq!(bytes_as_bf16_mut(odd), Ok(&mut [][..]));
        assert_eq!(bytes_as_u16_mut(odd), Ok(&mut [][..]));
    }

    #[test]
    fn refusals_say_what_to_do() {
        assert_eq!(
            ViewError::OddLength { bytes: 7 }.to_string(),
            "7 bytes are not a whole number of 2-byte values, 1 byte is left over: \
             check that the data is complete and its offset right"
        );
        assert_eq!(
            ViewError::Misaligned { bytes: 8 }.to_string(),
            "8 bytes begin at an odd address, but 2-byte values need a multiple of 2 bytes: \
             copy them into a buffer of values with `bf16_as_bytes_mut(..).copy_from_slice(..)`"
        );
    }

    proptest! {
        #![proptest_config(config())]

        /// Any sub-slice of aligned memory is viewed if, and only if, it begins and ends on a
        /// value.
        #[test]
        fn a_view_exists_exactly_where_values_lie(
            mut bits in vec(any::<u16>(), 0..40),
            cut in any::<[prop::sample::Index; 2]>(),
        ) {
            let total = bits.len() * 2;
            let (mut start, mut end) = (cut[0].index(total + 1), cut[1].index(total + 1));
            if start > end {
                std::mem::swap(&mut start, &mut end);
            }
            let length = end - start;
            let expected = if length == 0 {
                Ok(Vec::new())
            } else if length % 2 == 1 {
                Err(ViewError::OddLength { bytes: length })
            } else if start % 2 == 1 {
                Err(ViewError::Misaligned { bytes: length })
            } else {
                Ok(bits[start / 2..end / 2].to_vec())
            };

            let bytes = &mut u16_as_bytes_mut(&mut bits)[start..end];
            prop_assert_eq!(bytes_as_u16(bytes).map(<[u16]>::to_vec), expected.clone());
            prop_assert_eq!(bytes_as_u16_mut(bytes).map(|b| b.to_vec()), expected.clone());
            let found = bytes_as_bf16(bytes).map(|v| bf16_as_u16(v).to_vec());
            prop_assert_eq!(found, expected.clone());
            let found = bytes_as_bf16_mut(bytes).map(|v| bf16_as_u16(v).to_vec());
            prop_assert_eq!(found, expected);
        }
    }
}
