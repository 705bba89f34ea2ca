//! Where the values of a file or of joined ranks lie, as readers of Zarr take them: arrays in a regular
//! grid of chunks, each of which is a range of bytes of a file.
//!
//! Such a reader fetches a whole chunk for one step. A chunk that no filter changed is a range of bytes, and
//! so is each run of its steps: here it is cut into *pieces* of whole steps. A piece of values that were
//! compressed is a chunk of the file.

mod cut;
mod names;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cut::Region;
use names::name_axes;
use selvedge_base::shape::elements;

use crate::chunks::{Pipeline, to_usize};
use crate::join::{Shards, Sources};
use crate::provenance::{CREATED, NOTEBOOK, is_reserved};
use crate::reader::{Reader, Tensor};
use crate::{
    Attribute, Dtype, JoinError, JoinPlan, LibraryError, Note, ReadError, Role, StorageError,
};

/// More pieces are not made of a tensor.
const MOST_PIECES: u64 = 1 << 26;

/// How [`References`] are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceOptions {
    piece_bytes: u64,
    skip_unsupported: bool,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        Self {
            piece_bytes: 8_000_000,
            skip_unsupported: false,
        }
    }
}

impl ReferenceOptions {
    /// About how large a piece is to be, in bytes. It has whole steps, as many as divide a chunk of the file: at
    /// least one, and at most twice as many bytes. Default: 8 MB.
    #[must_use]
    pub fn piece_bytes(mut self, bytes: u64) -> Self {
        self.piece_bytes = bytes;
        self
    }

    /// Leaves out tensors that no reader of Zarr could make anything of, and those that cannot be read here;
    /// [`References::left_out`] lists them. Default: they are an error.
    #[must_use]
    pub fn skip_unsupported(mut self, skip: bool) -> Self {
        self.skip_unsupported = skip;
        self
    }
}

/// Where the values of a file lie, or of the joined ranks of a run: for readers of Zarr, of the committed
/// steps alone.
///
/// ```
/// # use selvedge_hdf5::{ReferencedPiece, Reader, Recorder, ReferenceOptions, References};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// # let mut run = Recorder::create(&path).steps(10).tensor::<f32>("W", [4]).start()?;
/// # for _ in 0..3 { run.append(|step| step.put("W", &[0.5_f32; 4]))?; }
/// # run.finish()?;
/// // Pieces of two steps, of 32 bytes: a chunk of the file has ten.
/// let options = ReferenceOptions::default().piece_bytes(32);
/// let references = References::of(&Reader::open(&path)?, &options)?;
/// let w = &references.arrays()[0];
/// assert_eq!((w.shape(), w.chunk_shape(), w.grid_shape()), (&[3, 4][..], &[2, 4][..], vec![2, 1]));
/// let mut lengths = Vec::new();
/// w.for_each_piece(0, |_, piece| {
///     if let ReferencedPiece::Range { length, .. } = piece { lengths.push(length); }
///     Ok::<(), selvedge_hdf5::Error>(())
/// })?;
/// assert_eq!(lengths, [32, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct References {
    files: Vec<PathBuf>,
    steps: u64,
    attributes: Vec<(String, Attribute)>,
    arrays: Vec<ReferencedArray>,
    left_out: Vec<String>,
    notes: Vec<Note>,
    joined: Option<JoinPlan>,
}

/// A tensor as an array of Zarr.
#[derive(Clone, Debug)]
pub struct ReferencedArray {
    name: String,
    dtype: Dtype,
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
    dimension_names: Vec<String>,
    codecs: Vec<ReferenceCodec>,
    attributes: Vec<(String, Attribute)>,
    parts: Vec<Part>,
}

/// What a piece went through when it was written, in order: filters of HDF5 that `numcodecs` has, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceCodec {
    /// The first bytes of all elements, then the second ones: `shuffle`.
    Shuffle {
        /// Bytes of an element.
        element: usize,
    },
    /// A stream of zlib: `zlib`.
    Zlib,
    /// A checksum after the bytes: `fletcher32`.
    Fletcher32,
}

/// A piece of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferencedPiece<'a> {
    /// Bytes of a file.
    Range {
        /// The number of the file in [`References::files`].
        file: usize,
        /// Where they begin, in bytes.
        offset: u64,
        /// Their number.
        length: u64,
    },
    /// The bytes themselves. A piece at the edge of an array can be longer than what is left of its file: what
    /// the array has no elements for is zeros.
    Inline(&'a [u8]),
}

/// What of an array lies in one file.
#[derive(Clone, Debug)]
struct Part {
    tensor: Tensor,
    file: usize,
    /// The length of the file.
    end: u64,
    region: Region,
}

impl ReferenceCodec {
    fn of(pipeline: Option<Pipeline>, dtype: Dtype) -> Vec<Self> {
        let [shuffle, zlib, fletcher32] = pipeline.map(Pipeline::filters).unwrap_or_default();
        let element = dtype.size();
        let all = [
            (shuffle, Self::Shuffle { element }),
            (zlib, Self::Zlib),
            (fletcher32, Self::Fletcher32),
        ];
        let used = all.into_iter().filter(|(is_used, _)| *is_used);
        used.map(|(_, codec)| codec).collect()
    }
}

impl References {
    /// Finds where the values of a file lie; of a [joined view](crate::Join) those of its ranks.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReferenced`] for a tensor that readers of Zarr cannot have so;
    /// [`ReadError::Unread`] for a dataset that cannot be opened; [`ReadError::UnsupportedDtype`]; those of reading
    /// attributes.
    pub fn of(reader: &Reader, options: &ReferenceOptions) -> Result<Self, ReadError> {
        let mut found = Self::begin(reader, reader.committed_steps());
        found.notes = reader.notes().to_vec();
        if let Some(unread) = reader.unread().filter(|_| !options.skip_unsupported) {
            return Err(unread);
        }
        let named = reader.tensors().iter().zip(reader.axis_names());
        for (tensor, axes) in named {
            found.add(tensor, axes, tensor.regions(), options)?;
        }
        name_axes(&mut found.arrays);
        Ok(found)
    }

    /// Finds where the values of the ranks of a run lie, one file of each, in any order. Nothing is written.
    ///
    /// # Errors
    ///
    /// Those of [`Join::plan`](crate::Join::plan), and of [`of`](Self::of).
    pub fn of_ranks<P: AsRef<Path>>(
        ranks: impl IntoIterator<Item = P>,
        options: &ReferenceOptions,
    ) -> Result<Self, JoinError> {
        let ranks: Vec<PathBuf> = ranks
            .into_iter()
            .map(|path| path.as_ref().to_owned())
            .collect();
        let shards = Shards::open(&ranks)?;
        let (plan, sources) = shards.plan()?;
        let mut found = Self::begin(&shards.readers[0], plan.steps);
        found.joined = Some(plan);
        for Sources { parts } in sources {
            let tensor = parts[0].1;
            let axes = tensor.axis_names(&HashMap::new());
            let parts = parts.into_iter();
            let parts = parts.map(|(_, tensor, first)| (tensor.clone(), first));
            found.add(tensor, axes, parts.collect(), options)?;
        }
        name_axes(&mut found.arrays);
        Ok(found)
    }

    fn begin(reader: &Reader, steps: u64) -> Self {
        let attributes = reader.attributes().iter();
        let given = |name: &str| name == CREATED || name == NOTEBOOK || !is_reserved(name);
        Self {
            files: Vec::new(),
            steps,
            attributes: attributes
                .filter(|(name, _)| given(name))
                .cloned()
                .collect(),
            arrays: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
            joined: None,
        }
    }

    /// The files that pieces lie in.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Committed steps; of joined ranks those that all of them have.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The attributes of the root that were given, `created` and `notebook`.
    #[must_use]
    pub fn attributes(&self) -> &[(String, Attribute)] {
        &self.attributes
    }

    /// The arrays, in the order of the file.
    #[must_use]
    pub fn arrays(&self) -> &[ReferencedArray] {
        &self.arrays
    }

    /// What was left out, with the reasons: of [`ReferenceOptions::skip_unsupported`].
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What other programs did to the file; of ranks it is in [`joined`](Self::joined).
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What was found of the ranks, and whether they have the same of what several have; `None` of one file.
    #[must_use]
    pub fn joined(&self) -> Option<&JoinPlan> {
        self.joined.as_ref()
    }

    /// Adds a tensor with the names of its axes, whose parts begin so in the whole.
    fn add(
        &mut self,
        tensor: &Tensor,
        axes: Vec<Option<String>>,
        parts: Vec<(Tensor, Vec<u64>)>,
        options: &ReferenceOptions,
    ) -> Result<(), ReadError> {
        match self.array(tensor, parts, options) {
            Ok(array) => self.arrays.push(ReferencedArray {
                dimension_names: axes.into_iter().map(Option::unwrap_or_default).collect(),
                ..array
            }),
            Err(error) if options.skip_unsupported && error.is_unsupported() => {
                self.left_out.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn array(
        &mut self,
        tensor: &Tensor,
        parts: Vec<(Tensor, Vec<u64>)>,
        options: &ReferenceOptions,
    ) -> Result<ReferencedArray, ReadError> {
        let dtype = tensor.dtype()?;
        let steps = (tensor.role() == Role::Step).then_some(self.steps);
        let mut found: Vec<Part> = Vec::with_capacity(parts.len());
        let (mut shape, mut codecs) = (Vec::new(), None);
        for (part, first) in parts {
            let own: Vec<u64> = steps.iter().chain(part.step_shape()).copied().collect();
            shape.resize(own.len(), 0);
            for (axis, (first, len)) in first.iter().zip(&own).enumerate() {
                shape[axis] = shape[axis].max(first + len);
            }
            let pipeline = part.pipeline().map_err(|why| part.not_referenced(why))?;
            let its_codecs = ReferenceCodec::of(pipeline, dtype);
            if *codecs.get_or_insert_with(|| its_codecs.clone()) != its_codecs {
                let why = "its ranks are not all compressed in the same way".to_owned();
                return Err(part.not_referenced(why));
            }
            let region = Region {
                first,
                shape: own,
                // An axis without elements has no chunks, and a grid has no pieces of nothing.
                chunk: part
                    .stored_chunk()
                    .iter()
                    .map(|&axis| axis.max(1))
                    .collect(),
            };
            let failed = |error| StorageError::io(part.path(), "look at", error);
            found.push(Part {
                file: self.file(part.path()),
                end: part.data().len().map_err(failed)?,
                tensor: part,
                region,
            });
        }
        let fits = |axes: &[u64]| {
            let bytes = elements(axes).and_then(|count| count.checked_mul(dtype.size() as u64));
            bytes.is_some_and(|bytes| i64::try_from(bytes).is_ok())
        };
        let too_large = || tensor.not_referenced("its shape is one that no file holds".to_owned());
        if !fits(&shape) || !found.iter().all(|part| fits(&part.region.chunk)) {
            return Err(too_large());
        }
        let attributes = match tensor.all_attributes() {
            Ok((read, _)) => read,
            Err(note) if self.notes.contains(&note) => Vec::new(),
            Err(note) => {
                self.notes.push(note);
                Vec::new()
            }
        };
        let codecs = codecs.unwrap_or_default();
        let regions: Vec<&Region> = found.iter().map(|part| &part.region).collect();
        let element = dtype.size() as u64;
        let chunk_shape = match codecs.is_empty() {
            true => cut::pieces(
                &shape,
                &regions,
                element,
                steps.is_some(),
                options.piece_bytes,
            ),
            false => cut::chunks(&shape, &regions).ok_or_else(|| {
                let why = "the parts that its ranks have do not begin and end where chunks do";
                tensor.not_referenced(why.to_owned())
            })?,
        };
        let array = ReferencedArray {
            name: tensor.name().to_owned(),
            dtype,
            dimension_names: Vec::new(),
            codecs,
            attributes,
            parts: found,
            shape,
            chunk_shape,
        };
        if !fits(&array.chunk_shape) {
            return Err(too_large());
        }
        let pieces = elements(&array.grid_shape());
        if pieces.is_none_or(|pieces| pieces > MOST_PIECES) {
            let why = format!(
                "it would be pieces of shape {:?}, which are more than {MOST_PIECES}: no larger ones begin \
                 where all its parts do",
                array.chunk_shape
            );
            return Err(tensor.not_referenced(why));
        }
        // What has no place is known now, and not when others were written already.
        array.for_each_piece(0, |_, _| Ok::<(), ReadError>(()))?;
        Ok(array)
    }

    /// The number of a file.
    fn file(&mut self, path: &Path) -> usize {
        let known = self.files.iter().rposition(|known| known == path);
        known.unwrap_or_else(|| {
            self.files.push(path.to_owned());
            self.files.len() - 1
        })
    }
}

impl ReferencedArray {
    /// The name of the tensor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dtype of its values.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Whether its first axis are the steps.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        let first = self.parts.first();
        first.is_some_and(|part| part.tensor.role() == Role::Step)
    }

    /// Its shape in elements, the committed steps first.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Shape of a piece in elements. It stays the same while a run goes on.
    #[must_use]
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// The number of pieces along each axis.
    #[must_use]
    pub fn grid_shape(&self) -> Vec<u64> {
        let axes = self.shape.iter().zip(&self.chunk_shape);
        axes.map(|(axis, extent)| axis.div_ceil(*extent)).collect()
    }

    /// The names of its axes.
    #[must_use]
    pub fn dimension_names(&self) -> &[String] {
        &self.dimension_names
    }

    /// What its pieces went through.
    #[must_use]
    pub fn codecs(&self) -> &[ReferenceCodec] {
        &self.codecs
    }

    /// Its attributes; `logical_dtype` is there where the bits are stored as an unsigned integer.
    #[must_use]
    pub fn attributes(&self) -> &[(String, Attribute)] {
        &self.attributes
    }

    /// Calls `each` with every piece, in row-major order of its place in the grid, from number `first` along the
    /// first axis on; and returns the first error, of the file or of `each`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReferenced`] where the file has no such chunk or keeps it in a way of its own.
    pub fn for_each_piece<E: From<ReadError>>(
        &self,
        first: u64,
        mut each: impl FnMut(&[u64], ReferencedPiece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut part = 0;
        let mut inline: Vec<u8> = Vec::new();
        let stopped = cut::walk(&self.grid_shape(), first, |place| {
            let origin: Vec<u64> = place
                .iter()
                .zip(&self.chunk_shape)
                .map(|(nth, extent)| nth * extent)
                .collect();
            // The next piece is mostly of the same part or of the next one.
            let parts = (0..self.parts.len()).map(|nth| (part + nth) % self.parts.len());
            let mut found = parts.filter(|&nth| self.parts[nth].region.holds(&origin));
            let Some(now) = found.next() else {
                return ControlFlow::Continue(());
            };
            part = now;
            let piece = self.parts[now].piece(&origin, self, &mut inline);
            match piece.map_err(E::from).and_then(|piece| each(place, piece)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        });
        match stopped {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

impl Part {
    /// The piece that begins at this element of the array.
    fn piece<'a>(
        &self,
        origin: &[u64],
        array: &ReferencedArray,
        inline: &'a mut Vec<u8>,
    ) -> Result<ReferencedPiece<'a>, ReadError> {
        let tensor = &self.tensor;
        let element = array.dtype.size() as u64;
        let (chunk, within) = self.region.locate(origin);
        let (address, stored) = tensor
            .stored_at(&chunk)
            .map_err(|why| tensor.not_referenced(why))?;
        let range = |offset, length| ReferencedPiece::Range {
            file: self.file,
            offset,
            length,
        };
        // What is read of a piece: from its beginning to the last element that the array has.
        let mut last = 0;
        for (axis, &extent) in array.chunk_shape.iter().enumerate() {
            last = last * extent + (extent - 1).min(array.shape[axis] - origin[axis] - 1);
        }
        let (offset, length, read) = match array.codecs[..] {
            [] => (
                address.saturating_add(within.saturating_mul(element)),
                array.chunk_shape.iter().product::<u64>() * element,
                (last + 1) * element,
            ),
            _ => (address, stored, stored),
        };
        if offset.saturating_add(read) > self.end {
            let why = format!("the file ends before its chunk at {chunk:?} does");
            return Err(tensor.damaged_values(LibraryError::new(why)));
        }
        if offset.saturating_add(length) <= self.end {
            return Ok(range(offset, length));
        }
        *inline = tensor.allocate(length)?;
        let there = to_usize(self.end - offset);
        let read = tensor.data().read_values(&mut inline[..there], offset);
        read.map_err(|error| StorageError::io(tensor.path(), "read", error))?;
        Ok(ReferencedPiece::Inline(inline))
    }
}
