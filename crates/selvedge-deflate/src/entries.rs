//! The entries of a decoder's tables: what the next bits of a stream stand for.
//!
//! Loops for wide registers know them, too, so they are no matter of the decoder's alone.

use crate::huffman::CODED_LIMIT;

/// Bits that one look-up takes at most.
pub(crate) const LOOKED_UP: u32 = 10;
pub(crate) const ENTRIES: usize = 1 << LOOKED_UP;
// No code of the encoder's is longer: one look-up finds each.
const _: () = assert!(CODED_LIMIT as u32 <= LOOKED_UP);

/// An entry for bits that do not begin with the code of a byte, or with one that is longer than them.
pub(crate) const OTHER: u32 = 0;
/// Where an entry has the number of its bytes, and the bytes. Lowest it has the bits that they take, so
/// that a shift by the entry is a shift by these: a CPU looks at six bits of a count.
pub(crate) const COUNT_AT: u32 = 30;
pub(crate) const BYTES_AT: u32 = 6;
pub(crate) const TAKEN: u32 = (1 << BYTES_AT) - 1;
/// The first byte.
pub(crate) const BYTE: u32 = 0xFF << BYTES_AT;

/// An entry for each value of the bits that are looked up.
pub(crate) type Entries = [u32; ENTRIES];

/// The entry of one byte.
pub(crate) fn entry(symbol: u16, length: u32) -> u32 {
    u32::from(symbol) << BYTES_AT | 1 << COUNT_AT | length
}

/// Makes a table of up to three bytes of that of the first ones.
#[inline(always)]
pub(crate) fn join(first: &Entries, joined: &mut Entries) {
    for (bits, joined) in (0..).zip(joined) {
        *joined = first[bits as usize];
        for shift in [8, 16] {
            let taken = *joined & TAKEN;
            let next = first[(bits >> taken) as usize % ENTRIES];
            let fits = next != OTHER && taken + (next & TAKEN) <= LOOKED_UP;
            // One byte more, its bits, and the byte after the others.
            let more = (next & !BYTE) + ((next & BYTE) << shift);
            *joined += if fits { more } else { 0 };
        }
    }
}
