//! What `selvedge report` says when it is done.

use std::path::Path;

use selvedge_hdf5::{Bytes, Grouped};

use super::text::{counted, shown, some, wrapped};
use crate::facts::{FileFacts, TensorFacts};

/// What there is to know of how the values of a file are taken, or of the tensors with these names, beside what
/// [`without_steps`] says.
pub(crate) fn notes(without: Option<String>, facts: &FileFacts, names: &[String]) -> Vec<String> {
    let is_taken = |name: &&String| names.is_empty() || names.contains(name);
    let unmarked: Vec<String> = facts.unmarked().filter(is_taken).map(shown).collect();
    let are = if unmarked.len() == 1 { "is" } else { "are" };
    let unmarked = (!unmarked.is_empty()).then(|| {
        format!(
            "{} {are} uint16 and taken for whole numbers; if these are the bits of bfloat16, pass --assume-bf16",
            some(&unmarked)
        )
    });
    unmarked.into_iter().chain(without).collect()
}

/// That these tensors have no curves, for the file does not say that they have steps.
pub(crate) fn without_steps(tensors: &[&TensorFacts]) -> Option<String> {
    let (first, others) = tensors.split_first()?;
    let name = shown(&first.name);
    let which = match others.len() as u64 {
        0 => format!("`{name}` has"),
        others => format!("`{name}` and {} have", counted(others, "other tensor")),
    };
    let steps = Grouped(first.shape.first().copied().unwrap_or(0));
    Some(format!(
        "{which} no curves: the file does not say whether the first axis, of {steps}, is steps; --steps takes it for that"
    ))
}

/// The page, whether it has all steps, how many tensors it has not, and what else there is to know.
pub(crate) fn summary(
    page: &Path,
    bytes: u64,
    is_sampled: bool,
    left_out: u64,
    notes: &[String],
    columns: usize,
) -> String {
    let size = Bytes(bytes);
    let mut text = format!("{}: {size}\n", shown(page));
    if is_sampled {
        let sampled = "some of the steps, each against the one before it; without --quick and --steps it is all of them";
        text.push_str(&format!("  {}\n", wrapped(sampled, 2, columns)));
    }
    if left_out > 0 {
        let others = counted(left_out, "other tensor");
        let largest =
            format!("the largest tensors of each kind, without {others}; --tensor chooses");
        text.push_str(&format!("  {}\n", wrapped(&largest, 2, columns)));
    }
    for note in notes {
        text.push_str(&format!("  {}\n", wrapped(note, 2, columns)));
    }
    text
}
