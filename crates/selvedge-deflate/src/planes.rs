//! The byte planes of elements, as HDF5's shuffle filter has them: all low bytes, and then all high
//! bytes.

use simd_adler32::Adler32;

/// Elements that are split before their bytes are summed: both planes are still in the cache.
const PIECE: usize = 16 << 10;
/// The modulus of Adler-32.
const MODULUS: u32 = 65_521;

/// Splits `elements` into their low and their high bytes, which have as many, and returns the
/// Adler-32 of the one behind the other.
#[inline(always)]
pub(crate) fn split(elements: &[u16], low: &mut [u8], high: &mut [u8]) -> u32 {
    let (mut of_low, mut of_high) = (Adler32::new(), Adler32::new());
    let planes = low.chunks_mut(PIECE).zip(high.chunks_mut(PIECE));
    for (elements, (low, high)) in elements.chunks(PIECE).zip(planes) {
        for (element, (low, high)) in elements.iter().zip(low.iter_mut().zip(high.iter_mut())) {
            [*low, *high] = element.to_le_bytes();
        }
        of_low.write(low);
        of_high.write(high);
    }
    combine(of_low.finish(), of_high.finish(), elements.len())
}

/// The Adler-32 of one text behind another, of those of the two and the length of the second.
///
/// With `a` and `b` the two sums of a text (RFC 1950, 9), the second text starts from the `a` and `b`
/// of the first instead of from 1 and 0: its `a` grows by `a - 1`, and its `b` by that for each byte.
fn combine(first: u32, second: u32, second_length: usize) -> u32 {
    let sums = |adler: u32| (u64::from(adler & 0xffff), u64::from(adler >> 16));
    let (modulus, length) = (
        u64::from(MODULUS),
        second_length as u64 % u64::from(MODULUS),
    );
    let ((a, b), (c, d)) = (sums(first), sums(second));
    let before = a + modulus - 1;
    let low = (before + c) % modulus;
    let high = (b + d + before % modulus * length) % modulus;
    u32::try_from(high << 16 | low).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_both_planes() {
        for count in [0, 1, 2, 5551, 5552, 16_384, 65_521, 70_001] {
            let elements: Vec<u16> = (0..count)
                .map(|n: u32| u16::try_from(n.wrapping_mul(40_503) >> 7 & 0xffff).unwrap())
                .collect();
            let (mut low, mut high) = (vec![0; elements.len()], vec![0; elements.len()]);
            let found = split(&elements, &mut low, &mut high);
            let (mut a, mut b) = (1_u32, 0_u32);
            for &byte in low.iter().chain(&high) {
                a = (a + u32::from(byte)) % MODULUS;
                b = (b + a) % MODULUS;
            }
            assert_eq!(found, b << 16 | a, "{count}");
            for (element, (low, high)) in elements.iter().zip(low.iter().zip(&high)) {
                assert_eq!(element.to_le_bytes(), [*low, *high]);
            }
        }
    }
}
