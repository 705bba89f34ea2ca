//! Decoding streams like the encoder's: stored blocks, and coded blocks without repetitions.
//!
//! A stream without repetitions needs no window, and of its codes several are looked up at once: the next
//! [`LOOKED_UP`](crate::entries::LOOKED_UP) bits of a block whose codes are short are three bytes. A stored block of
//! low bytes is not copied to anywhere before its high bytes come. And several streams are decoded at
//! once. That is what makes it faster than a decoder for all streams. Nothing of a stream is trusted.

mod bits;
mod codes;
mod planes;
mod stream;
mod tables;

use self::stream::{Stream, read_literals};
use crate::kernel::Kernel;

pub(crate) use self::stream::Lane;

/// The symbol that ends a block.
const END: u16 = 256;

/// Streams that are decoded together.
pub(crate) const TOGETHER: usize = 4;

/// Streams that are decoded together, at most [`TOGETHER`].
pub(crate) struct Batch<'a, 'b, 'c> {
    pub(crate) lanes: &'a mut [Lane; TOGETHER],
    pub(crate) streams: &'a [&'b [u8]],
    pub(crate) elements: &'a mut [&'c mut [u8]],
    /// Whether each was decoded.
    pub(crate) decoded: &'a mut [bool],
}

/// Decodes them. Is compiled for several sets of instructions.
#[inline(always)]
pub(crate) fn decode<K: Kernel>(kernel: K, batch: Batch<'_, '_, '_>) {
    let Batch {
        lanes,
        streams,
        elements,
        decoded,
    } = batch;
    // Each of these has the lane with its number here.
    let mut begun = Vec::with_capacity(TOGETHER);
    for (nth, (stream, elements)) in streams.iter().zip(elements).enumerate() {
        let lane = &mut lanes[begun.len()];
        begun.extend(Stream::begin(kernel, nth, lane, stream, elements));
    }
    let mut active = begun.len();
    loop {
        let mut nth = 0;
        while nth < active {
            if begun[nth].advance(&mut lanes[nth]) {
                nth += 1;
            } else {
                // It is at its end, so it goes after those that are not.
                active -= 1;
                begun.swap(nth, active);
                lanes.swap(nth, active);
            }
        }
        match active {
            0 => break,
            1 => read_literals::<1, K>(&mut begun, lanes),
            2 => read_literals::<2, K>(&mut begun, lanes),
            3 => read_literals::<3, K>(&mut begun, lanes),
            _ => read_literals::<4, K>(&mut begun, lanes),
        }
    }
    for stream in begun {
        let nth = stream.nth;
        decoded[nth] = stream.finish();
    }
}

/// The low byte.
fn low(symbol: u16) -> u8 {
    symbol.to_le_bytes()[0]
}
