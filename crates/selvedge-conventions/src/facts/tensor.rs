//! A tensor of a file, as its header describes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Float16Evidence, Uint16Evidence};

/// A tensor, of either format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TensorFacts {
    /// Its name in the file.
    pub name: String,
    /// The dtype that it is stored with.
    pub dtype: Dtype,
    /// Bytes of one element.
    pub element_bytes: u64,
    /// The value of the attribute `logical_dtype`: what the stored bits mean, where they mean
    /// something else than the dtype they are stored with.
    pub logical_dtype: Option<String>,
    /// Its shape in elements. Of a step tensor the steps come first, as many as are committed.
    pub shape: Vec<u64>,
    /// How it lies in the file.
    pub storage: Storage,
    /// Bytes that the file has reserved for it, where the format tells.
    pub stored_bytes: Option<u64>,
    /// The shape of the chunks that the planner advises for the run as it was declared, with the
    /// configured read pattern and chunk size. Nobody who cannot ask the planner fills this in.
    pub advised_chunk: Option<Vec<u64>>,
    /// The sources of a virtual dataset that are missing, each as a noun with a clause: `dataset W of
    /// part_1.h5, which is not there`.
    pub missing_sources: Vec<String>,
    /// What was seen of the values of a `uint16` tensor, in a sample or in all of them.
    pub uint16: Option<Uint16Evidence>,
    /// What was seen of the values of a float16 tensor, in all of them.
    pub float16: Option<Float16Evidence>,
}

impl TensorFacts {
    /// A tensor of this name, dtype and shape, stored in one piece.
    #[must_use]
    pub fn new(name: &str, dtype: Dtype, element_bytes: u64, shape: &[u64]) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            element_bytes,
            shape: shape.to_vec(),
            ..Self::default()
        }
    }

    /// Bytes of the data, without what is reserved beyond them. Shapes come from files that may be
    /// damaged, so what does not fit 64 bits is the most that does.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        bytes(&self.shape, self.element_bytes)
    }

    /// The shape of the chunks and the filters, if the tensor is chunked and has steps.
    pub(crate) fn chunks(&self) -> Option<Chunks<'_>> {
        let Storage::Chunked { chunk, filters, .. } = &self.storage else {
            return None;
        };
        // A rank that differs, or an axis of no length, is no chunk that HDF5 would make.
        if chunk.len() != self.shape.len() || chunk.is_empty() || chunk.contains(&0) {
            return None;
        }
        Some(Chunks {
            shape: chunk,
            filters,
            steps: chunk[0],
            bytes: bytes(chunk, self.element_bytes),
        })
    }
}

/// The chunks of a tensor whose first axis are steps.
pub(crate) struct Chunks<'t> {
    pub(crate) shape: &'t [u64],
    pub(crate) filters: &'t [Filter],
    /// Steps in a chunk, at least 1.
    pub(crate) steps: u64,
    pub(crate) bytes: u64,
}

fn bytes(shape: &[u64], element_bytes: u64) -> u64 {
    shape
        .iter()
        .fold(element_bytes, |bytes, axis| bytes.saturating_mul(*axis))
}

/// The name of two bytes of which HDF5 knows nothing.
const OPAQUE: &str = "2 opaque bytes";

/// A stored dtype. The rules tell four from the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Dtype {
    /// bfloat16, which safetensors has, and HDF5 has not until its version 2.
    Bfloat16,
    /// float16, IEEE 754 binary16.
    Float16,
    /// 16-bit unsigned integers: also how bfloat16 is stored in HDF5.
    Uint16,
    /// Two bytes of which HDF5 knows nothing: what h5py makes of the bfloat16 of `ml_dtypes`.
    Opaque16,
    /// Any other, under the name that its format gives it.
    Other(String),
    /// Not known.
    #[default]
    Unknown,
}

impl Dtype {
    /// The dtype of a name, of HDF5, safetensors or NumPy: `uint16`, `U16` and `<u2` are the same.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "bfloat16" | "BF16" => Self::Bfloat16,
            "float16" | "F16" | "<f2" | ">f2" => Self::Float16,
            "uint16" | "U16" | "<u2" | ">u2" => Self::Uint16,
            // With a word of the writer behind it, which differs.
            opaque if opaque.starts_with(OPAQUE) => Self::Opaque16,
            "<V2" | "|V2" => Self::Opaque16,
            "" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bfloat16 => "bfloat16",
            Self::Float16 => "float16",
            Self::Uint16 => "uint16",
            Self::Opaque16 => OPAQUE,
            Self::Other(name) => name,
            Self::Unknown => "unknown",
        })
    }
}

/// How a tensor lies in its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Storage {
    /// In one piece.
    #[default]
    Contiguous,
    /// In chunks.
    Chunked {
        /// The shape of a chunk in elements.
        chunk: Vec<u64>,
        /// What each chunk goes through when it is written, in order.
        filters: Vec<Filter>,
        /// The program that encoded the chunks, where a marker in the file tells: one that is
        /// known to write at the speed of the disk.
        fast_encoder: Option<String>,
    },
}

/// A step of HDF5's filter pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The number that HDF5 registers it under: 1 is deflate.
    pub id: i32,
    /// Its name, for messages: `gzip-1`.
    pub name: String,
}

impl Filter {
    /// Whether it makes data smaller, at a price. Shuffle only moves bytes, and Fletcher32 only adds
    /// a checksum; every other filter is taken for a compressor.
    #[must_use]
    pub fn compresses(&self) -> bool {
        const SHUFFLE: i32 = 2;
        const FLETCHER32: i32 = 3;
        !matches!(self.id, SHUFFLE | FLETCHER32)
    }
}

/// The number of elements of a shape, or the most that 64 bits hold.
pub(crate) fn element_count(shape: &[u64]) -> u64 {
    bytes(shape, 1)
}
