//! A tensor is not read.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use selvedge_base::units::Names;
use selvedge_base::{did_you_mean, nearest_tensor};

use super::SizeError;
use crate::{Dtype, FileError, HeaderError};

/// Why a file or a tensor is not read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused an operation on the file, or it cannot be locked, written beside its name, or
    /// given it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not sound safetensors.
    #[error("{} is not a sound safetensors file", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
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
    /// Elements of another type than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, asked for {found}{}", hint(*expected))]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype asked for.
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
    /// Rows of a single value.
    #[error("tensor `{tensor}` is a single value and has no rows; read it whole")]
    NoRows {
        /// The tensor.
        tensor: String,
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
    /// A shape that a tensor or a row of its dtype cannot have.
    #[error(transparent)]
    Size(#[from] SizeError),
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

impl ReadError {
    /// Whether it says that values are lost: they should be in the file, and reading them failed.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::ReadTensor { .. } | Self::Truncated { .. })
    }
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
