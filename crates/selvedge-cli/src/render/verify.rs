//! What `selvedge verify` says: what the library says, with every name escaped.

use selvedge_hdf5::{ChecksumReport, Comparison};

use super::text::shown;
use super::{Page, families};
use crate::facts::FileFacts;
use crate::words::of_program;

/// Whether two files are equal, and what differs.
pub(crate) fn files(mut found: Comparison, page: Page) -> String {
    let escape = |name: &mut String| *name = shown(name);
    for path in [&mut found.left, &mut found.right] {
        *path = shown(path).into();
    }
    found.only_left.iter_mut().for_each(escape);
    found.only_right.iter_mut().for_each(escape);
    found.left_out.iter_mut().for_each(escape);
    for tensor in &mut found.tensors {
        escape(&mut tensor.tensor);
        tensor.reason.iter_mut().for_each(escape);
        tensor.dtypes.iter_mut().for_each(escape);
    }
    let is_unmarked = |dtypes: &[String; 2]| {
        let is = |name: &str| dtypes.iter().any(|dtype| dtype == name);
        is("uint16") && is("bfloat16")
    };
    let is_unmarked = found
        .tensors
        .iter()
        .any(|tensor| is_unmarked(&tensor.dtypes));
    let hint = match is_unmarked {
        true => "  --assume-bf16 takes uint16 for the bits of bfloat16\n",
        false => "",
    };
    // Values are printed with escapes of their own.
    for (name, _) in &mut found.attributes {
        escape(name);
    }
    families::lines(&of_program(&format!("{found}\n{hint}")), page)
}

/// What is no part of the run in recorded files, or not as the run left it; and what of any file was not compared.
pub(crate) fn notes(files: [&FileFacts; 2]) -> String {
    let lines = files.into_iter().flat_map(|facts| {
        let path = shown(&facts.path);
        let notes = facts.notes.iter();
        notes.map(move |note| format!("  {path}: {}\n", shown(note)))
    });
    lines.collect()
}

/// Whether the values are those that the checksums were made of.
pub(crate) fn checksums(mut report: ChecksumReport) -> String {
    report.path = shown(&report.path).into();
    for tensor in &mut report.tensors {
        tensor.tensor = shown(&tensor.tensor);
        tensor.damaged = tensor.damaged.as_deref().map(shown);
        tensor.unread = tensor.unread.as_deref().map(shown);
    }
    let notes = std::mem::take(&mut report.notes);
    let notes = notes
        .iter()
        .map(|note| format!("  {}\n", shown(&note.to_string())));
    of_program(&format!("{report}\n{}", notes.collect::<String>()))
}
