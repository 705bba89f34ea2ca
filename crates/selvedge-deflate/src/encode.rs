//! The loops over a chunk's planes. They are compiled for several sets of instructions.

use crate::blocks::{BLOCK, Blocks, Hint, SLACK, Scratch};
use crate::split::split;

/// Bytes that `out` must have behind `max_encoded_len`.
pub(crate) const BEHIND: usize = SLACK;

/// Writes the stream of `elements` to the beginning of `out` and returns its length. `planes` has two
/// bytes for each element.
#[inline(always)]
pub(crate) fn encode(
    elements: &[u16],
    step_elements: Option<usize>,
    planes: &mut [u8],
    scratch: &mut Scratch,
    out: &mut [u8],
) -> usize {
    // Deflate with a window of 32 KB, and a check of the two bytes: they are a multiple of 31.
    out[..2].copy_from_slice(&[0x78, 0x01]);
    let (low, high) = planes.split_at_mut(elements.len());
    split(elements, low, high);

    let mut blocks = Blocks::new(planes, out, 2, scratch);
    for plane in [0, elements.len()] {
        let end = plane + elements.len();
        for start in (plane..end).step_by(BLOCK) {
            let hint = match step_elements {
                Some(distance) if start + BLOCK > plane + distance => Hint::Repeats {
                    floor: plane,
                    distance,
                },
                _ => Hint::None,
            };
            blocks.block(start, end.min(start + BLOCK), hint);
        }
    }
    let end = blocks.finish();
    let check = simd_adler32::adler32(&&*planes);
    out[end..end + 4].copy_from_slice(&check.to_be_bytes());
    end + 4
}
