//! Everything that can go wrong, with what was expected, what was found and what to do.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use selvedge_base::units::Names;

use crate::{Dtype, FileError, HeaderError};

/// What a streamed file still lacks of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingBytes {
    /// The tensor.
    pub tensor: String,
    /// Its size in bytes.
    pub expected: u64,
    /// Bytes that were written.
    pub found: u64,
}

impl fmt::Display for MissingBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tensor,
            expected,
            found,
        } = self;
        write!(f, "`{tensor}` ({found} of {expected} bytes)")
    }
}

/// An error of a save, a load or [`recover`](crate::recover).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file or folder.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Bytes of a tensor could not be written.
    #[error("cannot write tensor `{tensor}` to {}, at its byte {offset}", path.display())]
    WriteTensor {
        /// The file that was to be.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where in the tensor, in bytes.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// Bytes of a tensor could not be read.
    #[error("cannot read tensor `{tensor}` of {}", path.display())]
    ReadTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The system's error.
        source: io::Error,
    },
    /// The caller's source of a tensor's bytes failed.
    #[error(
        "the source of tensor `{tensor}` for {} failed after {offset} bytes", path.display()
    )]
    Source {
        /// The file that was to be.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Bytes of the tensor that had been written.
        offset: u64,
        /// The source's error.
        source: io::Error,
    },

    /// The file cannot be locked, written beside its name, or given it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not fit the disk.
    #[error(
        "{} needs {:.1} MB on the disk and {:.1} MB are free; free some space or save fewer tensors",
        path.display(), *needed as f64 / 1e6, *free as f64 / 1e6
    )]
    DiskTooSmall {
        /// The file that was to be.
        path: PathBuf,
        /// Bytes of the file.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },

    /// A name that a tensor or a metadata key cannot have.
    #[error("`{name}` cannot be the name of a {what}: expected {expected}")]
    InvalidName {
        /// The name.
        name: String,
        /// What was to have this name: a tensor, a metadata key or a parameter.
        what: &'static str,
        /// What is expected of a name.
        expected: &'static str,
    },
    /// Two tensors, or two metadata entries, of one name.
    #[error("`{name}` is declared twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A shape of more bytes than a file can have.
    #[error("tensor `{tensor}` of {dtype} {shape:?} has more bytes than a file can hold")]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
    },
    /// Elements of less than a byte that do not fill whole bytes.
    #[error(
        "tensor `{tensor}` of {dtype} {shape:?} has {bits} bits, which are not whole bytes; pad \
         its last axis"
    )]
    PartialByte {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
        /// Bits of that shape.
        bits: u64,
    },
    /// Two tensors that grow.
    #[error("tensors `{first}` and `{second}` both grow; a file has room for one that does")]
    TwoGrowing {
        /// The tensor declared first.
        first: String,
        /// The one declared after it.
        second: String,
    },
    /// Rows of no bytes cannot be counted.
    #[error(
        "growing tensor `{tensor}` has rows of {dtype} {row_shape:?}, which are 0 bytes; expected \
         rows of at least one"
    )]
    EmptyRow {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Shape of one row in elements.
        row_shape: Vec<usize>,
    },
    /// A header beyond the limit that all readers have.
    #[error(
        "the header takes {found} bytes, and readers of safetensors refuse more than {limit}; \
         save fewer tensors or less metadata"
    )]
    HeaderTooLarge {
        /// Bytes of the header.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Values that do not fill the shape they were given with.
    #[error("tensor `{tensor}` of {dtype} {shape:?} has {expected} bytes, found {found}")]
    SizeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
        /// Bytes of that shape.
        expected: u64,
        /// Bytes given.
        found: u64,
    },

    /// A tensor that was not declared.
    #[error(
        "no tensor `{tensor}` was declared; the tensors are {}",
        Names(declared)
    )]
    UnknownTensor {
        /// The name given.
        tensor: String,
        /// The declared tensors.
        declared: Vec<String>,
    },
    /// More bytes than a tensor has room for. None of them was written.
    #[error(
        "tensor `{tensor}` has {expected} bytes, {written} of them written: no room for {found} more"
    )]
    TooManyBytes {
        /// The tensor.
        tensor: String,
        /// Its size in bytes.
        expected: u64,
        /// Bytes that had been written.
        written: u64,
        /// Bytes given.
        found: u64,
    },
    /// A streamed file that lacks data. Nothing has the final name; write the rest and `finish`.
    #[error(
        "{} is not complete: missing are {}; write them and `finish` again",
        path.display(), list_of(missing)
    )]
    Incomplete {
        /// The file that was to be.
        path: PathBuf,
        /// What is missing.
        missing: Vec<MissingBytes>,
    },
    /// A source that ended before its tensor was full.
    #[error("the source of tensor `{tensor}` ended after {found} bytes, {expected} were to come")]
    SourceEnded {
        /// The tensor.
        tensor: String,
        /// Bytes that were asked for.
        expected: u64,
        /// Bytes that came; they are written.
        found: u64,
    },
    /// A growing tensor that ends within a row.
    #[error(
        "growing tensor `{tensor}` ends within a row: {extra} bytes of a row of {row_bytes}; write \
         the rest of it, or drop the writer and `recover` the whole rows"
    )]
    PartialRow {
        /// The tensor.
        tensor: String,
        /// Bytes of one row.
        row_bytes: u64,
        /// Bytes after the last whole row.
        extra: u64,
    },

    /// A writer that has finished its file.
    #[error("{} is finished; start another save to write it anew", path.display())]
    Finished {
        /// The file.
        path: PathBuf,
    },

    /// The file is not sound safetensors.
    #[error("{} is not a sound safetensors file", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// The file has no such tensor.
    #[error("{} has no tensor `{tensor}`; it has {}", path.display(), Names(available))]
    NoSuchTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// The tensors of the file.
        available: Vec<String>,
    },
    /// Elements of another type than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, found {found}{}", hint(*expected))]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype given or asked for.
        found: Dtype,
    },
    /// A tensor that cannot be viewed in place.
    #[error(
        "tensor `{tensor}` begins at byte {offset} of the file, which is no multiple of {alignment} \
         as {dtype} in memory must be; copy it with `read`, or save the file anew"
    )]
    Misaligned {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Where its data begin in the file, in bytes.
        offset: u64,
        /// What the offset has to be a multiple of, in bytes.
        alignment: usize,
    },
    /// A byte that is neither `false` nor `true`.
    #[error("tensor `{tensor}` holds BOOL, and its element {index} is {found}: expected 0 or 1")]
    InvalidBool {
        /// The tensor.
        tensor: String,
        /// The element, counted in row-major order from the first that was asked for.
        index: usize,
        /// Its byte.
        found: u8,
    },
    /// Bytes were asked for that a tensor does not have.
    #[error(
        "bytes {first}..{} of tensor `{tensor}` were asked for, and it has {bytes}",
        first.saturating_add(*count)
    )]
    ByteOutOfRange {
        /// The tensor.
        tensor: String,
        /// The first byte that was asked for.
        first: u64,
        /// Bytes that were asked for.
        count: u64,
        /// Bytes that it has.
        bytes: u64,
    },
    /// Rows that the tensor does not have.
    #[error("tensor `{tensor}` has rows 0..{rows}, asked for {}", asked(range))]
    RowOutOfRange {
        /// The tensor.
        tensor: String,
        /// Its number of rows.
        rows: usize,
        /// The rows asked for.
        range: Range<usize>,
    },
    /// Rows of a single value.
    #[error("tensor `{tensor}` is a single value and has no rows; read it whole")]
    NoRows {
        /// The tensor.
        tensor: String,
    },
    /// A caller's buffer of the wrong length.
    #[error("reading tensor `{tensor}` needs a buffer of {expected} elements, found {found}")]
    BufferLength {
        /// The tensor.
        tensor: String,
        /// Elements that will be read.
        expected: usize,
        /// Elements of the buffer.
        found: usize,
    },
    /// The file became shorter after it was opened.
    #[error(
        "{} was cut while it was open: tensor `{tensor}` should reach up to byte {expected}; \
         another program wrote over it", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where the tensor's data end in the file, in bytes.
        expected: u64,
    },
    /// What an earlier writer left cannot be made a file of.
    #[error("{} cannot be recovered: {reason}", unfinished.display())]
    NotRecoverable {
        /// The file that an unfinished writer left.
        unfinished: PathBuf,
        /// Why.
        reason: String,
    },
    /// candle refused the bytes.
    #[cfg(feature = "candle")]
    #[error("candle cannot hold tensor `{tensor}` of {dtype}")]
    Candle {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// candle's error.
        source: candle_core::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    pub(crate) fn header(path: &Path) -> impl FnOnce(HeaderError) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Header { path, source }
    }
}

/// The message with its sources: what `unwrap` and a `main` that returns an error print.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

fn list_of(missing: &[MissingBytes]) -> String {
    let shown: Vec<String> = missing.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

/// Why two-byte floats deserve a second look.
fn hint(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::BF16 => "; its bits can be had as U16",
        Dtype::F4 | Dtype::F6_E2M3 | Dtype::F6_E3M2 => "; its bytes can be had with `read_bytes`",
        _ => "",
    }
}

fn asked(range: &Range<usize>) -> String {
    if range.len() == 1 {
        format!("row {}", range.start)
    } else {
        format!("{}..{}", range.start, range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small_enough_to_return() {
        assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    }

    #[test]
    fn debug_shows_the_sources() {
        let error = Error::header(Path::new("a.safetensors"))(HeaderError::TooShort { found: 3 });
        assert_eq!(
            format!("{error:?}"),
            "a.safetensors is not a sound safetensors file: it has 3 bytes, and the length of the \
             header alone takes 8"
        );
    }
}
