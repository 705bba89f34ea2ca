//! What the codes of a block are looked up in.

use super::END;
use super::bits::Bits;
use super::codes::{Codes, Lengths};
use crate::header::{DISTANCES, LITERALS, ORDER};
use crate::huffman::CODED_LIMIT;
use crate::kernel::Kernel;

/// Bits that one look-up takes at most.
pub(crate) const LOOKED_UP: u32 = 10;
const ENTRIES: usize = 1 << LOOKED_UP;
// No code of the encoder's is longer: one look-up finds each.
const _: () = assert!(CODED_LIMIT as u32 <= LOOKED_UP);

/// An entry for bits that do not begin with the code of a byte, or with one that is longer than them.
pub(crate) const OTHER: u32 = 0;
/// Where an entry has the number of its bytes, and the bytes. Lowest it has the bits that they take, so
/// that a shift by the entry is a shift by these: a CPU looks at six bits of a count.
pub(super) const COUNT_AT: u32 = 30;
pub(super) const BYTES_AT: u32 = 6;
pub(crate) const TAKEN: u32 = (1 << BYTES_AT) - 1;
/// The first byte.
pub(crate) const BYTE: u32 = 0xFF << BYTES_AT;

/// An entry for each value of the bits that are looked up.
pub(crate) type Entries = [u32; ENTRIES];

/// The tables of a block.
pub(super) struct Tables {
    /// Of the bits that are looked up: up to three bytes that they begin with, lowest first, the bits
    /// that these take, and their number.
    bytes: Entries,
    /// The same of the first byte alone.
    first: Entries,
    codes: Codes,
}

impl Tables {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [OTHER; ENTRIES],
            first: [OTHER; ENTRIES],
            codes: Codes::new(),
        }
    }

    /// Reads the codes of a block, and makes the tables.
    #[inline(always)]
    pub(super) fn read<K: Kernel>(&mut self, kernel: K, bits: &mut Bits<'_>) -> Option<()> {
        let literals = 257 + bits.take(5)?;
        let distances = 1 + bits.take(5)?;
        let written = 4 + bits.take(4)?;
        if literals > LITERALS || distances > DISTANCES {
            return None;
        }
        let mut of_lengths = [0; 19];
        for &symbol in &ORDER[..written] {
            of_lengths[symbol] = u8::try_from(bits.take(3)?).ok()?;
        }
        let of_lengths = (0..).zip(of_lengths).filter(|(_, length)| *length > 0);
        self.codes.of(of_lengths)?;
        let lengths = Lengths::read(bits, &self.codes, literals + distances)?;
        // Repetitions are for another decoder. So no distance is used; the encoder declares two.
        let mut bytes = lengths.used();
        let declared = [bytes.next_back()?, bytes.next_back()?];
        let first = u16::try_from(literals).ok()?;
        if declared != [(first + 1, 1), (first, 1)] || bytes.clone().any(|(symbol, _)| symbol > END)
        {
            return None;
        }
        self.codes.of(bytes)?;
        self.codes
            .fill(&mut self.first, |symbol, length| match symbol {
                0..END => entry(symbol, length),
                _ => OTHER,
            });
        kernel.join(&self.first, &mut self.bytes);
        Some(())
    }

    /// The entry of the next bits, of which there are [`LOOKED_UP`].
    #[inline(always)]
    pub(super) const fn look_up(&self, bits: Bits<'_>) -> u32 {
        self.bytes[bits.peek() as usize % ENTRIES]
    }

    /// Takes the next symbol.
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        bits.refill();
        let (symbol, length) = self.codes.next(bits.peek())?;
        bits.take(length)?;
        Some(symbol)
    }
}

/// The entry of one byte.
fn entry(symbol: u16, length: u32) -> u32 {
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
            // One byte more, its bits, and the byte behind the others.
            let more = (next & !BYTE) + ((next & BYTE) << shift);
            *joined += if fits { more } else { 0 };
        }
    }
}
