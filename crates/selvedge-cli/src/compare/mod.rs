//! Whether two files hold the same values, whatever their formats and layouts.

mod model;

use selvedge_hdf5::{CompareOptions, compare_tensors};

pub(crate) use model::{FilesCompared, TensorCompared, Verdict};

use crate::facts::{FileFacts, Format, OpenFile};
use crate::metadata;
use crate::progress::Progress;
use crate::source::Source;

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
/// The errors of reading, and names of which nobody can tell which go together.
pub(crate) fn files(
    first: &Opened,
    second: &Opened,
    options: Options,
    progress: &mut Progress,
) -> anyhow::Result<FilesCompared> {
    let name = second.0.path.display().to_string();
    let [one, two] = [first, second].map(|(facts, _)| facts);
    // Bit for bit where both can hold any byte.
    let clean_bools = one.format != Format::Hdf5 || two.format != Format::Hdf5;
    let left = Source::all(one, &first.1, clean_bools)?;
    let right = Source::all(two, &second.1, clean_bools)?;
    let chosen = CompareOptions::default()
        .count(options.count)
        .trust_checksums(options.trust_checksums);
    let found = compare_tensors(&left, &right, &chosen, |done| progress.follow(&name, done))?;
    let mut compared = FilesCompared::of([one, two], found);
    if options.attributes {
        let found = metadata::differences(one, two)?;
        compared.attributes = found.into_iter().map(Into::into).collect();
    }
    compared.settle();
    Ok(compared)
}
