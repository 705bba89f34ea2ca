//! A trajectory that reserves much more than its steps fill.
//!
//! ## What it does
//!
//! Counts the bytes that the last chunks of each tensor hold beyond the last step, as a share of the
//! data. Of a run that is still recorded, or whose recorder died, the planned steps count.
//!
//! ## Why is this bad?
//!
//! An uncompressed chunk takes its whole size on the disk, however little of it is used. Chunks of
//! 1,600 steps hold 6,001 steps in four, and the file has 32.77 GB in place of 30.73.
//!
//! ## Example
//!
//! ```python
//! chunks=(1600, 10000, 64)   # 6,001 steps: 399 of 6,400 are empty, 6.6 %
//! ```
//!
//! ## Use instead
//!
//! ```python
//! chunks=(1501, 10000, 64)   # 6,001 steps: 3 of 6,004 are empty, 0.05 %
//! ```
//!
//! ## Configuration
//!
//! - `limits.tail-waste`: the share that is allowed, 0.05 by default.

use super::SMALL;
use crate::facts::{Chunks, Hdf5Facts, RunState};
use crate::rule::Metadata;
use crate::units::{Bytes, Grouped, Percent};
use crate::{Artifact, Context, Diagnosis, Filter, Rule, Severity, TensorFacts};

pub(super) struct TailWaste;

impl Rule for TailWaste {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ003",
            "tail-waste",
            Severity::Warning,
            include_str!("tail_waste.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let Some(facts) = artifact.hdf5() else {
            return Vec::new();
        };
        let allowed = context.config().limits.tail_waste;
        let tensors = facts.tensors.iter();
        tensors
            .filter_map(|tensor| diagnosis(facts, tensor, &tensor.chunks()?, allowed))
            .collect()
    }
}

fn diagnosis(
    facts: &Hdf5Facts,
    tensor: &TensorFacts,
    chunks: &Chunks<'_>,
    allowed: f64,
) -> Option<Diagnosis> {
    let steps = match facts.state {
        // Its chunks are there for steps that are still to come.
        RunState::Live | RunState::Died => facts.planned_steps?,
        RunState::Finished | RunState::Recovered | RunState::Unknown => tensor.shape[0],
    };
    let step_bytes = chunks.bytes / chunks.steps;
    // A chunk that cuts a step, too, wastes along other axes, which is the plan's business.
    if chunks.shape[1..] != tensor.shape[1..] || chunks.filters.iter().any(Filter::compresses) {
        return None;
    }
    let data = step_bytes.checked_mul(steps)?;
    let reserved = match tensor.stored_bytes {
        Some(bytes) => bytes,
        None => chunks.bytes.checked_mul(steps.div_ceil(chunks.steps))?,
    };
    let waste = reserved.checked_sub(data)?;
    let share = waste as f64 / data.max(1) as f64;
    if waste < SMALL || share <= allowed {
        return None;
    }
    let help = match &tensor.advised_chunk {
        Some(advised) if advised.len() == tensor.shape.len() => format!(
            "chunks of {} steps waste less; `selvedge rechunk` rewrites the file",
            Grouped(advised[0])
        ),
        _ => {
            "`selvedge plan` finds chunks that fit; `selvedge rechunk` rewrites the file".to_owned()
        }
    };
    Some(
        Diagnosis::new(format!(
            "chunks of {} steps for {} steps reserve {} that no step fills, {} of the data",
            Grouped(chunks.steps),
            Grouped(steps),
            Bytes(waste),
            Percent(share)
        ))
        .tensor(&tensor.name)
        .help(help),
    )
}
