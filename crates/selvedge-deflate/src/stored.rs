//! Stored blocks that grow: their length is written when they are full or something else follows.

use crate::bits::Position;

/// Most bytes of a stored block.
pub(crate) const MOST: usize = 65_535;

/// A stored block at the end of the output, whose length is not written yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    /// Where the two bytes of the length are.
    length_at: usize,
    /// The byte with the bit that says whether the block is the last, and that bit.
    last_at: usize,
    last_bit: u8,
}

impl Stored {
    /// Begins a block at `at`. All whole bytes of `buffer` are in `out` already.
    pub(crate) fn begin(buffer: &mut [u8], at: &mut Position, out: &mut Vec<u8>) -> Self {
        let begin = out.len();
        let bit = at.bits();
        // The last-block bit and the kind, both zero, and the rest of the byte.
        at.put(buffer, 0, 3);
        at.align(buffer);
        at.put(buffer, 0, 32);
        out.extend_from_slice(at.take(buffer));
        Self {
            length_at: out.len() - 4,
            last_at: begin,
            last_bit: 1 << bit,
        }
    }

    /// Appends as much of `bytes` as the block has room for, and returns the rest.
    pub(crate) fn extend<'b>(self, out: &mut Vec<u8>, bytes: &'b [u8]) -> &'b [u8] {
        let room = MOST - (out.len() - self.length_at - 4);
        let (fits, rest) = bytes.split_at(bytes.len().min(room));
        out.extend_from_slice(fits);
        rest
    }

    /// The block, when the output has been put after `bytes` others.
    pub(crate) const fn moved(self, bytes: usize) -> Self {
        Self {
            length_at: self.length_at + bytes,
            last_at: self.last_at + bytes,
            ..self
        }
    }

    /// Writes the length.
    pub(crate) fn end(self, out: &mut [u8], last: bool) {
        let length = u16::try_from(out.len() - self.length_at - 4).expect("not above MOST");
        out[self.length_at..][..2].copy_from_slice(&length.to_le_bytes());
        out[self.length_at + 2..][..2].copy_from_slice(&(!length).to_le_bytes());
        if last {
            out[self.last_at] |= self.last_bit;
        }
    }
}
