//! The loops over a chunk's planes. They are compiled for several sets of instructions.

use simd_adler32::Adler32;

use crate::blocks::{BLOCK, Blocks, Plane, REPEATING, Scratch};
use crate::kernel::Kernel;
use crate::matches::Repeats;
use crate::split;

/// A chunk, and where its stream goes.
pub(crate) struct Chunk<'a> {
    pub(crate) elements: &'a [u16],
    /// How far back the previous step lies, if there is one.
    pub(crate) step_elements: Option<usize>,
    /// Room for both planes.
    pub(crate) planes: &'a mut Vec<u8>,
    pub(crate) scratch: &'a mut Scratch,
    /// The stream is appended to it.
    pub(crate) out: &'a mut Vec<u8>,
}

/// Appends the stream.
#[inline(always)]
pub(crate) fn encode<K: Kernel>(kernel: K, chunk: Chunk<'_>) {
    let Chunk {
        elements,
        step_elements,
        planes,
        scratch,
        out,
    } = chunk;
    // Deflate with a window of 32 KB, and a check of the two bytes: they are a multiple of 31.
    out.extend_from_slice(&[0x78, 0x01]);
    let blocks = Blocks::new(kernel, out, scratch);
    let check = match step_elements {
        Some(step) if step < elements.len() => temporal(blocks, elements, step, planes),
        _ => fast(blocks, elements),
    };
    out.extend_from_slice(&check.to_be_bytes());
}

/// One plane after the other, a block of elements at a time: they are read twice, and a block's bytes
/// never leave the first cache before they are written.
#[inline(always)]
fn fast<K: Kernel>(mut blocks: Blocks<'_, K>, elements: &[u16]) -> u32 {
    let mut bytes = [0; BLOCK];
    let mut check = Adler32::new();
    for elements in elements.chunks(BLOCK) {
        let bytes = &mut bytes[..elements.len()];
        split::low(elements, bytes);
        check.write(bytes);
        blocks.noise(bytes);
    }
    for elements in elements.chunks(BLOCK) {
        let bytes = &mut bytes[..elements.len()];
        split::high(elements, bytes);
        check.write(bytes);
        blocks.code(bytes);
    }
    blocks.finish();
    check.finish()
}

/// Whole planes, because what is repeated lies in them.
#[inline(always)]
fn temporal<K: Kernel>(
    mut blocks: Blocks<'_, K>,
    elements: &[u16],
    step: usize,
    planes: &mut Vec<u8>,
) -> u32 {
    let count = elements.len();
    if planes.len() < 2 * count {
        planes.resize(2 * count, 0);
    }
    let planes = &mut planes[..2 * count];
    let (low, high) = planes.split_at_mut(count);
    split::low(elements, low);
    split::high(elements, high);

    // The first step of a low plane repeats nothing, and is noise.
    for bytes in planes[..step].chunks(BLOCK) {
        blocks.noise(bytes);
    }
    for (plane, floor, start) in [(Plane::Low, 0, step), (Plane::High, count, count)] {
        let repeats = Repeats {
            floor,
            distance: step,
        };
        let end = floor + count;
        for start in (start..end).step_by(REPEATING) {
            let end = end.min(start + REPEATING);
            blocks.repeating(&planes[..end], start, repeats, plane);
        }
    }
    blocks.finish();
    simd_adler32::adler32(&&*planes)
}
