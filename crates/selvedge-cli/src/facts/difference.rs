//! What two files differ in, by their facts.

use selvedge_hdf5::{AmbiguousNames, pair_listed_names};
use serde::Serialize;

use super::{FileFacts, TensorFacts, Value};

/// The differences, in the order of the first file, then of the second.
///
/// When a file was made, by which version, and how it lies on the disk is no difference.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Differences {
    pub(crate) only_in_first: Vec<String>,
    pub(crate) only_in_second: Vec<String>,
    pub(crate) tensors: Vec<TensorDifference>,
    pub(crate) attributes: Vec<AttributeDifference>,
}

/// A tensor of both files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TensorDifference {
    pub(crate) tensor: String,
    /// `dtype`, `shape`, or `appended steps`, which another program gave to one tensor of a run.
    pub(crate) property: &'static str,
    pub(crate) first: String,
    pub(crate) second: String,
}

/// An attribute that one of the files has not, or has with another value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AttributeDifference {
    /// The tensor that it belongs to; none for one of the file.
    pub(crate) tensor: Option<String>,
    pub(crate) name: String,
    pub(crate) first: Option<Value>,
    pub(crate) second: Option<Value>,
}

impl AttributeDifference {
    /// The name, that of a tensor's with the tensor before it, and the values.
    pub(crate) fn into_pair(self) -> (String, [Option<selvedge_hdf5::Attribute>; 2]) {
        let name = match self.tensor {
            Some(tensor) => format!("{tensor}: {}", self.name),
            None => self.name,
        };
        let values = [self.first, self.second];
        (name, values.map(|value| value.map(|value| value.0)))
    }
}

impl Differences {
    /// Compares the tensors of two files, and takes over how their attributes differ.
    ///
    /// # Errors
    ///
    /// Where nobody can tell which tensors go together.
    pub(crate) fn of(
        first: &FileFacts,
        second: &FileFacts,
        attributes: Vec<AttributeDifference>,
    ) -> Result<Self, AmbiguousNames> {
        let [left, right] = [first, second].map(|facts| -> Vec<&str> {
            let tensors = facts.tensors.iter();
            tensors.map(|tensor| &*tensor.name).collect()
        });
        let pairing = pair_listed_names(
            &left,
            &right,
            [first, second].map(|facts| facts.groups.as_ref()),
        )?;
        let named = |names: &[&str], numbers: Vec<usize>| -> Vec<String> {
            let names = numbers.into_iter().map(|number| names[number].to_owned());
            names.collect()
        };
        let pairs = pairing.pairs.into_iter();
        let pairs = pairs.map(|(one, two)| (&first.tensors[one], &second.tensors[two]));
        Ok(Self {
            tensors: pairs.flat_map(|(one, two)| unequal(one, two)).collect(),
            only_in_first: named(&left, pairing.only_left),
            only_in_second: named(&right, pairing.only_right),
            attributes,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.only_in_first.len()
            + self.only_in_second.len()
            + self.tensors.len()
            + self.attributes.len()
    }
}

fn unequal(one: &TensorFacts, two: &TensorFacts) -> impl Iterator<Item = TensorDifference> {
    let shape = |tensor: &TensorFacts| selvedge_hdf5::Shape(&tensor.shape).to_string();
    let properties = [
        ("dtype", one.dtype.clone(), two.dtype.clone()),
        ("shape", shape(one), shape(two)),
        (
            "appended steps",
            one.appended.to_string(),
            two.appended.to_string(),
        ),
    ];
    let tensor = one.name.clone();
    properties
        .into_iter()
        .filter(|(_, first, second)| first != second)
        .map(move |(property, first, second)| TensorDifference {
            tensor: tensor.clone(),
            property,
            first,
            second,
        })
}
