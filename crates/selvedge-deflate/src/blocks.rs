//! Deflate blocks: stored bytes, coded bytes, and coded bytes with repetitions.
//!
//! A block that is coded is at least 6 bytes shorter than what it codes, or it is not written; what
//! is not coded is stored, and stored bytes that follow one another share blocks of up to 65,535.
//! Hence the bound of `max_encoded_len`: a coded block pays for starting a stored one behind it.

use crate::bits::Position;
use crate::header::{DISTANCES, Header, LITERALS, MOST_BITS};
use crate::huffman::{self, CODED_LIMIT, LITERAL_LIMIT};
use crate::kernel::{self, Kernel};
use crate::matches::{self, Found, Repeats, Run};
use crate::sample::{self, Range, Sample};
use crate::stored::Stored;

/// Bytes that are coded together, at most. Rows that are alike lie side by side in a tensor, and
/// shorter blocks follow them better; but a code that is made twice as often takes twice as long to make.
pub(crate) const BLOCK: usize = 32 << 10;

/// Bits that a coded block must save: a stored block behind it takes 42 more than its bytes.
const SAVING: usize = 48;

/// The symbol that ends a block.
const END: usize = 256;

/// Bytes of a block at its longest, when it turns out to be longer coded than stored: then it is
/// not kept, but that is seen when it has been written.
const LONGEST: usize = (BLOCK + 1) * LITERAL_LIMIT as usize / 8 + MOST_BITS / 8 + 16;

/// Room for what is made anew for each block.
pub(crate) struct Scratch {
    found: Found,
    buffer: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            found: Found::with_room_for(BLOCK),
            buffer: vec![0; LONGEST],
        }
    }
}

/// A stream of blocks that is being written.
pub(crate) struct Blocks<'a, K> {
    kernel: K,
    out: &'a mut Vec<u8>,
    /// Where the stream goes on: its whole bytes are in `out`, unless a block is being written.
    at: Position,
    stored: Option<Stored>,
    scratch: &'a mut Scratch,
}

/// The end of a stream that goes on elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    at: Position,
    stored: Option<Stored>,
}

/// What a byte is of its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    Low,
    High,
}

impl Plane {
    /// The shortest repetition worth naming. It takes some 5 bits and those of its distance; a low byte
    /// takes 8 and a high byte about 3.
    fn least(self, distance: usize) -> usize {
        match self {
            Self::Low => 3,
            Self::High => 4 + (matches::distance_symbol(distance).2 as usize).div_ceil(3),
        }
    }
}

impl<'a, K: Kernel> Blocks<'a, K> {
    pub(crate) fn new(kernel: K, out: &'a mut Vec<u8>, scratch: &'a mut Scratch) -> Self {
        Self {
            kernel,
            out,
            at: Position::new(),
            stored: None,
            scratch,
        }
    }

    /// Bytes that are likely to be noise.
    #[inline(always)]
    pub(crate) fn noise(&mut self, bytes: &[u8]) {
        if sample::is_noise(bytes) {
            self.store(bytes);
        } else {
            self.code(bytes);
        }
    }

    /// Bytes that are likely not to be noise.
    #[inline(always)]
    pub(crate) fn code(&mut self, bytes: &[u8]) {
        self.code_in(bytes, Range::of(bytes), &[]);
    }

    /// The same for bytes of a known range. `ahead` will be read next.
    #[inline(always)]
    pub(crate) fn code_in(&mut self, bytes: &[u8], range: Range, ahead: &[u16]) {
        let sample = Sample::of(bytes, range);
        if sample.runs {
            return self.same(bytes);
        }
        let mut counts = [0; LITERALS];
        counts[..END].copy_from_slice(&sample.counts);
        counts[END] = 1;
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, CODED_LIMIT, &mut lengths);
        let limit = (bytes.len() * 8).saturating_sub(SAVING);
        if cost(&counts, &lengths) > limit {
            return self.store(bytes);
        }
        let mut codes = [0; LITERALS];
        huffman::codes(&lengths, &mut codes);
        // No distances; two, because a code of one is incomplete.
        let header = Header::new(&lengths, &[1, 1]);

        let before = (self.at, self.stored);
        self.end_stored(false);
        let from = self.at.bits();
        let buffer = &mut self.scratch.buffer;
        header.write(buffer, &mut self.at);
        self.kernel
            .literals(buffer, &mut self.at, bytes, &codes, range, ahead);
        self.put_symbol(codes[END]);
        if self.at.bits() - from <= limit {
            self.out
                .extend_from_slice(self.at.take(&self.scratch.buffer));
        } else {
            // The sample misled. Nothing of the block is in `out` yet.
            (self.at, self.stored) = before;
            self.store(bytes);
        }
    }

    /// The bytes of `data` from `start` on, which may repeat what is at the distances before them, but not
    /// before `floor`.
    #[inline(always)]
    pub(crate) fn repeating(
        &mut self,
        data: &[u8],
        (floor, start): (usize, usize),
        distances: &[usize],
        plane: Plane,
    ) {
        let mut found = std::mem::take(&mut self.scratch.found);
        let repeats = |index: usize| Repeats {
            distance: distances[index],
            least: plane.least(distances[index]),
        };
        let repeats: &[Repeats] = match distances.len() {
            1 => &[repeats(0)],
            _ => &[repeats(0), repeats(1)],
        };
        let repeated = matches::find(self.kernel, data, (floor, start), repeats, &mut found);
        let bytes = &data[start..];
        if repeated * 32 >= bytes.len() {
            self.runs(bytes, &found.runs, distances);
        } else {
            match plane {
                Plane::Low => self.noise(bytes),
                Plane::High => self.code(bytes),
            }
        }
        self.scratch.found = found;
    }

    /// Bytes that have runs of one byte.
    fn same(&mut self, bytes: &[u8]) {
        let mut found = std::mem::take(&mut self.scratch.found);
        let repeats = Repeats {
            distance: 1,
            least: 4,
        };
        matches::find(self.kernel, bytes, (0, 0), &[repeats], &mut found);
        self.runs(bytes, &found.runs, &[1]);
        self.scratch.found = found;
    }

    #[inline(always)]
    fn runs(&mut self, bytes: &[u8], runs: &[Run], distances: &[usize]) {
        let distances = Distances::new(distances);
        let mut counts = [0_u32; LITERALS];
        counts[END] = 1;
        let mut at = 0;
        let mut other = 0;
        for run in runs {
            let literals = at + run.literals as usize;
            for &byte in &bytes[at..literals] {
                counts[usize::from(byte)] += 1;
            }
            if run.length > 0 {
                let (symbol, _, bits) = matches::length_symbol(run.length.into());
                counts[symbol] += 1;
                other += (bits + distances.codes[usize::from(run.which)].1) as usize;
            }
            at = literals + usize::from(run.length);
        }
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, LITERAL_LIMIT, &mut lengths);
        let header = Header::new(&lengths, &distances.lengths);
        let bits = header.bits() + cost(&counts, &lengths) + other;
        if bits <= (bytes.len() * 8).saturating_sub(SAVING) {
            let mut codes = [0; LITERALS];
            huffman::codes(&lengths, &mut codes);
            self.end_stored(false);
            header.write(&mut self.scratch.buffer, &mut self.at);
            self.repetitions(bytes, runs, &codes, &distances);
            self.put_symbol(codes[END]);
            self.out
                .extend_from_slice(self.at.take(&self.scratch.buffer));
        } else {
            self.store(bytes);
        }
    }

    #[inline(always)]
    fn repetitions(
        &mut self,
        bytes: &[u8],
        runs: &[Run],
        codes: &[u32; LITERALS],
        distances: &Distances,
    ) {
        let buffer = &mut self.scratch.buffer[..];
        // A copy, so that it stays in registers.
        let mut to = self.at;
        let mut rest = bytes;
        for run in runs {
            let (literals, repeated) = rest.split_at(run.literals as usize);
            kernel::literals(buffer, &mut to, literals, codes);
            rest = &repeated[run.length.into()..];
            if run.length > 0 {
                let (symbol, extra, bits) = matches::length_symbol(run.length.into());
                let (distance, distance_bits) = distances.codes[usize::from(run.which)];
                let length = codes[symbol] & 0xFF;
                let value =
                    u64::from(codes[symbol] >> 8) | extra << length | distance << (length + bits);
                to.put(buffer, value, length + bits + distance_bits);
            }
        }
        self.at = to;
    }

    fn put_symbol(&mut self, code: u32) {
        let buffer = &mut self.scratch.buffer;
        self.at.put(buffer, u64::from(code >> 8), code & 0xFF);
    }

    fn store(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let stored = self.stored();
            bytes = stored.extend(self.out, bytes);
            if !bytes.is_empty() {
                self.end_stored(false);
            }
        }
    }

    /// The stored block that the stream ends with now.
    fn stored(&mut self) -> Stored {
        let (buffer, at) = (&mut self.scratch.buffer, &mut self.at);
        *self
            .stored
            .get_or_insert_with(|| Stored::begin(buffer, at, self.out))
    }

    fn end_stored(&mut self, last: bool) {
        if let Some(stored) = self.stored.take() {
            stored.end(self.out, last);
        }
    }

    /// Whether the last block is a stored one.
    pub(crate) const fn ends_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// Ends writing, but not the stream: [`append`](Self::append) needs what is not in its bytes.
    pub(crate) fn end(self) -> End {
        End {
            at: self.at,
            stored: self.stored,
        }
    }

    /// Appends a stream that does not begin with a stored block. It begins with a byte: where the blocks
    /// up to here do not end so, an empty stored block is put between.
    pub(crate) fn append(&mut self, stream: &[u8], end: End) {
        if stream.is_empty() {
            return;
        }
        self.stored();
        self.end_stored(false);
        self.stored = end.stored.map(|stored| stored.moved(self.out.len()));
        self.out.extend_from_slice(stream);
        self.at = end.at;
    }

    /// Ends the stream: its last block is a stored one, maybe an empty one.
    pub(crate) fn finish(mut self) {
        self.stored();
        self.end_stored(true);
    }
}

/// The code of one or two distances.
struct Distances {
    lengths: [u8; DISTANCES],
    /// For each distance its code and the bits that follow, and how many both are.
    codes: [(u64, u32); 2],
}

impl Distances {
    fn new(distances: &[usize]) -> Self {
        let symbols = [distances[0], distances[distances.len() - 1]].map(matches::distance_symbol);
        let [first, second] = symbols.map(|(symbol, ..)| symbol);
        // Always two symbols, because a code of one is incomplete.
        let other = if first == second {
            usize::from(first == 0)
        } else {
            second
        };
        let mut lengths = [0; DISTANCES];
        (lengths[first], lengths[other]) = (1, 1);
        // Both codes are of one bit: the lesser symbol's is 0.
        let least = first.min(other);
        let codes =
            symbols.map(|(symbol, extra, bits)| (u64::from(symbol > least) | extra << 1, 1 + bits));
        Self { lengths, codes }
    }
}

/// Bits of all symbols, without what follows them.
fn cost(counts: &[u32], lengths: &[u8]) -> usize {
    let bits = counts.iter().zip(lengths);
    bits.map(|(&count, &length)| count as usize * usize::from(length))
        .sum()
}
