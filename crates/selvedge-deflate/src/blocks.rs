//! Deflate blocks: stored bytes, coded bytes, and coded bytes with repetitions.
//!
//! A block that is coded is at least 6 bytes shorter than what it codes, or it is not written; what
//! is not coded is stored, and stored bytes that follow one another share blocks of up to 65,535.
//! Hence the bound of `max_encoded_len`: a coded block pays for starting a stored one behind it.

use crate::bits::Position;
use crate::header::{DISTANCES, Header, LITERALS, MOST_BITS};
use crate::huffman::{self, LITERAL_LIMIT};
use crate::matches::{self, Run};
use crate::sample::{Range, Sample};

/// Bytes that are coded together, at most. Rows that are alike lie side by side in a tensor, and
/// shorter blocks follow them better; a header takes some 60 bytes.
pub(crate) const BLOCK: usize = 16 << 10;

/// Most bytes of a stored block.
const STORED: usize = 65_535;

/// Bits that a coded block must save: a stored block behind it takes 42 more than its bytes.
const SAVING: usize = 48;

/// The symbol that ends a block.
const END: usize = 256;

/// Bytes that an output must have behind those that are kept: where a block turns out to be longer
/// coded than stored, that is seen when it has been written.
pub(crate) const SLACK: usize = (BLOCK + 1) * LITERAL_LIMIT as usize / 8 + MOST_BITS / 8 + 16;

/// Room for what is made anew for each block.
pub(crate) struct Scratch {
    runs: Vec<Run>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            // A repetition has three bytes or more.
            runs: Vec::with_capacity(BLOCK / 3 + 2),
        }
    }
}

/// A stream of blocks that is being written.
pub(crate) struct Blocks<'a> {
    data: &'a [u8],
    out: &'a mut [u8],
    at: Position,
    /// Up to here `data` is in `out`, and from here to where the blocks are it waits to be stored.
    written: usize,
    scratch: &'a mut Scratch,
}

/// What is known of a block before it is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Hint {
    /// Nothing.
    None,
    /// Its bytes may repeat those `distance` before, not before `floor`.
    Repeats { floor: usize, distance: usize },
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(
        data: &'a [u8],
        out: &'a mut [u8],
        at: usize,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self {
            data,
            out,
            at: Position::at(at),
            written: 0,
            scratch,
        }
    }

    /// Codes the bytes from `start` to `end`, or leaves them to be stored. All bytes before are
    /// written or wait, and there are some.
    #[inline(always)]
    pub(crate) fn block(&mut self, start: usize, end: usize, hint: Hint) {
        let before = (self.at, self.written);
        let coded = match hint {
            Hint::None => self.coded(start, end),
            Hint::Repeats { floor, distance } => self.repeating(start, end, floor, distance),
        };
        if !coded {
            (self.at, self.written) = before;
        }
    }

    /// Ends the stream and returns the index behind its last byte.
    pub(crate) fn finish(mut self) -> usize {
        self.store(self.data.len(), true);
        self.at.align(self.out)
    }

    /// Stores what waits, up to `end`. The last block of a stream is a stored one, maybe empty.
    fn store(&mut self, end: usize, last: bool) {
        let mut waiting = &self.data[self.written..end];
        while last || !waiting.is_empty() {
            let (piece, rest) = waiting.split_at(waiting.len().min(STORED));
            let ends = last && rest.is_empty();
            self.at.put(self.out, u64::from(ends), 3);
            self.at.align(self.out);
            let length = piece.len() as u64;
            self.at.put(self.out, length | (length ^ 0xFFFF) << 16, 32);
            self.at.copy(self.out, piece);
            waiting = rest;
            if ends {
                break;
            }
        }
        self.written = end;
    }

    #[inline(always)]
    fn coded(&mut self, start: usize, end: usize) -> bool {
        let bytes = &self.data[start..end];
        let range = Range::of(bytes);
        let sample = Sample::of(bytes, range);
        if sample.runs {
            return self.repeating(start, end, start, 1);
        }
        let mut counts = [0; LITERALS];
        counts[..END].copy_from_slice(&sample.counts);
        counts[END] = 1;
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, LITERAL_LIMIT, &mut lengths);
        let limit = (bytes.len() * 8).saturating_sub(SAVING);
        if cost(&counts, &lengths) > limit {
            return false;
        }
        let mut codes = [0; LITERALS];
        huffman::codes(&lengths, &mut codes);
        // No distances; two, because a code of one is incomplete.
        let header = Header::new(&lengths, &[1, 1]);

        self.store(start, false);
        let from = self.at.bits();
        header.write(self.out, &mut self.at, false);
        literals(self.out, &mut self.at, bytes, &codes);
        self.at
            .put(self.out, u64::from(codes[END] >> 8), codes[END] & 0xFF);
        self.written = end;
        self.at.bits() - from <= limit
    }

    #[inline(always)]
    fn repeating(&mut self, start: usize, end: usize, floor: usize, distance: usize) -> bool {
        let (symbol, extra, extra_bits) = matches::distance_symbol(distance);
        let mut runs = std::mem::take(&mut self.scratch.runs);
        runs.clear();
        let least = 3;
        matches::find(self.data, (floor, start, end), distance, least, &mut runs);

        let mut counts = [0_u32; LITERALS];
        counts[END] = 1;
        let mut at = start;
        let mut repeats = 0;
        for run in &runs {
            let literals = at + run.literals as usize;
            for &byte in &self.data[at..literals] {
                counts[usize::from(byte)] += 1;
            }
            if run.length > 0 {
                let (symbol, _, bits) = matches::length_symbol(run.length as usize);
                counts[symbol] += 1;
                repeats += (1 + bits + extra_bits) as usize;
            }
            at = literals + run.length as usize;
        }
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, LITERAL_LIMIT, &mut lengths);
        let mut distances = [0; DISTANCES];
        // Two, because a code of one is incomplete.
        distances[0] = 1;
        distances[symbol.max(1)] = 1;
        let distances = &distances[..symbol.max(1) + 1];
        let header = Header::new(&lengths, distances);
        let bits = header.bits() + cost(&counts, &lengths) + repeats;
        let pays = bits <= ((end - start) * 8).saturating_sub(SAVING);
        if pays {
            let mut codes = [0; LITERALS];
            huffman::codes(&lengths, &mut codes);
            self.store(start, false);
            header.write(self.out, &mut self.at, false);
            // Symbol 0 has the code 0 and the other the code 1, both of one bit.
            let distance = (u64::from(symbol > 0) | extra << 1, 1 + extra_bits);
            self.repetitions(start, &runs, &codes, distance);
            self.written = end;
        }
        self.scratch.runs = runs;
        pays
    }

    #[inline(always)]
    fn repetitions(
        &mut self,
        start: usize,
        runs: &[Run],
        codes: &[u32; LITERALS],
        (distance, distance_bits): (u64, u32),
    ) {
        let mut at = start;
        for run in runs {
            let bytes = &self.data[at..at + run.literals as usize];
            literals(self.out, &mut self.at, bytes, codes);
            at += (run.literals + run.length) as usize;
            if run.length > 0 {
                let (symbol, extra, bits) = matches::length_symbol(run.length as usize);
                let length = codes[symbol] & 0xFF;
                let value =
                    u64::from(codes[symbol] >> 8) | extra << length | distance << (length + bits);
                self.at.put(self.out, value, length + bits + distance_bits);
            }
        }
        self.at
            .put(self.out, u64::from(codes[END] >> 8), codes[END] & 0xFF);
    }
}

/// Bits of all symbols, without what follows them.
fn cost(counts: &[u32], lengths: &[u8]) -> usize {
    let bits = counts.iter().zip(lengths);
    bits.map(|(&count, &length)| count as usize * usize::from(length))
        .sum()
}

/// Writes the codes of all bytes, four at a time.
#[inline(always)]
fn literals(out: &mut [u8], at: &mut Position, bytes: &[u8], codes: &[u32; LITERALS]) {
    let codes: &[u32; 256] = codes.first_chunk().expect("more than 256");
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        let [a, b, c, d] = four.map(|byte| codes[usize::from(byte)]);
        // The length is in the lowest bits of an entry, and the sum of four is below 64.
        let ab = u64::from(a >> 8) | u64::from(b >> 8) << (a & 63);
        let cd = u64::from(c >> 8) | u64::from(d >> 8) << (c & 63);
        let two = (a + b) & 63;
        at.put(out, ab | cd << two, (two + c + d) & 63);
    }
    for &byte in rest {
        let entry = codes[usize::from(byte)];
        at.put(out, u64::from(entry >> 8), entry & 0xFF);
    }
}
