//! Deflate blocks: stored bytes, coded bytes, and coded bytes with repetitions.
//!
//! A block that is coded is at least 6 bytes shorter than what it codes, or it is not written; what
//! is not coded is stored, and stored bytes that follow one another share blocks of up to 65,535.
//! Hence the bound of `max_encoded_len`: a coded block pays for starting a stored one after it.

use crate::bits::Position;
use crate::header::{DISTANCES, Header, LITERALS, MOST_BITS};
use crate::huffman::{self, CODED_LIMIT, LITERAL_LIMIT};
use crate::kernel::Kernel;
use crate::matches::{self, Found, Repeats};
use crate::sample::{self, Range, Sample};
use crate::stored::Stored;
use crate::tokens::{Codes, MOST_DISTANCES, Tokens};

/// Bytes that are coded together, at most. Rows that are alike lie side by side in a tensor, and
/// shorter blocks follow them better; but a code that is made twice as often takes twice as long to make.
pub(crate) const BLOCK: usize = 32 << 10;

/// Bits that a coded block must save: a stored block after it takes 42 more than its bytes.
pub(crate) const SAVING: usize = 48;

/// The symbol that ends a block.
const END: usize = 256;

/// Bytes of a block at its longest, when it turns out to be longer coded than stored: then it is
/// not kept, but that is seen when it has been written.
const LONGEST: usize = (BLOCK + 1) * LITERAL_LIMIT as usize / 8 + MOST_BITS / 8 + 16;

/// Room for what is made anew for each block.
pub(crate) struct Scratch {
    found: Found,
    tokens: Tokens,
    buffer: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            found: Found::with_room_for(BLOCK, MOST_DISTANCES),
            tokens: Tokens::with_room_for(BLOCK),
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
    /// takes 8 and a high byte about 3, and one that saves next to nothing is not worth its time.
    fn least(self, distance: usize) -> usize {
        match self {
            Self::Low => 3,
            Self::High => 6 + (matches::distance_symbol(distance).2 as usize).div_ceil(3),
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

    /// Bytes that are likely to be noise. To code them takes as long as the bytes that are not, here and
    /// in every reader; so they are coded where that saves two bits of each.
    #[inline(always)]
    pub(crate) fn noise(&mut self, bytes: &[u8]) {
        if sample::is_noise(bytes) {
            self.store(bytes);
        } else {
            self.code_in(bytes, Range::of(bytes), 2 * bytes.len(), &[]);
        }
    }

    /// Bytes that are likely not to be noise.
    #[inline(always)]
    pub(crate) fn code(&mut self, bytes: &[u8]) {
        self.code_in(bytes, Range::of(bytes), SAVING, &[]);
    }

    /// The same for bytes of a known range, if it saves `worth` bits. `ahead` will be read next.
    #[inline(always)]
    pub(crate) fn code_in(&mut self, bytes: &[u8], range: Range, worth: usize, ahead: &[u16]) {
        let sample = Sample::of(bytes, range);
        if sample.runs {
            return self.same(bytes);
        }
        let mut counts = [0; LITERALS];
        counts[..END].copy_from_slice(&sample.counts);
        counts[END] = 1;
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, CODED_LIMIT, &mut lengths);
        let limit = (bytes.len() * 8).saturating_sub(SAVING.max(worth));
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
            .write_codes(buffer, &mut self.at, bytes, &codes, range, ahead);
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
    pub(crate) fn repeating<const N: usize>(
        &mut self,
        data: &[u8],
        (floor, start): (usize, usize),
        distances: &[usize; N],
        plane: Plane,
    ) {
        let found = &mut self.scratch.found;
        let repeats = distances.map(|distance| Repeats {
            distance,
            least: plane.least(distance),
        });
        let repeated = matches::find(self.kernel, data, (floor, start), &repeats, found);
        let bytes = &data[start..];
        if repeated * 32 >= bytes.len() {
            self.repetitions(bytes, distances);
        } else if plane == Plane::Low {
            self.noise(bytes);
        } else {
            self.code(bytes);
        }
    }

    /// A block in which bytes come in runs. Rare enough to be searched like the others.
    #[cold]
    fn same(&mut self, bytes: &[u8]) {
        let repeats = Repeats {
            distance: 1,
            least: 4,
        };
        matches::find(
            self.kernel,
            bytes,
            (0, 0),
            &[repeats],
            &mut self.scratch.found,
        );
        self.repetitions(bytes, &[1]);
    }

    /// `bytes`, with the repetitions that were found.
    #[inline(always)]
    fn repetitions<const N: usize>(&mut self, bytes: &[u8], distances: &[usize; N]) {
        let Scratch { found, tokens, .. } = &mut *self.scratch;
        tokens.set(self.kernel, bytes, &found.repetitions);
        let mut counts = tokens.counts();
        counts.literals[END] = 1;
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts.literals, LITERAL_LIMIT, &mut lengths);

        let symbols = distances.map(matches::distance_symbol);
        let mut of_symbol = [0; DISTANCES];
        for ((symbol, ..), count) in symbols.iter().zip(counts.distances) {
            of_symbol[*symbol] += count;
        }
        let mut distance_lengths = [0; DISTANCES];
        huffman::lengths(&of_symbol, LITERAL_LIMIT, &mut distance_lengths);
        let extra = symbols.iter().zip(counts.distances);
        let extra = extra.map(|((.., bits), count)| *bits as usize * count as usize);

        let header = Header::new(&lengths, &distance_lengths);
        let bits = header.bits()
            + cost(&counts.literals, &lengths)
            + cost(&of_symbol, &distance_lengths)
            + counts.extra
            + extra.sum::<usize>();
        if bits > (bytes.len() * 8).saturating_sub(SAVING) {
            return self.store(bytes);
        }
        let mut codes = [0; LITERALS];
        huffman::codes(&lengths, &mut codes);
        let mut distance_codes = [0; DISTANCES];
        huffman::codes(&distance_lengths, &mut distance_codes);
        let of_distances =
            symbols.map(|(symbol, extra, bits)| (distance_codes[symbol], extra, bits));
        self.end_stored(false);
        let Scratch { tokens, buffer, .. } = &mut *self.scratch;
        header.write(buffer, &mut self.at);
        self.at = Codes::new(&codes, &of_distances).write(buffer, self.at, tokens.all());
        self.put_symbol(codes[END]);
        self.out
            .extend_from_slice(self.at.take(&self.scratch.buffer));
    }

    fn put_symbol(&mut self, code: u32) {
        let buffer = &mut self.scratch.buffer;
        self.at.put(buffer, u64::from(code >> 8), code & 0xFF);
    }

    /// Bytes as they are.
    pub(crate) fn store(&mut self, mut bytes: &[u8]) {
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

/// Bits of all symbols, without what follows them.
fn cost(counts: &[u32], lengths: &[u8]) -> usize {
    let bits = counts.iter().zip(lengths);
    bits.map(|(&count, &length)| count as usize * usize::from(length))
        .sum()
}
