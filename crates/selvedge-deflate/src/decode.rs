//! Decoding streams like the encoder's: stored blocks, and coded blocks without repetitions.
//!
//! A stream without repetitions needs no window, and of its codes several are looked up at once: the next
//! [`LOOKED_UP`] bits of a block whose codes are short are three bytes. That is what makes it faster than
//! a decoder for all streams. Nothing of a stream is trusted.

use simd_adler32::adler32;

use crate::header::{DISTANCES, LITERALS, ORDER};

/// Bits that one look-up takes at most.
const LOOKED_UP: u32 = 10;
const ENTRIES: usize = 1 << LOOKED_UP;

/// Longest code of deflate.
const LONGEST: usize = 15;

/// The symbol that ends a block.
const END: u16 = 256;

/// An entry for bits that do not begin with the code of a byte, or with one that is longer than them.
const OTHER: u32 = 0;
/// Where an entry has the number of its bytes, and the bytes. Lowest it has the bits that they take, so
/// that a shift by the entry is a shift by these: a CPU looks at six bits of a count.
const COUNT_AT: u32 = 6;
const BYTES_AT: u32 = 8;

/// Decodes streams that have no repetitions, as [`Encoder::encode`](crate::Encoder::encode) mostly makes
/// them.
#[derive(Debug, Default)]
pub struct Decoder {
    tables: Tables,
}

impl Decoder {
    /// A decoder with its tables, 6 KB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes a whole zlib stream into `out`, if it is one of stored blocks and of coded blocks without
    /// repetitions, of exactly `out.len()` bytes and with the right check. Otherwise it returns `false`,
    /// and `out` has anything in it: ask a decoder for all streams, which also says what is wrong.
    #[must_use]
    pub fn decode(&mut self, stream: &[u8], out: &mut [u8]) -> bool {
        let stream = Stream::begin(&mut self.tables, stream, out);
        stream.and_then(Stream::finish).is_some()
    }

    /// The same for two streams, in less time than one after the other: a look-up has to wait for the one
    /// before it, and meanwhile there is one of the other stream to make.
    #[must_use]
    pub fn decode_both(
        decoders: &mut [Self; 2],
        streams: [&[u8]; 2],
        [out, other_out]: [&mut [u8]; 2],
    ) -> [bool; 2] {
        let [decoder, other] = decoders;
        let mut both = [
            Stream::begin(&mut decoder.tables, streams[0], out),
            Stream::begin(&mut other.tables, streams[1], other_out),
        ];
        if let [Some(stream), Some(other)] = &mut both {
            while stream.is_coded() && other.is_coded() {
                literals_of_both(stream, other);
                stream.symbol();
                other.symbol();
            }
        }
        both.map(|stream| stream.and_then(Stream::finish).is_some())
    }
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a coded block, whose tables are made.
    Coded,
    /// Behind the last block.
    End,
    /// At something that is not for this decoder.
    Other,
}

/// A stream that is being decoded.
struct Stream<'a> {
    tables: &'a mut Tables,
    bits: Bits<'a>,
    at: At,
    /// Whether the block is the last.
    is_last: bool,
    out: &'a mut [u8],
    /// Bytes of `out` that are decoded.
    done: usize,
    check: u32,
}

impl<'a> Stream<'a> {
    /// Begins a stream, up to its first coded block.
    fn begin(tables: &'a mut Tables, stream: &'a [u8], out: &'a mut [u8]) -> Option<Self> {
        // Deflate, any window, no dictionary.
        let (&[method, flags], body) = stream.split_first_chunk()?;
        let number = u16::from_be_bytes([method, flags]);
        if method & 0x0F != 8 || method >> 4 > 7 || flags & 0x20 != 0 || number % 31 != 0 {
            return None;
        }
        let (body, check) = body.split_last_chunk::<4>()?;
        let mut stream = Self {
            tables,
            bits: Bits::new(body),
            at: At::Other,
            is_last: false,
            out,
            done: 0,
            check: u32::from_be_bytes(*check),
        };
        stream.next_block();
        Some(stream)
    }

    fn is_coded(&self) -> bool {
        self.at == At::Coded
    }

    /// Goes on to the next coded block.
    fn next_block(&mut self) {
        self.at = self.blocks().unwrap_or(At::Other);
    }

    fn blocks(&mut self) -> Option<At> {
        while !self.is_last {
            let head = self.bits.take(3)?;
            self.is_last = head & 1 == 1;
            match head >> 1 {
                0 => {
                    let stored = self.bits.stored()?;
                    let end = self.done + stored.len();
                    self.out.get_mut(self.done..end)?.copy_from_slice(stored);
                    self.done = end;
                }
                2 => {
                    self.tables.read(&mut self.bits)?;
                    return Some(At::Coded);
                }
                // A fixed code, which the encoder never has, or nothing.
                _ => return None,
            }
        }
        Some(At::End)
    }

    /// Decodes one symbol of a coded block: one with a long code, the end, or one of the last bytes of all.
    fn symbol(&mut self) {
        let byte = match self.tables.symbol(&mut self.bits) {
            Some(END) => return self.next_block(),
            Some(symbol) => self.out.get_mut(self.done).zip(Some(low(symbol))),
            None => None,
        };
        if let Some((place, byte)) = byte {
            *place = byte;
            self.done += 1;
        } else {
            self.at = At::Other;
        }
    }

    /// Decodes all that is left.
    fn finish(mut self) -> Option<()> {
        while self.is_coded() {
            self.literals();
            self.symbol();
        }
        let whole = self.at == At::End && self.done == self.out.len() && self.bits.is_at_end();
        (whole && adler32(&&*self.out) == self.check).then_some(())
    }

    /// Decodes bytes of a coded block as long as they have short codes, and there are bits and room for
    /// several.
    fn literals(&mut self) {
        let mut bits = self.bits;
        while let Some(room) = self.out.get_mut(self.done..self.done + ROOM)
            && bits.refill_fast()
        {
            let mut at = 0;
            for _ in 0..AT_ONCE {
                let entry = self.tables.bytes[usize::from(bits.peek()) % ENTRIES];
                if entry == OTHER {
                    self.done += at;
                    self.bits = bits;
                    return;
                }
                at += put(&mut bits, room, at, entry);
            }
            self.done += at;
        }
        self.bits = bits;
    }
}

/// Look-ups between two refills, and the bytes that they write at most.
const AT_ONCE: usize = (Bits::REFILLED / LOOKED_UP) as usize;
const ROOM: usize = 4 * AT_ONCE;

/// Takes the bits of an entry and writes its bytes; returns how many these are.
#[inline(always)]
fn put(bits: &mut Bits<'_>, room: &mut [u8], at: usize, entry: u32) -> usize {
    room[at..at + 4].copy_from_slice(&(entry >> BYTES_AT).to_le_bytes());
    bits.skip(entry & 63);
    (entry >> COUNT_AT & 3) as usize
}

/// [`Stream::literals`] of two streams, until one of them can go no further.
fn literals_of_both(one: &mut Stream<'_>, other: &mut Stream<'_>) {
    // Copies, so that they stay in registers.
    let (mut bits, mut other_bits) = (one.bits, other.bits);
    let (bytes, other_bytes) = (&one.tables.bytes, &other.tables.bytes);
    'all: while let Some(room) = one.out.get_mut(one.done..one.done + ROOM)
        && let Some(other_room) = other.out.get_mut(other.done..other.done + ROOM)
        && bits.refill_fast()
        && other_bits.refill_fast()
    {
        let (mut at, mut other_at) = (0, 0);
        for _ in 0..AT_ONCE {
            let entry = bytes[usize::from(bits.peek()) % ENTRIES];
            let other_entry = other_bytes[usize::from(other_bits.peek()) % ENTRIES];
            if entry == OTHER || other_entry == OTHER {
                one.done += at;
                other.done += other_at;
                break 'all;
            }
            at += put(&mut bits, room, at, entry);
            other_at += put(&mut other_bits, other_room, other_at, other_entry);
        }
        one.done += at;
        other.done += other_at;
    }
    (one.bits, other.bits) = (bits, other_bits);
}

/// What the codes of a block are looked up in.
struct Tables {
    /// Of the bits that are looked up: up to three bytes that they begin with, lowest first, the bits
    /// that these take, and their number.
    bytes: Box<[u32; ENTRIES]>,
    /// The same of the first symbol alone: symbol and bits, 0 where its code is longer.
    first: Box<[u16; ENTRIES]>,
    codes: Codes,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            bytes: Box::new([OTHER; ENTRIES]),
            first: Box::new([0; ENTRIES]),
            codes: Codes::default(),
        }
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// Reads the codes of a block, and makes the tables.
    fn read(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let literals = 257 + usize::from(bits.take(5)?);
        let distances = 1 + usize::from(bits.take(5)?);
        let written = 4 + usize::from(bits.take(4)?);
        if literals > LITERALS || distances > DISTANCES {
            return None;
        }
        let mut of_lengths = [0; 19];
        for &symbol in &ORDER[..written] {
            of_lengths[symbol] = low(bits.take(3)?);
        }
        self.codes.of(&of_lengths)?;
        let all = literals + distances;
        let mut lengths = [0; LITERALS + DISTANCES];
        let mut at = 0;
        while at < all {
            bits.refill();
            let symbol = self.codes.next(bits)?;
            let (length, times) = match symbol {
                0..=15 => (low(symbol), 1),
                16 => (*lengths.get(at.checked_sub(1)?)?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                _ => (0, 11 + bits.take(7)?),
            };
            let end = at + usize::from(times);
            lengths[..all].get_mut(at..end)?.fill(length);
            at = end;
        }
        let (bytes, lengths) = lengths[..all].split_at(literals);
        // Repetitions are for another decoder. So no distance is used; the encoder declares two.
        if bytes[257..].iter().any(|&length| length > 0) || lengths != [1, 1] {
            return None;
        }
        self.codes.of(bytes)?;
        self.codes.fill(&mut self.first);
        self.join();
        Some(())
    }

    /// Makes the table of up to three bytes of that of single symbols.
    fn join(&mut self) {
        // Without its end: whether the second and third are bytes is a matter of one comparison.
        const TOO_LONG: u32 = LOOKED_UP + 1;
        let entry = |bits: usize| {
            let first = u32::from(self.first[bits % ENTRIES]);
            let (symbol, len) = (first >> 4, first & 0xF);
            let is_byte = len > 0 && symbol < u32::from(END);
            (symbol & 0xFF, if is_byte { len } else { TOO_LONG })
        };
        for bits in 0..ENTRIES {
            let (a, a_len) = entry(bits);
            let (b, b_len) = entry(bits >> a_len.min(LOOKED_UP));
            let (c, c_len) = entry(bits >> (a_len + b_len).min(LOOKED_UP));
            let two = a_len + b_len <= LOOKED_UP;
            let three = a_len + b_len + c_len <= LOOKED_UP;
            let taken = match (two, three) {
                (_, true) => a_len + b_len + c_len,
                (true, false) => a_len + b_len,
                (false, false) => a_len,
            };
            let count = 1 + u32::from(two) + u32::from(three);
            self.bytes[bits] = match a_len {
                TOO_LONG => OTHER,
                _ => (a | b << 8 | c << 16) << BYTES_AT | count << COUNT_AT | taken,
            };
        }
    }

    /// The next symbol.
    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        bits.refill();
        let first = self.first[usize::from(bits.peek()) % ENTRIES];
        if first == 0 {
            return self.codes.next(bits);
        }
        bits.take(u32::from(first & 0xF))?;
        Some(first >> 4)
    }
}

/// The codes of a block, canonical and complete.
#[derive(Default)]
struct Codes {
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
    /// Of each length, how many codes there are.
    counts: [u16; LONGEST + 1],
}

impl Codes {
    /// Takes the lengths of the codes. Not if the code is not complete.
    fn of(&mut self, lengths: &[u8]) -> Option<()> {
        self.counts = [0; LONGEST + 1];
        for &length in lengths {
            *self.counts.get_mut(usize::from(length))? += 1;
        }
        self.counts[0] = 0;
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
        self.symbols.clear();
        self.symbols.resize(starts[LONGEST + 1], 0);
        for (symbol, &length) in (0..).zip(lengths) {
            if length > 0 {
                let start = &mut starts[usize::from(length)];
                self.symbols[*start] = symbol;
                *start += 1;
            }
        }
        Some(())
    }

    /// Fills the table of first symbols: `symbol << 4 | bits`.
    fn fill(&self, first: &mut [u16; ENTRIES]) {
        first.fill(0);
        let (mut code, mut symbols) = (0_u16, self.symbols.iter());
        for (length, &count) in (1..).zip(&self.counts[1..=LOOKED_UP as usize]) {
            code <<= 1;
            for symbol in symbols.by_ref().take(usize::from(count)) {
                let entry = symbol << 4 | length;
                let reversed = code.reverse_bits() >> (16 - length);
                for bits in first[usize::from(reversed)..]
                    .iter_mut()
                    .step_by(1 << length)
                {
                    *bits = entry;
                }
                code += 1;
            }
        }
    }

    /// Takes the next symbol, bit by bit.
    fn next(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let ahead = bits.peek();
        let (mut code, mut first, mut at) = (0, 0, 0);
        for (length, &count) in (1..).zip(&self.counts[1..]) {
            code |= ahead >> (length - 1) & 1;
            // No code is longer than its 15 bits, and none that is complete has more of a length.
            if code < first + count {
                bits.take(length)?;
                return self.symbols.get(at + usize::from(code - first)).copied();
            }
            at += usize::from(count);
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// The low byte.
fn low(symbol: u16) -> u8 {
    symbol.to_le_bytes()[0]
}

/// Bits of a stream, least significant first.
#[derive(Clone, Copy)]
struct Bits<'a> {
    input: &'a [u8],
    /// The next byte that is not in `ahead`.
    at: usize,
    /// Bits that are not taken yet. Above `count` there is nothing, or what follows them.
    ahead: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// Bits that there are at least after a refill, if the input has so many.
    const REFILLED: u32 = 56;

    fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            ahead: 0,
            count: 0,
        }
    }

    /// Reads on by eight bytes at once. `false` near the end of the input.
    #[inline(always)]
    fn refill_fast(&mut self) -> bool {
        let Some(next) = self.input.get(self.at..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        self.ahead |= u64::from_le_bytes(*next) << self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= Self::REFILLED;
        true
    }

    /// Reads on by as many bytes as there are and as fit.
    fn refill(&mut self) {
        if self.refill_fast() {
            return;
        }
        while self.count <= Self::REFILLED
            && let Some(&next) = self.input.get(self.at)
        {
            // What a fast refill left above `count` is the same byte.
            self.ahead |= u64::from(next) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    /// The next 16 bits; zeros behind the end of the input.
    #[inline(always)]
    fn peek(&self) -> u16 {
        let [first, second, ..] = self.ahead.to_le_bytes();
        u16::from_le_bytes([first, second])
    }

    /// Drops bits that are there.
    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.ahead >>= count & 63;
        self.count -= count;
    }

    /// The next `count` bits, at most 15.
    fn take(&mut self, count: u32) -> Option<u16> {
        self.refill();
        if self.count < count {
            return None;
        }
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        Some(bits)
    }

    /// The bytes of a stored block, from its length on.
    fn stored(&mut self) -> Option<&'a [u8]> {
        let start = self.at - (self.count / 8) as usize;
        let (head, rest) = self.input.get(start..)?.split_first_chunk::<4>()?;
        let [len, not] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_le_bytes);
        let stored = rest.get(..usize::from(len)).filter(|_| len == !not)?;
        *self = Self {
            at: start + 4 + stored.len(),
            ..Self::new(self.input)
        };
        Some(stored)
    }

    /// Whether less than a byte is left.
    fn is_at_end(&self) -> bool {
        self.at - (self.count / 8) as usize == self.input.len()
    }
}
