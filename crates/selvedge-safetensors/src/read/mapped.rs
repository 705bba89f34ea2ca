//! The load without a copy.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::rows::{Rows, check_buffer, check_dtype};
use crate::header::open_file;
use crate::{Dtype, Element, Error, Header, TensorInfo};

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
    path: PathBuf,
    map: Mmap,
    header: Header,
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
    /// [`Error::Io`], and [`Error::Header`] where the file is not sound.
    pub unsafe fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let file = open_file(&path)?;
        // An empty file cannot be mapped, and has no header either.
        let header = Header::read(&path, &file)?;
        // SAFETY: the caller promises that the file does not change.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "map"))?;
        if (map.len() as u64) < header.file_bytes() {
            let error = std::io::ErrorKind::UnexpectedEof.into();
            return Err(Error::io(&path, "map all of")(error));
        }
        Ok(Self { path, map, header })
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

    /// The tensor `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTensor`].
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, Error> {
        Ok(self.view(self.header.find(&self.path, name)?))
    }

    /// All tensors, in the order of their data.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorView<'_>> {
        self.header.tensors().iter().map(|info| self.view(info))
    }

    fn view<'a>(&'a self, info: &'a TensorInfo) -> TensorView<'a> {
        // The map is as long as the header says, so its offsets are those of memory.
        let range = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        TensorView {
            info,
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
    info: &'a TensorInfo,
    shape: Cow<'a, [usize]>,
    /// Where the bytes begin, in bytes from the start of the tensor.
    begin: usize,
    bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.info.name
    }

    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.info.dtype
    }

    /// The shape of the view in elements, outermost axis first; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What the header says of the whole tensor.
    #[must_use]
    pub fn info(&self) -> &'a TensorInfo {
        self.info
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
    /// [`Error::DtypeMismatch`]; [`Error::Misaligned`] in a file whose writer did not care, which
    /// none of this crate's is; [`Error::InvalidBool`], as every byte of a BOOL is looked at.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T], Error> {
        check_dtype::<T>(self.info)?;
        T::view(self.bytes).map_err(|no_view| no_view.into_error(self.info, self.begin))
    }

    /// Its elements as an array, in place.
    ///
    /// # Errors
    ///
    /// As [`as_slice`](Self::as_slice).
    #[cfg(feature = "ndarray")]
    pub fn array<T: Element>(&self) -> Result<ndarray::ArrayViewD<'a, T>, Error> {
        let values = self.as_slice()?;
        ndarray::ArrayViewD::from_shape(self.shape(), values).map_err(|_| Error::TooLarge {
            tensor: self.info.name.clone(),
            dtype: self.info.dtype,
            shape: self.shape.to_vec(),
        })
    }

    /// Some rows that follow each other, in place.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`], [`Error::RowOutOfRange`], and [`Error::PartialByte`] where a row of 4-bit
    /// or 6-bit elements does not fill whole bytes.
    pub fn rows(&self, rows: Range<usize>) -> Result<Self, Error> {
        let range = Rows::of(self.info, &self.shape)?.bytes_of(&rows)?;
        let mut shape = self.shape.clone();
        shape.to_mut()[0] = rows.len();
        Ok(Self {
            info: self.info,
            shape,
            begin: self.begin + range.start,
            bytes: &self.bytes[range],
        })
    }

    /// The rows of these indices, in their order, copied; an index may come again.
    ///
    /// # Errors
    ///
    /// As [`rows`](Self::rows) and [`as_slice`](Self::as_slice).
    pub fn gather<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, Error> {
        let (values, row_len) = self.rows_of(rows)?;
        let mut gathered = Vec::with_capacity(rows.len() * row_len);
        for row in rows {
            gathered.extend_from_slice(&values[row * row_len..][..row_len]);
        }
        Ok(gathered)
    }

    /// The rows of these indices, copied into a buffer of as many elements.
    ///
    /// # Errors
    ///
    /// [`Error::BufferLength`], and as [`gather`](Self::gather).
    pub fn gather_into<T: Element>(&self, rows: &[usize], buffer: &mut [T]) -> Result<(), Error> {
        let (values, row_len) = self.rows_of(rows)?;
        check_buffer(self.info, rows.len() * row_len, buffer.len())?;
        for (row, to) in rows.iter().zip(buffer.chunks_mut(row_len.max(1))) {
            to.copy_from_slice(&values[row * row_len..][..row_len]);
        }
        Ok(())
    }

    /// All elements and the number of them in a row, where the tensor has all these rows.
    fn rows_of<T: Element>(&self, rows: &[usize]) -> Result<(&'a [T], usize), Error> {
        let found = Rows::of(self.info, &self.shape)?;
        found.check(rows)?;
        Ok((self.as_slice()?, found.row_len::<T>()))
    }
}

/// So that libraries on the `safetensors` crate take it, and a save of this crate.
impl safetensors::View for TensorView<'_> {
    fn dtype(&self) -> Dtype {
        self.info.dtype
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
