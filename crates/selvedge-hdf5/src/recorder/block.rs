//! A block: memory for some steps, each tensor's steps one after the other, as they lie in the file.

use std::io;
use std::time::Instant;

use memmap2::MmapMut;

use crate::TensorSpec;
use crate::chunks::to_usize;
use crate::plan::{QueuePlan, region_bytes};

/// Where each tensor lies in a block.
#[derive(Clone, Debug)]
pub(crate) struct BlockLayout {
    /// For each tensor: the first byte of its part, and the bytes of one step.
    regions: Vec<(usize, usize)>,
    /// Steps that a block holds.
    capacity: usize,
    bytes: usize,
}

impl BlockLayout {
    /// Steps that a block holds.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

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

/// Memory for up to a block's capacity of steps.
#[derive(Debug)]
pub(crate) struct Block {
    memory: MmapMut,
    /// Number of the first step in it.
    pub(crate) first: u64,
    /// Complete steps in it.
    pub(crate) len: usize,
    /// When the first of them came.
    pub(crate) opened: Option<Instant>,
}

impl Block {
    /// Allocates a block and touches all of its pages: the first write to a fresh page costs more
    /// than copying its bytes, and the training loop shall not pay for it.
    pub(crate) fn new(layout: &BlockLayout) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(layout.bytes.max(1))?;
        #[cfg(target_os = "linux")]
        // Fewer, larger pages where the system has them; it is no matter where it has not.
        let _ = memory.advise(memmap2::Advice::HugePage);
        for page in memory.chunks_mut(4096) {
            page[0] = 1;
        }
        Ok(Self {
            memory,
            first: 0,
            len: 0,
            opened: None,
        })
    }

    /// The memory for the next step of `tensor`.
    pub(crate) fn slot(&mut self, layout: &BlockLayout, tensor: usize) -> &mut [u8] {
        let (offset, step_bytes) = layout.regions[tensor];
        let start = offset + self.len * step_bytes;
        &mut self.memory[start..start + step_bytes]
    }

    /// The bytes of all complete steps of `tensor`.
    pub(crate) fn steps(&self, layout: &BlockLayout, tensor: usize) -> &[u8] {
        let (offset, step_bytes) = layout.regions[tensor];
        &self.memory[offset..offset + self.len * step_bytes]
    }

    pub(crate) fn is_full(&self, layout: &BlockLayout) -> bool {
        self.len == layout.capacity
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.opened = None;
    }
}

/// Bytes of one step of each tensor.
pub(crate) fn step_bytes(tensors: &[TensorSpec]) -> Result<Vec<u64>, crate::Error> {
    tensors.iter().map(TensorSpec::step_bytes).collect()
}
