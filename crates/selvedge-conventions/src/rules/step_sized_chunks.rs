//! A trajectory with a chunk for each step, of which whole tensors are read.
//!
//! ## What it does
//!
//! Finds step tensors with chunks of one step, in files of which whole tensors or token subsets are
//! read. Where single steps are read such chunks are right, and this rule is silent: say so with
//! `trajectories.read-pattern`.
//!
//! ## Why is this bad?
//!
//! Reading a tensor makes a lookup and a read for each step: 6,001 of them where 4 do. With
//! compression it is the worst of all: chunks of (1, 10000, 64) with gzip-1 took almost a minute to
//! load.
//!
//! ## Example
//!
//! ```python
//! chunks=(1, 10000, 64)
//! ```
//!
//! ## Use instead
//!
//! ```python
//! chunks=(1501, 10000, 64)
//! ```
//!
//! ## Configuration
//!
//! - `trajectories.read-pattern`: `whole-tensors`, `single-steps` or `token-subsets`.

use super::large_tensors;
use crate::rule::Metadata;
use crate::units::{Bytes, Grouped, Shape};
use crate::{Artifact, Context, Diagnosis, ReadPattern, Rule, Severity};

pub(super) struct StepSizedChunks;

impl Rule for StepSizedChunks {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ004",
            "step-sized-chunks",
            Severity::Warning,
            include_str!("step_sized_chunks.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let Some(facts) = artifact.hdf5() else {
            return Vec::new();
        };
        let configured = context.config().trajectories.read_pattern;
        if facts.read_pattern.unwrap_or(configured) == ReadPattern::SingleSteps {
            return Vec::new();
        }
        large_tensors(Some(facts))
            .filter_map(|tensor| {
                let chunks = tensor.chunks()?;
                // A step so large that the planner makes it a chunk of its own is no mistake.
                let planned = tensor
                    .advised_chunk
                    .as_ref()
                    .is_some_and(|plan| plan.first() == Some(&1));
                if chunks.steps > 1 || tensor.shape[0] <= 1 || planned {
                    return None;
                }
                let advised = match &tensor.advised_chunk {
                    Some(advised) => format!("chunks {}", Shape(advised)),
                    None => format!(
                        "chunks of about {}",
                        Bytes(context.config().limits.chunk_size)
                    ),
                };
                Some(
                    Diagnosis::new(format!(
                        "a chunk of {} for each of {} steps, and whole tensors are read",
                        Bytes(chunks.bytes),
                        Grouped(tensor.shape[0])
                    ))
                    .tensor(&tensor.name)
                    .help(format!(
                        "record with {advised}; `selvedge rechunk` rewrites the file; if single \
                         steps are read, set `trajectories.read-pattern`"
                    )),
                )
            })
            .collect()
    }
}
