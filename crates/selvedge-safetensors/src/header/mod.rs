//! The header of a file: what is where.

mod check;
mod error;
mod json;
mod names;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use selvedge_base::open_regular;

use crate::{Dtype, FileError, Provenance, ReadError};

use names::NameIndex;

pub use error::HeaderError;

/// Bytes of the length that a file begins with.
pub(crate) const PREFIX: u64 = 8;
/// The longest header that the `safetensors` crate reads, in bytes.
pub(crate) const MAX_HEADER: u64 = 100_000_000;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape in elements, outermost axis first (row-major); empty for a scalar.
    pub shape: Vec<usize>,
    /// Where its data lie, in bytes from the start of the file.
    pub range: Range<u64>,
}

impl TensorInfo {
    /// Bytes of its data.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Its number of elements; 1 for a scalar.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its number of rows, the length of the first axis; `None` for a scalar.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        self.shape.first().copied()
    }
}

/// The header of a file, checked: every byte of the data belongs to one tensor.
#[derive(Clone, Debug)]
pub struct Header {
    /// In the order of their data.
    tensors: Vec<TensorInfo>,
    /// Where in `tensors` a name is.
    index: NameIndex,
    /// Indices into `tensors`, in the order of the names: sorted when they are first asked for, as
    /// sorting takes longer than all the rest of opening a file of many tensors.
    by_name: OnceLock<Box<[u32]>>,
    metadata: BTreeMap<String, String>,
    data_start: u64,
}

impl Header {
    /// Parses and checks the header of a file of `file_bytes` bytes that begins with `start`.
    ///
    /// `start` has to reach up to the end of the header; what follows is not looked at. All memory
    /// that is taken is in proportion to the header, and a header is at most 100 MB long.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] for everything that the `safetensors` crate refuses, and for names that are
    /// there twice, which the format forbids and that crate lets pass.
    pub fn parse(start: &[u8], file_bytes: u64) -> Result<Self, HeaderError> {
        let header = Self::parse_prefix(start, file_bytes)?;
        let (expected, found) = (header.file_bytes(), file_bytes);
        if expected < found {
            return Err(HeaderError::TrailingBytes {
                expected: expected - header.data_start,
                found: found - header.data_start,
            });
        }
        Ok(header)
    }

    /// Parses and checks the header of a file that may go on after its last tensor, as a growing one
    /// does until it is finished.
    pub(crate) fn parse_prefix(start: &[u8], file_bytes: u64) -> Result<Self, HeaderError> {
        let found = file_bytes.min(start.len() as u64);
        let Some((prefix, rest)) = start.split_first_chunk() else {
            return Err(HeaderError::TooShort { found });
        };
        let length = header_length(*prefix, file_bytes)?;
        let Some(text) = rest.get(..length) else {
            return Err(HeaderError::Cut {
                expected: length as u64,
                found: rest.len() as u64,
            });
        };
        let text = std::str::from_utf8(text).map_err(HeaderError::NotUtf8)?;
        let data_start = PREFIX + length as u64;
        let parsed = json::parse(text)?;
        let (tensors, index) = check::check(parsed.tensors, data_start, file_bytes)?;
        Ok(Self {
            tensors,
            index,
            by_name: OnceLock::new(),
            metadata: parsed.metadata,
            data_start,
        })
    }

    /// Reads the header of the file at `path`, and nothing else of it.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`], and [`ReadError::Header`] where the file is not sound.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        Self::read(path, &open_file(path)?)
    }

    pub(crate) fn read(path: &Path, file: &File) -> Result<Self, ReadError> {
        let (start, file_bytes) = read_start(path, file)?;
        Self::parse(&start, file_bytes).map_err(|source| ReadError::Header {
            path: path.to_owned(),
            source,
        })
    }

    /// The tensors, in the order of their data.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let found = self.index.find(name, |at| &self.tensors[at].name)?;
        Some(&self.tensors[found])
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        let name = |at: u32| self.tensors[at as usize].name.as_str();
        let by_name = self.by_name.get_or_init(|| {
            let places = 0..u32::try_from(self.tensors.len()).unwrap_or(u32::MAX);
            let mut by_name: Box<[u32]> = places.collect();
            by_name.sort_unstable_by_key(|&at| name(at));
            by_name
        });
        by_name.iter().map(move |&at| name(at))
    }

    /// What `__metadata__` says; empty where there is none.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Where the file came from, as far as the metadata say.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        Provenance::from_metadata(&self.metadata)
    }

    /// Where the data begin, in bytes from the start of the file.
    #[must_use]
    pub fn data_start(&self) -> u64 {
        self.data_start
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.tensors
            .last()
            .map_or(self.data_start, |last| last.range.end)
    }

    /// The tensor of this name in the file at `path`, or the error that says which there are.
    pub(crate) fn find(&self, path: &Path, name: &str) -> Result<&TensorInfo, ReadError> {
        self.tensor(name).ok_or_else(|| ReadError::NoSuchTensor {
            path: path.to_owned(),
            tensor: name.to_owned(),
            available: self.names().map(str::to_owned).collect(),
        })
    }
}

/// Opens a regular file for reading.
pub(crate) fn open_file(path: &Path) -> Result<File, FileError> {
    open_regular(path).map_err(FileError::io(path, "open"))
}

/// The start of a file up to the end of its header, and the bytes of the whole file.
///
/// A header that cannot be is cut short, and left for [`Header::parse`] to complain of.
pub(crate) fn read_start(path: &Path, file: &File) -> Result<(Vec<u8>, u64), FileError> {
    let metadata = file.metadata().map_err(FileError::io(path, "look at"))?;
    let file_bytes = metadata.len();
    let mut start = vec![0; usize::try_from(file_bytes.min(PREFIX)).unwrap_or(0)];
    file.read_exact_at(&mut start, 0)
        .map_err(FileError::io(path, "read"))?;
    if let Some(prefix) = start.first_chunk()
        && let Ok(length) = header_length(*prefix, file_bytes)
    {
        start.resize(start.len() + length, 0);
        file.read_exact_at(&mut start[8..], PREFIX)
            .map_err(FileError::io(path, "read the header of"))?;
    }
    Ok((start, file_bytes))
}

/// The length of a header in bytes, of a file that begins with `prefix`.
fn header_length(prefix: [u8; 8], file_bytes: u64) -> Result<usize, HeaderError> {
    let length = u64::from_le_bytes(prefix);
    if length > MAX_HEADER {
        return Err(HeaderError::TooLong {
            found: length,
            limit: MAX_HEADER,
        });
    }
    let found = file_bytes.saturating_sub(PREFIX);
    usize::try_from(length)
        .ok()
        .filter(|_| length <= found)
        .ok_or(HeaderError::Cut {
            expected: length,
            found,
        })
}
