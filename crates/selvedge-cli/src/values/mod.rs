//! The values of a tensor as bytes, whatever the format: row-major, little-endian, block by block.

mod part;

use std::ops::Range;

pub(crate) use part::Part;

use crate::convert::Npy;
use crate::facts::{OpenFile, Storage, TensorFacts};

/// Bytes of a block, or one step where a step is larger.
const BLOCK_BYTES: u64 = 16 << 20;
/// Compressed chunks are unpacked as a whole, so a block is a whole number of them, up to this size
/// in bytes.
const UNPACKED_BYTES: u64 = 512 << 20;

/// A tensor, or a part of it, to be read.
///
/// What is at one index of the first axis is a step; a single value is one step.
pub(crate) struct Source<'a> {
    tensor: Tensor<'a>,
    part: part::Checked,
    /// Bytes of a step of the whole tensor.
    whole_step: u64,
    /// The bytes of a step that are read.
    of_step: Range<u64>,
    /// Steps of a chunk that has to be unpacked.
    packed: Option<u64>,
}

enum Tensor<'a> {
    Hdf5 {
        tensor: &'a selvedge_hdf5::Tensor,
        bool: bool,
    },
    Safetensors(selvedge_safetensors::Tensor<'a>),
    Npy(&'a Npy),
}

impl<'a> Source<'a> {
    /// A part of the tensor that has these facts.
    ///
    /// # Errors
    ///
    /// [`NoSuchPart`](part::NoSuchPart). The dtype is one whose size is known.
    pub(crate) fn open(
        file: &'a OpenFile,
        facts: &TensorFacts,
        part: &Part,
    ) -> anyhow::Result<Self> {
        let tensor = match file {
            OpenFile::Hdf5(reader) => Tensor::Hdf5 {
                tensor: reader.tensor(&facts.name)?,
                bool: facts.dtype == "bool",
            },
            OpenFile::Safetensors(reader) => Tensor::Safetensors(reader.tensor(&facts.name)?),
        };
        let packed = match &facts.storage {
            Storage::Chunked {
                filters,
                chunk_shape,
                ..
            } if !filters.is_empty() => chunk_shape.first().copied(),
            _ => None,
        };
        let bytes = facts.bytes.unwrap_or(0);
        // Elements of less than a byte have no steps of their own.
        let shape = match facts.element_bits {
            Some(bits) if bits % 8 == 0 => &facts.shape[..],
            _ => &[bytes],
        };
        Self::new(tensor, (&facts.name, shape, bytes), part, packed)
    }

    /// A part of the array of a file of `NumPy`.
    ///
    /// # Errors
    ///
    /// [`NoSuchPart`](part::NoSuchPart).
    pub(crate) fn of_npy(npy: &'a Npy, name: &str, part: &Part) -> anyhow::Result<Self> {
        Self::new(
            Tensor::Npy(npy),
            (name, npy.shape(), npy.bytes()),
            part,
            None,
        )
    }

    fn new(
        tensor: Tensor<'a>,
        (name, shape, bytes): (&str, &[u64], u64),
        part: &Part,
        packed: Option<u64>,
    ) -> anyhow::Result<Self> {
        let part = part.check(name, shape)?;
        let whole_step = match shape.first() {
            Some(&steps) => bytes.checked_div(steps).unwrap_or(0),
            None => bytes,
        };
        let of_step = match (&part.rows, shape.get(1)) {
            (Some(rows), Some(&count)) => {
                let row = whole_step / count.max(1);
                rows.start * row..rows.end * row
            }
            _ => 0..whole_step,
        };
        Ok(Self {
            tensor,
            part,
            whole_step,
            of_step,
            packed,
        })
    }

    /// The shape of what is read, in elements.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.part.shape
    }

    /// Steps that are read.
    pub(crate) fn steps(&self) -> u64 {
        self.part.count
    }

    /// Bytes of each.
    pub(crate) fn step_bytes(&self) -> u64 {
        self.of_step.end - self.of_step.start
    }

    /// All bytes that are read.
    pub(crate) fn bytes(&self) -> u64 {
        self.steps().saturating_mul(self.step_bytes())
    }

    /// Steps of a block.
    fn block(&self) -> u64 {
        let step = self.step_bytes().max(1);
        let packed = self.packed.filter(|packed| {
            packed.saturating_mul(self.whole_step) <= UNPACKED_BYTES && self.part.stride == 1
        });
        let most = match packed {
            Some(packed) => {
                let chunks = BLOCK_BYTES / packed.saturating_mul(step).max(1);
                packed.saturating_mul(chunks.max(1))
            }
            None => BLOCK_BYTES / step,
        };
        most.clamp(1, self.steps().max(1))
    }

    /// Calls `take` with the bytes of all steps, block by block, from the first to the last, until
    /// it has enough and says `false`.
    ///
    /// # Errors
    ///
    /// Those of reading, and of `take`.
    pub(crate) fn blocks(
        &self,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let most = self.block();
        let mut buffer = Vec::new();
        let mut first = 0;
        while first < self.steps() && self.step_bytes() > 0 {
            let end = (first + most).min(self.steps());
            self.read(first..end, &mut buffer)?;
            if !take(&buffer)? {
                break;
            }
            first = end;
        }
        Ok(())
    }

    /// Reads some of the steps into `buffer`, which gets their length.
    ///
    /// # Errors
    ///
    /// Those of reading, and that there is no memory for a step.
    pub(crate) fn read(&self, steps: Range<u64>, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
        let bytes = (steps.end - steps.start).saturating_mul(self.step_bytes());
        resize(buffer, bytes)?;
        let first = self.part.first + steps.start * self.part.stride;
        match &self.tensor {
            Tensor::Hdf5 { tensor, bool } => {
                if tensor.shape().is_empty() {
                    buffer.copy_from_slice(&tensor.read_bytes()?);
                } else {
                    let last = first + (steps.end - steps.start - 1) * self.part.stride;
                    let mut selection = tensor.select().steps(first..last + 1);
                    selection = selection.every(self.part.stride);
                    if let Some(rows) = &self.part.rows {
                        let index = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
                        let rows: Vec<usize> = (index(rows.start)..index(rows.end)).collect();
                        selection = selection.rows(rows);
                    }
                    selection.read_bytes_into(buffer)?;
                }
                if *bool {
                    // HDF5's enumeration can hold any byte, and others only know 0 and 1.
                    buffer
                        .iter_mut()
                        .for_each(|byte| *byte = u8::from(*byte != 0));
                }
            }
            Tensor::Safetensors(tensor) => {
                let read = |at, piece: &mut [u8]| tensor.read_bytes_at(at, piece);
                self.runs(first, buffer, read)?;
            }
            Tensor::Npy(npy) => {
                self.runs(first, buffer, |at, piece: &mut [u8]| npy.read_at(at, piece))?;
            }
        }
        Ok(())
    }

    /// Fills `buffer` with the steps from `first` on, of a tensor that lies in one run of bytes.
    fn runs<E>(
        &self,
        first: u64,
        buffer: &mut [u8],
        read: impl Fn(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.part.stride == 1 && self.step_bytes() == self.whole_step {
            return read(first * self.whole_step, buffer);
        }
        let step = usize::try_from(self.step_bytes()).unwrap_or(usize::MAX);
        for (number, piece) in (0_u64..).zip(buffer.chunks_mut(step.max(1))) {
            let step = first + number * self.part.stride;
            read(step * self.whole_step + self.of_step.start, piece)?;
        }
        Ok(())
    }
}

/// Gives a buffer another length, where there is memory for it.
pub(crate) fn resize(buffer: &mut Vec<u8>, bytes: u64) -> anyhow::Result<()> {
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let more = length.saturating_sub(buffer.len());
    if buffer.try_reserve_exact(more).is_err() {
        let bytes = selvedge_hdf5::Bytes(bytes);
        anyhow::bail!("a block of {bytes} needs more memory than the system gives");
    }
    buffer.resize(length, 0);
    Ok(())
}
