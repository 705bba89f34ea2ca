//! Bits into bytes, least significant first, as deflate packs them.

/// A place in an output that has bits before it. Copying it is remembering it: to go back, write on
/// from the copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// The byte that the next flush writes to.
    byte: usize,
    /// Bits that no flush has written yet, from the lowest up; zero above `count`.
    pending: u64,
    /// How many those are: fewer than 8 between calls.
    count: u32,
}

impl Position {
    /// The beginning.
    pub(crate) const fn new() -> Self {
        Self {
            byte: 0,
            pending: 0,
            count: 0,
        }
    }

    /// Bits before this place.
    pub(crate) const fn bits(self) -> usize {
        self.byte * 8 + self.count as usize
    }

    /// Appends the `count` low bits of `value`, at most 56; those above must be zero.
    ///
    /// Eight bytes of `out` from the current one on are written whatever the count is, so the output
    /// needs 8 bytes after its last bit.
    #[inline(always)]
    pub(crate) fn put(&mut self, out: &mut [u8], value: u64, count: u32) {
        debug_assert!(count <= 56 && value >> count == 0);
        self.pending |= value << self.count;
        self.count += count;
        out[self.byte..self.byte + 8].copy_from_slice(&self.pending.to_le_bytes());
        self.byte += (self.count >> 3) as usize;
        self.pending >>= self.count & !7;
        self.count &= 7;
    }

    /// Fills up the current byte with zeros.
    pub(crate) fn align(&mut self, out: &mut [u8]) {
        if self.count > 0 {
            self.put(out, 0, 8 - self.count);
        }
    }

    /// The whole bytes before this place, which are to be moved elsewhere: it is that of the same
    /// pending bits at the beginning of `out`.
    pub(crate) fn take<'a>(&mut self, out: &'a [u8]) -> &'a [u8] {
        &out[..std::mem::take(&mut self.byte)]
    }
}

/// The same for many bits at once: 8 bytes are written when they are full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    word: usize,
    pending: u64,
    /// Bits of `pending`: fewer than 64 between calls.
    count: u32,
}

impl Position {
    /// Writes on in words, of which the first begins with the current byte. [`Words::end`] comes back.
    ///
    /// The output needs 16 bytes after its last bit.
    pub(crate) fn words(self, out: &mut [u8]) -> (Words, &mut [[u8; 8]]) {
        let words = Words {
            word: 0,
            pending: self.pending,
            count: self.count,
        };
        (words, out[self.byte..].as_chunks_mut().0)
    }
}

impl Words {
    /// Appends the `count` low bits of `value`, from 1 to 64; those above must be zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, out: &mut [[u8; 8]], value: u64, count: u32) {
        debug_assert!((1..=64).contains(&count) && value.unbounded_shr(count) == 0);
        let low = self.pending | value << self.count;
        out[self.word] = low.to_le_bytes();
        // What did not fit; in two steps, because it may be nothing.
        let high = value >> 1 >> (63 - self.count);
        let total = self.count + count;
        self.pending = if total >= 64 { high } else { low };
        self.word += (total >> 6) as usize;
        self.count = total & 63;
    }

    /// The place after what was put; `begin` is where the words began.
    pub(crate) fn end(self, out: &mut [[u8; 8]], begin: Position) -> Position {
        out[self.word] = self.pending.to_le_bytes();
        Position {
            byte: begin.byte + self.word * 8 + (self.count >> 3) as usize,
            pending: self.pending >> (self.count & !7),
            count: self.count & 7,
        }
    }
}
