//! What a dtype and a shape cannot take together.

use crate::Dtype;

/// Why a tensor, or a row of one, has no number of bytes.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
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
}
