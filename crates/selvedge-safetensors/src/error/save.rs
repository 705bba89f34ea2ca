//! A file is not saved.

use std::fmt;
use std::io;
use std::path::PathBuf;

use selvedge_base::units::Names;

use super::SizeError;
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

/// Why a file is not saved, or not recovered.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
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
    /// The system refused an operation on the file, or it cannot be locked, written beside its name, or
    /// given it.
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
    /// A shape that a tensor or a row of its dtype cannot have.
    #[error(transparent)]
    Size(#[from] SizeError),
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
    /// Elements of another type than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, found {found}")]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype given.
        found: Dtype,
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
    /// A file has the name that what an earlier writer left is to have.
    #[error(
        "{} cannot be made of {}: it is there, and is not replaced; rename one of the two, and recover \
         it then", path.display(), unfinished.display()
    )]
    InTheWay {
        /// The file that is there.
        path: PathBuf,
        /// The file that an unfinished writer left.
        unfinished: PathBuf,
    },
    /// What an earlier writer left cannot be made a file of.
    #[error("{} cannot be recovered: {reason}", unfinished.display())]
    NotRecoverable {
        /// The file that an unfinished writer left.
        unfinished: PathBuf,
        /// Why.
        reason: &'static str,
        /// What is wrong with its header, where that is why.
        source: Option<HeaderError>,
    },
}

fn list_of(missing: &[MissingBytes]) -> String {
    let shown: Vec<String> = missing.iter().map(ToString::to_string).collect();
    shown.join(", ")
}
