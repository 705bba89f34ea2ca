//! Values are not read.

use std::path::PathBuf;

use selvedge_base::shape::Shape;
use selvedge_base::units::{Bytes, Names};
use selvedge_base::{did_you_mean, nearest_tensor};

use super::{LibraryError, StorageError};
use crate::{AmbiguousNames, Dtype};

/// Why values are not read: one by one, or of whole files, which are compared or held against checksums.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file has no such tensor.
    #[error(
        "{} has no tensor `{tensor}`; it has {}{}",
        path.display(), Names(available),
        did_you_mean(nearest_tensor(tensor, available.iter().map(String::as_str)))
    )]
    NoSuchTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// The tensors of the file.
        available: Vec<String>,
    },
    /// A name under which there is nothing that can be read.
    #[error("`{tensor}` of {} is not read: {reason}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// Why, with where a link leads.
        reason: String,
    },
    /// A dtype that has no counterpart here.
    #[error("tensor `{tensor}` holds {found}, which Selvedge does not read; {hint}")]
    UnsupportedDtype {
        /// The tensor.
        tensor: String,
        /// The type in the file.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// Values were asked for as another dtype than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, asked for {found}")]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype asked for.
        found: Dtype,
    },
    /// Bits that cannot be those of bfloat16.
    #[error(
        "tensor `{tensor}` holds {found}, and the bits of bfloat16 are uint16, int16 or two opaque bytes"
    )]
    NotBf16 {
        /// The tensor.
        tensor: String,
        /// Its type in the file.
        found: String,
    },
    /// A dtype that has no values as float32.
    #[error(
        "tensor `{tensor}` holds {found}, and float32 is made of bfloat16, float16 and float32"
    )]
    NotFloat {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: Dtype,
    },
    /// Steps of a single value.
    #[error("`{tensor}` is a single value and has no steps; read it whole")]
    NoSteps {
        /// The tensor.
        tensor: String,
    },
    /// Steps that the file does not have.
    #[error("tensor `{tensor}` has steps 0..{committed}, asked for {asked}")]
    StepOutOfRange {
        /// The tensor.
        tensor: String,
        /// The steps asked for, as [`Indices`](crate::Indices) are written.
        asked: String,
        /// The steps that it has.
        committed: u64,
    },
    /// Every 0th step.
    #[error("every 0th step of tensor `{tensor}` was asked for; expected 1 or more")]
    ZeroStride {
        /// The tensor.
        tensor: String,
    },
    /// Rows of steps that are single values.
    #[error("the steps of tensor `{tensor}` are single values and have no rows")]
    NoRows {
        /// The tensor.
        tensor: String,
    },
    /// Rows of a step that it does not have.
    #[error("a step of tensor `{tensor}` has rows 0..{rows}, asked for row {row}")]
    RowOutOfRange {
        /// The tensor.
        tensor: String,
        /// The first row asked for that is not there.
        row: usize,
        /// Rows of a step: the length of its first axis.
        rows: u64,
    },
    /// A mask of another length than the step has rows.
    #[error("a step of tensor `{tensor}` has {expected} rows, found a mask of {found}")]
    MaskLength {
        /// The tensor.
        tensor: String,
        /// Rows of a step: the length of its first axis.
        expected: u64,
        /// Length of the mask.
        found: usize,
    },
    /// A caller's buffer of the wrong length.
    #[error("reading tensor `{tensor}` needs a buffer of {expected} elements, found {found}")]
    BufferLength {
        /// The tensor.
        tensor: String,
        /// Elements that will be read.
        expected: u64,
        /// Elements of the buffer.
        found: u64,
    },
    /// Values went through a filter that is not there.
    #[error(
        "tensor `{tensor}` in {} went through the filter {filter} (number {id}), which is no part of this \
         program; {advice}", path.display()
    )]
    MissingFilter {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The filter's name, as far as it is known.
        filter: String,
        /// The number that HDF5 knows it by.
        id: i32,
        /// What there is to do.
        advice: String,
    },
    /// A part of a virtual dataset is not where it should be, or not as it should be.
    #[error("tensor `{tensor}` in {} is virtual, and takes values from {missing}", path.display())]
    MissingSource {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The source, with the name of its file, what is wrong with it, and what to do.
        missing: String,
    },
    /// Values are in another file (HDF5's external storage), which does not have them.
    #[error("tensor `{tensor}` in {} takes values from {values}", path.display())]
    ExternalStorage {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The other file, what is wrong with it, and what to do.
        values: String,
    },
    /// Values are in another file, which is not read.
    #[error("tensor `{tensor}` in {} takes values from {values}", path.display())]
    NotFollowed {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The other file, and why it is not read.
        values: String,
    },
    /// A tensor whose values lie where a reader of Zarr cannot have them.
    #[error(
        "tensor `{tensor}` in {} has no references for readers of Zarr: {reason}; `selvedge rechunk` writes it \
         so that it has", path.display()
    )]
    NotReferenced {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why, as a clause.
        reason: String,
    },
    /// A compressed chunk that does not unpack.
    #[error(
        "the chunk at {} of tensor `{tensor}` in {} cannot be unpacked; the file is damaged there, other \
         steps can still be read", Shape(chunk), path.display()
    )]
    DamagedChunk {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Offset of the chunk's first element along each axis, the steps first.
        chunk: Vec<u64>,
        /// What is wrong with it.
        source: Box<LibraryError>,
    },
    /// Values that should be in the file, and that neither the system nor libhdf5 gives.
    #[error(
        "the values of tensor `{tensor}` in {} cannot be read; the file is damaged or the disk fails, other \
         tensors can still be read", path.display()
    )]
    DamagedValues {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What the system or libhdf5 says.
        source: LibraryError,
    },
    /// A tensor whose rows of chunks do not fit the memory.
    #[error(
        "tensor `{tensor}` needs {} of memory, since its chunks are unpacked or its rows converted whole, and the limit is {}; raise the \
         limit (`--memory {needed}`)", Bytes(*needed), Bytes(*limit)
    )]
    WorkingMemory {
        /// The tensor.
        tensor: String,
        /// Bytes needed.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Names of two files that could go together in several ways.
    #[error(transparent)]
    AmbiguousNames(#[from] AmbiguousNames),
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReadError {
    /// Whether it says that a tensor cannot be read here: for its type, for a filter or another file that
    /// is not there, or for a limit of memory. That is known before a value is read, and other tensors are not
    /// concerned.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedDtype { .. }
                | Self::NotReferenced { .. }
                | Self::WorkingMemory { .. }
                | Self::MissingFilter { .. }
                | Self::MissingSource { .. }
                | Self::ExternalStorage { .. }
                | Self::NotFollowed { .. }
        )
    }

    /// Whether it says that values are lost: they should be in the file, and reading them failed.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::DamagedChunk { .. } | Self::DamagedValues { .. })
    }
}
