//! Why bytes could not be viewed as 16-bit values.

/// Why a byte slice could not be viewed as 16-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The length is odd, so the bytes are not a whole number of values: most often a file cut
    /// short.
    #[error(
        "{bytes} bytes are not a whole number of 2-byte values, 1 byte is left over: \
         check that the data is complete and its offset right"
    )]
    OddLength {
        /// Length of the slice, in bytes.
        bytes: usize,
    },

    /// The slice begins at an odd address, where a 16-bit value may not lie.
    #[error(
        "{bytes} bytes begin at an odd address, but 2-byte values need a multiple of 2 bytes: \
         copy them into a buffer of values with `bf16_as_bytes_mut(..).copy_from_slice(..)`"
    )]
    Misaligned {
        /// Length of the slice, in bytes.
        bytes: usize,
    },
}
