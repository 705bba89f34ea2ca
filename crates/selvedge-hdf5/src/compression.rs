//! Whether and how steps are compressed, as callers say it.

use std::fmt;

/// Whether steps are compressed, without loss.
///
/// Compressed are the tensors with elements of 2 bytes (bfloat16, float16, the 16-bit integers) and
/// steps of 16 KiB or more; the others stay as they are. Any HDF5 reads the result, by its own
/// filters shuffle and deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Steps are stored as they are: the default.
    #[default]
    None,
    /// The low bytes of the elements are stored and the high bytes Huffman-coded, at the speed of
    /// the disk. Each step is a chunk of its own, or several from 4 MiB on, and is committed as
    /// without compression.
    Fast,
    /// What an element has kept since the step before is named, not repeated: smaller, where values
    /// stay as they are. A chunk holds 16 steps of up to 2,048 elements, so reading one step unpacks
    /// 16.
    ///
    /// For [`Rechunk`](crate::Rechunk) and archives. A recorder refuses it, since a kill would cost all
    /// steps of a chunk that is not full: it records with [`Fast`](Self::Fast).
    Temporal,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Fast => "fast",
            Self::Temporal => "temporal",
        })
    }
}
