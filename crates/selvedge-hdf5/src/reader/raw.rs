//! The bytes of a tensor by its rows, for those who pass them on: `Rechunk`, `compare`, checksums.
//!
//! A row is what lies at one index of the first axis: of a step tensor a step. A single value is one
//! row.

use std::ops::Range;

use selvedge_base::shape::most_elements;

use selvedge_base::Stride;

use super::Tensor;
use super::data_layout::DataLayout;
use super::open_sources::OpenSources;
use super::place::Place;
use super::select::bulk_memory;
use crate::checksum::Checksums;
use crate::chunks::{ToDecode, Unpacker};
use crate::group_names::GroupNames;
use crate::source::{Access, TensorSource};
use crate::{Dtype, ReadError, StorageError};

impl Tensor {
    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.leading().unwrap_or(1)
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> Result<u64, ReadError> {
        Ok(self.row_len().saturating_mul(self.dtype()?.size() as u64))
    }

    /// Bytes of all rows.
    pub(crate) fn all_bytes(&self) -> Result<u64, ReadError> {
        Ok(self.row_bytes()?.saturating_mul(self.rows()))
    }

    /// Whether its bytes are read as they lie in the file, without libhdf5.
    pub(crate) fn is_direct(&self) -> bool {
        let all = Stride::of(0..self.rows());
        let at_work = self.enter();
        let place = at_work.is_ok().then(|| self.place()).flatten();
        place.is_some_and(|place| place.is_plain() && place.has(all))
    }

    /// Rows of a chunk of a filtered tensor, whose chunks are unpacked whole, or of a source of a virtual one; and the memory
    /// that this takes in a thread beside the rows themselves, in bytes.
    pub(crate) fn unpacked(&self) -> Result<Option<(u64, u64)>, ReadError> {
        if self.is_direct() {
            return Ok(None);
        }
        if let Some(parts) = self.parts() {
            let mut all = None;
            for part in parts {
                if let Some((rows, memory)) = part.tensor.unpacked()? {
                    let (most, sum) = all.unwrap_or((1, 0_u64));
                    all = Some((rows.max(most), sum.saturating_add(memory)));
                }
            }
            return Ok(all);
        }
        let element = self.dtype()?.size() as u64;
        Ok(match self.data_layout()? {
            DataLayout::Chunked { shape, filters, .. } if !filters.is_empty() => {
                let rows = shape.first().copied().unwrap_or(1).max(1);
                let chunk_bytes = most_elements(&shape).saturating_mul(element);
                Some((rows, self.unpacking_memory(chunk_bytes, filters.len())))
            }
            DataLayout::Virtual => self.sources().and_then(OpenSources::unpacked),
            _ => None,
        })
    }

    fn unpacking_memory(&self, chunk_bytes: u64, filters: usize) -> u64 {
        // libhdf5 holds what a filter was given and what it made of it.
        let decoded = chunk_bytes.saturating_mul(filters.min(2) as u64);
        let by_library = |stored: u64| decoded.saturating_add(stored);
        let at_work = self.enter();
        match at_work.ok().and_then(|_| self.place()) {
            Some(place @ Place::Compressed(map, format)) => {
                let own = bulk_memory(map, *format, self.rows());
                // A row of which chunks are missing is read by libhdf5; of one that is missing nothing is unpacked.
                let is_whole = || place.has(Stride::of(0..self.rows()));
                match map.grid().pieces() == 1 || is_whole() {
                    true => own,
                    false => own.max(by_library(map.largest_stored())),
                }
            }
            _ => by_library(chunk_bytes),
        }
    }

    /// Its checksums, where it has some.
    pub(crate) fn checksums(&self) -> Result<Option<Checksums>, StorageError> {
        self.stored_checksums().map_err(|error| {
            let action = format!("read the checksums of tensor `{}` of", self.name());
            StorageError::library(self.path(), action, error)
        })
    }

    /// Fills `bytes` with these rows, which have exactly its length.
    pub(crate) fn read_raw_rows(
        &self,
        rows: Range<u64>,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        match self.leading() {
            None => self.fill_single(bytes),
            Some(_) if bytes.is_empty() => Ok(()),
            Some(_) => self.job_of_rows(rows)?.in_bulk().run(bytes),
        }
    }

    /// Fills `bytes`, which have exactly its length, with chunk number `number` of a compressed tensor
    /// in the order of the chunk index: also with what of it lies beyond the tensor.
    pub(crate) fn read_raw_chunk(
        &self,
        unpacker: &mut Unpacker,
        number: u64,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let _at_work = self.enter()?;
        let failed = |reason| self.damaged_chunk(number, reason);
        let Some(Place::Compressed(map, format)) = self.place() else {
            return Err(failed("the file has no index of its chunks".to_owned()));
        };
        if format.bytes != bytes.len() {
            let (found, expected) = (format.bytes, bytes.len());
            return Err(failed(format!("it has {found} bytes, expected {expected}")));
        }
        let mut chunk = ToDecode {
            stored: map.find(number),
            whole: Some(bytes),
        };
        let chunks = std::slice::from_mut(&mut chunk);
        unpacker.unpack(*format, self.data(), None, chunks, |_, plain| {
            plain.map(|_| ()).map_err(failed)
        })
    }

    /// Fills `bytes` with a part of a row, from its byte `start` on. Only of a
    /// [direct](Self::is_direct) tensor.
    pub(crate) fn read_raw_part(
        &self,
        row: u64,
        start: usize,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let _at_work = self.enter()?;
        let failed = |error| self.read_failed(error);
        match self.place() {
            Some(place) => place.read_within(row, start, bytes).map_err(failed),
            None => Err(failed(std::io::ErrorKind::Unsupported.into())),
        }
    }
}

impl TensorSource for Tensor {
    type Error = ReadError;

    fn name(&self) -> &str {
        Tensor::name(self)
    }

    fn group_names(&self) -> Option<&GroupNames> {
        Tensor::group_names(self)
    }

    fn dtype_name(&self) -> String {
        Tensor::dtype_name(self).to_owned()
    }

    fn shape(&self) -> Vec<u64> {
        Tensor::shape(self)
    }

    fn check_readable(&self) -> Result<(), ReadError> {
        Tensor::check_readable(self)
    }

    fn element_bytes(&self) -> Option<usize> {
        self.dtype().ok().map(Dtype::size)
    }

    fn is_constant(&self) -> bool {
        self.is_marked_step() == Some(false)
    }

    fn appended(&self) -> u64 {
        Tensor::appended(self)
    }

    fn access(&self) -> Result<Access, ReadError> {
        let (block_rows, block_bytes) = self.unpacked()?.unwrap_or_default();
        Ok(Access {
            direct: self.is_direct(),
            block_rows,
            block_bytes,
            in_parts: self.parts().is_none() && self.sources().is_some(),
            in_order: false,
        })
    }

    fn read_rows(&self, rows: Range<u64>, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.read_raw_rows(rows, bytes)
    }

    fn read_part(&self, row: u64, start: usize, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.read_raw_part(row, start, bytes)
    }

    fn checksums(&self) -> Result<Option<Checksums>, ReadError> {
        Ok(Tensor::checksums(self)?)
    }
}
