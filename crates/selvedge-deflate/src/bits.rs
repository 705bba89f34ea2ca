//! Writing bits: the lowest bit of a byte first, as deflate has it.

/// A writer of bits into memory of a fixed size.
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    /// Bytes that are complete.
    at: usize,
    /// Bits that do not yet fill a byte, from the lowest up. The bits above them are 0.
    pending: u64,
    /// How many they are: fewer than 8.
    count: u32,
}

/// A place to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
    pending: u64,
    count: u32,
}

/// The memory is full.
#[derive(Debug)]
pub(crate) struct Full;

/// Most bits of one [`BitWriter::put`].
pub(crate) const MOST_BITS: u32 = 56;

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self {
            out,
            at: 0,
            pending: 0,
            count: 0,
        }
    }

    /// Appends the lowest `count` bits of `bits`, at most [`MOST_BITS`]; those above them are 0.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) -> Result<(), Full> {
        debug_assert!(count <= MOST_BITS && bits >> count == 0);
        self.pending |= bits << self.count;
        self.flush(self.count + count)
    }

    /// Appends the codes of two entries of a table of codes: see [`crate::huffman::Codes`].
    ///
    /// Whole words are written, and the position moves on by the bytes that are complete: without a
    /// branch. An entry has its length in its lowest 6 bits, which is what a shift takes of its
    /// count, so most shifts are by an entry itself.
    #[inline(always)]
    pub(crate) fn put_entries(&mut self, one: u32, two: u32) -> Result<(), Full> {
        let codes = u64::from(one >> 6) | u64::from(two >> 6) << (one & 63);
        self.pending |= codes << self.count;
        self.flush(self.count.wrapping_add(one).wrapping_add(two) & 63)
    }

    /// Writes the bytes of the `count` pending bits that are complete.
    #[inline(always)]
    fn flush(&mut self, count: u32) -> Result<(), Full> {
        let word = self
            .out
            .get_mut(self.at..)
            .and_then(<[u8]>::first_chunk_mut);
        *word.ok_or(Full)? = self.pending.to_le_bytes();
        self.at += (count >> 3) as usize;
        self.pending >>= count & 56;
        self.count = count & 7;
        Ok(())
    }

    /// Fills the last byte with zeros.
    pub(crate) fn align(&mut self) -> Result<(), Full> {
        self.put(0, self.count.wrapping_neg() & 7)
    }

    /// Appends bytes; the last byte is filled.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        debug_assert_eq!(self.count, 0);
        let to = self
            .out
            .get_mut(self.at..)
            .and_then(|out| out.get_mut(..bytes.len()));
        to.ok_or(Full)?.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    /// Where it is, in bits.
    pub(crate) fn position(&self) -> u64 {
        self.at as u64 * 8 + u64::from(self.count)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            pending: self.pending,
            count: self.count,
        }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.at = mark.at;
        self.pending = mark.pending;
        self.count = mark.count;
    }

    /// Bytes that are written; the last one is filled.
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.count, 0);
        self.at
    }
}
