//! A run that another program changed.
//!
//! ## What it does
//!
//! Finds recorded files of which another program deleted or moved step tensors, shortened some, or appended steps to
//! some and not to the others. The file says which step tensors its run has, and how many steps. What was added
//! beside them, and steps that were appended to all of them, are no finding.
//!
//! ## Why is this bad?
//!
//! The steps that are gone are gone. What is there is a part of the run that looks like all of it: who loads the
//! file sees fewer steps or tensors, or tensors whose steps do not go together.
//!
//! ## Example
//!
//! ```python
//! with h5py.File("thimble_7.h5", "r+") as f:
//!     f["losses"].resize(3000, axis=0)
//!     del f["momentum_W"]
//! ```
//!
//! ## Use instead
//!
//! Take the file from where it is whole. If this is what is to be kept, write it anew:
//!
//! ```sh
//! selvedge rechunk thimble_7.h5 thimble_7_first.h5    # --common-steps where tensors have more steps than others
//! ```

use selvedge_base::text::shell_path;

use crate::facts::RunState;
use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct ChangedRun;

impl Rule for ChangedRun {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ008",
            "changed-run",
            Severity::Error,
            include_str!("changed_run.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let facts = artifact.hdf5();
        // Of a run whose recorder died `writer-died` tells that its step tensors are unequal.
        let facts = facts.filter(|facts| facts.state != RunState::Died || !facts.unequal_steps);
        let changes = facts.map_or(&[][..], |facts| &facts.changes);
        let name = shell_path(artifact.path.file_name());
        let help = format!(
            "take the file from where it is whole; `selvedge rechunk {name} new.h5` makes a run of what is there"
        );
        let changes = changes.iter();
        changes
            .map(|change| Diagnosis::new(change).help(&*help))
            .collect()
    }
}
