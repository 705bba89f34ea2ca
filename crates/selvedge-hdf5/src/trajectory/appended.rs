//! The chunks of compressed tensors: they get their places when they are encoded, and come into the
//! index with a commit.

use std::path::PathBuf;

use super::tensor::{Appended, ChunkLayout, StepTensor};
use super::{TrajectoryFile, reserve};
use crate::StorageError;
use crate::chunks::{ALIGNMENT, ChunkEncoder, ChunkWriter, Grid, Run, Written, to_usize};
use crate::layout::{ChunkIndex, ChunkKey, LayoutError};

/// Room is announced for at least, and mostly for, so many bytes …
const LEAST_ROOM: u64 = 1 << 20;
const MOST_ROOM: u64 = 64 << 20;
/// … and for so many blocks of steps: a rare event, as each takes a change of the file's length.
const BLOCKS_OF_ROOM: u64 = 8;

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
    ) -> Result<Written, StorageError> {
        let Chunk { tensor, run } = chunk;
        let (name, grid) = &self.tensors[*tensor];
        let bytes = &steps[run.bytes.clone()];
        let number = (*tensor, run.chunk as u64);
        self.writer
            .write(encoder, grid, number, bytes)
            .map_err(|source| StorageError::WriteStep {
                path: self.path.clone(),
                tensor: name.clone(),
                step: run.step,
                source,
            })
    }
}

impl TrajectoryFile {
    fn compressed(&self) -> impl Iterator<Item = (usize, &StepTensor)> {
        let tensors = self.tensors.iter().enumerate();
        tensors.filter(|(_, tensor)| tensor.is_compressed())
    }

    /// Bytes that `steps` steps of the compressed tensors take at most, with their index nodes.
    fn packed_bytes(&self, steps: u64) -> u64 {
        let rows = self.compressed().map(|(_, tensor)| tensor.row_bytes());
        rows.fold(0, u64::saturating_add).saturating_mul(steps)
    }

    /// Announces room for two times `steps` steps of the compressed tensors, if there is none.
    ///
    /// Called before each block of at most so many steps, it announces the room of a block before
    /// the block in front of it takes its own: see [`CommitLog::raise_end_of_file`](super::CommitLog::raise_end_of_file) for why.
    pub(crate) fn raise_end_of_file_for_block(&mut self, steps: u64) -> Result<(), StorageError> {
        let block = self.packed_bytes(steps);
        if block == 0 {
            return Ok(());
        }
        let needed = block.saturating_mul(2).saturating_add(self.in_flight_bytes);
        if self.tail.end().saturating_add(needed) > self.log.end_of_file() {
            let room = block
                .saturating_mul(BLOCKS_OF_ROOM)
                .clamp(LEAST_ROOM, MOST_ROOM);
            let end = self.tail.end();
            self.log
                .raise_end_of_file(end, needed.saturating_add(room))?;
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
        let (limit, most) = (self.log.end_of_file(), reserve::most_ahead(1));
        let covered = self
            .reserved
            .cover(&*self.log.storage, start..end, limit, most);
        if covered.is_err() {
            self.stop_reserving();
        }
    }

    /// What encodes the chunks of this file, if any are.
    pub(crate) fn packer(&self) -> Option<Packer> {
        self.compressed().next()?;
        Some(Packer {
            path: self.log.path.clone(),
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
        let chunks = self.compressed().flat_map(|(number, tensor)| {
            let runs = tensor.grid.runs(first..first + steps);
            runs.map(move |run| Chunk {
                tensor: number,
                run,
            })
        });
        chunks.collect()
    }

    /// Takes what became of the chunks of `steps` steps.
    pub(crate) fn add_chunks(&mut self, steps: u64, chunks: impl IntoIterator<Item = Written>) {
        self.in_flight_bytes = self
            .in_flight_bytes
            .saturating_sub(self.packed_bytes(steps));
        for chunk in chunks {
            if let Some(appended) = self.tensors[chunk.tensor].appended_mut() {
                appended.pending.push(chunk);
            }
        }
    }

    /// Takes `chunks` into the index, which are all that the compressed tensors are to have. They were
    /// written at addresses of the file's space, and nobody reads the file meanwhile.
    pub(crate) fn index_chunks(
        &mut self,
        chunks: impl IntoIterator<Item = Written>,
    ) -> Result<(), StorageError> {
        self.add_chunks(0, chunks);
        let mut room = 0_u64;
        for tensor in &self.tensors {
            if let Some(appended) = tensor.appended() {
                // Each node but those on the edge is full: the leaves, and far fewer above them.
                let nodes = appended.pending.len() as u64 / 32 + 16;
                let node = ChunkIndex::node_bytes(tensor.grid.rank()) + ALIGNMENT;
                room = room.saturating_add(nodes.saturating_mul(node));
            }
        }
        self.log.raise_end_of_file(self.tail.end(), room)?;
        if self.stage_chunks()? {
            self.show_chunks()?;
        }
        Ok(())
    }

    /// What writes compressed chunks into this file.
    pub(crate) fn chunk_writer(&self) -> ChunkWriter {
        ChunkWriter::new(self.log.storage.clone(), self.tail.clone())
    }

    /// Writes the chunks that a [`Packer`] wrote into the index, where nobody sees
    /// them yet. Returns whether there were any: then they want [`show_chunks`](Self::show_chunks).
    pub(crate) fn stage_chunks(&mut self) -> Result<bool, StorageError> {
        let mut staged = false;
        for tensor in 0..self.tensors.len() {
            let Some(appended) = self.tensors[tensor].appended_mut() else {
                continue;
            };
            let mut pending = std::mem::take(&mut appended.pending);
            staged |= !pending.is_empty();
            pending.sort_unstable_by_key(|chunk| chunk.number);
            self.stage(tensor, &pending)?;
            // Its memory is used again.
            pending.clear();
            if let Some(appended) = self.tensors[tensor].appended_mut() {
                appended.pending = pending;
            }
        }
        Ok(staged)
    }

    fn stage(&mut self, tensor: usize, chunks: &[Written]) -> Result<(), StorageError> {
        let (log, tail) = (&self.log, &self.tail);
        let (failed, storage) = (log.failed("add a chunk to"), &*log.storage);
        let mut allocate = |bytes: u64| {
            let address = tail.allocate(bytes, ALIGNMENT);
            debug_assert!(tail.end() <= log.end_of_file(), "room for the index, too");
            Ok(address)
        };
        let StepTensor { grid, layout, .. } = &mut self.tensors[tensor];
        let ChunkLayout::Appended(Appended {
            entries,
            indexed,
            index,
            ..
        }) = layout
        else {
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
        let split = chunks.partition_point(|chunk| chunk.number < *indexed);
        for (chunk, (key, address)) in chunks.iter().zip(&keys[..split]) {
            let entry = entries.get(to_usize(chunk.number)).copied();
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
        let mut barrier = || log.index_barrier();
        let new = &keys[split..];
        index
            .stage(storage, grid.steps(), new, &mut allocate, &mut barrier)
            .map_err(&failed)?;
        *indexed += new.len() as u64;
        Ok(())
    }

    /// Shows the staged chunks: two bytes for each tensor. What was written before must be on the
    /// medium, and this before the extents grow.
    pub(crate) fn show_chunks(&mut self) -> Result<(), StorageError> {
        let (storage, failed) = (&*self.log.storage, self.log.failed("add a chunk to"));
        for appended in self.tensors.iter_mut().filter_map(StepTensor::appended_mut) {
            appended.index.show(storage).map_err(&failed)?;
        }
        Ok(())
    }
}
