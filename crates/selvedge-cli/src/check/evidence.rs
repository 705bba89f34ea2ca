//! What the values of 16-bit tensors say about the dtype that was meant.
//!
//! What cannot be read leaves no evidence: the rules then say less, and other rules what is wrong.

use selvedge_base::Stride;
use selvedge_base::shape::most_elements;
use selvedge_conventions::{Dtype, Float16Evidence, Storage, TensorFacts, Uint16Evidence};

use crate::facts::Unreadable;
use crate::source::{Part, Source};

/// Values of each place of a sample.
const SAMPLE: u64 = 4096;
/// Places of a sample: the start, the middle and the end. What is recorded often starts with zeros.
const PLACES: u64 = 3;
/// A sample that has to read or unpack more than this, in bytes, is none.
pub(super) const SAMPLE_BYTES: u64 = 64_000_000;

/// Fills in the evidence of a tensor, whose values are those of `source`.
pub(super) fn fill(source: &Source<'_>, facts: &mut TensorFacts) {
    if facts.dtype == Dtype::Uint16 {
        facts.uint16 = sample(source, facts);
    } else {
        let mut evidence = Float16Evidence::default();
        let all = source.blocks(|bytes| {
            evidence += Float16Evidence::of(bits(bytes));
            Ok::<_, Unreadable>(())
        });
        facts.float16 = all.ok().map(|()| evidence);
    }
}

/// Some values of some places: of each some rows of a step, or some steps where one has few values.
fn sample(source: &Source<'_>, facts: &TensorFacts) -> Option<Uint16Evidence> {
    let mut most_steps = u64::MAX;
    if let Storage::Chunked { chunk, filters, .. } = &facts.storage {
        let bytes = chunk
            .iter()
            .fold(2_u64, |all, axis| all.saturating_mul(*axis));
        // A filtered chunk is unpacked as a whole.
        if !filters.is_empty() {
            let chunks = SAMPLE_BYTES
                .checked_div(bytes)
                .filter(|&chunks| chunks > 0)?;
            most_steps = chunks.saturating_mul(chunk.first().copied().unwrap_or(1));
        }
    }
    let (&steps, step) = facts.shape.split_first()?;
    let (rows, per_row) = match step.split_first() {
        Some((&rows, row)) => (Some(rows), most_elements(row)),
        None => (None, 1),
    };
    let empty = steps == 0 || rows == Some(0) || per_row == 0;
    if empty || per_row.saturating_mul(2) > SAMPLE_BYTES / PLACES {
        return None;
    }
    let mut evidence = Uint16Evidence::default();
    let mut bytes = Vec::new();
    for place in 0..PLACES {
        let part = match rows {
            Some(rows) => {
                let per_step = per_row.saturating_mul(rows);
                let together = SAMPLE.div_ceil(per_step).min(steps).min(most_steps);
                let step = (steps - together) * place / (PLACES - 1);
                let some = SAMPLE.div_ceil(per_row).min(rows);
                let every = rows / some;
                let rows = Stride {
                    first: 0,
                    count: some,
                    stride: every,
                };
                Part {
                    steps: (step..step + together).into(),
                    rows: [rows][..].into(),
                    ..Part::default()
                }
            }
            None => {
                let some = SAMPLE.min(steps);
                let first = (steps - some) * place / (PLACES - 1);
                Part {
                    steps: (first..first + some).into(),
                    ..Part::default()
                }
            }
        };
        let part = source.clone().take(&part).ok()?;
        part.read(0..part.steps(), &mut bytes).ok()?;
        let step = bytes.len() / usize::try_from(part.steps()).ok()?.max(1);
        evidence += Uint16Evidence::of(bits(independent(&bytes, step)));
    }
    Some(evidence)
}

/// The bytes of those steps, of `step` bytes each, that say something anew: all of them, or the first where most elements are
/// those of the step before. A vector that is recorded while it is trained is not many vectors.
fn independent(bytes: &[u8], step: usize) -> &[u8] {
    let later = bytes.get(step..).unwrap_or_default();
    let pairs = bits(later).zip(bits(bytes));
    let same = pairs.filter(|(now, before)| now == before).count();
    // Of single values those that follow each other are no vectors.
    match step > 2 && 2 * same > later.len() / 2 {
        true => &bytes[..step],
        false => bytes,
    }
}

fn bits(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_le_bytes(*pair))
}
