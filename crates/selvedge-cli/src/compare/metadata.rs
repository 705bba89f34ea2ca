//! Attributes of an HDF5 file beside the metadata of a safetensors file, which are text.

use std::collections::BTreeMap;

use selvedge_hdf5::Attribute;

use super::AttributePair;
use crate::facts::{FileFacts, Format, Value};

/// What the keys of parameters begin with, in safetensors.
pub(crate) const PARAMETER: &str = "parameter.";
/// The key of the names of step tensors, in a file that `selvedge convert` made of a trajectory.
pub(crate) const STEP_TENSORS: &str = "step_tensors";

/// The attributes at the root of an HDF5 file as `selvedge convert` writes them into safetensors,
/// or the metadata that are there: without time and version, which are of the file itself.
pub(crate) fn root_metadata(facts: &FileFacts) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    if let Some(notebook) = &facts.provenance.notebook {
        metadata.insert("notebook".to_owned(), notebook.clone());
    }
    for attribute in &facts.attributes {
        let key = match facts.format {
            Format::Hdf5 => format!("{PARAMETER}{}", attribute.name),
            Format::Safetensors => attribute.name.clone(),
        };
        metadata.insert(key, text(&attribute.value));
    }
    metadata
}

/// The text of a value: a text as it is.
fn text(value: &Value) -> String {
    match &value.0 {
        Attribute::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The metadata that differ.
pub(super) fn differences(one: &FileFacts, two: &FileFacts) -> Vec<AttributePair> {
    let [one, two] = [one, two].map(root_metadata);
    let mut names: Vec<&String> = one.keys().chain(two.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| *name != STEP_TENSORS && one.get(*name) != two.get(*name))
        .map(|name| {
            let value = |metadata: &BTreeMap<String, String>| {
                let text = metadata.get(name)?;
                Some(Value(Attribute::Text(text.clone())))
            };
            AttributePair {
                name: name.clone(),
                first: value(&one),
                second: value(&two),
            }
        })
        .collect()
}
