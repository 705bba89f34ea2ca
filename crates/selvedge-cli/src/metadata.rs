//! What files say of themselves, in the terms of all formats: the attributes of HDF5, and the metadata of
//! safetensors, which are text.
//!
//! An attribute `lr` of an HDF5 file is the metadata `parameter.lr`, and `units` of tensor `W` is
//! `tensor.W.units`. Metadata under other keys, such as `format: pt`, are attributes of their names, and
//! the attribute `safetensors_metadata` lists these, so that they get their keys again. A value that its text
//! would not give back, as `"1"` would be a number, has its type under the key `attribute_types`.

mod typed;

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::bail;
use selvedge_hdf5::{AmbiguousNames, Attribute, pair_listed_names};

use crate::facts::{
    AXIS_LABELS, AttributeDifference, FileFacts, Format, Role, STEP_TENSORS, STEPS, TensorFacts,
    Value,
};
use typed::parse;
pub(crate) use typed::text;

/// What the keys of parameters begin with, in safetensors.
const PARAMETER: &str = "parameter.";
/// What the keys of attributes of tensors begin with, before the name of the tensor.
const OF_TENSOR: &str = "tensor.";
/// The key of the types of values that are not what their texts look like: a JSON object of keys and types.
const TYPES: &str = "attribute_types";
/// The attribute of an HDF5 file with the names of those that were metadata without [`PARAMETER`].
const PLAIN: &str = "safetensors_metadata";
/// What the names of attributes begin with that are of the file, and not of the run.
const OWN: &str = "selvedge_";

/// The attributes of [`OWN`] names that say which part of a run of several ranks a file and a tensor are.
const OF_RANK: [&str; 5] = [
    "selvedge_run",
    "selvedge_rank",
    "selvedge_world_size",
    "selvedge_global_shape",
    "selvedge_offset",
];

/// Names and values.
pub(crate) type Attributes = Vec<(String, Attribute)>;

/// What a file says of itself: not when it was made, and by which version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Description {
    pub(crate) notebook: Option<String>,
    pub(crate) attributes: Attributes,
    /// By the names of the tensors.
    pub(crate) of_tensors: HashMap<String, Attributes>,
    /// Those of `attributes` that are metadata under their own names, and no parameters.
    pub(crate) plain: HashSet<String>,
    /// The names of the step tensors, where the metadata have them.
    pub(crate) step_tensors: Option<HashSet<String>>,
    /// What two keys would both become, and which of them it is not.
    pub(crate) notes: Vec<String>,
}

impl Description {
    pub(crate) fn of(facts: &FileFacts) -> Self {
        let mut description = Self {
            notebook: facts.provenance.notebook.clone(),
            ..Self::default()
        };
        match facts.format {
            Format::Hdf5 => description.take_attributes(facts),
            Format::Safetensors => description.take_metadata(facts),
            Format::Npy | Format::Npz => {}
        }
        description
    }

    fn take_attributes(&mut self, facts: &FileFacts) {
        for attribute in &facts.attributes {
            match (&*attribute.name, &attribute.value.0) {
                (PLAIN, Attribute::Texts(names)) => self.plain.extend(names.iter().cloned()),
                (name, value) => self.attributes.push((name.to_owned(), value.clone())),
            }
        }
        for tensor in &facts.tensors {
            let attributes = tensor.attributes.iter();
            let attributes = attributes.map(|one| (one.name.clone(), one.value.0.clone()));
            let labels = labels(tensor).map(|labels| (AXIS_LABELS.to_owned(), labels));
            self.of_tensors
                .insert(tensor.name.clone(), attributes.chain(labels).collect());
        }
    }

    fn take_metadata(&mut self, facts: &FileFacts) {
        let tensors: HashSet<&str> = facts.tensors.iter().map(|tensor| &*tensor.name).collect();
        let all = facts.attributes.iter();
        let all = all.map(|metadata| (&*metadata.name, text(&metadata.value.0)));
        let mut all: HashMap<&str, String> = all.collect();
        let types = all.get(TYPES).and_then(|types| {
            let types: HashMap<String, String> = serde_json::from_str(types).ok()?;
            let is_ours = |(key, kind): (&String, &String)| {
                all.contains_key(&**key) && typed::KINDS.contains(&&**kind)
            };
            types.iter().all(is_ours).then_some(types)
        });
        if types.is_some() {
            all.remove(TYPES);
        }
        let types = types.unwrap_or_default();
        let value = |key: &str, text: &str| {
            let kind = types.get(key);
            kind.and_then(|kind| typed::read(text, kind))
        };
        let parsed = |key: &str, text: &str| value(key, text).unwrap_or_else(|| parse(text));
        // Parameters before what could have their names.
        let (parameters, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(key, _)| key.starts_with(PARAMETER));
        let named = |key: &str| key.strip_prefix(PARAMETER).unwrap_or(key).to_owned();
        self.attributes = parameters
            .iter()
            .map(|(key, text)| (named(key), parsed(key, text)))
            .collect();
        let taken: HashSet<String> = self
            .attributes
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        for (key, text) in others {
            if key == STEP_TENSORS
                && let Ok(names) = serde_json::from_str(&text)
            {
                self.step_tensors = Some(names);
            } else if let Some((tensor, name)) = of_tensor(key, &tensors) {
                let attributes = self.of_tensors.entry(tensor.to_owned()).or_default();
                attributes.push((name.to_owned(), parsed(key, &text)));
            } else if taken.contains(key) {
                self.notes.push(format!(
                    "metadata `{key}` is not kept: `{PARAMETER}{key}` becomes an attribute of that name"
                ));
            } else {
                let value = value(key, &text).unwrap_or(Attribute::Text(text));
                self.attributes.push((key.to_owned(), value));
                self.plain.insert(key.to_owned());
            }
        }
        self.attributes.sort_by(|(one, _), (two, _)| one.cmp(two));
        for attributes in self.of_tensors.values_mut() {
            attributes.sort_by(|(one, _), (two, _)| one.cmp(two));
        }
        self.notes.sort_unstable();
    }

    /// The metadata of a safetensors file that has these tensors, and of them `step_tensors` where the file
    /// said so; and what cannot be kept there.
    pub(crate) fn metadata(
        &self,
        tensors: &[&str],
        step_tensors: Option<&[&str]>,
    ) -> (BTreeMap<String, String>, Vec<String>) {
        let (mut metadata, mut notes) = (BTreeMap::new(), Vec::new());
        let mut types: BTreeMap<String, &str> = BTreeMap::new();
        let mut add = |key: String, value: &Attribute, is_plain: bool| {
            let (text, kind) = typed::written(value, is_plain);
            types.extend(kind.map(|kind| (key.clone(), kind)));
            metadata.insert(key, text);
        };
        if let Some(notebook) = &self.notebook {
            add("notebook".to_owned(), &notebook.as_str().into(), true);
        }
        for (name, value) in &self.attributes {
            match self.plain.contains(name) && ![TYPES, STEP_TENSORS].contains(&&**name) {
                true => add(name.clone(), value, true),
                false => add(format!("{PARAMETER}{name}"), value, false),
            }
        }
        let names: HashSet<&str> = tensors.iter().copied().collect();
        for tensor in tensors {
            for (name, value) in self.of_tensors.get(*tensor).into_iter().flatten() {
                let key = format!("{OF_TENSOR}{tensor}.{name}");
                if of_tensor(&key, &names) == Some((tensor, name)) {
                    add(key, value, false);
                } else {
                    notes.push(format!(
                        "attribute `{tensor}: {name}` is not kept: its key `{key}` would be read as that of \
                         another tensor"
                    ));
                }
            }
        }
        if let Some(names) = step_tensors {
            let names = serde_json::to_string(names).unwrap_or_default();
            metadata.insert(STEP_TENSORS.to_owned(), names);
        }
        if !types.is_empty() {
            let types = serde_json::to_string(&types).unwrap_or_default();
            metadata.insert(TYPES.to_owned(), types);
        }
        (metadata, notes)
    }

    /// The attributes of an HDF5 file.
    pub(crate) fn root_attributes(&self) -> Attributes {
        let mut attributes = self.attributes.clone();
        let there = |name: &&String| self.attributes.iter().any(|(found, _)| found == *name);
        // No attribute has such a name.
        let can_be = |name: &&String| !name.contains('\0');
        let plain = self.plain.iter().filter(there).filter(can_be);
        let mut plain: Vec<String> = plain.cloned().collect();
        plain.sort_unstable();
        if !plain.is_empty() {
            attributes.push((PLAIN.to_owned(), Attribute::Texts(plain)));
        }
        attributes
    }
}

/// The names of the axes of a tensor of HDF5 as the attribute that labels are, but for that of its steps, which
/// it has without one.
fn labels(tensor: &TensorFacts) -> Option<Attribute> {
    let axes = tensor.axes.iter().enumerate();
    let is_implied =
        |axis: usize, name: &str| axis == 0 && tensor.role == Role::Step && name == STEPS;
    let labels = axes.map(|(axis, name)| match name {
        Some(name) if !is_implied(axis, name) => name.clone(),
        _ => String::new(),
    });
    let labels: Vec<String> = labels.collect();
    let is_named = labels.iter().any(|label| !label.is_empty());
    is_named.then_some(Attribute::Texts(labels))
}

/// The tensor and the name of an attribute of it: names of tensors have dots in them, too, so it is the
/// longest that there is.
fn of_tensor<'k>(key: &'k str, tensors: &HashSet<&str>) -> Option<(&'k str, &'k str)> {
    let rest = key.strip_prefix(OF_TENSOR)?;
    let dots = rest.rmatch_indices('.');
    let mut parts = dots.map(|(at, _)| (&rest[..at], &rest[at + 1..]));
    parts.find(|(tensor, name)| tensors.contains(tensor) && !name.is_empty())
}

/// The attributes whose values are not read, and so not compared: their names, and that in a sentence.
fn unread(facts: &FileFacts) -> Vec<(String, String)> {
    let path = facts.path.display();
    let unlisted = facts.unlisted.iter().map(|(what, why)| {
        let told = format!("{what} in {path} are not compared: {why}");
        (what.clone(), told)
    });
    let of_file = facts
        .unread_attributes
        .iter()
        .map(|one| (String::new(), one));
    let of_tensors = facts.tensors.iter().flat_map(|tensor| {
        let of = format!(" of tensor `{}`", tensor.name);
        tensor
            .unread_attributes
            .iter()
            .map(move |one| (of.clone(), one))
    });
    of_file
        .chain(of_tensors)
        .map(|(of, one)| {
            let (name, holds) = (&one.name, &one.stored_type);
            let told =
                format!("attribute `{name}`{of} in {path} holds {holds}, which is not compared");
            (format!("{name}{of}"), told)
        })
        .chain(unlisted)
        .collect()
}

/// The attributes of two files whose values are not read, and so not compared, in sentences.
///
/// # Errors
///
/// Both files have one of them, unless such may be left out: what only one has is what a conversion does not keep,
/// and what both have may have two values.
pub(crate) fn not_compared(
    one: &FileFacts,
    two: &FileFacts,
    may_skip: bool,
) -> anyhow::Result<Vec<String>> {
    let [one, two] = [one, two].map(unread);
    let mut in_both = one
        .iter()
        .filter(|(name, _)| two.iter().any(|(other, _)| other == name));
    if let Some((_, told)) = in_both.next().filter(|_| !may_skip) {
        bail!("{told}; --skip-unsupported leaves such out");
    }
    Ok(one.into_iter().chain(two).map(|(_, told)| told).collect())
}

/// The attributes that differ: those of the files, and those of tensors that go together.
///
/// In files of two formats a value is the same where its text is: safetensors has nothing else.
///
/// # Errors
///
/// Where nobody can tell which tensors go together.
pub(crate) fn differences(
    one: &FileFacts,
    two: &FileFacts,
) -> Result<Vec<AttributeDifference>, AmbiguousNames> {
    let by_text = one.format != two.format;
    let same = |one: &Attribute, two: &Attribute| {
        Value(one.clone()).is_same(&Value(two.clone())) || (by_text && text(one) == text(two))
    };
    let [first, second] = [one, two].map(Description::of);
    let [left, right] = [(one, &first), (two, &second)].map(|(facts, description)| {
        let notebook = description.notebook.iter();
        let notebook = notebook.map(|text| ("notebook".to_owned(), Attribute::Text(text.clone())));
        let attributes = description.attributes.iter().cloned();
        let attributes: Attributes = notebook.chain(attributes).chain(rank(facts)).collect();
        attributes
    });
    let mut found = unequal(None, &left, &right, &same);
    let [left, right] = [one, two].map(|facts| -> Vec<&str> {
        let tensors = facts.tensors.iter();
        tensors.map(|tensor| &*tensor.name).collect()
    });
    let of = |description: &'_ Description, facts: &'_ FileFacts, number: usize| -> Attributes {
        let tensor = &facts.tensors[number];
        let attributes = description.of_tensors.get(&tensor.name);
        let attributes = attributes.cloned().unwrap_or_default();
        attributes.into_iter().chain(part(tensor)).collect()
    };
    for (number, other) in
        pair_listed_names(&left, &right, [one, two].map(|facts| facts.groups.as_ref()))?.pairs
    {
        let attributes = [of(&first, one, number), of(&second, two, other)];
        found.extend(unequal(
            Some(left[number]),
            &attributes[0],
            &attributes[1],
            &same,
        ));
    }
    Ok(found)
}

/// Which rank of a run a file is of, as it says it in its attributes.
fn rank(facts: &FileFacts) -> Attributes {
    let rank = facts
        .recording
        .as_ref()
        .and_then(|found| found.rank.as_ref());
    let said = rank.map(|rank| {
        [
            Attribute::from(rank.run.as_str()),
            rank.rank.into(),
            rank.world_size.into(),
        ]
    });
    let names = OF_RANK.iter().map(|name| (*name).to_owned());
    names.zip(said.into_iter().flatten()).collect()
}

/// Which part of a tensor of all ranks a tensor is, as it says it in its attributes.
fn part(tensor: &TensorFacts) -> Attributes {
    let said = tensor.part.as_ref().map(|part| {
        [&part.global_shape, &part.offset].map(|axes| {
            let axes = axes
                .iter()
                .map(|&axis| i64::try_from(axis).unwrap_or(i64::MAX));
            Attribute::Ints(axes.collect())
        })
    });
    let names = OF_RANK[3..].iter().map(|name| (*name).to_owned());
    names.zip(said.into_iter().flatten()).collect()
}

/// Those of two lists that differ, in the order of the first, then of the second.
fn unequal(
    tensor: Option<&str>,
    one: &Attributes,
    two: &Attributes,
    same: &impl Fn(&Attribute, &Attribute) -> bool,
) -> Vec<AttributeDifference> {
    let by_name = |attributes: &'_ Attributes| -> HashMap<String, Attribute> {
        attributes.iter().cloned().collect()
    };
    let (left, right) = (by_name(one), by_name(two));
    let more = two.iter().filter(|(name, _)| !left.contains_key(name));
    let names = one.iter().chain(more).map(|(name, _)| name);
    names
        .filter(|name| !name.starts_with(OWN) || OF_RANK.contains(&name.as_str()))
        .filter_map(|name| {
            let (first, second) = (left.get(name), right.get(name));
            if first
                .zip(second)
                .is_some_and(|(first, second)| same(first, second))
            {
                return None;
            }
            Some(AttributeDifference {
                tensor: tensor.map(str::to_owned),
                name: name.clone(),
                first: first.cloned().map(Value),
                second: second.cloned().map(Value),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::of_tensor;

    /// Names of tensors have dots in them: `tensor.layer.0.units` is of `layer.0`, and not of `layer`.
    #[test]
    fn attributes_of_tensors_are_of_the_longest_name() {
        let tensors = HashSet::from(["layer", "layer.0"]);
        assert_eq!(
            of_tensor("tensor.layer.0.units", &tensors),
            Some(("layer.0", "units"))
        );
        assert_eq!(
            of_tensor("tensor.layer.units", &tensors),
            Some(("layer", "units"))
        );
        assert_eq!(of_tensor("tensor.other.units", &tensors), None);
        assert_eq!(of_tensor("parameter.layer.units", &tensors), None);
    }
}
