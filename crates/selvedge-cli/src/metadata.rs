//! Attributes of an HDF5 file beside the metadata of a safetensors file, which are text.

use std::collections::BTreeMap;

use selvedge_hdf5::Attribute;

use crate::compare::AttributePair;
use crate::facts::{FileFacts, Format, TensorFacts, Value};

/// What the keys of parameters begin with, in safetensors.
pub(crate) const PARAMETER: &str = "parameter.";
/// What the keys of attributes of tensors begin with, before the name of the tensor.
const OF_TENSOR: &str = "tensor.";
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

/// The attributes of a tensor of an HDF5 file as metadata.
pub(crate) fn of_tensor(tensor: &TensorFacts) -> impl Iterator<Item = (String, String)> {
    tensor.attributes.iter().map(|attribute| {
        let key = format!("{OF_TENSOR}{}.{}", tensor.name, attribute.name);
        (key, text(&attribute.value))
    })
}

/// The attribute that a piece of metadata becomes, and its name; none for what is told in another
/// way. A parameter whose text is that of a number, a bool or a list of them becomes what it was.
pub(crate) fn attribute(key: &str, text: &str) -> Option<(String, Attribute)> {
    if key == STEP_TENSORS {
        return None;
    }
    Some(match key.strip_prefix(PARAMETER) {
        Some(name) => (name.to_owned(), parse(text)),
        None => (key.to_owned(), Attribute::Text(text.to_owned())),
    })
}

fn parse(text: &str) -> Attribute {
    // A float is a float only if it is written as Rust or Python write it, so that a version or a
    // hash of digits stays the text that it is.
    let float = |value: &f64| format!("{value:?}") == text || format!("{value}") == text;
    let lists = || {
        let ints = serde_json::from_str(text).map(Attribute::Ints).ok();
        let floats = || serde_json::from_str(text).map(Attribute::Floats).ok();
        let bools = || serde_json::from_str(text).map(Attribute::Bools).ok();
        let texts = || serde_json::from_str(text).map(Attribute::Texts).ok();
        let list = ints.or_else(floats).or_else(bools).or_else(texts)?;
        (list.to_string() == text && text != "[]").then_some(list)
    };
    if let Ok(value) = text.parse::<i64>()
        && value.to_string() == text
    {
        Attribute::Int(value)
    } else if let Ok(value) = text.parse::<u64>()
        && value.to_string() == text
    {
        Attribute::Uint(value)
    } else if let Some(value) = text.parse::<f64>().ok().filter(float) {
        Attribute::Float(value)
    } else if let Ok(value) = text.parse::<bool>() {
        Attribute::Bool(value)
    } else {
        lists().unwrap_or_else(|| Attribute::Text(text.to_owned()))
    }
}

/// The metadata that differ.
pub(crate) fn differences(one: &FileFacts, two: &FileFacts) -> Vec<AttributePair> {
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

#[cfg(test)]
mod tests {
    use selvedge_hdf5::Attribute;

    use super::{attribute, text};
    use crate::facts::Value;

    #[test]
    fn parameters_become_what_they_were() {
        for value in [
            Attribute::Int(-3),
            Attribute::Uint(u64::MAX),
            Attribute::Float(1e-5),
            Attribute::Float(1.0),
            Attribute::Bool(true),
            Attribute::Text("row t: before".to_owned()),
            Attribute::Text("0.10".to_owned()),
            Attribute::Text("007".to_owned()),
            Attribute::Text("[]".to_owned()),
            Attribute::Ints(vec![1, 2]),
            Attribute::Floats(vec![0.9, 0.999]),
            Attribute::Bools(vec![true, false]),
            Attribute::Texts(vec!["a".to_owned(), "b".to_owned()]),
        ] {
            let text = text(&Value(value.clone()));
            let found = attribute("parameter.x", &text);
            assert_eq!(found, Some(("x".to_owned(), value)));
        }
        // As Python's or Rust's `to_string` writes it.
        let float = attribute("parameter.x", "0.00001").unwrap().1;
        assert_eq!(float, Attribute::Float(1e-5));
        let other = attribute("format", "1").unwrap();
        assert_eq!(
            other,
            ("format".to_owned(), Attribute::Text("1".to_owned()))
        );
        assert_eq!(attribute("step_tensors", "[]"), None);
    }
}
