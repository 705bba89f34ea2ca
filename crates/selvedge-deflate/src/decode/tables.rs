//! What the codes of a block are looked up in.

use super::END;
use super::bits::Bits;
use super::codes::{Codes, Lengths};
use crate::entries::{ENTRIES, Entries, OTHER, entry};
use crate::header::{DISTANCES, LITERALS, ORDER};
use crate::kernel::Kernel;

/// The tables of a block.
pub(super) struct Tables {
    /// For all values of the bits that are looked up: up to three bytes that they begin with, lowest
    /// first, the bits that these take, and their number.
    bytes: Entries,
    /// The same for the first byte alone.
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

    /// The entry of the next bits, of which there are [`LOOKED_UP`](crate::entries::LOOKED_UP).
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
