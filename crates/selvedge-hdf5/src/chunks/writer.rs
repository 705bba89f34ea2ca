//! Writing compressed chunks: after all that lies in the file, by any number of threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::ChunkEncoder;
use super::grid::Grid;
use crate::storage::Storage;

/// Streams start at a multiple of this many bytes.
pub(crate) const ALIGNMENT: u64 = 8;

/// The address after all that lies in the file. Its copies are one: threads that write chunks take
/// their places from it.
#[derive(Clone, Debug)]
pub(crate) struct TailAllocator(Arc<AtomicU64>);

impl TailAllocator {
    /// What is allocated comes after `address`.
    pub(crate) fn after(address: u64) -> Self {
        Self(Arc::new(AtomicU64::new(address)))
    }

    /// The address after all that was allocated.
    pub(crate) fn end(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes `bytes` bytes at a multiple of `alignment`, and returns their address.
    pub(crate) fn allocate(&self, bytes: u64, alignment: u64) -> u64 {
        let aligned = |end: u64| end.next_multiple_of(alignment);
        let after = |end| Some(aligned(end) + bytes);
        let order = Ordering::Relaxed;
        match self.0.fetch_update(order, order, after) {
            Ok(end) | Err(end) => aligned(end),
        }
    }
}

/// A chunk that is in the file, and in no index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// The number of its tensor.
    pub(crate) tensor: usize,
    /// Its number in the order of the chunk index.
    pub(crate) number: u64,
    pub(crate) address: u64,
    /// Bytes in the file.
    pub(crate) bytes: u32,
}

/// Encodes chunks and writes them after all that lies in the file, from any thread. Nothing refers to
/// them before they come into the index.
#[derive(Clone)]
pub(crate) struct ChunkWriter {
    storage: Arc<dyn Storage>,
    tail: TailAllocator,
}

impl ChunkWriter {
    pub(crate) fn new(storage: Arc<dyn Storage>, tail: TailAllocator) -> Self {
        Self { storage, tail }
    }

    /// Encodes and writes chunk number `number` of tensor number `tensor`, which is cut by `grid`. The
    /// chunk begins with `bytes`; the rest of it, which reaches beyond its step, is zeros.
    pub(crate) fn write(
        &self,
        encoder: &mut ChunkEncoder,
        grid: &Grid,
        (tensor, number): (usize, u64),
        bytes: &[u8],
    ) -> io::Result<Written> {
        let stream = encoder.encode(bytes, grid);
        let address = self.tail.allocate(stream.len() as u64, ALIGNMENT);
        self.storage.write_all_at(stream, address)?;
        Ok(Written {
            tensor,
            number,
            address,
            bytes: u32::try_from(stream.len()).unwrap_or(u32::MAX),
        })
    }
}
