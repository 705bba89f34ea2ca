//! One tensor of a file, and reading it.

mod axes;
mod by_library;
mod described;
mod located;
mod part;
mod plain;

use std::cmp::Ordering;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use hdf5::Dataset;
use hdf5::dataset::{AllocTime, FillTime, Layout};
use selvedge_base::shape::most_elements;
use selvedge_base::{AtWork, Chain, FileError, InUse, Mutex, Stride, buffer, natural};

use super::bounds::Checked;
use super::catalog::Member;
use super::data_layout::{self, DataLayout};
use super::dtype::{Form, Stored, detect};
use super::library;
use super::objects::{Handle, Objects};
use super::open_sources::OpenSources;
use super::place::{Encoding, Found, Place, TensorLocation};
use super::select::{Job, Selection};
use super::unread::{Elsewhere, file_of};
use super::view::RankPart;
use super::{attributes, live, sources};
use crate::checksum::{self, Checksums};
use crate::chunks::{DecodedCache, Pipeline, UnpackerCache, to_usize};
use crate::element::Element;
use crate::error::LibraryError;
use crate::group_names::GroupNames;
use crate::other_files::{OtherFiles, with_sources};
use crate::provenance::ENCODER;
use crate::ranges::Data;
use crate::run::{Mark, Part};
use crate::{Dtype, ReadError, StorageError, ffi};
pub(super) use axes::dimension_alone;
use part::{mark_of, mark_of_copy};

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
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) data: Data,
    /// Whether it says that Selvedge recorded it.
    pub(super) ours: bool,
    /// Whether it says that it is of one of several ranks.
    pub(super) is_shard: bool,
    /// Which files may be opened beside it.
    pub(super) others: OtherFiles,
    /// The datasets that libhdf5 has open.
    pub(super) objects: Objects,
    pub(super) unpackers: UnpackerCache,
    /// `None` for a file that another program writes, where a chunk may change in its place.
    pub(super) decoded: Option<DecodedCache>,
    /// Who reads: a process that was forked meanwhile cannot use its copy.
    pub(super) in_use: InUse,
    /// Groups with several names, which are known when all of the file was looked at.
    pub(super) groups: OnceLock<Arc<GroupNames>>,
}

impl Source {
    fn enter(&self) -> Result<AtWork<'_>, FileError> {
        self.in_use.enter("this reader", &self.path)
    }
}

/// A tensor of an open file.
#[derive(Clone, Debug)]
pub struct Tensor {
    source: Arc<Source>,
    handle: Handle,
    /// Whether it is a member of the root group.
    at_root: bool,
    /// Set when all sources of a virtual dataset were found, or the files of its external storage, which
    /// it has then.
    pub(super) elsewhere: Arc<OnceLock<Elsewhere>>,
    name: String,
    /// What it is to the run.
    part: Part,
    /// What its mark says, which a copy in another file has, too.
    mark: Option<Mark>,
    /// Whether its first axis is unlimited.
    unlimited: bool,
    /// Whether it is made as a recorder makes its step tensors.
    as_recorded: bool,
    /// Whether HDF5 is told never to write the fill value into it.
    unfilled: bool,
    /// Address of the object header of a step tensor of our own, whose structure we read ourselves.
    header: Option<u64>,
    /// Shape of the dataset in elements; of a step tensor the leading extent comes first.
    shape: Vec<u64>,
    chunk: Option<Vec<u64>>,
    encoding: Encoding,
    /// Whether its chunks go through filters.
    filtered: bool,
    pub(super) stored: Stored,
    steps: u64,
    /// What wrote the streams, as the tensor says it.
    encoder: Option<String>,
    /// Where the values lie.
    pub(super) found: Found,
    /// Its chunks that libhdf5 may decode.
    pub(super) checked: Arc<Mutex<Checked>>,
    /// What it is put together of, where its file is a view of the ranks of a run.
    parts: Option<Arc<[RankPart]>>,
}

impl Tensor {
    pub(super) fn open(
        source: &Arc<Source>,
        member: Member<'_>,
        addresses: bool,
        header: Option<u64>,
    ) -> Result<Self, String> {
        let Member {
            name,
            dataset,
            handle,
            at_root,
        } = member;
        let failed = |error: hdf5::Error| LibraryError::from(error).to_string();
        let plan = dataset.dcpl().map_err(failed)?;
        if plan
            .get_layout()
            .is_ok_and(|layout| layout == Layout::Virtual)
        {
            // The shape can be that of the sources, which libhdf5 opens when they were looked at. What is
            // missing is told when values are asked for.
            let mappings = ffi::mappings_of(dataset, &plan).unwrap_or_default();
            sources::look_at(&file_of(dataset), &mappings, &source.others);
        }
        let space = with_sources(|| dataset.space());
        let space = space.map_err(|error| Chain(&error).to_string())?;
        let space = space.map_err(failed)?;
        let mut shape: Vec<u64> = space.shape().into_iter().map(|axis| axis as u64).collect();
        let chunk = plan.get_chunk().map_err(failed)?;
        let chunk: Option<Vec<u64>> =
            chunk.map(|chunk| chunk.into_iter().map(|axis| axis as u64).collect());
        let filters = plan.get_filters();
        let filtered = !filters.as_ref().is_ok_and(Vec::is_empty);
        let encoder = filtered
            .then(|| attributes::text(dataset, ENCODER))
            .flatten();
        let unlimited = space.maxdims().first() == Some(&None);
        let now = header.filter(|_| unlimited).and_then(|header| {
            let extents = live::extents(&source.data, header)?;
            (extents.get(1..) == shape.get(1..)).then_some((header, extents))
        });
        let header = now.map(|(header, extents)| {
            shape = extents;
            header
        });
        let mark = match source.ours {
            true => mark_of(dataset)?,
            false => mark_of_copy(dataset),
        };
        let stored = detect(dataset, &space);
        // Chunks at an edge can be left as they are without a bit that says so.
        let whole = !filtered
            || plan
                .get_chunk_opts()
                .is_ok_and(|options| options.is_none_or(|o| o.is_empty()));
        let pipeline = filters.ok().filter(|_| whole);
        let encoding = match pipeline.and_then(|filters| Pipeline::of(&filters)) {
            _ if !addresses => Encoding::Other,
            _ if !filtered => Encoding::Plain,
            Some(pipeline) => Encoding::Compressed(pipeline),
            None => Encoding::Other,
        };
        let steps = shape.first().copied().unwrap_or(0);
        let unfilled = source.ours
            && plan
                .get_fill_time()
                .is_ok_and(|when| when == FillTime::Never);
        let as_recorded = unfilled && {
            let early = plan
                .get_alloc_time()
                .is_ok_and(|when| when == AllocTime::Early);
            let has_chunks = || steps > 0 || dataset.storage_size() > 0;
            encoder.is_some() || (early && has_chunks())
        };
        Ok(Self {
            source: Arc::clone(source),
            handle,
            at_root,
            name,
            part: Part::Constant,
            mark,
            unlimited,
            as_recorded,
            unfilled,
            header,
            shape,
            chunk,
            encoding,
            filtered,
            stored,
            steps,
            encoder,
            elsewhere: Arc::default(),
            found: Found::new(steps),
            checked: Arc::default(),
            parts: None,
        })
    }

    /// Its dataset, which libhdf5 opens if it is not one of those that were used last.
    pub(super) fn dataset(&self) -> hdf5::Result<Dataset> {
        let at_work = self.source.enter();
        let _at_work = at_work.map_err(|error| hdf5::Error::from(error.to_string()))?;
        let cache = match self.elsewhere.get() {
            Some(Elsewhere::Sources(sources)) => Some(sources.cache_bytes()),
            _ => None,
        };
        self.source.objects.open(&self.handle, cache)
    }

    /// Begins to read, until what is returned is dropped.
    pub(super) fn enter(&self) -> Result<AtWork<'_>, FileError> {
        self.source.enter()
    }

    fn failed(
        &self,
        action: &str,
        preposition: &str,
        error: impl Into<LibraryError>,
    ) -> StorageError {
        let action = format!("{action} tensor `{}` {preposition}", self.name);
        StorageError::library(&self.source.path, action, error)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups of its file that have several names.
    #[must_use]
    pub fn group_names(&self) -> Option<&GroupNames> {
        self.source.groups.get().map(|groups| &**groups)
    }

    /// The order of tensors in a file: that of their names, those in groups last.
    pub(super) fn order(one: &Self, two: &Self) -> Ordering {
        let in_group = |tensor: &Self| tensor.name.contains('/');
        let by_group = in_group(one).cmp(&in_group(two));
        by_group.then_with(|| natural::compare(&one.name, &two.name))
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
    /// [`StorageError::Library`].
    pub fn data_layout(&self) -> Result<DataLayout, StorageError> {
        let layout = self.dataset().and_then(|dataset| {
            let stored = |dataset: &Dataset| match self.in_array() {
                Some((chunks, _)) => chunks,
                None => dataset.num_chunks().unwrap_or(0) as u64,
            };
            data_layout::read(&dataset, stored)
        });
        layout.map_err(|error| self.failed("read the layout of", "of", error))
    }

    /// Bytes that its values take in the file, or in those of the ranks of a view: compressed where there is a filter, and with the
    /// parts of chunks that no step fills.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        if let Some(parts) = &self.parts {
            return parts.iter().map(|part| part.tensor.stored_bytes()).sum();
        }
        match self.in_array() {
            Some((_, bytes)) => bytes,
            None => self.dataset().map_or(0, |dataset| dataset.storage_size()),
        }
    }

    /// What wrote the streams of a compressed tensor, where it says so: `selvedge-deflate 0.1.0`.
    #[must_use]
    pub fn encoder(&self) -> Option<&str> {
        self.encoder.as_deref()
    }

    /// Whether its chunks go through filters.
    pub(super) fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// Whether the recorder compresses its steps.
    pub(crate) fn is_compressed(&self) -> bool {
        self.encoder.is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.source.path
    }

    /// Which files may be opened beside its own.
    pub(super) fn others(&self) -> &OtherFiles {
        &self.source.others
    }

    pub(super) fn stored_checksums(&self) -> Result<Option<Checksums>, LibraryError> {
        checksum::read(&self.dataset()?)
    }

    /// Elements of one step, or of a whole constant.
    #[must_use]
    pub fn step_len(&self) -> usize {
        to_usize(most_elements(self.step_shape()))
    }

    /// A part of it to read: some steps, and some rows of each. At first it is all of it.
    pub fn select(&self) -> Selection {
        Selection::new(self)
    }

    /// Reads one step: of a step tensor, or of a constant (such as a dataset without chunks, as h5py
    /// makes them by default) one index of its first axis.
    ///
    /// # Errors
    ///
    /// [`ReadError::StepOutOfRange`], [`ReadError::DtypeMismatch`] (the bits of a bfloat16 tensor can be
    /// read as `u16`), and those of reading.
    pub fn read_step<T: Element>(&self, step: u64) -> Result<Vec<T>, ReadError> {
        self.read_steps(step..step.saturating_add(1))
    }

    /// Reads a range of steps, one after the other.
    ///
    /// # Errors
    ///
    /// The errors of [`read_step`](Self::read_step).
    pub fn read_steps<T: Element>(&self, steps: Range<u64>) -> Result<Vec<T>, ReadError> {
        self.check_range(&steps)?;
        self.check_dtype(T::DTYPE)?;
        let count = steps.end - steps.start;
        let mut values = self.allocate(self.row_len().saturating_mul(count))?;
        T::fill_bytes(&mut values, |bytes| self.fill_rows(steps, bytes))?;
        Ok(values)
    }

    /// Reads a range of steps into `buffer`, which has exactly their length.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and those of [`read_step`](Self::read_step).
    pub fn read_steps_into<T: Element>(
        &self,
        steps: Range<u64>,
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        self.check_range(&steps)?;
        let count = steps.end - steps.start;
        self.check_buffer(self.row_len().saturating_mul(count), buffer.len())?;
        self.check_dtype(T::DTYPE)?;
        T::fill_bytes(buffer, |bytes| self.fill_rows(steps, bytes))
    }

    /// Fills `bytes` with rows, which have exactly its length: what lies at some indices of the first axis.
    pub(super) fn fill_rows(&self, rows: Range<u64>, bytes: &mut [u8]) -> Result<(), ReadError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.job_of_rows(rows)?.run(bytes)
    }

    /// What reads rows as they are.
    pub(super) fn job_of_rows(&self, rows: Range<u64>) -> Result<Job<'_>, ReadError> {
        let step_bytes = to_usize(self.row_len()).saturating_mul(self.dtype()?.size());
        Ok(Job::of_rows(self, Stride::of(rows), step_bytes))
    }

    /// Reads all committed steps, or the whole constant.
    ///
    /// # Errors
    ///
    /// The errors of [`read_step`](Self::read_step).
    pub fn read<T: Element>(&self) -> Result<Vec<T>, ReadError> {
        let mut values = self.allocate(most_elements(&self.shape()))?;
        self.read_into(&mut values)?;
        Ok(values)
    }

    /// Reads all committed steps, or the whole constant, into `buffer`, which has exactly their
    /// length.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and those of [`read_step`](Self::read_step).
    pub fn read_into<T: Element>(&self, buffer: &mut [T]) -> Result<(), ReadError> {
        if self.leading().is_some() {
            return self.select().read_into(buffer);
        }
        self.check_dtype(T::DTYPE)?;
        self.check_buffer(1, buffer.len())?;
        T::fill_bytes(buffer, |bytes| self.fill_single(bytes))
    }

    /// The bytes of all values, whatever their dtype: row-major, little-endian, a bool as the byte
    /// that the file has.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    pub fn read_bytes(&self) -> Result<Vec<u8>, ReadError> {
        let len = most_elements(&self.shape()).saturating_mul(self.dtype()?.size() as u64);
        let mut bytes = self.allocate(len)?;
        match self.leading() {
            Some(_) => self.select().read_bytes_into(&mut bytes)?,
            None => self.fill_single(&mut bytes)?,
        }
        Ok(bytes)
    }

    /// Zeros to read into. What a damaged file claims to hold can be more than there is memory for.
    pub(crate) fn allocate<T: Element>(&self, len: u64) -> Result<Vec<T>, StorageError> {
        buffer::zeroed(to_usize(len)).ok_or_else(|| self.no_memory())
    }

    pub(super) fn no_memory(&self) -> StorageError {
        StorageError::no_memory(&self.source.path, "allocate memory to read")
    }

    /// Length of the first axis: the committed steps of a step tensor; `None` for a single value.
    pub(super) fn leading(&self) -> Option<u64> {
        self.shape.first().map(|&leading| match self.role() {
            Role::Step => self.steps,
            Role::Constant => leading,
        })
    }

    /// Elements from one index of the first axis to the next.
    pub(super) fn row_len(&self) -> u64 {
        most_elements(self.shape.get(1..).unwrap_or_default())
    }

    pub(super) fn check_dtype(&self, found: Dtype) -> Result<(), ReadError> {
        let expected = self.dtype()?;
        let bits = matches!(
            (expected, found),
            (Dtype::Bf16, Dtype::U16) | (Dtype::F8E4M3 | Dtype::F8E5M2, Dtype::U8)
        );
        if expected == found || bits {
            return Ok(());
        }
        Err(ReadError::DtypeMismatch {
            tensor: self.name.clone(),
            expected,
            found,
        })
    }

    pub(super) fn check_range(&self, range: &Range<u64>) -> Result<(), ReadError> {
        let Some(leading) = self.leading() else {
            return Err(ReadError::NoSteps {
                tensor: self.name.clone(),
            });
        };
        if range.start <= range.end && range.end <= leading {
            return Ok(());
        }
        Err(ReadError::StepOutOfRange {
            tensor: self.name.clone(),
            asked: format!("{}..{}", range.start, range.end),
            committed: leading,
        })
    }

    pub(super) fn check_buffer(&self, expected: u64, found: usize) -> Result<(), ReadError> {
        let found = found as u64;
        if expected == found {
            return Ok(());
        }
        Err(ReadError::BufferLength {
            tensor: self.name.clone(),
            expected,
            found,
        })
    }

    /// Fills `bytes` with the one value of a tensor without axes.
    pub(super) fn fill_single(&self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let _at_work = self.enter()?;
        match self.place() {
            Some(place) => place
                .read_rows(0..1, bytes)
                .map_err(|error| self.read_failed(error)),
            None => self.read_by_library(Stride::of(0..1), None, bytes),
        }
    }

    /// The file that its plain bytes are read from.
    pub(crate) fn data(&self) -> &Data {
        &self.source.data
    }

    /// What unpacks its chunks.
    pub(super) fn unpackers(&self) -> &UnpackerCache {
        &self.source.unpackers
    }

    /// The decoded chunks of its file that are kept, if any are.
    pub(super) fn decoded(&self) -> Option<&DecodedCache> {
        self.source.decoded.as_ref()
    }

    /// Where its values lie; `None` where libhdf5 has to read them. For those who have
    /// [entered](Self::enter).
    pub(super) fn place(&self) -> Option<&Place> {
        self.found.get(|| {
            Some(TensorLocation {
                data: &self.source.data,
                dataset: self.dataset().ok()?,
                header: self.header.or(self.address()),
                shape: &self.shape,
                chunk: self.chunk.as_deref(),
                element: self.dtype().ok()?.size() as u64,
                encoding: match self.stored.is_in_place() {
                    true => self.encoding,
                    false => Encoding::Other,
                },
            })
        })
    }
}
