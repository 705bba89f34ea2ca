//! The chunks of compressed tensors: they get their places when they are encoded, and come into the
//! index with a commit.

use std::path::PathBuf;

use super::{StepTensor, TrajectoryFile, reserve};
use crate::Error;
use crate::chunks::{ALIGNMENT, ChunkEncoder, ChunkWriter, Grid, Run, Written, to_usize};
use crate::layout::{ChunkIndex, ChunkKey, LayoutError, Superblock};

/// Room is announced for at least, and mostly for, so many bytes …
const LEAST_ROOM: u64 = 1 << 20;
const MOST_ROOM: u64 = 64 << 20;
/// … and for so many blocks of steps: a rare event, as each takes a change of the file's length.
const BLOCKS_OF_ROOM: u64 = 8;

/// What is known of a compressed tensor beside its grid.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// The places in the index of the chunks that it had when the file was opened.
    pub(super) entries: Vec<u64>,
    /// Chunks in the index.
    indexed: u64,
    /// Chunks that are written and not in the index yet.
    pending: Vec<Written>,
}

impl Packed {
    pub(super) fn new(entries: Vec<u64>) -> Self {
        let indexed = entries.len() as u64;
        Self {
            entries,
            indexed,
            pending: Vec::new(),
        }
    }
}

/// A chunk to be encoded: of a tensor, the part `run` of some steps.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) tensor: usize,
    run: Run,
}

impl Chunk {
    /// Bytes to be encoded.
    pub(crate) fn len(&self) -> usize {
        self.run.bytes.len()
    }
}

/// Encodes and writes the chunks of a file that is recorded, from any thread.
pub(crate) struct Packer {
    path: PathBuf,
    writer: ChunkWriter,
    /// Name and cut of each tensor.
    tensors: Vec<(String, Grid)>,
}

impl Packer {
    /// Encodes `chunk`; `steps` are the steps of its tensor that it was cut from.
    pub(crate) fn pack(
        &self,
        encoder: &mut ChunkEncoder,
        chunk: &Chunk,
        steps: &[u8],
    ) -> Result<Written, Error> {
        let Chunk { tensor, run } = chunk;
        let (name, grid) = &self.tensors[*tensor];
        let bytes = &steps[run.bytes.clone()];
        let number = (*tensor, run.chunk as u64);
        self.writer
            .write(encoder, grid, number, bytes)
            .map_err(|source| Error::WriteStep {
                path: self.path.clone(),
                tensor: name.clone(),
                step: run.step,
                source,
            })
    }
}

impl TrajectoryFile {
    /// Whether the chunks of tensor `tensor` are compressed.
    pub(crate) fn is_packed(&self, tensor: usize) -> bool {
        self.tensors[tensor].packed.is_some()
    }

    /// Bytes that `steps` steps of the compressed tensors take at most, with their index nodes.
    fn packed_bytes(&self, steps: u64) -> u64 {
        let packed = (0..self.tensors.len()).filter(|&tensor| self.is_packed(tensor));
        let rows = packed
            .map(|tensor| self.row_bytes(tensor))
            .fold(0, u64::saturating_add);
        rows.saturating_mul(steps)
    }

    /// Announces room for two times `steps` steps of the compressed tensors, if there is none.
    ///
    /// Called before each block of at most so many steps, it announces the room of a block before
    /// the block in front of it takes its own: see [`raise_end_of_file_for_row`](Self::raise_end_of_file_for_row) for why.
    pub(crate) fn raise_end_of_file_for_block(&mut self, steps: u64) -> Result<(), Error> {
        let block = self.packed_bytes(steps);
        if block == 0 {
            return Ok(());
        }
        let needed = block.saturating_mul(2).saturating_add(self.in_flight_bytes);
        if self.tail.end().saturating_add(needed) > self.superblock.end_of_file {
            let room = block
                .saturating_mul(BLOCKS_OF_ROOM)
                .clamp(LEAST_ROOM, MOST_ROOM);
            self.raise_end_of_file(needed.saturating_add(room))?;
        }
        self.reserve_packed(block);
        Ok(())
    }

    /// Reserves what chunks that are being encoded and `block` bytes more are written to.
    fn reserve_packed(&mut self, block: u64) {
        if !self.reserves {
            return;
        }
        let start = self.tail.end();
        let end = start
            .saturating_add(self.in_flight_bytes)
            .saturating_add(block);
        let (limit, most) = (self.superblock.end_of_file, reserve::most_ahead(1));
        let covered = self.reserved.cover(&*self.storage, start..end, limit, most);
        if covered.is_err() {
            self.stop_reserving();
        }
    }

    /// What encodes the chunks of this file, if any are.
    pub(crate) fn packer(&self) -> Option<Packer> {
        let packs = (0..self.tensors.len()).any(|tensor| self.is_packed(tensor));
        packs.then(|| Packer {
            path: self.path.clone(),
            writer: self.chunk_writer(),
            tensors: self
                .tensors
                .iter()
                .map(|tensor| (tensor.name.clone(), tensor.grid.clone()))
                .collect(),
        })
    }

    /// The chunks of `steps` steps of all compressed tensors, the first of which is `first`, for a
    /// [`Packer`]. Room was announced for them; [`add_chunks`](Self::add_chunks) ends it.
    pub(crate) fn cut_chunks(&mut self, first: u64, steps: u64) -> Vec<Chunk> {
        self.in_flight_bytes = self
            .in_flight_bytes
            .saturating_add(self.packed_bytes(steps));
        let mut chunks = Vec::new();
        for (number, tensor) in self.tensors.iter().enumerate() {
            if tensor.packed.is_some() {
                let runs = tensor.grid.runs(first..first + steps);
                chunks.extend(runs.map(|run| Chunk {
                    tensor: number,
                    run,
                }));
            }
        }
        chunks
    }

    /// Takes what became of the chunks of `steps` steps.
    pub(crate) fn add_chunks(&mut self, steps: u64, chunks: impl IntoIterator<Item = Written>) {
        self.in_flight_bytes = self
            .in_flight_bytes
            .saturating_sub(self.packed_bytes(steps));
        for chunk in chunks {
            if let Some(packed) = &mut self.tensors[chunk.tensor].packed {
                packed.pending.push(chunk);
            }
        }
    }

    /// Takes `chunks` into the index, which are all that the compressed tensors are to have. They were
    /// written at addresses of the file's space, and nobody reads the file meanwhile.
    pub(crate) fn index_chunks(
        &mut self,
        chunks: impl IntoIterator<Item = Written>,
    ) -> Result<(), Error> {
        self.add_chunks(0, chunks);
        let mut room = 0_u64;
        for tensor in &self.tensors {
            if let Some(packed) = &tensor.packed {
                // Each node but those on the edge is full: the leaves, and far fewer above them.
                let nodes = packed.pending.len() as u64 / 32 + 16;
                let node = ChunkIndex::node_bytes(tensor.grid.offset(0).len()) + ALIGNMENT;
                room = room.saturating_add(nodes.saturating_mul(node));
            }
        }
        self.raise_end_of_file(room)?;
        if self.stage_chunks()? {
            self.show_chunks()?;
        }
        Ok(())
    }

    /// What writes compressed chunks into this file.
    pub(crate) fn chunk_writer(&self) -> ChunkWriter {
        ChunkWriter::new(self.storage.clone(), self.tail.clone())
    }

    /// Writes the chunks that a [`Packer`] wrote into the index, where nobody sees
    /// them yet. Returns whether there were any: then they want [`show_chunks`](Self::show_chunks).
    pub(crate) fn stage_chunks(&mut self) -> Result<bool, Error> {
        let mut staged = false;
        for tensor in 0..self.tensors.len() {
            let Some(packed) = &mut self.tensors[tensor].packed else {
                continue;
            };
            let mut pending = std::mem::take(&mut packed.pending);
            staged |= !pending.is_empty();
            pending.sort_unstable_by_key(|chunk| chunk.number);
            self.stage(tensor, &pending)?;
            // Its memory is used again.
            pending.clear();
            if let Some(packed) = &mut self.tensors[tensor].packed {
                packed.pending = pending;
            }
        }
        Ok(staged)
    }

    fn stage(&mut self, tensor: usize, chunks: &[Written]) -> Result<(), Error> {
        let failed = self.failed("add a chunk to");
        let (storage, durable) = (&*self.storage, self.durable);
        let tail = &self.tail;
        let limit = self.superblock.end_of_file;
        let mut allocate = |bytes: u64| {
            let address = tail.allocate(bytes, ALIGNMENT);
            debug_assert!(tail.end() <= limit, "room was announced for the index, too");
            Ok(address)
        };
        let mut barrier = || super::barrier(storage, durable);
        let StepTensor {
            grid,
            index,
            packed,
            ..
        } = &mut self.tensors[tensor];
        let (Some(index), Some(packed)) = (index, packed) else {
            return Ok(());
        };
        let keys: Vec<_> = chunks
            .iter()
            .map(|chunk| {
                let key = ChunkKey {
                    bytes: chunk.bytes,
                    mask: 0,
                    offset: grid.offset(chunk.number),
                };
                (key, chunk.address)
            })
            .collect();
        // Chunks of steps that an earlier recorder wrote and did not commit are in the index.
        let known = packed.indexed;
        let split = chunks.partition_point(|chunk| chunk.number < known);
        for (chunk, (key, address)) in chunks.iter().zip(&keys[..split]) {
            let entry = packed.entries.get(to_usize(chunk.number)).copied();
            let at = entry.ok_or_else(|| {
                let found = format!("chunk {} once more", chunk.number);
                failed(LayoutError::unexpected(
                    "the chunk index",
                    0,
                    "a new chunk",
                    found,
                ))
            })?;
            index.replace(storage, at, key, *address).map_err(&failed)?;
        }
        let steps = grid.steps();
        index
            .stage(storage, steps, &keys[split..], &mut allocate, &mut barrier)
            .map_err(&failed)?;
        packed.indexed += (chunks.len() - split) as u64;
        Ok(())
    }

    /// Shows the staged chunks: two bytes for each tensor. What was written before must be on the
    /// medium, and this before the extents grow.
    pub(crate) fn show_chunks(&mut self) -> Result<(), Error> {
        let failed = self.failed("add a chunk to");
        for tensor in &mut self.tensors {
            if let (Some(index), Some(_)) = (&mut tensor.index, &tensor.packed) {
                index.show(&*self.storage).map_err(&failed)?;
            }
        }
        Ok(())
    }

    /// Announces `room` bytes behind all that lies in the file, and makes the file longer by as much
    /// again.
    pub(super) fn raise_end_of_file(&mut self, room: u64) -> Result<(), Error> {
        let announced = self.tail.end().saturating_add(room);
        // First the file, then the address: a file that is shorter than it says does not open.
        self.storage
            .set_len(announced.saturating_add(room))
            .map_err(|error| Error::io(&self.path, "grow", error))?;
        self.barrier()?;
        Superblock::write_end_of_file(&*self.storage, announced).map_err(self.failed("grow"))?;
        self.superblock.end_of_file = announced;
        self.barrier()
    }
}
