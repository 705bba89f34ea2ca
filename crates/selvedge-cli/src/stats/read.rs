//! Reading a tensor in blocks of rows, so that memory does not grow with the file.

use std::ops::Range;

use super::Sample;
use crate::facts::{OpenFile, Storage, TensorFacts, Unreadable};

/// Bytes of a block, or one row where a row is larger.
const BLOCK_BYTES: u64 = 16 << 20;
/// Compressed chunks are unpacked as a whole, so a block is a whole number of them, up to this size
/// in bytes.
const UNPACKED_BYTES: u64 = 512 << 20;

/// A tensor to read from.
pub(super) struct Source<'a> {
    tensor: Tensor<'a>,
    /// Rows: indices of the first axis. A single value is one row.
    rows: u64,
    row_len: u64,
    single: bool,
    /// Rows of a chunk that has to be unpacked.
    packed_rows: Option<u64>,
}

enum Tensor<'a> {
    Hdf5(&'a selvedge_hdf5::Tensor),
    Safetensors(selvedge_safetensors::Tensor<'a>),
}

/// Some rows that follow each other.
pub(super) struct Block<'a, T> {
    pub(super) first_row: u64,
    /// Elements of a row.
    pub(super) row_len: usize,
    pub(super) values: &'a [T],
    /// The row before the first one.
    pub(super) before: Option<&'a [T]>,
}

impl<'a> Source<'a> {
    pub(super) fn open(file: &'a OpenFile, facts: &TensorFacts) -> Result<Self, Unreadable> {
        let tensor = match file {
            OpenFile::Hdf5(reader) => Tensor::Hdf5(reader.tensor(&facts.name)?),
            OpenFile::Safetensors(reader) => Tensor::Safetensors(reader.tensor(&facts.name)?),
        };
        let (rows, single) = match facts.shape.first() {
            Some(&rows) => (rows, false),
            None => (1, true),
        };
        let row_len = facts.elements().checked_div(rows).unwrap_or(0);
        let packed_rows = match &facts.storage {
            Storage::Chunked {
                filters,
                chunk_shape,
                ..
            } if !filters.is_empty() => chunk_shape.first().copied(),
            _ => None,
        };
        Ok(Self {
            tensor,
            rows,
            row_len,
            single,
            packed_rows,
        })
    }

    /// Calls `take` with all blocks, from the first row to the last.
    pub(super) fn blocks<T: Sample>(
        &self,
        mut take: impl FnMut(Block<'_, T>),
    ) -> Result<(), Unreadable> {
        let row_bytes = self.row_len.saturating_mul(size_of::<T>() as u64).max(1);
        if self.rows == 0 || self.row_len == 0 {
            return Ok(());
        }
        let most = match self.packed_rows {
            Some(packed) if packed.saturating_mul(row_bytes) <= UNPACKED_BYTES => {
                let chunks = BLOCK_BYTES / packed.saturating_mul(row_bytes).max(1);
                packed.saturating_mul(chunks.max(1))
            }
            Some(_) => UNPACKED_BYTES / row_bytes,
            None => BLOCK_BYTES / row_bytes,
        };
        let most = most.clamp(1, self.rows);
        let row_len = usize::try_from(self.row_len).unwrap_or(usize::MAX);
        // The last row of the block before, and then the block.
        let length = most.saturating_add(1).saturating_mul(self.row_len);
        let mut buffer = Vec::new();
        buffer
            .try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))
            .map_err(|_| self.too_large(length.saturating_mul(size_of::<T>() as u64)))?;
        buffer.resize(buffer.capacity(), T::default());
        let mut first = 0;
        while first < self.rows {
            let end = (first + most).min(self.rows);
            let count = usize::try_from(end - first).unwrap_or(usize::MAX);
            let (before, values) = buffer.split_at_mut(row_len);
            let values = &mut values[..count * row_len];
            self.read(first..end, values)?;
            take(Block {
                first_row: first,
                row_len,
                values,
                before: (first > 0).then_some(&*before),
            });
            before.copy_from_slice(&values[(count - 1) * row_len..]);
            first = end;
        }
        Ok(())
    }

    fn read<T: Sample>(&self, rows: Range<u64>, values: &mut [T]) -> Result<(), Unreadable> {
        match &self.tensor {
            Tensor::Hdf5(tensor) if self.single => tensor.read_into(values)?,
            Tensor::Hdf5(tensor) => tensor.read_steps_into(rows, values)?,
            Tensor::Safetensors(tensor) if self.single => tensor.read_into(values)?,
            Tensor::Safetensors(tensor) => {
                let index = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
                tensor.read_rows_into(index(rows.start)..index(rows.end), values)?;
            }
        }
        Ok(())
    }

    fn too_large(&self, bytes: u64) -> Unreadable {
        let tensor = match &self.tensor {
            Tensor::Hdf5(tensor) => tensor.name(),
            Tensor::Safetensors(tensor) => tensor.name(),
        };
        Unreadable::NoMemory {
            tensor: tensor.to_owned(),
            bytes,
        }
    }
}
