//! A block: memory for some steps, each tensor's steps one after the other, as they lie in the file.
//!
//! Several have parts of a block at the same time: whoever fills a step has its slot, and the writer has
//! steps that are complete. So a step that is open keeps none of those before it from the file.

use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};

use super::threads::Instant;
use crate::TensorSpec;
use crate::chunks::to_usize;
use crate::plan::{QueuePlan, region_bytes};

/// Where each tensor lies in a block.
#[derive(Debug)]
pub(crate) struct BlockLayout {
    /// For each tensor: the first byte of its part, and the bytes of one step. The parts do not overlap.
    regions: Vec<(usize, usize)>,
    /// Steps that a block holds.
    capacity: usize,
    bytes: usize,
}

impl BlockLayout {
    pub(crate) fn new(step_bytes: &[u64], queue: &QueuePlan) -> Self {
        let mut offset = 0;
        let regions = step_bytes
            .iter()
            .map(|&bytes| {
                let region = (to_usize(offset), to_usize(bytes));
                let region_bytes = region_bytes(bytes, queue.steps_per_block);
                offset = u64::saturating_add(offset, region_bytes);
                region
            })
            .collect();
        Self {
            regions,
            capacity: to_usize(queue.steps_per_block),
            bytes: to_usize(offset),
        }
    }
}

/// The memory of a block.
#[derive(Debug)]
struct Memory {
    map: MmapRaw,
    layout: Arc<BlockLayout>,
}

impl Memory {
    /// Where the bytes of the steps in `slots` lie, of tensor `tensor`: inside the map, and apart from those
    /// of other tensors and other slots.
    fn place(&self, tensor: usize, slots: Range<usize>) -> *mut [u8] {
        let (offset, step_bytes) = self.layout.regions[tensor];
        assert!(slots.end <= self.layout.capacity, "a slot of the block");
        let start = offset + slots.start * step_bytes;
        let bytes = slots.len() * step_bytes;
        assert!(start + bytes <= self.map.len(), "the parts are in the map");
        ptr::slice_from_raw_parts_mut(self.map.as_mut_ptr().wrapping_add(start), bytes)
    }
}

/// A block that is free.
#[derive(Debug)]
pub(crate) struct Block(Memory);

impl Block {
    /// Allocates a block and touches all of its pages: the first write to a fresh page costs more
    /// than copying its bytes, and the training loop shall not pay for it.
    pub(crate) fn new(layout: &Arc<BlockLayout>) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(layout.bytes.max(1))?;
        #[cfg(target_os = "linux")]
        // Fewer, larger pages where the system has them; it is no matter where it has not.
        let _ = memory.advise(memmap2::Advice::HugePage);
        for page in memory.chunks_mut(4096) {
            page[0] = 1;
        }
        Ok(Self(Memory {
            map: memory.into(),
            layout: layout.clone(),
        }))
    }

    /// The addresses of its bytes, which stay the same.
    pub(super) fn addresses(&self) -> Range<usize> {
        let start = self.0.map.as_ptr().addr();
        start..start + self.0.map.len()
    }
}

/// A block that is being filled, step by step.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    memory: Arc<Memory>,
    /// The slots of complete steps that nobody has taken yet. The slots before them were taken; the next
    /// one is filled, and those after it are free.
    complete: Range<usize>,
    /// The number of the first of these steps.
    first: u64,
    /// When that was begun.
    since: Option<Instant>,
    /// Whether somebody fills the next slot.
    is_lent: bool,
}

impl OpenBlock {
    /// The block, for steps from `first` on.
    pub(super) fn new(block: Block, first: u64) -> Self {
        Self {
            memory: Arc::new(block.0),
            complete: 0..0,
            first,
            since: None,
            is_lent: false,
        }
    }

    /// The next slot, to be filled; `None` where somebody has it, or there is none.
    pub(super) fn lend(&mut self) -> Option<Slot> {
        if self.is_lent || self.is_full() {
            return None;
        }
        self.is_lent = true;
        Some(Slot {
            memory: self.memory.clone(),
            slot: self.complete.end,
        })
    }

    /// Takes a slot back that was not filled.
    pub(super) fn take_back(&mut self, slot: Slot) {
        // Whoever had it can write to it no more.
        let Slot { memory, slot } = slot;
        let is_lent = self.is_lent && slot == self.complete.end;
        assert!(is_lent && Arc::ptr_eq(&memory, &self.memory), "its slot");
        self.is_lent = false;
    }

    /// Takes a slot back that holds a step, which was begun at `began`.
    pub(super) fn complete(&mut self, slot: Slot, began: Instant) {
        self.take_back(slot);
        self.complete.end += 1;
        self.since.get_or_insert(began);
    }

    /// Since when the first step that nobody has taken is in the making.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether all of its steps are complete.
    pub(super) fn is_full(&self) -> bool {
        self.complete.end == self.memory.layout.capacity
    }

    /// Takes the complete steps, if there are any.
    pub(super) fn take(&mut self) -> Option<Steps> {
        self.since.take()?;
        let (first, slots) = (self.first, self.complete.clone());
        self.first += slots.len() as u64;
        self.complete.start = slots.end;
        Some(Steps {
            memory: self.memory.clone(),
            slots,
            first,
        })
    }
}

/// The place of a step that is being filled. Nobody else has it.
#[derive(Debug)]
pub(crate) struct Slot {
    memory: Arc<Memory>,
    slot: usize,
}

impl Slot {
    /// The memory of tensor `tensor`.
    pub(super) fn of(&mut self, tensor: usize) -> &mut [u8] {
        let place = self.memory.place(tensor, self.slot..self.slot + 1);
        // SAFETY: the place is inside the map, which lives as long as this and is made of bytes that were
        // written. A slot is lent to one at a time, and is among the steps only when it was taken back:
        // so nobody else has these bytes while `self` is borrowed.
        unsafe { &mut *place }
    }
}

/// Complete steps of a block, one after the other.
#[derive(Debug)]
pub(crate) struct Steps {
    memory: Arc<Memory>,
    slots: Range<usize>,
    first: u64,
}

impl Steps {
    /// The number of the first one.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The bytes of all of them, of tensor `tensor`.
    pub(super) fn of(&self, tensor: usize) -> &[u8] {
        let place = self.memory.place(tensor, self.slots.clone());
        // SAFETY: the place is inside the map, which lives as long as this and is made of bytes that were
        // written. Who filled these slots has given them back, and none is lent again before the block is
        // free: that is when `into_block` has found that nobody has a part of it.
        unsafe { &*place }
    }

    /// The block, if nobody else has a part of it.
    pub(super) fn into_block(self) -> Option<Block> {
        Arc::into_inner(self.memory).map(Block)
    }
}

/// Bytes of one step of each tensor.
pub(crate) fn step_bytes(tensors: &[TensorSpec]) -> Result<Vec<u64>, crate::DeclareError> {
    tensors.iter().map(TensorSpec::step_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of three steps of two tensors, of 2 bytes and of 1.
    fn block() -> Block {
        let queue = QueuePlan {
            blocks: 1,
            block_bytes: 128,
            steps_per_block: 3,
        };
        let layout = BlockLayout::new(&[2, 1], &queue);
        Block::new(&Arc::new(layout)).unwrap()
    }

    fn fill(open: &mut OpenBlock, value: u8) {
        let mut slot = open.lend().unwrap();
        slot.of(0).fill(value);
        slot.of(1).fill(value);
        open.complete(slot, Instant::now());
    }

    #[test]
    fn complete_steps_are_taken_while_the_next_one_is_filled() {
        let mut open = OpenBlock::new(block(), 7);
        assert!(open.take().is_none());
        fill(&mut open, 1);
        let mut slot = open.lend().unwrap();
        assert!(open.lend().is_none());
        slot.of(0).fill(9);
        let first = open.take().unwrap();
        assert_eq!((first.first(), first.count()), (7, 1));
        assert_eq!((first.of(0), first.of(1)), (&[1, 1][..], &[1][..]));
        // The step is given up, and another one comes in its place.
        open.take_back(slot);
        assert!(open.take().is_none() && open.since().is_none());
        fill(&mut open, 2);
        fill(&mut open, 3);
        assert!(open.is_full() && open.lend().is_none());
        let rest = open.take().unwrap();
        assert_eq!((rest.first(), rest.count()), (8, 2));
        assert_eq!((rest.of(0), rest.of(1)), (&[2, 2, 3, 3][..], &[2, 3][..]));
        // It is free when nobody has a part of it.
        drop(open);
        assert!(first.into_block().is_none());
        assert!(rest.into_block().is_some());
    }

    #[test]
    #[should_panic(expected = "its slot")]
    fn the_slot_of_another_block_is_not_taken() {
        let (mut one, mut other) = (OpenBlock::new(block(), 0), OpenBlock::new(block(), 0));
        let slot = one.lend().unwrap();
        let _lent = other.lend();
        other.complete(slot, Instant::now());
    }
}
