//! Reading bits, least significant first.

/// Bits of a stream.
///
/// Eight bytes are read at once. What is left of them is in `ahead`, and above it a one, which stands where
/// the highest bit of the eight bytes was: how many bits are taken is the number of zeros before it, and
/// needs no variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    input: &'a [u8],
    /// Where in the input the eight bytes are.
    at: usize,
    ahead: u64,
}

const MARK: u64 = 1 << 63;

impl<'a> Bits<'a> {
    /// Bits that may be dropped between two refills.
    pub(super) const REFILLED: u32 = 56;

    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            ahead: MARK,
        }
    }

    /// The byte that the next bit is in, and its place there.
    #[inline(always)]
    fn place(&self) -> (usize, u32) {
        let taken = self.ahead.leading_zeros();
        (self.at + (taken / 8) as usize, taken % 8)
    }

    /// Bytes up to the next bit, with the one that has bits before it.
    fn whole_bytes(&self) -> usize {
        let (byte, bit) = self.place();
        byte + usize::from(bit > 0)
    }

    /// Reads on by whole bytes. `false` near the end of the input.
    #[inline(always)]
    pub(super) fn refill_fast(&mut self) -> bool {
        let (at, bit) = self.place();
        let Some(next) = self.input.get(at..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        self.at = at;
        self.ahead = (u64::from_le_bytes(*next) | MARK) >> bit;
        true
    }

    /// Reads on; after the end of the input there are zeros.
    pub(super) fn refill(&mut self) {
        if self.refill_fast() {
            return;
        }
        let (at, bit) = self.place();
        let left = self.input.get(at..).unwrap_or_default();
        let mut next = [0; 8];
        next[..left.len()].copy_from_slice(left);
        self.at = at;
        self.ahead = (u64::from_le_bytes(next) | MARK) >> bit;
    }

    /// The next 16 bits.
    #[inline(always)]
    pub(super) const fn peek(&self) -> u16 {
        let [first, second, ..] = self.ahead.to_le_bytes();
        u16::from_le_bytes([first, second])
    }

    /// Drops as many bits as the lowest six bits of `count` say.
    #[inline(always)]
    pub(super) const fn skip(&mut self, count: u32) {
        self.ahead >>= count & 63;
    }

    /// The next `count` bits, at most 15, which a refill has made sure of.
    #[inline(always)]
    pub(super) fn next(&mut self, count: u32) -> usize {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        usize::from(bits)
    }

    /// The next `count` bits, at most 15.
    pub(super) fn take(&mut self, count: u32) -> Option<usize> {
        self.refill();
        let bits = self.next(count);
        self.are_there().then_some(bits)
    }

    /// Whether all bits that were taken are those of the input, and not zeros after it.
    pub(super) fn are_there(&self) -> bool {
        self.whole_bytes() <= self.input.len()
    }

    /// The bytes of a stored block, from its length on.
    pub(super) fn stored(&mut self) -> Option<&'a [u8]> {
        let start = self.whole_bytes();
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
    pub(super) fn is_at_end(&self) -> bool {
        self.whole_bytes() == self.input.len()
    }
}
