//! The page about a run: its tensors measured, and what the file says of itself.

use std::iter;
use std::ops::Range;

use anyhow::Context as _;
use selvedge_base::text::shown;
use selvedge_hdf5::common_steps;
use selvedge_report::{Measurements, Sample, Stride, Tensor};

use crate::facts::{FileFacts, OpenFile, Storage, TensorFacts, Unreadable};
use crate::progress::Progress;
use crate::source::{NoSuchPart, Part, Source};

/// Something of a file that is not in the page as it should be.
pub(crate) struct Unread {
    /// The name of the tensor, and why.
    pub(crate) message: String,
    /// Whether that was known before a value was read.
    pub(crate) is_unsupported: bool,
}

/// Some rows of some steps of a tensor, or all rows.
fn read(
    source: &Source<'_>,
    steps: Range<u64>,
    rows: Option<&[Stride]>,
    bytes: &mut Vec<u8>,
) -> anyhow::Result<()> {
    match (source.facts().has_steps(), rows) {
        (false, None) => source.read(0..source.steps(), bytes)?,
        (false, Some(rows)) => {
            let part = Part {
                steps: rows.into(),
                ..Part::default()
            };
            let part = source.clone().take(&part)?;
            part.read(0..part.steps(), bytes)?;
        }
        (true, None) => source.read(steps, bytes)?,
        (true, Some(rows)) => {
            let part = Part {
                rows: rows.into(),
                ..Part::default()
            };
            source.clone().take(&part)?.read(steps, bytes)?;
        }
    }
    Ok(())
}

/// The tensors whose first axis may be steps, and of which the file does not say so: those that a conversion takes for
/// step tensors. Where that is `wanted` they have steps then, and are none of these.
pub(crate) fn take_steps(facts: &mut FileFacts, wanted: bool) -> Vec<&TensorFacts> {
    let sizes = facts.tensors.iter().filter(|tensor| !tensor.is_constant);
    let sizes = sizes.map(|tensor| (&tensor.shape[..], tensor.bytes.unwrap_or(0)));
    let said = facts.recording.is_some() || facts.tensors.iter().any(|tensor| tensor.is_of_steps);
    let Some(steps) = common_steps(sizes).filter(|_| !said) else {
        return Vec::new();
    };
    let leads = |tensor: &TensorFacts| tensor.shape.first() == Some(&steps);
    let may = |tensor: &TensorFacts| leads(tensor) && !tensor.is_constant && !tensor.has_steps();
    for tensor in &mut facts.tensors {
        tensor.is_of_steps |= wanted && may(tensor);
    }
    facts.tensors.iter().filter(|tensor| may(tensor)).collect()
}

/// Checks that the tensors with these names, or all, have the steps that are to be measured.
///
/// # Errors
///
/// [`NoSuchPart`].
pub(crate) fn check_steps(
    facts: &FileFacts,
    names: &[String],
    sample: &Sample,
) -> anyhow::Result<()> {
    let Sample::Steps(indices) = sample else {
        return Ok(());
    };
    let named = |tensor: &&TensorFacts| names.is_empty() || names.contains(&tensor.name);
    let tensors = facts.tensors.iter().filter(named);
    for tensor in tensors.filter(|tensor| tensor.has_steps()) {
        let steps = NoSuchPart::or(indices, tensor.shape[0], &tensor.name, "steps");
        steps.with_context(|| facts.path.display().to_string())?;
    }
    Ok(())
}

/// The numbers of rows of tensors.
pub(crate) fn rows(facts: &FileFacts) -> impl Iterator<Item = u64> {
    let tensors = facts.tensors.iter();
    tensors.filter_map(|tensor| {
        let axis = usize::from(tensor.has_steps());
        tensor.shape.get(axis).copied()
    })
}

/// Measures the tensors of a file, or those with these names; it shares its page with `files` in all.
///
/// # Errors
///
/// That there is no such tensor, or not these steps of one.
pub(crate) fn measure(
    facts: &FileFacts,
    file: &OpenFile,
    names: &[String],
    sample: &Sample,
    files: u64,
) -> anyhow::Result<(Measurements, Vec<Unread>)> {
    let names = facts.own_names(file, names)?;
    check_steps(facts, &names, sample)?;
    let tensors = tensors(facts, file, &names)?;
    let mut progress = Progress::new(selvedge_report::bytes(&tensors, sample));
    let mut add = |name: &str, bytes| progress.add(name, bytes);
    let measured = selvedge_report::measure(&tensors, sample, files, &mut add);
    progress.finish();
    let unread = measured.tensors.iter().filter_map(|report| {
        let path = facts.path.display();
        let what = match (&report.unread, &report.partly) {
            (Some(why), _) if report.is_missing => format!("was not measured: {why}"),
            (_, partly) => format!("is not all in the page: {}", partly.as_ref()?),
        };
        Some(Unread {
            message: format!("tensor `{}` of {path} {what}", report.name),
            is_unsupported: report.is_unsupported,
        })
    });
    let unread = unread.collect();
    Ok((measured, unread))
}

/// The tensors of a file, or those with these names, with what reads them.
pub(crate) fn tensors<'a>(
    facts: &'a FileFacts,
    file: &'a OpenFile,
    names: &[String],
) -> Result<Vec<Tensor<'a>>, Unreadable> {
    let mut sources = Source::all(facts, file, true)?;
    if !names.is_empty() {
        // Masks say of rows what they are.
        sources.retain(|source| {
            let facts = source.facts();
            names.contains(&facts.name) || (!facts.has_steps() && facts.dtype == "bool")
        });
    }
    Ok(sources.into_iter().map(tensor).collect())
}

fn tensor(source: Source<'_>) -> Tensor<'_> {
    let facts = source.facts();
    let (chunk, is_packed) = match &facts.storage {
        Storage::Chunked {
            chunk_shape,
            filters,
            ..
        } => (Some(chunk_shape.clone()), !filters.is_empty()),
        // As if a chunk of a source were one of its own.
        _ => match source.packed_steps() {
            Some(steps) => {
                let axes = facts.shape.iter().skip(1);
                (
                    Some(iter::once(&steps).chain(axes).copied().collect()),
                    true,
                )
            }
            None => (None, false),
        },
    };
    Tensor {
        name: shown(&facts.name).to_string(),
        dtype: facts.dtype.clone(),
        shape: facts.shape.clone(),
        has_steps: facts.has_steps(),
        chunk,
        is_packed,
        values: match source.kind_or_why() {
            Ok(_) => Ok(Box::new(move |steps, rows, bytes| {
                read(&source, steps, rows, bytes).map_err(|error| format!("{error:#}"))
            })),
            Err(why) => Err(format!("it {why}")),
        },
    }
}
