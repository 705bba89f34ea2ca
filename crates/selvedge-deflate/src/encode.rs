//! The loops over a chunk's planes. They are compiled for several sets of instructions.

use crate::blocks::{BLOCK, Blocks, Plane, SAVING, Scratch};
use crate::check::Check;
use crate::kernel::Kernel;
use crate::matches::FARTHEST;
use crate::split;
use crate::tokens::MOST_DISTANCES;

/// How many elements lie between an element and the same place elsewhere in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// In the next step: usable from 3 to 32,768, deflate's longest distance.
    pub step: usize,
    /// In the next row: used from 3 to one less than `step`.
    pub row: usize,
}

impl Strides {
    /// The same with a row that is not less than the step where it is not to be used.
    pub(crate) fn usable(self) -> Option<Self> {
        let row = if self.row < 3 { self.step } else { self.row };
        (3..=FARTHEST)
            .contains(&self.step)
            .then_some(Self { row, ..self })
    }
}

/// What is done with the bytes of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    /// The high bytes are coded.
    Fast,
    /// What an element has kept since the step before is named.
    Temporal(Strides),
    /// All bytes are stored.
    Stored,
}

/// A chunk, and where its stream goes.
pub(crate) struct Chunk<'a> {
    pub(crate) elements: &'a [u16],
    pub(crate) method: Method,
    /// Room for both planes, or for the stream of one.
    pub(crate) planes: &'a mut Vec<u8>,
    pub(crate) scratch: &'a mut [Scratch; 2],
    /// The stream is appended to it.
    pub(crate) out: &'a mut Vec<u8>,
}

/// Appends the stream.
#[inline(always)]
pub(crate) fn encode<K: Kernel>(kernel: K, chunk: Chunk<'_>) {
    let Chunk {
        elements,
        method,
        planes,
        scratch,
        out,
    } = chunk;
    // Deflate with a window of 32 KB, and a check of the two bytes: they are a multiple of 31.
    out.extend_from_slice(&[0x78, 0x01]);
    let check = match method {
        Method::Temporal(strides) if strides.step < elements.len() => {
            temporal(kernel, out, &mut scratch[0], (elements, strides), planes)
        }
        Method::Stored => {
            let blocks = Blocks::new(kernel, out, &mut scratch[0]);
            by_planes(kernel, blocks, elements, Blocks::store)
        }
        _ => fast(kernel, out, scratch, elements, planes),
    };
    out.extend_from_slice(&check.to_be_bytes());
}

/// Most bytes of the stream of high bytes, which is without a header: as for all elements in
/// `max_encoded_len`.
pub(crate) const fn room(elements: usize) -> usize {
    elements + 5 * (elements / 65_535 + 1)
}

/// A block from the beginning of a line of memory on: so no register is stored to two lines.
#[repr(align(64))]
struct Lines([u8; BLOCK]);

/// Both planes of a block of elements at a time, so that elements are read once: the high bytes' blocks
/// go to a stream of their own, which is then put after that of the low bytes.
#[inline(always)]
fn fast<K: Kernel>(
    kernel: K,
    out: &mut Vec<u8>,
    scratch: &mut [Scratch; 2],
    elements: &[u16],
    planes: &mut Vec<u8>,
) -> Check {
    let [mut low, mut high] = [Lines([0; BLOCK]), Lines([0; BLOCK])];
    let (mut check_low, mut check_high) = (Check::new(), Check::new());
    planes.clear();
    planes.reserve(room(elements.len()));
    let [scratch_low, scratch_high] = scratch;
    let mut blocks_low = Blocks::new(kernel, out, scratch_low);
    let mut blocks_high = Blocks::new(kernel, planes, scratch_high);
    for (index, block) in elements.chunks(BLOCK).enumerate() {
        let ahead = elements.get((index + 1) * BLOCK..).unwrap_or_default();
        let (low, high) = (&mut low.0[..block.len()], &mut high.0[..block.len()]);
        let range = kernel.split(block, low, high);
        blocks_high.code_in(high, range, SAVING, ahead);
        if index == 0 && blocks_high.ends_stored() {
            // No bfloat16 are like that. Stored bytes are to be in one block with the low ones.
            return by_planes(kernel, blocks_low, elements, Blocks::noise);
        }
        check_high.write(kernel, high);
        check_low.write(kernel, low);
        blocks_low.noise(low);
    }
    let end = blocks_high.end();
    blocks_low.append(planes, end);
    blocks_low.finish();
    check_low.append(check_high, elements.len());
    check_low
}

/// One plane after the other.
#[inline(always)]
fn by_planes<'a, K: Kernel>(
    kernel: K,
    mut blocks: Blocks<'a, K>,
    elements: &[u16],
    put: impl Fn(&mut Blocks<'a, K>, &[u8]),
) -> Check {
    let mut bytes = [0; BLOCK];
    let mut check = Check::new();
    for split in [split::low, split::high] {
        for elements in elements.chunks(BLOCK) {
            let bytes = &mut bytes[..elements.len()];
            split(elements, bytes);
            check.write(kernel, bytes);
            put(&mut blocks, bytes);
        }
    }
    blocks.finish();
    check
}

/// Whole planes, because what is repeated lies in them.
#[inline(always)]
fn temporal<K: Kernel>(
    kernel: K,
    out: &mut Vec<u8>,
    scratch: &mut Scratch,
    (elements, Strides { step, row }): (&[u16], Strides),
    planes: &mut Vec<u8>,
) -> Check {
    let count = elements.len();
    if planes.len() < 2 * count {
        planes.resize(2 * count, 0);
    }
    let planes = &mut planes[..2 * count];
    let (low, high) = planes.split_at_mut(count);
    kernel.split(elements, low, high);

    let mut blocks = Blocks::new(kernel, out, scratch);
    // The first step of a low plane repeats nothing, and is noise.
    for bytes in planes[..step].chunks(BLOCK) {
        blocks.noise(bytes);
    }
    // Hardly any low byte repeats that of another row.
    for start in (step..count).step_by(BLOCK) {
        let end = count.min(start + BLOCK);
        blocks.repeating(&planes[..end], (0, start), &[step], Plane::Low);
    }
    // The rows before, and the step.
    let distances: [usize; MOST_DISTANCES] = std::array::from_fn(|index| {
        let rows = row.saturating_mul(index + 1);
        let last = index + 1 == MOST_DISTANCES;
        if last || rows > FARTHEST { step } else { rows }
    });
    for start in (count..2 * count).step_by(BLOCK) {
        let end = (2 * count).min(start + BLOCK);
        let from = (count, start);
        if row < step {
            blocks.repeating(&planes[..end], from, &distances, Plane::High);
        } else {
            blocks.repeating(&planes[..end], from, &[step], Plane::High);
        }
    }
    blocks.finish();
    let mut check = Check::new();
    check.write(kernel, planes);
    check
}
