//! Whether two files hold the same values, whatever their formats and layouts.

mod model;

use std::collections::HashSet;
use std::slice::from_ref;

use anyhow::{anyhow, bail};
use selvedge_base::units::Names;
use selvedge_base::{did_you_mean, nearest_tensor};
use selvedge_hdf5::{CompareOptions, Comparison, ReadError, compare_tensors, root_name};

pub(crate) use model::FilesCompared;

use crate::facts::{AttributeDifference, FileFacts, Format, OpenFile};
use crate::metadata;
use crate::progress::Progress;
use crate::source::Source;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Count the elements that differ.
    pub(crate) count: bool,
    /// Compare attributes, too.
    pub(crate) attributes: bool,
    /// Take ranges of steps for equal whose checksums are.
    pub(crate) trust_checksums: bool,
    /// Leave out what only one file has and cannot be read.
    pub(crate) skip_unsupported: bool,
    /// The most memory, in bytes.
    pub(crate) memory: u64,
}

/// A file and its facts.
pub(crate) type Opened = (FileFacts, OpenFile);

/// Leaves of two files only these tensors, each by its name in one of them and by that which goes with it in
/// the other; all of them where none is named. The array of a `.npy` file gets the name of what it goes with.
///
/// # Errors
///
/// A name that neither file has, and an array that could go with any of several tensors.
pub(crate) fn choose(
    first: &mut Opened,
    second: &mut Opened,
    names: &[String],
) -> anyhow::Result<()> {
    name_array(second, first, names)?;
    name_array(first, second, names)?;
    let mut roots: HashSet<String> = HashSet::new();
    for name in names {
        let found = [&*first, &*second].map(|(facts, file)| facts.own_names(file, from_ref(name)));
        let found = match found {
            [Err(one), Err(two)] => return Err(in_neither(first, second, name, [one, two])),
            found => found.into_iter().flatten().flatten(),
        };
        roots.extend(found.map(|name| root_name(&name)));
    }
    let groups = [&second.0, &first.0].map(|other| other.groups.clone());
    for ((facts, _), groups) in [first, second].into_iter().zip(groups) {
        // By its name, or the one that the other file lists it under.
        let is_one = |name: &str| {
            let listed = groups.as_ref().and_then(|groups| groups.listed(name));
            roots.contains(&root_name(name))
                || listed.is_some_and(|name| roots.contains(&root_name(&name)))
        };
        if !names.is_empty() {
            facts.tensors.retain(|tensor| is_one(&tensor.name));
        }
    }
    Ok(())
}

/// That neither file has a tensor of that name, by the errors of both: why it cannot be read, where it is there; or
/// else what tensors there are.
fn in_neither(
    (one, _): &Opened,
    (two, _): &Opened,
    name: &str,
    errors: [anyhow::Error; 2],
) -> anyhow::Error {
    let is_unread = |error: &anyhow::Error| {
        let error = error.downcast_ref();
        error.is_some_and(|error| matches!(error, ReadError::Unread { .. }))
    };
    if let Some(error) = errors.into_iter().find(is_unread) {
        return error;
    }
    let tensors = [one, two].into_iter().flat_map(|facts| &facts.tensors);
    let mut roots = HashSet::new();
    let names = tensors.map(|tensor| tensor.name.clone());
    let names: Vec<String> = names.filter(|name| roots.insert(root_name(name))).collect();
    anyhow!(
        "neither {} nor {} has a tensor `{name}`; they have {}{}",
        one.path.display(),
        two.path.display(),
        Names(&names),
        did_you_mean(nearest_tensor(name, names.iter().map(String::as_str)))
    )
}

/// Gives the array of a `.npy` file, whose name is that of the file and says nothing, the name of the tensor of
/// another file that it goes with: the one that is asked for, or the only one.
fn name_array(array: &mut Opened, other: &Opened, names: &[String]) -> anyhow::Result<()> {
    let (facts, file) = (&mut array.0, &mut array.1);
    let (Format::Npy, [tensor]) = (facts.format, &mut facts.tensors[..]) else {
        return Ok(());
    };
    let name = match (names, &other.0.tensors[..]) {
        ([name], _) => {
            let own = other.0.own_names(&other.1, from_ref(name));
            own.ok().and_then(|mut own| own.pop())
        }
        ([], [only]) => Some(only.name.clone()),
        ([], [_, _, ..])
            if !other
                .0
                .tensors
                .iter()
                .any(|other| root_name(&other.name) == tensor.name) =>
        {
            bail!(
                "{} is one array without a name; --tensor names the one of {} that it is compared with: {}",
                facts.path.display(),
                other.0.path.display(),
                other.0.names()
            )
        }
        _ => None,
    };
    if let Some(name) = name {
        file.rename(&name);
        tensor.name = name;
    }
    Ok(())
}

/// Compares two files.
///
/// # Errors
///
/// The errors of reading, and names of which nobody can tell which go together.
pub(crate) fn files(
    first: &Opened,
    second: &Opened,
    options: Options,
    progress: &mut Progress,
) -> anyhow::Result<Comparison> {
    let name = second.0.path.display().to_string();
    let [one, two] = [first, second].map(|(facts, _)| facts);
    // Bit for bit where both can hold any byte.
    let clean_bools = one.format != Format::Hdf5 || two.format != Format::Hdf5;
    let left = Source::all(one, &first.1, clean_bools)?;
    let right = Source::all(two, &second.1, clean_bools)?;
    let chosen = CompareOptions::default()
        .count(options.count)
        .trust_checksums(options.trust_checksums)
        .skip_unsupported(options.skip_unsupported)
        .memory(options.memory);
    let follow = |done| progress.follow(&name, done);
    let mut found = compare_tensors(&left, &right, &chosen, follow)?;
    found.left.clone_from(&one.path);
    found.right.clone_from(&two.path);
    if options.attributes {
        let differences = metadata::differences(one, two)?.into_iter();
        found.attributes = differences.map(AttributeDifference::into_pair).collect();
    }
    Ok(found)
}
