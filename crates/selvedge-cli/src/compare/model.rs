//! What a comparison found. As JSON it is what `selvedge verify --json` prints.

use selvedge_hdf5::Comparison;
use serde::Serialize;

use crate::facts::{AttributeDifference, FileFacts, Value};

/// Two files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FilesCompared {
    pub(crate) first: String,
    pub(crate) second: String,
    pub(crate) equal: bool,
    pub(crate) only_in_first: Vec<String>,
    pub(crate) only_in_second: Vec<String>,
    /// The tensors that both have.
    pub(crate) tensors: Vec<TensorCompared>,
    pub(crate) attributes: Vec<AttributePair>,
    /// Bytes that were compared, of one file.
    pub(crate) bytes: u64,
}

/// A tensor of both files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TensorCompared {
    pub(crate) tensor: String,
    pub(crate) verdict: Verdict,
    /// In the first and the second file.
    pub(crate) dtypes: [String; 2],
    pub(crate) shapes: [Vec<u64>; 2],
    pub(crate) first_difference: Option<FirstDifference>,
    /// Elements that differ, where they were counted.
    pub(crate) differing: Option<u64>,
}

/// How two tensors of one name compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Equal,
    /// One has more steps; those that both have are equal.
    Steps,
    Values,
    Dtype,
    /// The shapes of their steps differ.
    Shape,
    /// They are of a type that is not read.
    Unreadable,
}

/// The first element that differs, in row-major order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FirstDifference {
    /// Its index along the first axis.
    pub(crate) step: u64,
    /// Its indices along the others.
    pub(crate) index: Vec<u64>,
    /// Its bits in the first file, in hexadecimal digits.
    pub(crate) first_bits: String,
    pub(crate) second_bits: String,
}

/// An attribute that one of the files has not, or has with another value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AttributePair {
    pub(crate) name: String,
    pub(crate) first: Option<Value>,
    pub(crate) second: Option<Value>,
}

impl FilesCompared {
    /// Whether no difference was found, and not all could be compared.
    pub(crate) fn is_unknown(&self) -> bool {
        let known = [Verdict::Equal, Verdict::Unreadable];
        !self.equal
            && self.only_in_first.is_empty()
            && self.only_in_second.is_empty()
            && self.attributes.is_empty()
            && self.tensors.iter().all(|t| known.contains(&t.verdict))
    }

    /// The tensors of two files as they compare.
    pub(super) fn of([first, second]: [&FileFacts; 2], found: Comparison) -> Self {
        Self {
            first: first.path.display().to_string(),
            second: second.path.display().to_string(),
            equal: false,
            only_in_first: found.only_left,
            only_in_second: found.only_right,
            tensors: found.tensors.into_iter().map(Into::into).collect(),
            attributes: Vec::new(),
            bytes: found.bytes,
        }
    }

    /// Decides whether the files are equal, when all is found.
    pub(super) fn settle(&mut self) {
        self.equal = self.only_in_first.is_empty()
            && self.only_in_second.is_empty()
            && self.attributes.is_empty()
            && self
                .tensors
                .iter()
                .all(|tensor| tensor.verdict == Verdict::Equal);
    }
}

impl From<AttributeDifference> for AttributePair {
    fn from(found: AttributeDifference) -> Self {
        let name = match found.tensor {
            Some(tensor) => format!("{tensor}: {}", found.name),
            None => found.name,
        };
        Self {
            name,
            first: found.first,
            second: found.second,
        }
    }
}

impl From<selvedge_hdf5::TensorComparison> for TensorCompared {
    fn from(found: selvedge_hdf5::TensorComparison) -> Self {
        use selvedge_hdf5::Verdict as Found;
        Self {
            tensor: found.tensor,
            verdict: match found.verdict {
                Found::Equal => Verdict::Equal,
                Found::Steps => Verdict::Steps,
                Found::Values => Verdict::Values,
                Found::Dtype => Verdict::Dtype,
                Found::Shape => Verdict::Shape,
                _ => Verdict::Unreadable,
            },
            dtypes: found.dtypes,
            shapes: found.shapes,
            first_difference: found.first.map(|first| FirstDifference {
                first_bits: hexadecimal(first.left, first.element),
                second_bits: hexadecimal(first.right, first.element),
                step: first.step,
                index: first.index,
            }),
            differing: found.differing,
        }
    }
}

/// The bits of an element of so many bytes.
fn hexadecimal(bits: u128, element: usize) -> String {
    format!("{bits:#0width$x}", width = 2 + 2 * element)
}
