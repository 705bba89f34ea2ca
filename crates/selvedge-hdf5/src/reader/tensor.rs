//! One tensor of a file, and reading it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytemuck::allocation::try_zeroed_vec;
use hdf5::{Dataset, H5Type, Hyperslab, Selection, SliceOrIndex};
use ndarray::IxDyn;

use super::data_layout::{self, DataLayout};
use super::dtype::{Stored, detect};
use super::{attributes, live};
use crate::element::Element;
use crate::ffi::float_bits;
use crate::grid::{Grid, to_usize};
use crate::{Attribute, Dtype, Error};

/// What a tensor is to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It has a value for each step, along its first axis.
    Step,
    /// It has one value.
    Constant,
}

/// The open file that tensors are read from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) data: Arc<File>,
    /// Whether it says that Selvedge recorded it.
    pub(super) ours: bool,
}

/// A tensor of an open file.
#[derive(Debug)]
pub struct Tensor {
    source: Source,
    dataset: Dataset,
    name: String,
    role: Role,
    /// Address of the object header of a step tensor of our own, whose structure we read ourselves.
    header: Option<u64>,
    /// Shape of the dataset in elements; of a step tensor the leading extent comes first.
    shape: Vec<u64>,
    chunk: Option<Vec<u64>>,
    /// Whether the bytes in the file are those of memory, at addresses that count from its start.
    plain: bool,
    stored: Stored,
    steps: u64,
    /// Where the bytes lie, looked up when they are first read.
    layout: OnceLock<Option<Layout>>,
}

/// Where the plain bytes of a tensor lie in the file.
#[derive(Debug)]
enum Layout {
    /// At this address, one behind the other.
    Contiguous(u64),
    /// In chunks with these addresses, in the order of their offsets.
    Chunks(Grid, Vec<u64>),
}

/// Elements of a shape; more than can be addressed where the product overflows.
fn product(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |all, &axis| all.saturating_mul(axis))
}

impl Tensor {
    pub(super) fn open(
        source: &Source,
        name: String,
        dataset: Dataset,
        addresses: bool,
        header: Option<u64>,
    ) -> Result<Self, Error> {
        let failed = |error: hdf5::Error| {
            let action = format!("read the shape of tensor `{name}` of");
            Error::library(&source.path, action, error)
        };
        let space = dataset.space().map_err(failed)?;
        let mut shape: Vec<u64> = space.shape().into_iter().map(|axis| axis as u64).collect();
        let plan = dataset.dcpl().map_err(failed)?;
        let chunk = plan.get_chunk().map_err(failed)?;
        let chunk: Option<Vec<u64>> =
            chunk.map(|chunk| chunk.into_iter().map(|axis| axis as u64).collect());
        let filtered = !plan.get_filters().is_ok_and(|filters| filters.is_empty());
        // What the recorder makes; in a file of ours the others were added by hand.
        let recorded = space.maxdims().first() == Some(&None) && !filtered && !name.contains('/');
        let role = match chunk {
            // h5py makes datasets of a fixed shape, if it is not told otherwise.
            Some(_) if !shape.is_empty() && (recorded || !source.ours) => Role::Step,
            _ => Role::Constant,
        };
        let now = header.filter(|_| role == Role::Step).and_then(|header| {
            let extents = live::extents(&source.data, header)?;
            (extents.get(1..) == shape.get(1..)).then_some((header, extents))
        });
        let header = now.map(|(header, extents)| {
            shape = extents;
            header
        });
        let stored = detect(&dataset, &space);
        let plain =
            addresses && !filtered && matches!(stored, Stored::Known { in_place: true, .. });
        let steps = shape.first().copied().unwrap_or(0);
        Ok(Self {
            source: source.clone(),
            dataset,
            name,
            role,
            header,
            shape,
            chunk,
            plain,
            stored,
            steps,
            layout: OnceLock::new(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has steps.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its dtype.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedDtype`].
    pub fn dtype(&self) -> Result<Dtype, Error> {
        match &self.stored {
            Stored::Known { dtype, .. } => Ok(*dtype),
            Stored::Other { name, hint } => Err(Error::UnsupportedDtype {
                tensor: self.name.clone(),
                found: name.clone(),
                hint,
            }),
        }
    }

    /// The name of its dtype, also of one that cannot be read.
    #[must_use]
    pub fn dtype_name(&self) -> &str {
        match &self.stored {
            Stored::Known { dtype, .. } => dtype.name(),
            Stored::Other { name, .. } => name,
        }
    }

    /// The type that its bytes have in the file, as h5py shows it: `uint16` for a bfloat16 that is
    /// marked as such, `big-endian float32`. The types of [`Dtype`] that are little-endian and no
    /// marked bfloat16 are called as there.
    #[must_use]
    pub fn stored_type(&self) -> String {
        match &self.stored {
            Stored::Known { in_file, .. } => in_file.clone(),
            Stored::Other { name, .. } => name.clone(),
        }
    }

    /// Its shape in elements: of a step tensor its steps first.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        let mut shape = self.shape.clone();
        if let (Role::Step, Some(leading)) = (self.role, shape.first_mut()) {
            *leading = self.steps;
        }
        shape
    }

    /// Shape of one step in elements; of a constant its whole shape.
    #[must_use]
    pub fn step_shape(&self) -> &[u64] {
        match self.role {
            Role::Step => &self.shape[1..],
            Role::Constant => &self.shape,
        }
    }

    /// The number of committed steps, or all steps of a tensor that another program recorded; 0 for
    /// a constant.
    #[must_use]
    pub fn steps(&self) -> u64 {
        match self.role {
            Role::Step => self.steps,
            Role::Constant => 0,
        }
    }

    /// Shape of a chunk in elements.
    #[must_use]
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        self.chunk.as_deref()
    }

    /// How it lies in the file, of a file that is being recorded at the moment of opening it.
    ///
    /// # Errors
    ///
    /// [`Error::Library`].
    pub fn data_layout(&self) -> Result<DataLayout, Error> {
        data_layout::read(&self.dataset).map_err(|error| {
            let action = format!("read the layout of tensor `{}` of", self.name);
            Error::library(&self.source.path, action, error)
        })
    }

    /// Bytes that its values take in the file: compressed where there is a filter, and with the
    /// parts of chunks that no step fills.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.dataset.storage_size()
    }

    /// Its own attributes, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Library`].
    pub fn attributes(&self) -> Result<Vec<(String, Attribute)>, Error> {
        Ok(self.all_attributes()?.0)
    }

    /// Its own attributes of a type that has no counterpart here: names and types.
    ///
    /// # Errors
    ///
    /// [`Error::Library`].
    pub fn skipped_attributes(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.all_attributes()?.1)
    }

    fn all_attributes(&self) -> Result<attributes::Attributes, Error> {
        attributes::read(&self.dataset).map_err(|error| {
            let action = format!("read the attributes of tensor `{}` of", self.name);
            Error::library(&self.source.path, action, error)
        })
    }

    /// Elements of one step, or of a whole constant.
    #[must_use]
    pub fn step_len(&self) -> usize {
        to_usize(product(self.step_shape()))
    }

    /// The leading extent in the file, which a kill can have left ahead of the committed steps.
    #[must_use]
    pub fn extent(&self) -> Option<u64> {
        match self.role {
            Role::Step => self.shape.first().copied(),
            Role::Constant => None,
        }
    }

    pub(super) fn limit_steps(&mut self, committed: u64) {
        self.steps = self.steps.min(committed);
    }

    /// Takes the `uint16` of a tensor without a marker for the bits of bfloat16.
    pub(super) fn assume_bf16(&mut self) -> Result<(), Error> {
        match &mut self.stored {
            Stored::Known {
                dtype: dtype @ (Dtype::Bf16 | Dtype::U16),
                ..
            } => {
                *dtype = Dtype::Bf16;
                Ok(())
            }
            _ => Err(Error::DtypeMismatch {
                tensor: self.name.clone(),
                expected: self.dtype()?,
                found: Dtype::Bf16,
            }),
        }
    }

    /// Reads one step: of a step tensor, or of a constant (such as a dataset without chunks, as h5py
    /// makes them by default) one index of its first axis.
    ///
    /// # Errors
    ///
    /// [`Error::StepOutOfRange`], [`Error::DtypeMismatch`] (the bits of a bfloat16 tensor can be
    /// read as `u16`), and those of reading.
    pub fn read_step<T: Element>(&self, step: u64) -> Result<Vec<T>, Error> {
        self.read_steps(step..step.saturating_add(1))
    }

    /// Reads a range of steps, one behind the other.
    ///
    /// # Errors
    ///
    /// Those of [`read_step`](Self::read_step).
    pub fn read_steps<T: Element>(&self, steps: Range<u64>) -> Result<Vec<T>, Error> {
        self.check_range(&steps)?;
        let len = (steps.end - steps.start).saturating_mul(self.row_len());
        let mut values = self.allocate(len)?;
        self.read_steps_into(steps, &mut values)?;
        Ok(values)
    }

    /// Reads a range of steps into `buffer`, which has exactly their length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferLength`], and those of [`read_step`](Self::read_step).
    pub fn read_steps_into<T: Element>(
        &self,
        steps: Range<u64>,
        buffer: &mut [T],
    ) -> Result<(), Error> {
        self.check_dtype(T::DTYPE)?;
        self.check_range(&steps)?;
        let len = (steps.end - steps.start).saturating_mul(self.row_len());
        self.check_buffer(len, buffer.len())?;
        T::fill_bytes(buffer, |bytes| self.fill(steps, bytes))
    }

    /// Reads all committed steps, or the whole constant.
    ///
    /// # Errors
    ///
    /// Those of [`read_step`](Self::read_step).
    pub fn read<T: Element>(&self) -> Result<Vec<T>, Error> {
        let mut values = self.allocate(product(&self.shape()))?;
        self.read_into(&mut values)?;
        Ok(values)
    }

    /// Reads all committed steps, or the whole constant, into `buffer`, which has exactly their
    /// length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferLength`], and those of [`read_step`](Self::read_step).
    pub fn read_into<T: Element>(&self, buffer: &mut [T]) -> Result<(), Error> {
        self.check_dtype(T::DTYPE)?;
        self.check_buffer(product(&self.shape()), buffer.len())?;
        T::fill_bytes(buffer, |bytes| self.fill(0..self.rows(), bytes))
    }

    /// All values as bytes, as they lie in memory.
    pub(crate) fn read_bytes(&self) -> Result<Vec<u8>, Error> {
        let len = product(&self.shape()).saturating_mul(self.dtype()?.size() as u64);
        let mut bytes = self.allocate(len)?;
        self.fill(0..self.rows(), &mut bytes)?;
        Ok(bytes)
    }

    /// Zeros to read into. What a damaged file claims to hold can be more than there is memory for.
    fn allocate<T: Element>(&self, len: u64) -> Result<Vec<T>, Error> {
        try_zeroed_vec(to_usize(len)).map_err(|()| {
            let error = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
            Error::io(&self.source.path, "allocate memory to read", error)
        })
    }

    /// Length of the first axis: the committed steps of a step tensor; `None` for a single value.
    fn leading(&self) -> Option<u64> {
        self.shape().first().copied()
    }

    /// Elements from one index of the first axis to the next.
    fn row_len(&self) -> u64 {
        product(self.shape.get(1..).unwrap_or_default())
    }

    /// What `fill` counts in: indices of the first axis, or one single value.
    fn rows(&self) -> u64 {
        self.leading().unwrap_or(1)
    }

    fn check_dtype(&self, found: Dtype) -> Result<(), Error> {
        let expected = self.dtype()?;
        if expected == found || (expected, found) == (Dtype::Bf16, Dtype::U16) {
            return Ok(());
        }
        Err(Error::DtypeMismatch {
            tensor: self.name.clone(),
            expected,
            found,
        })
    }

    fn check_range(&self, range: &Range<u64>) -> Result<(), Error> {
        let Some(leading) = self.leading() else {
            return Err(Error::NoSteps {
                tensor: self.name.clone(),
            });
        };
        if range.start <= range.end && range.end <= leading {
            return Ok(());
        }
        Err(Error::StepOutOfRange {
            tensor: self.name.clone(),
            range: range.clone(),
            committed: leading,
        })
    }

    fn check_buffer(&self, expected: u64, found: usize) -> Result<(), Error> {
        let found = found as u64;
        if expected == found {
            return Ok(());
        }
        Err(Error::BufferLength {
            tensor: self.name.clone(),
            expected,
            found,
        })
    }

    /// Fills `bytes` with the rows of `range`.
    fn fill(&self, range: Range<u64>, bytes: &mut [u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self.layout.get_or_init(|| self.find_layout()) {
            &Some(Layout::Contiguous(address)) => {
                let row_bytes = bytes.len() as u64 / (range.end - range.start);
                self.read_at(bytes, address, range.start.checked_mul(row_bytes))
            }
            Some(Layout::Chunks(grid, chunks)) => self.fill_from_chunks(range, bytes, grid, chunks),
            None => self.fill_by_library(range, bytes),
        }
    }

    /// Reads from `within` bytes behind `address`. No file has a byte where their sum overflows.
    fn read_at(&self, bytes: &mut [u8], address: u64, within: Option<u64>) -> Result<(), Error> {
        within
            .and_then(|within| address.checked_add(within))
            .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
            .and_then(|address| self.source.data.read_exact_at(bytes, address))
            .map_err(|error| Error::io(&self.source.path, "read from", error))
    }

    /// Plain bytes are read from where they lie, without libhdf5 and its lock; `None` where they
    /// are filtered, of another byte order, or cut in another way.
    fn find_layout(&self) -> Option<Layout> {
        if !self.plain {
            return None;
        }
        let Some(chunk) = &self.chunk else {
            return self.dataset.offset().map(Layout::Contiguous);
        };
        let element = self.dtype().ok()?.size() as u64;
        let grid = Grid::new(self.shape.get(1..)?, chunk, element)?;
        let count = self.shape[0]
            .div_ceil(grid.steps())
            .checked_mul(grid.pieces())?;
        // Chunks behind the extent belong to steps that are not committed.
        let mut chunks = self
            .header
            .and_then(|header| live::chunks(&self.source.data, header, &grid, count))
            .or_else(|| self.chunks_by_library(&grid, count))?;
        chunks.sort_unstable();
        chunks.dedup_by_key(|(index, _)| *index);
        // A chunk that was never written reads as the fill value, which libhdf5 knows.
        if chunks.len() as u64 != count {
            return None;
        }
        let addresses = chunks.into_iter().map(|(_, address)| address).collect();
        Some(Layout::Chunks(grid, addresses))
    }

    /// The index in `grid` and the address of each chunk among the first `count`. There can be far
    /// fewer of them than the extents have room for.
    fn chunks_by_library(&self, grid: &Grid, count: u64) -> Option<Vec<(u64, u64)>> {
        let mut chunks = Vec::new();
        self.dataset
            .chunks_visit(|info| {
                let index = grid.index(info.offset).filter(|&index| index < count);
                chunks.extend(index.map(|index| (index, info.addr)));
                0
            })
            .ok()?;
        Some(chunks)
    }

    fn fill_from_chunks(
        &self,
        range: Range<u64>,
        bytes: &mut [u8],
        grid: &Grid,
        chunks: &[u64],
    ) -> Result<(), Error> {
        for run in grid.runs(range.clone()) {
            let address = *chunks.get(run.chunk).ok_or_else(|| Error::StepOutOfRange {
                tensor: self.name.clone(),
                range: range.clone(),
                committed: run.step,
            })?;
            self.read_at(&mut bytes[run.bytes], address, Some(run.within))?;
        }
        Ok(())
    }

    /// Reads through libhdf5, a row of chunks at a time: so each is unpacked once, and no more
    /// than one is held.
    fn fill_by_library(&self, range: Range<u64>, bytes: &mut [u8]) -> Result<(), Error> {
        // HDF5's own bfloat16 would be converted; only its plain bytes can be read.
        if self
            .dataset
            .dtype()
            .is_ok_and(|found| float_bits(&found).is_some())
            && self.dtype()? == Dtype::Bf16
        {
            return Err(Error::UnsupportedDtype {
                tensor: self.name.clone(),
                found: "HDF5's own bfloat16 with a filter or in scattered chunks".to_owned(),
                hint: "store it without a filter, or as uint16",
            });
        }
        let row_bytes = bytes.len() / to_usize(range.end - range.start);
        let rows = self.chunk.as_ref().and_then(|chunk| chunk.first());
        let rows = rows.map_or(u64::MAX, |&rows| rows.max(1));
        let mut rest = bytes;
        let mut start = range.start;
        while start < range.end {
            let end = (start / rows + 1).saturating_mul(rows).min(range.end);
            let (now, later) = rest.split_at_mut(to_usize(end - start) * row_bytes);
            self.select(start..end, now)?;
            rest = later;
            start = end;
        }
        Ok(())
    }

    fn select(&self, range: Range<u64>, bytes: &mut [u8]) -> Result<(), Error> {
        macro_rules! read {
            ($type:ty) => {{
                let values = self.select_as::<$type>(range)?;
                let expected = bytes.len() / size_of::<$type>();
                self.check_buffer(expected as u64, values.len())?;
                bytes.copy_from_slice(<$type as Element>::as_bytes(&values));
            }};
        }
        match self.dtype()? {
            Dtype::Bf16 | Dtype::U16 => read!(u16),
            Dtype::F16 => read!(half::f16),
            Dtype::F32 => read!(f32),
            Dtype::F64 => read!(f64),
            Dtype::I8 => read!(i8),
            Dtype::I16 => read!(i16),
            Dtype::I32 => read!(i32),
            Dtype::I64 => read!(i64),
            Dtype::U8 => read!(u8),
            Dtype::U32 => read!(u32),
            Dtype::U64 => read!(u64),
            Dtype::Bool => read!(bool),
        }
        Ok(())
    }

    fn select_as<T: H5Type>(&self, range: Range<u64>) -> Result<Vec<T>, Error> {
        let failed = |error: hdf5::Error| {
            let action = format!("read tensor `{}` from", self.name);
            Error::library(&self.source.path, action, error)
        };
        if self.shape.is_empty() {
            return self.dataset.read_raw::<T>().map_err(failed);
        }
        let mut axes = vec![SliceOrIndex::from(
            to_usize(range.start)..to_usize(range.end),
        )];
        axes.resize(self.shape.len(), SliceOrIndex::from(..));
        let selection = Selection::from(Hyperslab::new(axes));
        let array = self
            .dataset
            .read_slice::<T, _, IxDyn>(selection)
            .map_err(failed)?;
        Ok(array.into_raw_vec_and_offset().0)
    }
}
