//! The load without a copy.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use selvedge_base::reopen_regular;

use super::gather::Source;
use super::reader::{Reader, Tensor};
use super::rows::{Rows, check_dtype};
use crate::{Dtype, Element, FileError, Header, ReadError, TensorInfo};

/// A file mapped into memory: its tensors are views of the page cache, without a copy.
///
/// ```
/// use selvedge_safetensors::{Mapped, Save, bf16};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("1.5d_centers.safetensors");
/// # Save::new(&path).tensor("centers", [3, 2], &[bf16::ONE; 6]).write()?;
/// // SAFETY: nobody writes into this file; saves replace it by a rename.
/// let file = unsafe { Mapped::open(&path)? };
/// let centers = file.tensor("centers")?;
/// let values: &[bf16] = centers.as_slice()?;
/// assert_eq!(values.len(), 6);
/// let last: &[bf16] = centers.rows(2..3)?.as_slice()?;
/// assert_eq!(last, [bf16::ONE; 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mapped {
    /// The file, for what is faster through it.
    reader: Reader,
    map: Mmap,
}

impl Mapped {
    /// Maps a file, and checks its header.
    ///
    /// # Safety
    ///
    /// Nobody may change the bytes of the file, or cut it, while the result lives. Bytes that change
    /// break the promise of a `&[T]`; a page that is no longer in the file ends the process with
    /// SIGBUS when it is looked at. Replacing the file by a rename, as all saves of this crate and
    /// of the `safetensors` crate from 0.8 on do, is no change: the map keeps the old one. Opening
    /// it for writing in place, as `cp` over it or Python's `open(path, "wb")` do, is one.
    /// [`Reader`](crate::Reader) copies, and asks for no such promise.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`], and [`ReadError::Header`] where the file is not sound.
    pub unsafe fn open(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let path = path.into();
        // The map gets a file of its own, which nobody has read from: from the reads of a header the
        // system takes it that little is wanted at a time, and a first look at the data that come
        // from the disk is half as fast. (An empty file cannot be mapped, and has no header either.)
        let reader = Reader::open(&path)?;
        let file = reopen_regular(reader.file(), &path).map_err(FileError::io(&path, "open"))?;
        // SAFETY: the caller promises that the file does not change.
        let map = unsafe { Mmap::map(&file) };
        let map = map.map_err(FileError::io(reader.path(), "map"))?;
        if (map.len() as u64) < reader.header().file_bytes() {
            let error = std::io::ErrorKind::UnexpectedEof.into();
            return Err(FileError::io(reader.path(), "map all of")(error).into());
        }
        Ok(Self { reader, map })
    }

    /// What is where, and the metadata.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.reader.path()
    }

    /// The tensor `name`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchTensor`].
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, ReadError> {
        Ok(self.view(self.reader.tensor(name)?))
    }

    /// All tensors, in the order of their data.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorView<'_>> {
        self.reader.tensors().map(|tensor| self.view(tensor))
    }

    fn view<'a>(&'a self, tensor: Tensor<'a>) -> TensorView<'a> {
        let info = tensor.info();
        // The map is as long as the header says, so its offsets are those of memory.
        let range = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        TensorView {
            tensor,
            shape: Cow::Borrowed(&info.shape),
            begin: 0,
            bytes: &self.map[range(info.range.start)..range(info.range.end)],
        }
    }
}

/// A tensor of a [`Mapped`] file, or some rows of one. A row is what lies at one index of the first
/// axis.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    tensor: Tensor<'a>,
    shape: Cow<'a, [usize]>,
    /// Where the bytes begin, in bytes from the start of the tensor.
    begin: usize,
    bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.tensor.name()
    }

    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.tensor.dtype()
    }

    /// The shape of the view in elements, outermost axis first; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What the header says of the whole tensor.
    #[must_use]
    pub fn info(&self) -> &'a TensorInfo {
        self.tensor.info()
    }

    /// Its bytes, whatever the dtype: row-major, little-endian.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its elements, row-major, in place.
    ///
    /// # Errors
    ///
    /// [`ReadError::DtypeMismatch`]; [`ReadError::Misaligned`] in a file whose writer did not care, which
    /// none of this crate's is; [`ReadError::InvalidBool`], as every byte of a BOOL is looked at.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T], ReadError> {
        check_dtype::<T>(self.info())?;
        T::view(self.bytes).map_err(|no_view| no_view.into_error(self.info(), self.begin))
    }

    /// Its elements as an array, in place.
    ///
    /// # Errors
    ///
    /// As [`as_slice`](Self::as_slice).
    #[cfg(feature = "ndarray")]
    pub fn array<T: Element>(&self) -> Result<ndarray::ArrayViewD<'a, T>, ReadError> {
        let values = self.as_slice()?;
        let array = ndarray::ArrayViewD::from_shape(self.shape(), values);
        Ok(array.map_err(|_| crate::SizeError::TooLarge {
            tensor: self.info().name.clone(),
            dtype: self.tensor.dtype(),
            shape: self.shape.to_vec(),
        })?)
    }

    /// Some rows that follow each other, in place.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRows`], [`ReadError::RowOutOfRange`], and [`ReadError::Size`] where a row of 4-bit or
    /// 6-bit elements does not fill whole bytes.
    pub fn rows(&self, rows: Range<usize>) -> Result<Self, ReadError> {
        let range = Rows::of(self.info(), &self.shape)?.bytes_of(&rows)?;
        let mut shape = self.shape.clone();
        shape.to_mut()[0] = rows.len();
        Ok(Self {
            tensor: self.tensor,
            shape,
            begin: self.begin + range.start,
            bytes: &self.bytes[range],
        })
    }

    /// The rows of these indices, in their order, copied; an index may come again.
    ///
    /// They are read through the file: single rows of a map would each cost a page fault, and the
    /// disk would read a multiple of what was asked for, one row after the other.
    ///
    /// # Errors
    ///
    /// As [`Tensor::gather`].
    pub fn gather<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError> {
        self.source().gather(rows)
    }

    /// The rows of these indices, copied into a buffer of as many elements.
    ///
    /// # Errors
    ///
    /// As [`Tensor::gather_into`].
    pub fn gather_into<T: Element>(
        &self,
        rows: &[usize],
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        self.source().gather_into(rows, buffer)
    }

    fn source(&self) -> Source<'_> {
        Source {
            tensor: self.tensor,
            shape: &self.shape,
            begin: self.begin,
        }
    }
}

/// So that libraries on the `safetensors` crate take it, and a save of this crate.
impl safetensors::View for TensorView<'_> {
    fn dtype(&self) -> Dtype {
        self.tensor.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
