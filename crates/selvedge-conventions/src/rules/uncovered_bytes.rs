//! A safetensors file with bytes that belong to no tensor.
//!
//! ## What it does
//!
//! Checks that the tensors of a safetensors file cover its data without a gap, as the format
//! demands.
//!
//! ## Why is this bad?
//!
//! Other programs refuse the file. The bytes may be a tensor that a broken program forgot to put
//! into the header, or something that was appended to the file and does not belong there.
//!
//! ## Example
//!
//! ```sh
//! cat part_2.safetensors >> part_1.safetensors
//! ```
//!
//! ## Use instead
//!
//! ```python
//! save_file({**load_file("part_1.safetensors"), **load_file("part_2.safetensors")}, path)
//! ```

use crate::rule::Metadata;
use crate::units::Grouped;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct UncoveredBytes;

impl Rule for UncoveredBytes {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN005",
            "uncovered-bytes",
            Severity::Warning,
            include_str!("uncovered_bytes.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(facts) = artifact.safetensors() else {
            return Vec::new();
        };
        let bytes = facts.uncovered.iter().fold(0_u64, |sum, range| {
            sum.saturating_add(range.end.saturating_sub(range.start))
        });
        let Some(first) = facts.uncovered.first().filter(|_| bytes > 0) else {
            return Vec::new();
        };
        let more = match facts.uncovered.len() {
            1 => String::new(),
            ranges => format!(", the first of {ranges} gaps"),
        };
        vec![
            Diagnosis::new(format!(
                "{} bytes of the data belong to no tensor, from byte {}{more}",
                Grouped(bytes),
                Grouped(first.start)
            ))
            .help("load what can be loaded and save it again"),
        ]
    }
}
