//! How often each byte occurs.

use crate::huffman::SYMBOLS;
use crate::runs::{self, Run};

/// Planes of fewer bytes are counted whole.
const SAMPLED_FROM: usize = 32 << 10;
/// Of each so many bytes of other planes...
const STRIDE: usize = 512;
/// ... these are counted.
const SAMPLE: usize = 64;

/// Adds to `counts` how often the bytes of a plane occur outside of its runs: exactly for a small
/// plane. Of a large one a sample is counted and scaled up; a byte that can occur has at least 1, so
/// that it gets a code.
#[inline(always)]
pub(crate) fn literals(plane: &[u8], runs: &[Run], counts: &mut [u32; SYMBOLS]) {
    let mut histogram = Histogram([[0; 256]; 4]);
    let parts = runs::parts(plane, runs).map(|(literals, _)| literals);
    if plane.len() < SAMPLED_FROM {
        for literals in parts {
            histogram.add(literals);
        }
        for (count, found) in counts.iter_mut().zip(histogram.sums()) {
            *count += found;
        }
        return;
    }
    let (mut all, mut seen) = (0_u64, 0_u64);
    for literals in parts {
        all += literals.len() as u64;
        for part in literals.chunks(STRIDE) {
            let sample = &part[..part.len().min(SAMPLE)];
            seen += sample.len() as u64;
            histogram.add(sample);
        }
    }
    let scale = all as f64 / seen.max(1) as f64;
    let possible = Possible::of(plane);
    for ((byte, count), found) in (0..=u8::MAX).zip(counts).zip(histogram.sums()) {
        // Not more than the plane has bytes.
        *count += (f64::from(found) * scale) as u32 + u32::from(possible.has(byte));
    }
}

/// Four tables, so that equal bytes that follow one another do not wait for one another.
struct Histogram([[u32; 256]; 4]);

impl Histogram {
    #[inline(always)]
    fn add(&mut self, bytes: &[u8]) {
        let (fours, rest) = bytes.as_chunks::<4>();
        for four in fours {
            for (table, &byte) in self.0.iter_mut().zip(four) {
                table[usize::from(byte)] += 1;
            }
        }
        for &byte in rest {
            self.0[0][usize::from(byte)] += 1;
        }
    }

    fn sums(&self) -> impl Iterator<Item = u32> {
        (0..256).map(|byte| self.0.iter().map(|table| table[byte]).sum())
    }
}

/// Which bytes can occur: of those of a plane, a bound by their smallest and largest.
///
/// The high byte of a bfloat16 is a sign and seven bits of an exponent, and exponents lie close to
/// one another, but for those of zero. So the bound is of the lower seven bits, and 0 is apart.
struct Possible {
    least: u8,
    most: u8,
    negative: bool,
}

impl Possible {
    #[inline(always)]
    fn of(plane: &[u8]) -> Self {
        let (mut before_least, mut most, mut all) = (u8::MAX, 0, 0);
        for &byte in plane {
            let value = byte & 0x7f;
            // 0 becomes the largest.
            before_least = before_least.min(value.wrapping_sub(1));
            most = most.max(value);
            all |= byte;
        }
        Self {
            least: before_least.saturating_add(1),
            most,
            negative: all & 0x80 != 0,
        }
    }

    fn has(&self, byte: u8) -> bool {
        let value = byte & 0x7f;
        (value == 0 || (self.least..=self.most).contains(&value)) && (byte < 0x80 || self.negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_occurs_in_a_sampled_plane_has_a_count() {
        for rare in 0..=u8::MAX {
            let mut plane = vec![0x3d_u8; 100_000];
            for (place, byte) in plane.iter_mut().enumerate() {
                *byte ^= u8::try_from(place % 3).unwrap();
            }
            // Not in the sample.
            plane[300] = rare;
            let mut counts = [0; SYMBOLS];
            literals(&plane, &[], &mut counts);
            assert!(counts[usize::from(rare)] > 0, "{rare}");
            assert!(counts[0x3d] > 30_000, "{rare}");
        }
    }

    #[test]
    fn small_planes_are_counted_exactly() {
        let plane: Vec<u8> = (0..1001_u32)
            .map(|n| u8::try_from(n % 7).unwrap())
            .collect();
        let mut counts = [0; SYMBOLS];
        literals(&plane, &[Run { start: 7, end: 14 }], &mut counts);
        assert_eq!(counts[..8], [142, 142, 142, 142, 142, 142, 142, 0]);
    }
}
