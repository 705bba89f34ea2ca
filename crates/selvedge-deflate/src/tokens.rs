//! What a block with repetitions consists of, in order: literals, lengths, and distances.
//!
//! Literals and repetitions follow one another as they like, and to ask at each which it is means a branch
//! that is mispredicted as often as not. So a block's bytes are made tokens of one kind, numbers: at first
//! one for each byte; a repetition, of three bytes or more, puts its length and its distance in place of
//! its first two; and the tokens of its other bytes are left out. To count and to write what remains is to
//! look up one after the other.

use crate::bits::Position;
use crate::header::LITERALS;
use crate::kernel::{Kernel, TOKENS_PER_WORD};
use crate::matches::{self, LONGEST, Repetition};

/// Tokens of a byte are the byte; those of a length, from 3 on, follow, and then those of distances.
const LENGTH: usize = 256;
const DISTANCE: usize = 512;
/// More than there are. A power of two, so that a look-up needs no check.
const TOKENS: usize = 1024;

/// Distances that there are tokens for.
pub(crate) const MOST_DISTANCES: usize = 8;

/// The tokens of a block.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// The tokens that were kept.
    tokens: Vec<u16>,
    /// A bit for each token that there was before: whether it is kept.
    keep: Vec<u64>,
}

impl Tokens {
    /// With room for a block of that many bytes.
    pub(crate) fn with_room_for(block: usize) -> Self {
        let words = block.div_ceil(TOKENS_PER_WORD);
        Self {
            tokens: Vec::with_capacity(words * TOKENS_PER_WORD),
            keep: Vec::with_capacity(words + 1),
        }
    }

    /// Makes them those of `bytes`, with these repetitions.
    #[inline(always)]
    pub(crate) fn set<K: Kernel>(&mut self, kernel: K, bytes: &[u8], repetitions: &[Repetition]) {
        let Self { tokens, keep } = self;
        let words = bytes.len().div_ceil(TOKENS_PER_WORD);
        tokens.clear();
        tokens.extend(bytes.iter().map(|&byte| u16::from(byte)));
        tokens.resize(words * TOKENS_PER_WORD, 0);
        // First a bit where tokens cease to be kept, and one where they are kept again.
        keep.clear();
        keep.resize(words + 1, 0);
        let mut toggle = |at: usize| keep[at / TOKENS_PER_WORD] ^= 1 << (at % TOKENS_PER_WORD);
        for repetition in repetitions {
            let mut at = repetition.at as usize;
            let mut left = repetition.length as usize;
            while left > 0 {
                let length = piece(left);
                tokens[at] = token(LENGTH + length - 3);
                tokens[at + 1] = token(DISTANCE) + repetition.which;
                toggle(at + 2);
                toggle(at + length);
                at += length;
                left -= length;
            }
        }
        toggle(bytes.len());
        // Then, of each, whether an even number of them is up to it: then it is kept.
        let mut before = u64::MAX;
        for word in &mut *keep {
            for shift in [1, 2, 4, 8, 16, 32] {
                *word ^= *word << shift;
            }
            *word ^= before;
            before = (word.cast_signed() >> 63).cast_unsigned();
        }
        let count = kernel.compact(tokens, &keep[..words]);
        tokens.truncate(count);
    }

    /// All, in order.
    pub(crate) fn all(&self) -> &[u16] {
        &self.tokens
    }

    /// How often each occurs.
    #[inline(always)]
    pub(crate) fn counts(&self) -> Counts {
        // Four tables, so that equal tokens that are near each other do not wait for one another.
        let mut tables = [[0_u16; TOKENS]; 4];
        let (fours, rest) = self.all().as_chunks::<4>();
        for four in fours {
            for (table, &token) in tables.iter_mut().zip(four) {
                table[index(token)] += 1;
            }
        }
        for &token in rest {
            tables[0][index(token)] += 1;
        }
        let count = |token: usize| tables.iter().map(|table| u32::from(table[token])).sum();
        let mut counts = Counts {
            literals: [0; LITERALS],
            distances: std::array::from_fn(|which| count(DISTANCE + which)),
            extra: 0,
        };
        for (byte, literals) in counts.literals[..LENGTH].iter_mut().enumerate() {
            *literals = count(byte);
        }
        for (offset, &(symbol, _, bits)) in LENGTHS.iter().enumerate() {
            let count: u32 = count(LENGTH + offset);
            counts.literals[usize::from(symbol)] += count;
            counts.extra += usize::from(bits) * count as usize;
        }
        counts
    }
}

/// How much of a repetition is named at once: not so much that less than 3 bytes are left.
fn piece(left: usize) -> usize {
    if left > LONGEST {
        LONGEST.min(left - 3)
    } else {
        left
    }
}

fn index(token: u16) -> usize {
    usize::from(token) % TOKENS
}

fn token(token: usize) -> u16 {
    u16::try_from(token).expect("tokens are below 1,024")
}

/// How often tokens occur in a block.
pub(crate) struct Counts {
    /// Literals, and symbols of lengths.
    pub(crate) literals: [u32; LITERALS],
    pub(crate) distances: [u32; MOST_DISTANCES],
    /// Bits that follow the symbols of all lengths.
    pub(crate) extra: usize,
}

/// For each length from 3 on its symbol, and the bits that follow: value and count.
const LENGTHS: [(u16, u8, u8); LONGEST - 2] = {
    let mut lengths = [(0, 0, 0); LONGEST - 2];
    let mut offset = 0;
    while offset < lengths.len() {
        let (symbol, extra, bits) = matches::length_symbol(offset + 3);
        // Symbols are below 286, and bits at most 5.
        #[allow(clippy::cast_possible_truncation)]
        {
            lengths[offset] = (symbol as u16, extra as u8, bits as u8);
        }
        offset += 1;
    }
    lengths
};

/// What is written for each token.
pub(crate) struct Codes([u32; TOKENS]);

impl Codes {
    /// Bits of an entry that say how many its others are: at most 14 and 13.
    const COUNT: u32 = 5;

    /// From the codes of literals and lengths, and of distances' symbols, as `huffman::codes` has them.
    pub(crate) fn new(literals: &[u32; LITERALS], distances: &[(u32, u64, u32)]) -> Self {
        let mut codes = [0; TOKENS];
        let entry = |code: u32, extra: u32, bits: u32| {
            let (code, length) = (code >> 8, code & 0xFF);
            (code | extra << length) << Self::COUNT | (length + bits)
        };
        for (to, &code) in codes.iter_mut().zip(&literals[..LENGTH]) {
            *to = entry(code, 0, 0);
        }
        for (to, &(symbol, extra, bits)) in codes[LENGTH..].iter_mut().zip(&LENGTHS) {
            *to = entry(literals[usize::from(symbol)], extra.into(), bits.into());
        }
        for (to, &(code, extra, bits)) in codes[DISTANCE..].iter_mut().zip(distances) {
            *to = entry(code, u32::try_from(extra).expect("13 bits"), bits);
        }
        Self(codes)
    }

    /// Writes tokens from `at` on, and returns the place after them.
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut [u8], mut at: Position, tokens: &[u16]) -> Position {
        let (fours, rest) = tokens.as_chunks::<4>();
        for four in fours {
            let [a, b, c, d] = four.map(|token| self.of(token));
            // At most one of two that follow one another is a distance: they have up to 46 bits.
            let (ab, cd) = (join(a, b), join(c, d));
            if ab.1 + cd.1 <= 56 {
                let (bits, count) = join(ab, cd);
                at.put(out, bits, count);
            } else {
                at.put(out, ab.0, ab.1);
                at.put(out, cd.0, cd.1);
            }
        }
        for &token in rest {
            let (bits, count) = self.of(token);
            at.put(out, bits, count);
        }
        at
    }

    /// What is written for a token, and how many bits it is.
    #[inline(always)]
    fn of(&self, token: u16) -> (u64, u32) {
        let entry = self.0[index(token)];
        (
            u64::from(entry >> Self::COUNT),
            entry & ((1 << Self::COUNT) - 1),
        )
    }
}

/// Bits, and after them others.
#[inline(always)]
fn join((first, a): (u64, u32), (second, b): (u64, u32)) -> (u64, u32) {
    (first | second << (a & 63), a + b)
}
