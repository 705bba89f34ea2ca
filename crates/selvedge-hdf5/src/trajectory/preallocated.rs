//! Steps of tensors whose chunks have their places before they are written to.

use super::tensor::{ChunkLayout, Preallocated, StepTensor};
use super::{TrajectoryFile, reserve};
use crate::StorageError;
use crate::chunks::to_usize;
use crate::create::chunk_alignment;
use crate::layout::ChunkKey;

/// Room is announced in at least this many bytes, so that small chunks do not need it often.
const LEAST_ROOM: u64 = 1 << 20;

impl TrajectoryFile {
    /// Writes `steps` steps of tensor `tensor`, which is not compressed, the first of which is `first`.
    /// `bytes` holds them one after the other.
    pub(crate) fn write_steps(
        &mut self,
        tensor: usize,
        first: u64,
        steps: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let needed = self.tensors[tensor].grid.chunks_of(first + steps);
        while self.tensors[tensor].chunk_count() < needed.unwrap_or(u64::MAX) {
            self.add_row(tensor)?;
        }
        self.reserve_steps(tensor, first, steps);
        let tensor = &self.tensors[tensor];
        for run in tensor.grid.runs(first..first + steps) {
            let address = tensor.chunks()[run.chunk] + run.within;
            self.log
                .storage
                .write_all_at(&bytes[run.bytes], address)
                .map_err(|source| StorageError::WriteStep {
                    path: self.log.path.clone(),
                    tensor: tensor.name.clone(),
                    step: run.step,
                    source,
                })?;
        }
        Ok(())
    }

    /// Reserves what these steps are written to.
    fn reserve_steps(&mut self, tensor: usize, first: u64, steps: u64) {
        if !self.reserves {
            return;
        }
        let most = reserve::most_ahead(self.tensors.len());
        let StepTensor { grid, layout, .. } = &mut self.tensors[tensor];
        let ChunkLayout::Preallocated(preallocated) = layout else {
            return;
        };
        let Preallocated {
            addresses,
            reserved,
            ..
        } = preallocated;
        let covered = grid.runs(first..first + steps).try_for_each(|run| {
            let chunk = addresses[run.chunk];
            let begin = chunk + run.within;
            let bytes = begin..begin + run.bytes.len() as u64;
            let limit = chunk + grid.chunk_bytes();
            reserved.cover(&*self.log.storage, bytes, limit, most)
        });
        if covered.is_err() {
            self.stop_reserving();
        }
    }

    /// Announces room for one more row of chunks of every tensor: a row ahead of its use.
    pub(crate) fn raise_end_of_file_for_row(&mut self) -> Result<(), StorageError> {
        let rows = self.tensors.iter().map(StepTensor::row_bytes);
        let rows = rows.fold(0, u64::saturating_add);
        let end = self.tail.end();
        if end.saturating_add(rows) <= self.log.end_of_file() {
            return Ok(());
        }
        self.log.raise_end_of_file(end, rows.max(LEAST_ROOM))
    }

    /// Adds a row of chunks to a tensor, and to its index.
    fn add_row(&mut self, tensor: usize) -> Result<(), StorageError> {
        self.raise_end_of_file_for_row()?;
        let (log, tail) = (&self.log, &self.tail);
        let failed = log.failed("add a chunk to");
        let mut allocate = |bytes: u64| {
            let address = tail.allocate(bytes, chunk_alignment(bytes));
            debug_assert!(tail.end() <= log.end_of_file(), "room for the whole row");
            Ok(address)
        };
        let StepTensor {
            name, grid, layout, ..
        } = &mut self.tensors[tensor];
        let ChunkLayout::Preallocated(Preallocated {
            addresses,
            index: Some(index),
            ..
        }) = layout
        else {
            return Err(log.refuse(format!("tensor `{name}` has no chunks")));
        };
        let bytes = u32::try_from(grid.chunk_bytes()).unwrap_or(u32::MAX);
        for _ in 0..grid.pieces() {
            let address = allocate(u64::from(bytes)).map_err(&failed)?;
            let key = ChunkKey {
                bytes,
                mask: 0,
                offset: grid.offset(addresses.len() as u64),
            };
            index
                .push(
                    &*log.storage,
                    grid.steps(),
                    &key,
                    address,
                    &mut allocate,
                    &mut || log.index_barrier(),
                )
                .map_err(&failed)?;
            addresses.push(address);
        }
        Ok(())
    }

    /// Takes the chunks out of the indexes that have no steps, since the run ends before its planned ones: who goes by
    /// the chunks of a file would take them for values beyond the extents. Their places stay holes.
    pub(super) fn drop_unused_chunks(&mut self) -> Result<(), StorageError> {
        let (log, mut indexes) = (&self.log, Vec::new());
        let (storage, failed) = (&*log.storage, log.failed("finish"));
        for tensor in &mut self.tensors {
            let ChunkLayout::Preallocated(Preallocated {
                addresses,
                index: Some(index),
                ..
            }) = &mut tensor.layout
            else {
                continue;
            };
            let used = tensor.grid.chunks_of(tensor.extent).unwrap_or(0);
            if (1..addresses.len() as u64).contains(&used) {
                index
                    .cut(storage, &tensor.grid.offset(used))
                    .map_err(&failed)?;
                addresses.truncate(to_usize(used));
                indexes.push(&*index);
            }
        }
        for below in 0.. {
            let mut is_written = false;
            for index in &indexes {
                is_written |= index.write_edge(storage, below).map_err(&failed)?;
            }
            if !is_written {
                break;
            }
            // What is below loses chunks after what is above: so there is never a gap in the index.
            log.barrier()?;
        }
        Ok(())
    }
}
