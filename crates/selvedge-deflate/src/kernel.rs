//! The loops that have another source for some CPUs.

use simd_adler32::Adler32;

use crate::bits::Position;
use crate::entries::{self, Entries};
use crate::header::LITERALS;
use crate::sample::Range;
use crate::split;

/// Tokens that a word of bits says of whether they stay: one for each bit.
pub(crate) const TOKENS_PER_WORD: usize = 64;

/// A source of these loops, and the proof that its instructions may run.
pub(crate) trait Kernel: Copy {
    /// Writes the codes of all bytes, one after the other.
    ///
    /// `range` holds all bytes; `codes` are of at most `CODED_LIMIT` bits, one for each byte. `ahead` is
    /// what will be read next: it may be fetched from memory meanwhile.
    fn write_codes(
        self,
        out: &mut [u8],
        at: &mut Position,
        bytes: &[u8],
        codes: &[u32; LITERALS],
        range: Range,
        ahead: &[u16],
    );

    /// The low and the high bytes of the elements, and the range of the high ones. All three are of one
    /// length.
    fn split(self, elements: &[u16], low: &mut [u8], high: &mut [u8]) -> Range;

    /// A bit for each byte that is the same in both, that of the first byte lowest.
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64;

    /// Says that bytes will be read soon, so that they may be fetched from memory.
    fn fetch(self, bytes: &[u8]);

    /// The Adler-32 of bytes that follow those that `check` is of.
    fn check(self, check: u32, bytes: &[u8]) -> u32;

    /// Makes a decoder's table of up to three bytes of that of the first ones.
    fn join(self, first: &Entries, joined: &mut Entries);

    /// Moves the tokens that are kept to the beginning, in their order, and returns how many they are. Each
    /// bit of a word says of one whether it is; there are 64 for each word.
    fn compact(self, tokens: &mut [u16], keep: &[u64]) -> usize;
}

/// For every CPU, by looking up one byte after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn write_codes(
        self,
        out: &mut [u8],
        at: &mut Position,
        bytes: &[u8],
        codes: &[u32; LITERALS],
        _: Range,
        _: &[u16],
    ) {
        write_codes(out, at, bytes, codes);
    }

    #[inline(always)]
    fn split(self, elements: &[u16], low: &mut [u8], high: &mut [u8]) -> Range {
        split::low(elements, low);
        split::high(elements, high);
        Range::of(high)
    }

    #[inline(always)]
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
        const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
        let words = a.as_chunks().0.iter().zip(b.as_chunks().0);
        let mut mask = 0;
        for (i, (&a, &b)) in words.enumerate() {
            let differ = u64::from_le_bytes(a) ^ u64::from_le_bytes(b);
            // The highest bit of each byte that is zero, exactly, and then the eight side by side.
            let equal = !(((differ & LOW) + LOW) | differ) & !LOW;
            mask |= ((equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
        }
        mask
    }

    #[inline(always)]
    fn fetch(self, _: &[u8]) {}

    #[inline(always)]
    fn check(self, check: u32, bytes: &[u8]) -> u32 {
        let mut check = Adler32::from_checksum(check);
        check.write(bytes);
        check.finish()
    }

    #[inline(always)]
    fn join(self, first: &Entries, joined: &mut Entries) {
        entries::join(first, joined);
    }

    #[inline(always)]
    fn compact(self, tokens: &mut [u16], keep: &[u64]) -> usize {
        compact(tokens, keep, |token: &[u16; 1], _| *token)
    }
}

/// Moves the tokens that are kept to the beginning, `N` at a time: `kept` moves those of its `N` whose bit is
/// set to the beginning of them, and the others may be anything.
///
/// ```text
/// for each N tokens and their bits:
///     tokens[count..] = kept(N tokens, N bits)      no farther than where they were read
///     count += how many of the bits are set
/// ```
#[inline(always)]
pub(crate) fn compact<const N: usize>(
    tokens: &mut [u16],
    keep: &[u64],
    kept: impl Fn(&[u16; N], u64) -> [u16; N],
) -> usize {
    let mut count = 0;
    for (index, &word) in keep.iter().enumerate().filter(|(_, word)| **word != 0) {
        let from: Option<&[u16; TOKENS_PER_WORD]> = tokens[index * TOKENS_PER_WORD..].first_chunk();
        let from = *from.expect("whole words");
        for (nth, from) in from.as_chunks::<N>().0.iter().enumerate() {
            let bits = word >> (nth * N) & (u64::MAX >> (TOKENS_PER_WORD - N));
            tokens[count..count + N].copy_from_slice(&kept(from, bits));
            count += bits.count_ones() as usize;
        }
    }
    count
}

/// Four bytes at a time: their codes are joined in pairs, which do not wait for one another, and
/// written at once.
#[inline(always)]
pub(crate) fn write_codes(
    out: &mut [u8],
    at: &mut Position,
    bytes: &[u8],
    codes: &[u32; LITERALS],
) {
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
    if !rest.is_empty() {
        let (bits, count) = one_by_one(rest, codes);
        to.put(out, bits, count);
    }
    *at = to;
}

/// The codes of up to four bytes, one after the other, and how many bits they are.
#[inline(always)]
pub(crate) fn one_by_one(bytes: &[u8], codes: &[u32; 256]) -> (u64, u32) {
    let (mut bits, mut count) = (0, 0);
    for &byte in bytes {
        let entry = codes[usize::from(byte)];
        bits |= u64::from(entry >> 8) << (count & 63);
        count += entry & 0xFF;
    }
    (bits, count)
}
