//! Whether two files hold the same values, whatever their formats and layouts.
//!
//! Two HDF5 files are compared by `selvedge-hdf5`, with several threads. Where one is safetensors,
//! the values are compared here, block by block.

mod model;
mod values;

use std::collections::HashMap;

use selvedge_hdf5::CompareOptions;

pub(crate) use model::{AttributePair, FilesCompared, FirstDifference, TensorCompared, Verdict};

use crate::facts::{FileFacts, OpenFile, TensorFacts};
use crate::progress::Progress;
use crate::values::{Part, Source};

/// What is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Count the elements that differ.
    pub(crate) count: bool,
    /// Compare attributes, too.
    pub(crate) attributes: bool,
    /// Take ranges of steps for equal whose checksums are.
    pub(crate) trust_checksums: bool,
}

/// A file and its facts.
pub(crate) type Opened = (FileFacts, OpenFile);

/// Compares two files.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn files(
    first: &Opened,
    second: &Opened,
    options: Options,
    progress: &mut Progress,
) -> anyhow::Result<FilesCompared> {
    if let (OpenFile::Hdf5(one), OpenFile::Hdf5(two)) = (&first.1, &second.1) {
        let name = two.path().display().to_string();
        let options = CompareOptions::default()
            .count(options.count)
            .attributes(options.attributes)
            .trust_checksums(options.trust_checksums);
        let found = selvedge_hdf5::compare(one, two, &options, |done| {
            progress.follow(&name, done);
        })?;
        return Ok(found.into());
    }
    across(first, second, options, progress)
}

/// Compares two files of which one at least is safetensors.
fn across(
    first: &Opened,
    second: &Opened,
    options: Options,
    progress: &mut Progress,
) -> anyhow::Result<FilesCompared> {
    let [of_first, of_second] = [&first.0, &second.0].map(FileFacts::by_name);
    let only = |of: &FileFacts, others: &HashMap<&str, &TensorFacts>| {
        let names = of.tensors.iter().map(|tensor| &tensor.name);
        names
            .filter(|name| !others.contains_key(name.as_str()))
            .cloned()
            .collect()
    };
    let mut compared = FilesCompared {
        first: first.0.path.display().to_string(),
        second: second.0.path.display().to_string(),
        equal: false,
        only_in_first: only(&first.0, &of_second),
        only_in_second: only(&second.0, &of_first),
        tensors: Vec::new(),
        attributes: Vec::new(),
        bytes: 0,
    };
    if options.attributes {
        compared.attributes = crate::metadata::differences(&first.0, &second.0);
    }
    for one in &first.0.tensors {
        let Some(&two) = of_second.get(one.name.as_str()) else {
            continue;
        };
        let mut tensor = TensorCompared::of(one, two);
        if tensor.verdict == Verdict::Equal {
            let all = Part::default();
            let left = Source::open(&first.1, one, &all)?;
            let right = Source::open(&second.1, two, &all)?;
            let steps = left.steps().min(right.steps());
            let found = values::compare(&left, &right, one, options.count, |bytes| {
                progress.add(&one.name, bytes);
            })?;
            compared.bytes += steps.saturating_mul(left.step_bytes());
            tensor.differing = options.count.then_some(found.differing);
            tensor.verdict = match found.first {
                Some(_) => Verdict::Values,
                None if left.steps() != right.steps() => Verdict::Steps,
                None => Verdict::Equal,
            };
            tensor.first_difference = found.first;
        }
        compared.tensors.push(tensor);
    }
    compared.settle();
    Ok(compared)
}
