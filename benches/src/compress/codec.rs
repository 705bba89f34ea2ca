//! Who compresses. A new codec is a line of [`CODECS`]; one that is not h5py's is a [`How`] of its own.

use selvedge_hdf5::Compression;

use crate::bench::Contender;
use crate::report::Kind;

/// A contender: chunks of one step, (1, 10000, 64), with these filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Its name in tables.
    pub name: &'static str,
    /// Who writes.
    pub how: How,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The recorder, in its own chunks, with this compression.
    Selvedge(Compression),
    /// h5py: the codec of `compress_peer.py`, and whether HDF5's shuffle filter comes before it.
    H5py(&'static str, bool),
}

/// All of them; the reference is the same chunks without a filter.
pub const CODECS: &[Codec] = &[
    codec("Selvedge, uncompressed", How::Selvedge(Compression::None)),
    codec("Selvedge, compressed", How::Selvedge(Compression::Fast)),
    codec("uncompressed", How::H5py("none", false)),
    codec("gzip-1", How::H5py("gzip-1", false)),
    codec("gzip-6", How::H5py("gzip-6", false)),
    codec("shuffle + gzip-1", How::H5py("gzip-1", true)),
    codec("lzf", How::H5py("lzf", false)),
    codec("shuffle + lzf", How::H5py("lzf", true)),
    codec("lz4", How::H5py("lz4", false)),
    codec("bitshuffle + lz4", How::H5py("bitshuffle-lz4", false)),
    codec("shuffle + zstd-1", How::H5py("zstd-1", true)),
    codec("blosc2, shuffle + lz4", How::H5py("blosc2-lz4", false)),
    codec(
        "blosc2, shuffle + zstd-1",
        How::H5py("blosc2-zstd-1", false),
    ),
];

/// The name of the contender that the others are compared with: the same chunks, written by the same program.
pub const REFERENCE: &str = "uncompressed";

const fn codec(name: &'static str, how: How) -> Codec {
    Codec { name, how }
}

impl Contender for Codec {
    fn name(self) -> &'static str {
        self.name
    }

    fn kind(self) -> Kind {
        match self.how {
            How::Selvedge(_) => Kind::Ours,
            How::H5py("none", _) => Kind::Plain,
            How::H5py(..) => Kind::Peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CODECS, REFERENCE};

    #[test]
    fn names_are_unique_and_the_reference_is_there() {
        let names: BTreeSet<&str> = CODECS.iter().map(|codec| codec.name).collect();
        assert_eq!(names.len(), CODECS.len());
        assert!(names.contains(REFERENCE));
    }
}
