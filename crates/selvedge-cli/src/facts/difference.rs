//! What two files differ in, by their facts.

use std::collections::HashMap;

use serde::Serialize;

use super::{Attribute, FileFacts, TensorFacts, Value};

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
    /// `dtype` or `shape`.
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

impl Differences {
    pub(crate) fn of(first: &FileFacts, second: &FileFacts) -> Self {
        let [of_first, of_second] = [first, second].map(FileFacts::by_name);
        let mut differences = Self {
            only_in_first: missing(&first.tensors, &of_second),
            only_in_second: missing(&second.tensors, &of_first),
            ..Self::default()
        };
        differences.compare_attributes(None, &of_file(first), &of_file(second));
        for one in &first.tensors {
            if let Some(two) = of_second.get(one.name.as_str()) {
                differences.compare_tensors(one, two);
            }
        }
        differences
    }

    pub(crate) fn count(&self) -> usize {
        self.only_in_first.len()
            + self.only_in_second.len()
            + self.tensors.len()
            + self.attributes.len()
    }

    fn compare_tensors(&mut self, one: &TensorFacts, two: &TensorFacts) {
        let shape = |tensor: &TensorFacts| selvedge_hdf5::Shape(&tensor.shape).to_string();
        for (property, first, second) in [
            ("dtype", one.dtype.clone(), two.dtype.clone()),
            ("shape", shape(one), shape(two)),
        ] {
            if first != second {
                self.tensors.push(TensorDifference {
                    tensor: one.name.clone(),
                    property,
                    first,
                    second,
                });
            }
        }
        self.compare_attributes(Some(&one.name), &one.attributes, &two.attributes);
    }

    fn compare_attributes(&mut self, tensor: Option<&str>, one: &[Attribute], two: &[Attribute]) {
        let value = |attributes: &[Attribute], name: &str| {
            let found = attributes.iter().find(|attribute| attribute.name == name);
            found.map(|attribute| attribute.value.clone())
        };
        let more = two
            .iter()
            .filter(|attribute| value(one, &attribute.name).is_none());
        for Attribute { name, .. } in one.iter().chain(more) {
            let (first, second) = (value(one, name), value(two, name));
            let alike = match (&first, &second) {
                (Some(first), Some(second)) => first.is_same(second),
                _ => false,
            };
            if !alike {
                self.attributes.push(AttributeDifference {
                    tensor: tensor.map(str::to_owned),
                    name: name.clone(),
                    first,
                    second,
                });
            }
        }
    }
}

/// The attributes of a file, with the notebook that made it.
fn of_file(facts: &FileFacts) -> Vec<Attribute> {
    let notebook = facts.provenance.notebook.iter().map(|notebook| Attribute {
        name: "notebook".to_owned(),
        value: Value::text(notebook),
    });
    notebook.chain(facts.attributes.iter().cloned()).collect()
}

fn missing(of: &[TensorFacts], others: &HashMap<&str, &TensorFacts>) -> Vec<String> {
    of.iter()
        .filter(|tensor| !others.contains_key(tensor.name.as_str()))
        .map(|tensor| tensor.name.clone())
        .collect()
}
