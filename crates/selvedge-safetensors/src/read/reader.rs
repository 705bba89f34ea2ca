//! The load that copies.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use selvedge_base::disk;

use super::gather::Source;
use super::parallel;
use super::rows::{Rows, check_buffer, check_dtype};
use crate::element::NoView;
use crate::header::open_file;
use crate::{Dtype, Element, Header, ReadError, TensorInfo};

/// A file whose tensors are copied into memory, whole or in part.
///
/// Opening it reads and checks the header, and nothing else. What another program does to the file
/// meanwhile is no danger: a file that is replaced, as all saves of this crate do, is read on as it
/// was; one that is cut is [`ReadError::Truncated`]; one that is written over gives the bytes of
/// whichever moment. [`Mapped`](crate::Mapped) is the load without a copy.
///
/// ```
/// use selvedge_safetensors::{Reader, Save, bf16};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("1.5d_centers.safetensors");
/// # Save::new(&path).tensor("centers", [3, 2], &[bf16::ONE; 6]).write()?;
/// let file = Reader::open(&path)?;
/// let centers = file.tensor("centers")?;
/// assert_eq!(centers.shape(), [3, 2]);
/// let all: Vec<bf16> = centers.read()?;
/// let last: Vec<bf16> = centers.read_rows(2..3)?;
/// let some: Vec<bf16> = centers.gather(&[2, 0])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    header: Header,
}

impl Reader {
    /// Opens a file, and reads and checks its header.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`], and [`ReadError::Header`] where the file is not sound.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let path = path.into();
        let file = open_file(&path)?;
        let header = Header::read(&path, &file)?;
        Ok(Self { path, file, header })
    }

    /// What is where, and the metadata.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The tensor `name`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchTensor`].
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, ReadError> {
        let info = self.header.find(&self.path, name)?;
        Ok(Tensor { reader: self, info })
    }

    /// All tensors, in the order of their data.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Tensor<'_>> {
        let tensors = self.header.tensors().iter();
        tensors.map(|info| Tensor { reader: self, info })
    }
}

/// A tensor of a [`Reader`]. A row is what lies at one index of the first axis.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    reader: &'a Reader,
    info: &'a TensorInfo,
}

impl<'a> Tensor<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.info.name
    }

    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.info.dtype
    }

    /// Its shape in elements, outermost axis first; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &'a [usize] {
        &self.info.shape
    }

    /// What the header says of it.
    #[must_use]
    pub fn info(&self) -> &'a TensorInfo {
        self.info
    }

    /// All elements, row-major.
    ///
    /// # Errors
    ///
    /// [`ReadError::DtypeMismatch`], [`ReadError::InvalidBool`], [`ReadError::Truncated`] and
    /// [`ReadError::ReadTensor`].
    pub fn read<T: Element>(&self) -> Result<Vec<T>, ReadError> {
        check_dtype::<T>(self.info)?;
        let mut values = self.allocate(self.info.elements())?;
        self.read_into(&mut values)?;
        Ok(values)
    }

    /// All elements, into a buffer of as many. A buffer that is used again is several times faster
    /// than a new one, whose memory the system has to find and clear.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and as [`read`](Self::read).
    pub fn read_into<T: Element>(&self, buffer: &mut [T]) -> Result<(), ReadError> {
        check_dtype::<T>(self.info)?;
        check_buffer(self.info, self.info.elements(), buffer.len())?;
        self.fill(buffer, 0)
    }

    /// All bytes, whatever the dtype: row-major, little-endian.
    ///
    /// # Errors
    ///
    /// [`ReadError::Truncated`] and [`ReadError::ReadTensor`].
    pub fn read_bytes(&self) -> Result<Vec<u8>, ReadError> {
        // Within the file, so it fits memory if any buffer does.
        let mut bytes = self.allocate(usize::try_from(self.info.bytes()).unwrap_or(usize::MAX))?;
        self.read_bytes_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Some bytes that follow each other, from the tensor's byte `offset` on, whatever the dtype: as
    /// many as `buffer` has.
    ///
    /// # Errors
    ///
    /// [`ReadError::ByteOutOfRange`], and as [`read_bytes`](Self::read_bytes).
    pub fn read_bytes_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(buffer.len() as u64);
        let offset = match (end, usize::try_from(offset)) {
            (Some(end), Ok(offset)) if end <= self.info.bytes() => offset,
            _ => {
                return Err(ReadError::ByteOutOfRange {
                    tensor: self.info.name.clone(),
                    first: offset,
                    count: buffer.len() as u64,
                    bytes: self.info.bytes(),
                });
            }
        };
        parallel::fill(buffer, |piece, at| self.read_at(piece, offset + at))
    }

    /// Some rows that follow each other, and nothing of the rest.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRows`], [`ReadError::RowOutOfRange`], and as [`read`](Self::read).
    pub fn read_rows<T: Element>(&self, rows: Range<usize>) -> Result<Vec<T>, ReadError> {
        check_dtype::<T>(self.info)?;
        let found = Rows::of(self.info, &self.info.shape)?;
        let bytes = found.bytes_of(&rows)?;
        let mut values = self.allocate(rows.len() * found.row_len::<T>())?;
        self.fill(&mut values, bytes.start)?;
        Ok(values)
    }

    /// Some rows that follow each other, into a buffer of as many elements.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and as [`read_rows`](Self::read_rows).
    pub fn read_rows_into<T: Element>(
        &self,
        rows: Range<usize>,
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        check_dtype::<T>(self.info)?;
        let found = Rows::of(self.info, &self.info.shape)?;
        let bytes = found.bytes_of(&rows)?;
        check_buffer(self.info, rows.len() * found.row_len::<T>(), buffer.len())?;
        self.fill(buffer, bytes.start)
    }

    /// The rows of these indices, in their order; an index may come again.
    ///
    /// # Errors
    ///
    /// As [`read_rows`](Self::read_rows).
    pub fn gather<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError> {
        self.source().gather(rows)
    }

    /// The rows of these indices, into a buffer of as many elements.
    ///
    /// # Errors
    ///
    /// [`ReadError::BufferLength`], and as [`read_rows`](Self::read_rows).
    pub fn gather_into<T: Element>(
        &self,
        rows: &[usize],
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        self.source().gather_into(rows, buffer)
    }

    /// Zeros to read into. A tensor can be larger than the memory.
    pub(super) fn allocate<T: Element>(&self, len: usize) -> Result<Vec<T>, ReadError> {
        T::zeroed(len).ok_or_else(|| ReadError::ReadTensor {
            path: self.reader.path.clone(),
            tensor: self.info.name.clone(),
            source: io::ErrorKind::OutOfMemory.into(),
        })
    }

    fn source(&self) -> Source<'a> {
        Source {
            tensor: *self,
            shape: &self.info.shape,
            begin: 0,
        }
    }

    /// Fills `buffer` from the tensor's byte `offset` on.
    fn fill<T: Element>(&self, buffer: &mut [T], offset: usize) -> Result<(), ReadError> {
        T::fill(buffer, |bytes| {
            parallel::fill(bytes, |piece, at| self.read_at(piece, offset + at))
                .map_err(Failure::Read)
        })
        .map_err(|failure| failure.into_error(self.info))
    }

    /// Reads from the tensor's byte `offset` on what is in memory, and returns the number of bytes.
    pub(super) fn read_cached(&self, bytes: &mut [u8], offset: usize) -> usize {
        let at = self.info.range.start + offset as u64;
        disk::read_cached(&self.reader.file, bytes, at)
    }

    pub(super) fn read_at(&self, bytes: &mut [u8], offset: usize) -> Result<(), ReadError> {
        let at = self.info.range.start + offset as u64;
        let read = self.reader.file.read_exact_at(bytes, at);
        read.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Truncated {
                path: self.reader.path.clone(),
                tensor: self.info.name.clone(),
                expected: self.info.range.end,
            },
            _ => ReadError::ReadTensor {
                path: self.reader.path.clone(),
                tensor: self.info.name.clone(),
                source,
            },
        })
    }
}

/// Why a buffer could not be filled.
pub(super) enum Failure {
    Read(ReadError),
    View(NoView),
}

impl From<NoView> for Failure {
    fn from(no_view: NoView) -> Self {
        Self::View(no_view)
    }
}

impl Failure {
    pub(super) fn into_error(self, info: &TensorInfo) -> ReadError {
        match self {
            Self::Read(error) => error,
            Self::View(no_view) => no_view.into_error(info, 0),
        }
    }
}
