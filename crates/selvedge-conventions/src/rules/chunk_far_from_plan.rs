//! A trajectory whose chunks are far from what the planner advises.
//!
//! ## What it does
//!
//! Compares the chunks of each tensor with those that the planner would choose for the run, for the
//! way it is read. Chunks of a fourth to four times the advised size are fine, and so are tensors of
//! less than 16 MB, which are read at once whatever their chunks.
//!
//! ## Why is this bad?
//!
//! Small chunks make thousands of reads out of one. Large ones make a reader load gigabytes to get
//! at one step, or more than its memory. Once recorded, chunks are changed only by writing the file
//! again.
//!
//! ## Example
//!
//! ```python
//! chunks=(10, 10000, 64)     # 12.8 MB, of 7.68 GB that are read as a whole
//! ```
//!
//! ## Use instead
//!
//! ```python
//! chunks=(1501, 10000, 64)   # 1.92 GB: `selvedge plan` tells
//! ```
//!
//! ## Configuration
//!
//! - `limits.chunk-size`: what the planner aims at.
//! - `trajectories.read-pattern`: how the tensors are read.

use super::large_tensors;
use crate::facts::{Chunks, element_count};
use crate::rule::Metadata;
use crate::units::{Bytes, Shape};
use crate::{Artifact, Context, Diagnosis, Rule, Severity, TensorFacts};

pub(super) struct ChunkFarFromPlan;

impl Rule for ChunkFarFromPlan {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ002",
            "chunk-far-from-plan",
            Severity::Warning,
            include_str!("chunk_far_from_plan.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        large_tensors(artifact.hdf5())
            .filter_map(|tensor| {
                let chunks = tensor.chunks()?;
                diagnosis(tensor, &chunks, tensor.advised_chunk.as_deref()?)
            })
            .collect()
    }
}

fn diagnosis(tensor: &TensorFacts, chunks: &Chunks<'_>, advised: &[u64]) -> Option<Diagnosis> {
    const FAR: u64 = 4;
    if advised.len() != chunks.shape.len() {
        return None;
    }
    // A chunk for each step is the business of another rule.
    if chunks.steps == 1 && advised[0] > 1 {
        return None;
    }
    let advised_bytes = element_count(advised).saturating_mul(tensor.element_bytes);
    let relation = if chunks.bytes > advised_bytes.saturating_mul(FAR) {
        "larger"
    } else if chunks.bytes.saturating_mul(FAR) < advised_bytes {
        "smaller"
    } else {
        return None;
    };
    Some(
        Diagnosis::new(format!(
            "chunks {} of {} are much {relation} than the plan's {} of {}",
            Shape(chunks.shape),
            Bytes(chunks.bytes),
            Shape(advised),
            Bytes(advised_bytes)
        ))
        .tensor(&tensor.name)
        .help(
            "`selvedge rechunk` rewrites the file; `selvedge plan` explains the plan; if the run \
             is read in another way, set `trajectories.read-pattern`",
        ),
    )
}
