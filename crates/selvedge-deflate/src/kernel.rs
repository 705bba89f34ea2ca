//! The loop that writes the codes of bytes: the one loop that has another source for some CPUs.

use crate::bits::Position;
use crate::header::LITERALS;
use crate::sample::Range;

/// Writes the codes of all bytes, one behind the other.
pub(crate) trait Kernel: Copy {
    /// `range` holds all bytes; `codes` are of at most 14 bits, and there is one for each byte.
    fn literals(
        self,
        out: &mut [u8],
        at: &mut Position,
        bytes: &[u8],
        codes: &[u32; LITERALS],
        range: Range,
    );
}

/// For every CPU, by looking up one byte after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn literals(
        self,
        out: &mut [u8],
        at: &mut Position,
        bytes: &[u8],
        codes: &[u32; LITERALS],
        _: Range,
    ) {
        literals(out, at, bytes, codes);
    }
}

/// Four bytes at a time: their codes are joined in pairs, which do not wait for one another, and
/// written at once.
#[inline(always)]
pub(crate) fn literals(out: &mut [u8], at: &mut Position, bytes: &[u8], codes: &[u32; LITERALS]) {
    let codes: &[u32; 256] = codes.first_chunk().expect("more than 256");
    // A copy, so that it stays in registers.
    let mut to = *at;
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        let [a, b, c, d] = four.map(|byte| codes[usize::from(byte)]);
        // The length is in the lowest bits of an entry, and the sum of four is below 64.
        let ab = u64::from(a >> 8) | u64::from(b >> 8) << (a & 63);
        let cd = u64::from(c >> 8) | u64::from(d >> 8) << (c & 63);
        let two = (a + b) & 63;
        to.put(out, ab | cd << two, (two + c + d) & 63);
    }
    for &byte in rest {
        let entry = codes[usize::from(byte)];
        to.put(out, u64::from(entry >> 8), entry & 0xFF);
    }
    *at = to;
}
