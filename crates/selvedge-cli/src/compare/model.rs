//! What a comparison found, as `selvedge verify --json` prints it.

use std::os::unix::ffi::OsStrExt as _;

use selvedge_base::text::escaped;
use selvedge_hdf5::{Attribute, Comparison, Difference, TensorComparison};
use serde::{Serialize, Serializer};

use crate::facts::Value;

/// Two files.
#[derive(Serialize)]
pub(crate) struct FilesCompared<'a> {
    first: String,
    second: String,
    /// Whether the exit code is 0.
    equal: bool,
    only_in_first: &'a [String],
    only_in_second: &'a [String],
    /// Why those were left out that only one has and that cannot be read.
    left_out: &'a [String],
    /// The tensors that both have.
    tensors: Vec<TensorCompared<'a>>,
    attributes: Vec<AttributePair<'a>>,
    /// Bytes that were compared, of one file.
    bytes: u64,
    /// Bytes of these that were not read, since their checksums are equal and trusted.
    trusted_bytes: u64,
}

/// A tensor of both files: its dtypes and shapes in the first and in the second.
#[derive(Serialize)]
struct TensorCompared<'a> {
    tensor: &'a str,
    verdict: &'static str,
    /// Why values were not compared, or not all.
    reason: Option<&'a str>,
    dtypes: &'a [String; 2],
    shapes: &'a [Vec<u64>; 2],
    first_difference: Option<FirstDifference<'a>>,
    /// Elements that differ, where they were counted.
    differing: Option<u64>,
}

/// The first element that differs, in row-major order: its indices, and its bits in hexadecimal digits.
#[derive(Serialize)]
struct FirstDifference<'a> {
    step: u64,
    index: &'a [u64],
    first_bits: String,
    second_bits: String,
}

/// An attribute that one of the files has not, or has with another value.
#[derive(Serialize)]
struct AttributePair<'a> {
    name: &'a str,
    #[serde(serialize_with = "value")]
    first: &'a Option<Attribute>,
    #[serde(serialize_with = "value")]
    second: &'a Option<Attribute>,
}

fn value<S: Serializer>(found: &Option<Attribute>, serializer: S) -> Result<S::Ok, S::Error> {
    found.clone().map(Value).serialize(serializer)
}

impl<'a> FilesCompared<'a> {
    /// `equal` is what the exit code says.
    pub(crate) fn new(found: &'a Comparison, equal: bool) -> Self {
        let attributes = found.attributes.iter();
        Self {
            first: escaped(found.left.as_os_str().as_bytes()),
            second: escaped(found.right.as_os_str().as_bytes()),
            equal,
            only_in_first: &found.only_left,
            only_in_second: &found.only_right,
            left_out: &found.left_out,
            tensors: found.tensors.iter().map(Into::into).collect(),
            attributes: attributes
                .map(|(name, [first, second])| AttributePair {
                    name,
                    first,
                    second,
                })
                .collect(),
            bytes: found.bytes,
            trusted_bytes: found.trusted,
        }
    }
}

impl<'a> From<&'a TensorComparison> for TensorCompared<'a> {
    fn from(found: &'a TensorComparison) -> Self {
        Self {
            tensor: &found.tensor,
            verdict: found.verdict.name(),
            reason: found.reason.as_deref(),
            dtypes: &found.dtypes,
            shapes: &found.shapes,
            first_difference: found.first.as_ref().map(Into::into),
            differing: found.differing,
        }
    }
}

impl<'a> From<&'a Difference> for FirstDifference<'a> {
    fn from(found: &'a Difference) -> Self {
        let width = 2 + 2 * found.element;
        Self {
            step: found.step,
            index: &found.index,
            first_bits: format!("{:#0width$x}", found.left),
            second_bits: format!("{:#0width$x}", found.right),
        }
    }
}
