//! Reading a part of a tensor: some steps, some rows of each, in one pass.

mod blocks;
mod engine;
mod fetch;
mod joined;
mod rows;
mod unpack;

pub use blocks::{Block, Blocks};
use engine::Convert;
pub(super) use engine::Job;
pub(super) use unpack::bulk_memory;

use selvedge_base::shape::most_elements;
use selvedge_base::{Indices, Stride, pool};

use super::Tensor;
use crate::chunks::to_usize;
use crate::ranges::Data;
use crate::{Dtype, Element, ReadError};

/// Reads of a file that lies elsewhere which wait at once.
const AT_ONCE: usize = 12;

/// Some steps of a tensor, and some rows of each: made by [`Tensor::select`].
///
/// A row of a step is what lies at one index of the step's first axis: of a step of (tokens,
/// dimensions) the values of a token. The result has the shape (steps, rows, the other axes) and is
/// what `array[start:end:stride][:, rows]` is in `NumPy`.
///
/// Plain bytes are read by several threads, past libhdf5. Of rows that are far apart only those are
/// read. Chunks that went through HDF5's shuffle and deflate (gzip) are unpacked by several threads,
/// too; those of other filters by libhdf5. Each chunk is unpacked once. Of chunks that hold several steps,
/// of which fewer are read, the open file keeps the last ones unpacked, up to 128 MiB: the next step is there.
///
/// ```
/// # use selvedge_hdf5::{Reader, Recorder, bf16};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// # let mut run = Recorder::create(&path).steps(20).tensor::<bf16>("W", [4, 2]).start()?;
/// # for _ in 0..20 { run.append(|step| step.put("W", &[bf16::ONE; 8]))?; }
/// # run.finish()?;
/// let file = Reader::open(&path)?;
/// let w = file.tensor("W")?;
/// // Every fifth step, and of each the tokens that are never seen.
/// let dead = [true, false, false, true];
/// let selection = w.select().every(5).mask(&dead);
/// assert_eq!(selection.shape()?, [4, 2, 2]);
/// let values: Vec<bf16> = selection.read()?;
/// let widened: Vec<f32> = selection.read_f32()?;
/// # assert_eq!((values.len(), widened.len()), (16, 16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read before one of the `read` methods, or `blocks`"]
pub struct Selection {
    tensor: Tensor,
    steps: Indices,
    stride: u64,
    rows: Rows,
}

#[derive(Clone, Debug)]
enum Rows {
    All,
    Some(Vec<usize>),
    Mask(Vec<bool>),
}

/// A selection that has been checked.
struct Checked {
    steps: Vec<Stride>,
    /// `None` for all of them.
    rows: Option<Vec<usize>>,
    /// Shape of the result in elements.
    shape: Vec<u64>,
}

impl Selection {
    pub(super) fn new(tensor: &Tensor) -> Self {
        Self {
            tensor: tensor.clone(),
            steps: Indices::all(),
            stride: 1,
            rows: Rows::All,
        }
    }

    /// Takes these steps, in this order; of a constant, indices of its first axis. A range, or a list, in
    /// which negative numbers count from the last step, or other [`Indices`]: `steps(100..)`, `steps(-1)`,
    /// `steps([0, 10, -1])`, `steps(Indices::log(50))`.
    pub fn steps(mut self, steps: impl Into<Indices>) -> Self {
        self.steps = steps.into();
        self
    }

    /// Takes the first of the steps, and then every `stride`th.
    pub fn every(mut self, stride: u64) -> Self {
        self.stride = stride;
        self
    }

    /// Takes the rows of these indices of each step, in this order; an index may come again.
    pub fn rows(mut self, rows: impl Into<Vec<usize>>) -> Self {
        self.rows = Rows::Some(rows.into());
        self
    }

    /// Takes the rows of each step for which the mask, with a value for each row, is `true`.
    pub fn mask(mut self, mask: impl Into<Vec<bool>>) -> Self {
        self.rows = Rows::Mask(mask.into());
        self
    }

    /// The shape of the result in elements: steps, rows, the other axes.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSteps`], [`ReadError::StepOutOfRange`], [`ReadError::ZeroStride`],
    /// [`ReadError::RowOutOfRange`], [`ReadError::MaskLength`] and [`ReadError::NoRows`].
    pub fn shape(&self) -> Result<Vec<u64>, ReadError> {
        Ok(self.check()?.shape)
    }

    /// Reads the selected values.
    ///
    /// # Errors
    ///
    /// The errors of [`shape`](Self::shape), [`ReadError::DtypeMismatch`] (the bits of a bfloat16 tensor can
    /// be read as `u16`), and those of reading.
    pub fn read<T: Element>(&self) -> Result<Vec<T>, ReadError> {
        let checked = self.check()?;
        let mut values = self.tensor.allocate(checked.len())?;
        self.fill(&checked, &mut values)?;
        Ok(values)
    }

    /// Reads the selected values into `buffer`, which has exactly their number. A buffer that is
    /// used again is several times faster than a new one, whose memory the system has to find and
    /// clear.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and those of [`read`](Self::read).
    pub fn read_into<T: Element>(&self, buffer: &mut [T]) -> Result<(), ReadError> {
        let checked = self.check()?;
        self.tensor.check_buffer(checked.len(), buffer.len())?;
        self.fill(&checked, buffer)
    }

    /// Reads the bytes of the selected values, whatever their dtype: row-major, little-endian, a
    /// bool as the byte that the file has. `bytes` has exactly their number.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], counted in bytes, and those of [`read`](Self::read).
    pub fn read_bytes_into(&self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let checked = self.check()?;
        let element = self.tensor.dtype()?.size() as u64;
        let expected = checked.len().saturating_mul(element);
        self.tensor.check_buffer(expected, bytes.len())?;
        self.run(&checked, Convert::None, bytes)
    }

    /// Reads the selected values as float32, widened in the same pass: of bfloat16, float16 and
    /// float32. Signalling NaNs become quiet ones.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFloat`], and those of [`read`](Self::read).
    pub fn read_f32(&self) -> Result<Vec<f32>, ReadError> {
        let checked = self.check()?;
        let mut values = self.tensor.allocate(checked.len())?;
        self.fill_f32(&checked, &mut values)?;
        Ok(values)
    }

    /// Reads the selected values as float32 into `buffer`, which has exactly their number.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and those of [`read_f32`](Self::read_f32).
    pub fn read_f32_into(&self, buffer: &mut [f32]) -> Result<(), ReadError> {
        let checked = self.check()?;
        self.tensor.check_buffer(checked.len(), buffer.len())?;
        self.fill_f32(&checked, buffer)
    }

    /// Reads the selected values in blocks of whole steps, of which the next is read while one is
    /// worked on: three blocks of memory at most, of `memory` bytes together or of one step each.
    ///
    /// # Errors
    ///
    /// The errors of [`shape`](Self::shape), and [`ReadError::DtypeMismatch`]. What fails later is an item.
    pub fn blocks<T: Element>(&self, memory: u64) -> Result<Blocks<T>, ReadError> {
        let checked = self.check()?;
        self.tensor.check_dtype(T::DTYPE)?;
        let step = most_elements(&checked.shape[1..]).saturating_mul(size_of::<T>() as u64);
        let each = (memory / blocks::DEPTH / step.max(1)).max(1);
        Ok(Blocks::start(self.clone(), checked.steps, each))
    }

    /// The same selection of other steps.
    fn of(&self, steps: &[Stride]) -> Self {
        Self {
            steps: steps.into(),
            stride: 1,
            ..self.clone()
        }
    }

    fn fill<T: Element>(&self, checked: &Checked, buffer: &mut [T]) -> Result<(), ReadError> {
        self.tensor.check_dtype(T::DTYPE)?;
        T::fill_bytes(buffer, |bytes| self.run(checked, Convert::None, bytes))
    }

    fn fill_f32(&self, checked: &Checked, buffer: &mut [f32]) -> Result<(), ReadError> {
        let convert = match self.tensor.dtype()? {
            Dtype::Bf16 => Convert::Bf16,
            Dtype::F16 => Convert::F16,
            Dtype::F32 => Convert::None,
            found => {
                return Err(ReadError::NotFloat {
                    tensor: self.tensor.name().to_owned(),
                    found,
                });
            }
        };
        self.run(checked, convert, bytemuck::cast_slice_mut(buffer))
    }

    fn run(&self, checked: &Checked, convert: Convert, bytes: &mut [u8]) -> Result<(), ReadError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let element = self.tensor.dtype()?.size();
        // There are values, so no axis is empty, and a row is no larger than a step.
        let step_bytes = self.tensor.row_len().checked_mul(element as u64);
        let step_bytes = step_bytes
            .and_then(|bytes| isize::try_from(bytes).ok())
            .ok_or_else(|| self.tensor.no_memory())?
            .unsigned_abs();
        let row_shape = checked.shape.get(2..).unwrap_or_default();
        let row_bytes = to_usize(row_shape.iter().product()) * element;
        let spans = checked
            .rows
            .as_ref()
            .map(|rows| rows::spans(rows, row_bytes));
        let output_bytes = bytes.len() / to_usize(Stride::total(&checked.steps));
        let mut rest = bytes;
        let jobs = checked.steps.iter().filter_map(|&steps| {
            let output = rest.split_off_mut(..output_bytes * to_usize(steps.count))?;
            let job = Job {
                tensor: &self.tensor,
                steps,
                step_bytes,
                output_bytes,
                spans: spans.clone(),
                convert,
                in_bulk: false,
            };
            Some((job, output))
        });
        // Of a file that lies elsewhere all wait at once.
        let threads = match self.tensor.data() {
            Data::Ranges(_) => checked.steps.len().min(AT_ONCE),
            Data::File(_) => 1,
        };
        pool::each(threads, jobs, |(job, output)| job.run(output))
    }

    fn check(&self) -> Result<Checked, ReadError> {
        let tensor = || self.tensor.name().to_owned();
        let Some(leading) = self.tensor.leading() else {
            return Err(ReadError::NoSteps { tensor: tensor() });
        };
        if self.stride == 0 {
            return Err(ReadError::ZeroStride { tensor: tensor() });
        }
        let steps = self.steps.of(leading);
        let steps = steps.map_err(|outside| ReadError::StepOutOfRange {
            tensor: tensor(),
            asked: outside.asked,
            committed: leading,
        })?;
        let steps = match self.stride {
            1 => steps,
            stride => Stride::every(&steps, stride),
        };
        let mut shape = self.tensor.shape();
        shape[0] = Stride::total(&steps);
        let rows = match (&self.rows, shape.get(1).copied()) {
            (Rows::All, _) => None,
            (_, None) => return Err(ReadError::NoRows { tensor: tensor() }),
            (Rows::Some(rows), Some(count)) => {
                if let Some(&row) = rows.iter().find(|&&row| row as u64 >= count) {
                    let (tensor, rows) = (tensor(), count);
                    return Err(ReadError::RowOutOfRange { tensor, row, rows });
                }
                Some(rows.clone())
            }
            (Rows::Mask(mask), Some(expected)) => {
                if mask.len() as u64 != expected {
                    let (tensor, found) = (tensor(), mask.len());
                    return Err(ReadError::MaskLength {
                        tensor,
                        expected,
                        found,
                    });
                }
                let taken = mask.iter().enumerate().filter(|(_, taken)| **taken);
                Some(taken.map(|(row, _)| row).collect())
            }
        };
        if let Some(rows) = &rows {
            shape[1] = rows.len() as u64;
        }
        Ok(Checked { steps, rows, shape })
    }
}

impl Checked {
    /// Elements of the result.
    fn len(&self) -> u64 {
        most_elements(&self.shape)
    }
}
