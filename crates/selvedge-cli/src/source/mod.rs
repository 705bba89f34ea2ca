//! One source of values for all formats: HDF5, safetensors, and the arrays of `NumPy`.
//!
//! What goes through values, or says what a tensor is, is written once over [`Source`]: statistics,
//! conversion, comparison, and the samples that rules look at. Bytes are row-major and little-endian.

mod array;
mod assumptions;
mod inflate;
mod kind;
pub(crate) mod npy;
pub(crate) mod npz;
mod part;
mod stored;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use selvedge_base::{Chain, Stride};
use selvedge_hdf5::{Access, Checksums, GroupNames, ReadError, TensorSource};

pub(crate) use array::{Array, ArrayError};
pub(crate) use assumptions::Assumptions;
pub(crate) use kind::Kind;
pub(crate) use part::{NoSuchPart, Part};

use crate::facts::{FileFacts, OpenFile, Role, Storage, TensorFacts, Unreadable};
use crate::words::of_program;

/// Bytes of a block, or one step where a step is larger.
const BLOCK_BYTES: u64 = 16 << 20;
/// Compressed chunks are unpacked as a whole, so a block is a whole number of them, up to this size
/// in bytes.
const UNPACKED_BYTES: u64 = 512 << 20;

/// A tensor, or a part of it, to be read.
///
/// What is at one index of the first axis is a step; a single value is one step. Elements of less than
/// a byte have no steps of their own: there a step is a byte.
#[derive(Clone)]
pub(crate) struct Source<'a> {
    path: &'a Path,
    facts: &'a TensorFacts,
    values: Values<'a>,
    part: part::Checked,
    /// Bytes of a step of the whole tensor.
    whole_step: u64,
    /// Steps of a chunk that has to be unpacked.
    packed: Option<u64>,
}

#[derive(Clone, Copy)]
enum Values<'a> {
    Hdf5 {
        tensor: &'a selvedge_hdf5::Tensor,
        /// Whether the bytes of bools become 0 and 1: HDF5's enumeration can hold any byte, and other
        /// formats know these only.
        clean_bools: bool,
    },
    Safetensors(selvedge_safetensors::Tensor<'a>),
    Array(&'a Array),
}

impl<'a> Source<'a> {
    /// All tensors of a file, in the order of its facts. With `clean_bools` the bytes of bools are 0
    /// and 1, as formats other than HDF5 have them.
    pub(crate) fn all(
        facts: &'a FileFacts,
        file: &'a OpenFile,
        clean_bools: bool,
    ) -> Result<Vec<Self>, Unreadable> {
        let mut by_name: HashMap<&str, Values<'_>> = match file {
            OpenFile::Hdf5(reader) => {
                let tensors = reader.tensors().iter();
                let values = |tensor| Values::Hdf5 {
                    tensor,
                    clean_bools,
                };
                tensors
                    .map(|tensor| (tensor.name(), values(tensor)))
                    .collect()
            }
            OpenFile::Safetensors(reader) => {
                let tensors = reader.tensors();
                let values = |tensor| {
                    (
                        selvedge_safetensors::Tensor::name(&tensor),
                        Values::Safetensors(tensor),
                    )
                };
                tensors.map(values).collect()
            }
            OpenFile::Arrays(arrays) => {
                let arrays = arrays.iter();
                arrays
                    .map(|array| (&*array.name, Values::Array(array)))
                    .collect()
            }
        };
        let sources = facts.tensors.iter().map(|tensor| {
            let values = by_name.remove(&*tensor.name);
            values.map(|values| Self::new(&facts.path, tensor, values))
        });
        // Facts are of the tensors that the file has.
        Ok(sources.flatten().collect())
    }

    fn new(path: &'a Path, facts: &'a TensorFacts, values: Values<'a>) -> Self {
        let bytes = facts.bytes.unwrap_or(0);
        let shape = match facts.element_bits {
            Some(bits) if bits % 8 != 0 => &[bytes],
            _ => &facts.shape[..],
        };
        let whole_step = match shape.first() {
            Some(&steps) => bytes.checked_div(steps).unwrap_or(0),
            None => bytes,
        };
        let packed = match &facts.storage {
            Storage::Chunked {
                filters,
                chunk_shape,
                ..
            } if !filters.is_empty() => chunk_shape.first().copied(),
            _ => None,
        };
        Self {
            path,
            facts,
            values,
            part: part::Checked::all(shape),
            whole_step,
            packed,
        }
    }

    /// A part of it, which is whole so far.
    ///
    /// # Errors
    ///
    /// [`NoSuchPart`](part::NoSuchPart).
    pub(crate) fn take(mut self, part: &Part) -> anyhow::Result<Self> {
        if !part.is_all() {
            if self.facts.element_bits.is_some_and(|bits| bits % 8 != 0) {
                let tensor = self.facts.name.clone();
                let error = part::NoSuchPart::LessThanByte { tensor };
                return Err(error).with_context(|| self.path.display().to_string());
            }
            let checked = part.check(&self.facts.name, &self.part.shape);
            self.part = checked.with_context(|| self.path.display().to_string())?;
        }
        Ok(self)
    }

    pub(crate) fn facts(&self) -> &'a TensorFacts {
        self.facts
    }

    /// Its dtype.
    ///
    /// # Errors
    ///
    /// Why its values cannot be read.
    pub(crate) fn kind(&self) -> Result<&'static Kind, Unreadable> {
        self.kind_or_why().map_err(|why| Unreadable::Tensor {
            path: self.path.to_owned(),
            tensor: self.facts.name.clone(),
            why,
        })
    }

    /// Its dtype, or why its values cannot be read, as a clause about the tensor.
    pub(crate) fn kind_or_why(&self) -> Result<&'static Kind, String> {
        self.kind_or_reason().map_err(|why| of_program(&why))
    }

    fn kind_or_reason(&self) -> Result<&'static Kind, String> {
        let not_read = |found: &str| format!("holds {found}, which is not read");
        match &self.values {
            Values::Hdf5 { tensor, .. } => match tensor.check_readable() {
                Ok(()) => {}
                // Reading it tells that.
                Err(error) if error.is_damage() => {}
                Err(ReadError::UnsupportedDtype { found, hint, .. }) => {
                    return Err(format!("{}; {hint}", not_read(&found)));
                }
                Err(ReadError::MissingSource { missing, .. }) => {
                    return Err(format!("is virtual, and takes values from {missing}"));
                }
                Err(
                    ReadError::NotFollowed { values, .. }
                    | ReadError::ExternalStorage { values, .. },
                ) => {
                    return Err(format!("takes values from {values}"));
                }
                Err(ReadError::MissingFilter {
                    filter, id, advice, ..
                }) => {
                    return Err(format!(
                        "went through the filter {filter} (number {id}), which is no part of this \
                         program; {advice}"
                    ));
                }
                Err(error) => return Err(format!("cannot be read: {}", Chain(&error))),
            },
            Values::Safetensors(_) => {}
            Values::Array(array) => array.unread.clone().map_or(Ok(()), Err)?,
        }
        Kind::named(&self.facts.dtype).ok_or_else(|| not_read(&self.facts.dtype))
    }

    /// The shape of what is read, in elements.
    pub(crate) fn shape(&self) -> &[u64] {
        if self.part.is_whole {
            &self.facts.shape
        } else {
            &self.part.shape
        }
    }

    /// Steps that are read.
    pub(crate) fn steps(&self) -> u64 {
        Stride::total(&self.part.steps)
    }

    /// Bytes of each.
    pub(crate) fn step_bytes(&self) -> u64 {
        let row = self.row_bytes_within();
        self.part
            .rows
            .as_ref()
            .map_or(self.whole_step, |rows| Stride::total(rows) * row)
    }

    /// Bytes of what is at one index of the second axis.
    fn row_bytes_within(&self) -> u64 {
        let rows = self.facts.shape.get(1).copied().unwrap_or(1);
        self.whole_step / rows.max(1)
    }

    /// All bytes that are read.
    pub(crate) fn bytes(&self) -> u64 {
        self.steps().saturating_mul(self.step_bytes())
    }

    /// Steps that are unpacked together: those of a chunk, of a virtual tensor those of a chunk of its sources. None where
    /// nothing has to be unpacked, or too much.
    pub(crate) fn packed_steps(&self) -> Option<u64> {
        let packed = match (&self.facts.storage, self.values) {
            (Storage::Virtual, Values::Hdf5 { tensor, .. }) => {
                let access = tensor.access().ok()?;
                Some(access.block_rows).filter(|&rows| rows > 0)
            }
            _ => self.packed,
        };
        packed.filter(|packed| packed.saturating_mul(self.whole_step) <= UNPACKED_BYTES)
    }

    /// Steps of a block.
    fn block(&self) -> u64 {
        let step = self.step_bytes().max(1);
        let is_range = matches!(self.part.steps[..], [Stride { stride: 1, .. }]);
        let packed = is_range.then(|| self.packed_steps()).flatten();
        let most = match packed {
            Some(packed) => {
                let chunks = BLOCK_BYTES / packed.saturating_mul(step).max(1);
                packed.saturating_mul(chunks.max(1))
            }
            None => BLOCK_BYTES / step,
        };
        most.clamp(1, self.steps().max(1))
    }

    /// Calls `take` with the bytes of all steps, block by block, from the first to the last.
    ///
    /// # Errors
    ///
    /// The errors of reading, and of `take`.
    pub(crate) fn blocks<E: From<Unreadable>>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let most = self.block();
        let mut buffer = Vec::new();
        let mut first = 0;
        while first < self.steps() && self.step_bytes() > 0 {
            let end = (first + most).min(self.steps());
            self.read(first..end, &mut buffer)?;
            take(&buffer)?;
            first = end;
        }
        Ok(())
    }

    /// Reads some of the steps into `buffer`, which gets their length.
    ///
    /// # Errors
    ///
    /// The errors of reading, and that there is no memory for a step.
    pub(crate) fn read(&self, steps: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), Unreadable> {
        let bytes = (steps.end - steps.start).saturating_mul(self.step_bytes());
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let more = length.saturating_sub(buffer.len());
        if buffer.try_reserve_exact(more).is_err() {
            let tensor = self.facts.name.clone();
            return Err(Unreadable::NoMemory { tensor, bytes });
        }
        buffer.resize(length, 0);
        let taken = Stride::parts(&self.part.steps, steps.start, steps.end - steps.start);
        match self.values {
            Values::Hdf5 { tensor, .. } => {
                if self.facts.shape.is_empty() {
                    buffer.copy_from_slice(&tensor.read_bytes()?);
                } else {
                    let mut selection = tensor.select().steps(&taken[..]);
                    if let Some(rows) = &self.part.rows {
                        let index = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
                        let rows = rows.iter().flat_map(Stride::iter).map(index);
                        selection = selection.rows(rows.collect::<Vec<_>>());
                    }
                    selection.read_bytes_into(buffer)?;
                }
                self.clean(buffer);
                Ok(())
            }
            Values::Safetensors(tensor) => self.runs(&taken, buffer, |at, piece| {
                Ok(tensor.read_bytes_at(at, piece)?)
            }),
            Values::Array(array) => {
                self.runs(&taken, buffer, |at, piece| Ok(array.read_at(at, piece)?))
            }
        }
    }

    /// Fills `buffer` with these steps, of a tensor that lies in one run of bytes.
    fn runs(
        &self,
        steps: &[Stride],
        buffer: &mut [u8],
        read: impl Fn(u64, &mut [u8]) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        if let (
            [
                Stride {
                    first, stride: 1, ..
                },
            ],
            None,
        ) = (steps, &self.part.rows)
        {
            return read(first * self.whole_step, buffer);
        }
        let row = self.row_bytes_within();
        let length = usize::try_from(self.step_bytes()).unwrap_or(usize::MAX);
        let steps = steps.iter().flat_map(Stride::iter);
        for (number, step) in steps.zip(buffer.chunks_mut(length.max(1))) {
            let start = number * self.whole_step;
            match self.part.rows.as_deref() {
                None => read(start, step)?,
                Some([rows]) if rows.stride == 1 => read(start + rows.first * row, step)?,
                Some(rows) => {
                    let row_length = usize::try_from(row).unwrap_or(usize::MAX).max(1);
                    let rows = rows.iter().flat_map(Stride::iter);
                    for (at, piece) in rows.zip(step.chunks_mut(row_length)) {
                        read(start + at * row, piece)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn clean(&self, bytes: &mut [u8]) {
        let clean = matches!(self.values, Values::Hdf5 { clean_bools, .. } if clean_bools);
        if clean && self.facts.dtype == "bool" {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
    }
}

/// A whole tensor, for those who compare it.
impl TensorSource for Source<'_> {
    type Error = Unreadable;

    fn name(&self) -> &str {
        &self.facts.name
    }

    fn group_names(&self) -> Option<&GroupNames> {
        match self.values {
            Values::Hdf5 { tensor, .. } => tensor.group_names(),
            _ => None,
        }
    }

    fn dtype_name(&self) -> String {
        self.facts.dtype.clone()
    }

    fn shape(&self) -> Vec<u64> {
        self.facts.shape.clone()
    }

    fn check_readable(&self) -> Result<(), Unreadable> {
        self.kind().map(|_| ())
    }

    fn element_bytes(&self) -> Option<usize> {
        let kind = Kind::named(&self.facts.dtype)?;
        usize::try_from(kind.bytes()).ok()
    }

    fn is_constant(&self) -> bool {
        self.facts.role == Role::Constant || self.facts.is_constant
    }

    fn rows(&self) -> u64 {
        self.steps()
    }

    fn appended(&self) -> u64 {
        self.facts.appended
    }

    fn row_bytes(&self) -> u64 {
        self.whole_step
    }

    fn access(&self) -> Result<Access, Unreadable> {
        match self.values {
            Values::Hdf5 { tensor, .. } => Ok(tensor.access()?),
            Values::Safetensors(_) => Ok(Access {
                direct: true,
                ..Access::default()
            }),
            Values::Array(array) => Ok(Access {
                direct: true,
                in_order: array.offset().is_none(),
                ..Access::default()
            }),
        }
    }

    fn read_rows(&self, rows: Range<u64>, bytes: &mut [u8]) -> Result<(), Unreadable> {
        let start = rows.start * self.whole_step;
        match self.values {
            Values::Hdf5 { tensor, .. } => tensor.read_rows(rows, bytes)?,
            Values::Safetensors(tensor) => tensor.read_bytes_at(start, bytes)?,
            Values::Array(array) => array.read_at(start, bytes)?,
        }
        self.clean(bytes);
        Ok(())
    }

    fn read_part(&self, row: u64, start: usize, bytes: &mut [u8]) -> Result<(), Unreadable> {
        let at = row * self.whole_step + start as u64;
        match self.values {
            Values::Hdf5 { tensor, .. } => tensor.read_part(row, start, bytes)?,
            Values::Safetensors(tensor) => tensor.read_bytes_at(at, bytes)?,
            Values::Array(array) => array.read_at(at, bytes)?,
        }
        self.clean(bytes);
        Ok(())
    }

    fn checksums(&self) -> Result<Option<Checksums>, Unreadable> {
        match self.values {
            Values::Hdf5 { tensor, .. } => Ok(TensorSource::checksums(tensor)?),
            _ => Ok(None),
        }
    }
}
