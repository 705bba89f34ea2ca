//! The header of a dynamic-Huffman block: its two codes, themselves run-length and Huffman coded.

use crate::bits::Position;
use crate::huffman;

/// The order in which the lengths of the code for code lengths are written (RFC 1951, 3.2.7).
pub(crate) const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Symbols of the literal and length alphabet, and of the distance alphabet.
pub(crate) const LITERALS: usize = 286;
pub(crate) const DISTANCES: usize = 30;

/// Most bits that a header takes: 3 + 14, 19 lengths of 3, and 7 for each of 316 symbols. (A repeat
/// takes up to 7 more, but stands for at least three.)
pub(crate) const MOST_BITS: usize = 3 + 14 + 19 * 3 + 7 * (LITERALS + DISTANCES);

/// A header, ready to be written, so that its size is known before.
pub(crate) struct Header {
    /// Symbols of the code for code lengths, with the bits that follow each.
    tokens: [(u8, u8); LITERALS + DISTANCES],
    used: usize,
    literals: usize,
    distances: usize,
    lengths: [u8; 19],
    codes: [u32; 19],
    /// How many of `lengths`, in `ORDER`, are written.
    written: usize,
    bits: usize,
}

/// Bits that follow a symbol of the code for code lengths.
const fn extra(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

impl Header {
    /// `literals` and `distances` are code lengths, with at least one that is not 0 in each.
    pub(crate) fn new(literals: &[u8], distances: &[u8]) -> Self {
        let literals = trimmed(literals, 257);
        let distances = trimmed(distances, 1);
        let mut all = [0; LITERALS + DISTANCES];
        all[..literals.len()].copy_from_slice(literals);
        all[literals.len()..][..distances.len()].copy_from_slice(distances);
        let all = &all[..literals.len() + distances.len()];

        let mut header = Self {
            tokens: [(0, 0); LITERALS + DISTANCES],
            used: 0,
            literals: literals.len(),
            distances: distances.len(),
            lengths: [0; 19],
            codes: [0; 19],
            written: 19,
            bits: 0,
        };
        let mut counts = [0; 19];
        for run in all.chunk_by(|a, b| a == b) {
            header.run(run[0], run.len(), &mut counts);
        }
        huffman::lengths(&counts, 7, &mut header.lengths);
        huffman::codes(&header.lengths, &mut header.codes);
        while header.lengths[ORDER[header.written - 1]] == 0 {
            header.written -= 1;
        }
        header.bits = 3 + 14 + 3 * header.written;
        for &(symbol, _) in &header.tokens[..header.used] {
            let length = header.lengths[usize::from(symbol)];
            header.bits += usize::from(length) + extra(symbol) as usize;
        }
        header
    }

    fn run(&mut self, length: u8, mut count: usize, counts: &mut [u32; 19]) {
        let mut token = |symbol: u8, value: usize| {
            self.tokens[self.used] = (symbol, u8::try_from(value).expect("at most 127"));
            self.used += 1;
            counts[usize::from(symbol)] += 1;
        };
        if length == 0 {
            while count >= 11 {
                let step = count.min(138);
                token(18, step - 11);
                count -= step;
            }
            if count >= 3 {
                token(17, count - 3);
                count = 0;
            }
        } else {
            token(length, 0);
            count -= 1;
            while count >= 3 {
                let step = count.min(6);
                token(16, step - 3);
                count -= step;
            }
        }
        for _ in 0..count {
            token(length, 0);
        }
    }

    pub(crate) const fn bits(&self) -> usize {
        self.bits
    }

    /// Writes the first bits of a block that is not the last, up to where its symbols begin.
    pub(crate) fn write(&self, out: &mut [u8], at: &mut Position) {
        at.put(out, 2 << 1, 3);
        let counts = (self.literals - 257) | (self.distances - 1) << 5 | (self.written - 4) << 10;
        at.put(out, counts as u64, 14);
        for &symbol in &ORDER[..self.written] {
            at.put(out, u64::from(self.lengths[symbol]), 3);
        }
        for &(symbol, value) in &self.tokens[..self.used] {
            let entry = self.codes[usize::from(symbol)];
            let length = entry & 0xFF;
            let bits = u64::from(entry >> 8) | u64::from(value) << length;
            at.put(out, bits, length + extra(symbol));
        }
    }
}

/// `lengths` without the zeros at its end, but with at least `least` of them.
fn trimmed(lengths: &[u8], least: usize) -> &[u8] {
    let used = lengths.iter().rposition(|&length| length > 0);
    &lengths[..used.map_or(0, |last| last + 1).max(least)]
}
