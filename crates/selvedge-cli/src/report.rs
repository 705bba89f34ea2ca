//! The page about a run: its tensors measured, and what the file says of itself.

use std::ops::Range;

use selvedge_base::text::shown;
use selvedge_hdf5::common_steps;
use selvedge_report::{Measurements, Stride, Tensor};

use crate::facts::{FileFacts, OpenFile, Storage, TensorFacts, Unreadable};
use crate::progress::Progress;
use crate::source::{Part, Source};

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

/// The tensors whose first axis may be steps, and of which the file does not say so, by their numbers: those that
/// a conversion takes for step tensors.
pub(crate) fn maybe_of_steps(facts: &FileFacts) -> Vec<usize> {
    let tensors = || facts.tensors.iter();
    if facts.recording.is_some() || tensors().any(|tensor| tensor.is_of_steps) {
        return Vec::new();
    }
    let sizes = tensors().map(|tensor| (&tensor.shape[..], tensor.bytes.unwrap_or(0)));
    let Some(steps) = common_steps(sizes) else {
        return Vec::new();
    };
    let is_of_steps =
        |tensor: &TensorFacts| tensor.shape.first() == Some(&steps) && !tensor.has_steps();
    let found = tensors().enumerate();
    let found = found.filter(|(_, tensor)| is_of_steps(tensor));
    found.map(|(number, _)| number).collect()
}

/// Measures the tensors of a file, or those with these names; it shares its page with `files` in all.
///
/// # Errors
///
/// That there is no such tensor.
pub(crate) fn measure(
    facts: &FileFacts,
    file: &OpenFile,
    names: &[String],
    quick: bool,
    files: u64,
) -> anyhow::Result<(Measurements, Vec<Unread>)> {
    let names = facts.own_names(file, names)?;
    let tensors = tensors(facts, file, &names)?;
    let mut progress = Progress::new(selvedge_report::bytes(&tensors, quick));
    let mut add = |name: &str, bytes| progress.add(name, bytes);
    let measured = selvedge_report::measure(&tensors, quick, files, &mut add);
    progress.finish();
    let missing = measured.tensors.iter().filter(|report| report.is_missing);
    let unread = missing.map(|report| Unread {
        message: format!(
            "tensor `{}` of {} was not measured: {}",
            report.name,
            facts.path.display(),
            report.unread.as_deref().unwrap_or_default()
        ),
        is_unsupported: report.is_unsupported,
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
        _ => (None, false),
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
