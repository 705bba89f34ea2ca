//! The codes of a block, canonical and complete.

use super::bits::Bits;
use super::low;
use crate::header::{DISTANCES, LITERALS};

/// Longest code of deflate.
const LONGEST: usize = 15;

/// Symbols by their codes.
pub(super) struct Codes {
    /// Symbols in the order of their codes.
    symbols: [u16; LITERALS],
    /// How many codes there are of each length.
    counts: [u16; LONGEST + 1],
}

impl Codes {
    pub(super) const fn new() -> Self {
        Self {
            symbols: [0; LITERALS],
            counts: [0; LONGEST + 1],
        }
    }

    /// Takes the codes of symbols, in their order, from the lengths, which are not 0. Not if the code is not
    /// complete.
    pub(super) fn of(&mut self, lengths: impl Iterator<Item = (u16, u8)> + Clone) -> Option<()> {
        self.counts = [0; LONGEST + 1];
        for (_, length) in lengths.clone() {
            *self.counts.get_mut(usize::from(length))? += 1;
        }
        let mut starts = [0_usize; LONGEST + 2];
        let mut space = 0;
        for length in 1..=LONGEST {
            let count = usize::from(self.counts[length]);
            starts[length + 1] = starts[length] + count;
            space += count << (LONGEST - length);
        }
        if space != 1 << LONGEST {
            return None;
        }
        for (symbol, length) in lengths {
            let start = &mut starts[usize::from(length)];
            *self.symbols.get_mut(*start)? = symbol;
            *start += 1;
        }
        Some(())
    }

    /// Fills a table of a power of two entries with what `entry` has of a symbol and the length of its code:
    /// of the bits that begin with a code which is not longer than they are. The others are cleared.
    #[inline(always)]
    pub(super) fn fill<T: Copy + Default>(&self, table: &mut [T], entry: impl Fn(u16, u32) -> T) {
        table.fill(T::default());
        let longest = table.len().trailing_zeros();
        let (mut code, mut symbols) = (0_u16, self.symbols.iter());
        for (length, &count) in (1..=longest).zip(&self.counts[1..]) {
            code <<= 1;
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                let entry = entry(symbol, length);
                let first = usize::from(code.reverse_bits() >> (16 - length));
                for bits in table[first..].iter_mut().step_by(1 << length) {
                    *bits = entry;
                }
                code += 1;
            }
        }
    }

    /// The symbol whose code the bits begin with, and its length.
    pub(super) fn next(&self, ahead: u16) -> Option<(u16, u32)> {
        let (mut code, mut first, mut at) = (0, 0, 0);
        for (length, &count) in (1..).zip(&self.counts[1..]) {
            code |= usize::from(ahead >> (length - 1) & 1);
            let count = usize::from(count);
            // No code is longer than 15 bits, and none that is complete has more of a length.
            if code < first + count {
                let symbol = self.symbols.get(at + code - first)?;
                return Some((*symbol, length));
            }
            at += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// The lengths of the codes of a block.
pub(super) struct Lengths {
    /// The lengths of all symbols: literals first, then distances.
    of: [u8; LITERALS + DISTANCES],
    /// The symbols whose length is not 0, in their order.
    used: [u16; LITERALS + DISTANCES],
    count: usize,
}

impl Lengths {
    /// Reads `all` lengths, each by its code, and some repeated.
    pub(super) fn read(bits: &mut Bits<'_>, codes: &Codes, all: usize) -> Option<Self> {
        const ENTRIES: usize = 1 << 7;
        /// A code of 7 bits, and 7 that say how often.
        const MOST_BITS: u32 = 14;
        let mut table = [(0, 0); ENTRIES];
        codes.fill(&mut table, |symbol, length| (symbol, length));
        let mut lengths = Self {
            of: [0; LITERALS + DISTANCES],
            used: [0; LITERALS + DISTANCES],
            count: 0,
        };
        let mut at = 0;
        let mut left = 0;
        while at < all {
            if left < MOST_BITS {
                bits.refill();
                left = Bits::REFILLED;
            }
            left -= MOST_BITS;
            let (symbol, length) = table[usize::from(bits.peek()) % ENTRIES];
            bits.skip(length);
            let (length, times) = match symbol {
                0..=15 => (low(symbol), 1),
                16 => (lengths.of[at.checked_sub(1)?], 3 + bits.next(2)),
                17 => (0, 3 + bits.next(3)),
                _ => (0, 11 + bits.next(7)),
            };
            let end = at + times;
            if length > 0 {
                for symbol in at..end {
                    *lengths.of.get_mut(symbol)? = length;
                    *lengths.used.get_mut(lengths.count)? = u16::try_from(symbol).ok()?;
                    lengths.count += 1;
                }
            }
            at = end;
        }
        (at == all && bits.are_there()).then_some(lengths)
    }

    /// Symbols, from 0 on, and the lengths of their codes, if they have one.
    pub(super) fn used(&self) -> impl DoubleEndedIterator<Item = (u16, u8)> + Clone {
        let used = self.used[..self.count].iter();
        used.map(|&symbol| (symbol, self.of[usize::from(symbol)]))
    }
}
