//! A stream that is being decoded.

use super::bits::Bits;
use super::planes::Planes;
use super::tables::Tables;
use super::{END, low};
use crate::check::Check;
use crate::entries::{BYTES_AT, COUNT_AT, LOOKED_UP, OTHER};
use crate::kernel::Kernel;

/// Bytes of a block that are decoded before they go to their elements: they stay in the first cache.
const PIECE: usize = 1024;
/// Look-ups between two refills, and the bytes that they write at most.
const AT_ONCE: usize = (Bits::REFILLED / LOOKED_UP) as usize;
const ROOM: usize = 3 * AT_ONCE + 1;
// `read_literals` has so many, one by one: the compiler does not unroll a loop of so much.
const _: () = assert!(AT_ONCE == 5);

/// Memory that a stream needs while it is decoded.
pub(crate) struct Lane {
    tables: Tables,
    piece: [u8; PIECE + ROOM],
}

impl Lane {
    pub(crate) const fn new() -> Self {
        Self {
            tables: Tables::new(),
            piece: [0; PIECE + ROOM],
        }
    }
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a coded block, whose tables are made.
    Coded,
    /// After the last block.
    End,
    /// At something that is not for this decoder.
    Other,
}

pub(super) struct Stream<'a, K> {
    /// Its number among those that are decoded together.
    pub(super) nth: usize,
    bits: Bits<'a>,
    at: At,
    /// Whether the block is the last.
    is_last: bool,
    /// Bytes in the lane's piece.
    filled: usize,
    planes: Planes<'a, K>,
    check: Check,
}

impl<'a, K: Kernel> Stream<'a, K> {
    /// Begins a stream, up to its first coded block.
    #[inline(always)]
    pub(super) fn begin(
        kernel: K,
        nth: usize,
        lane: &mut Lane,
        stream: &'a [u8],
        out: &'a mut [u8],
    ) -> Option<Self> {
        // Deflate, any window, no dictionary.
        let (&[method, flags], body) = stream.split_first_chunk()?;
        let number = u16::from_be_bytes([method, flags]);
        if method & 0x0F != 8 || method >> 4 > 7 || flags & 0x20 != 0 || number % 31 != 0 {
            return None;
        }
        let (body, check) = body.split_last_chunk::<4>()?;
        let mut stream = Self {
            nth,
            bits: Bits::new(body),
            at: At::Other,
            is_last: false,
            filled: 0,
            planes: Planes::new(kernel, out)?,
            check: Check::from_be_bytes(*check),
        };
        stream.at = stream.next_block(lane).unwrap_or(At::Other);
        Some(stream)
    }

    /// Goes on to the next coded block.
    #[inline(always)]
    fn next_block(&mut self, lane: &mut Lane) -> Option<At> {
        while !self.is_last {
            let head = self.bits.take(3)?;
            self.is_last = head & 1 == 1;
            match head >> 1 {
                0 => self.planes.stored(self.bits.stored()?)?,
                2 => {
                    lane.tables.read(self.planes.kernel, &mut self.bits)?;
                    return Some(At::Coded);
                }
                // A fixed code, which the encoder never has, or nothing.
                _ => return None,
            }
        }
        Some(At::End)
    }

    /// The bytes of the lane's piece go to their elements.
    #[inline(always)]
    fn flush(&mut self, lane: &Lane) -> Option<()> {
        let filled = std::mem::take(&mut self.filled);
        self.planes.decoded(&lane.piece[..filled])
    }

    /// Does what stops [`read_literals`]: a full piece, the end of the block, a code that is too long for the
    /// table, the last bytes of all. Returns whether the stream is in a coded block.
    #[inline(always)]
    pub(super) fn advance(&mut self, lane: &mut Lane) -> bool {
        if self.at == At::Coded {
            self.at = self.go_on(lane).unwrap_or(At::Other);
        }
        self.at == At::Coded
    }

    #[inline(always)]
    fn go_on(&mut self, lane: &mut Lane) -> Option<At> {
        if self.filled > PIECE {
            // An even piece, without a rest for those who take it by registers.
            self.planes.decoded(&lane.piece[..PIECE])?;
            lane.piece.copy_within(PIECE.., 0);
            self.filled -= PIECE;
        }
        if self.bits.refill_fast() && lane.tables.look_up(self.bits) != OTHER {
            return Some(At::Coded);
        }
        match lane.tables.symbol(&mut self.bits)? {
            END => {
                self.flush(lane)?;
                self.next_block(lane)
            }
            symbol => {
                lane.piece[self.filled] = low(symbol);
                self.filled += 1;
                Some(At::Coded)
            }
        }
    }

    /// Whether all of it was decoded, and has its check.
    pub(super) fn finish(self) -> bool {
        let at_end = self.at == At::End && self.bits.is_at_end();
        at_end && self.planes.finish() == Some(self.check)
    }
}

/// Decodes bytes of the coded blocks of the first `N` streams, as long as all of these have bits and room
/// for several.
///
/// A look-up has to wait for the one before it to know where its bits begin, some seven cycles, and in
/// these the look-ups of the other streams are made.
#[inline(always)]
pub(super) fn read_literals<const N: usize, K: Kernel>(
    streams: &mut [Stream<'_, K>],
    lanes: &mut [Lane],
) {
    let (Some(streams), Some(lanes)) =
        (streams.first_chunk_mut::<N>(), lanes.first_chunk_mut::<N>())
    else {
        return;
    };
    // Copies, so that they stay in registers.
    let mut bits = streams.each_ref().map(|stream| stream.bits);
    let mut filled = streams.each_ref().map(|stream| stream.filled);
    'all: loop {
        for nth in 0..N {
            if filled[nth] > PIECE || !bits[nth].refill_fast() {
                break 'all;
            }
        }
        look_up(lanes, &mut bits, &mut filled);
        look_up(lanes, &mut bits, &mut filled);
        look_up(lanes, &mut bits, &mut filled);
        look_up(lanes, &mut bits, &mut filled);
        let last = look_up(lanes, &mut bits, &mut filled);
        if last.contains(&OTHER) {
            break;
        }
    }
    for (stream, (bits, filled)) in streams.iter_mut().zip(bits.into_iter().zip(filled)) {
        (stream.bits, stream.filled) = (bits, filled);
    }
}

#[inline(always)]
fn look_up<const N: usize>(
    lanes: &mut [Lane; N],
    bits: &mut [Bits<'_>; N],
    filled: &mut [usize; N],
) -> [u32; N] {
    let mut entries = [OTHER; N];
    for nth in 0..N {
        let Lane { tables, piece } = &mut lanes[nth];
        let entry = tables.look_up(bits[nth]);
        piece[filled[nth]..filled[nth] + 4]
            .copy_from_slice(&entry.rotate_right(BYTES_AT).to_le_bytes());
        bits[nth].skip(entry);
        filled[nth] += (entry >> COUNT_AT) as usize;
        entries[nth] = entry;
    }
    entries
}
