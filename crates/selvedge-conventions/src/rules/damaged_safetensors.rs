//! A safetensors file that cannot be read.
//!
//! ## What it does
//!
//! Checks that the header of a safetensors file is whole and sound, and that the file is as long as
//! the header says.
//!
//! ## Why is this bad?
//!
//! Loading it fails, or worse, gives tensors that are not those which were saved. A file that is too
//! short was mostly copied in part, or the process that saved it was killed.
//!
//! ## Example
//!
//! ```python
//! shutil.copy(source, target)   # interrupted
//! ```
//!
//! ## Use instead
//!
//! Copy the file again, or make it again. Save to a temporary name and rename it when it is
//! complete, as Selvedge does.

use crate::rule::Metadata;
use crate::units::Grouped;
use crate::{Artifact, Context, Damage, Diagnosis, Rule, Severity};

pub(super) struct DamagedSafetensors;

impl Rule for DamagedSafetensors {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN004",
            "damaged-safetensors",
            Severity::Error,
            include_str!("damaged_safetensors.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(damage) = artifact
            .safetensors()
            .and_then(|facts| facts.damage.as_ref())
        else {
            return Vec::new();
        };
        let (message, help) = match damage {
            Damage::Truncated { expected, found } => (
                format!(
                    "the file ends early: its header speaks of {} bytes, and it has {}",
                    Grouped(*expected),
                    Grouped(*found)
                ),
                "copy or make it again: it was not written whole",
            ),
            Damage::Unreadable { reason } => (
                format!("not a sound safetensors file: {reason}"),
                "copy or make it again",
            ),
        };
        vec![Diagnosis::new(message).help(help)]
    }
}
