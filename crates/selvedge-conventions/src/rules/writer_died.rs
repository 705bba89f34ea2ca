//! A trajectory whose recorder died before it was finished.
//!
//! ## What it does
//!
//! Finds files that say they are being recorded, and whose recorder holds no lock on them any more.
//!
//! ## Why is this bad?
//!
//! The run was killed, ran out of disk, or its notebook was closed. Every committed step is in the
//! file and can be read, but there are fewer of them than somebody who loads the file may believe.
//!
//! ## Example
//!
//! ```python
//! recorder = Recorder("thimble_7.h5", steps=6001)   # and the kernel is restarted
//! ```
//!
//! ## Use instead
//!
//! ```sh
//! selvedge recover thimble_7.h5    # or continue the run with `Recorder::resume`
//! ```
//!
//! A file that another program wrote anew, such as h5repack, is not put in order in place;
//! `selvedge rechunk` makes a finished trajectory of it.

use selvedge_base::text::shell_path;

use crate::facts::RunState;
use crate::rule::Metadata;
use crate::units::Grouped;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct WriterDied;

impl Rule for WriterDied {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ005",
            "writer-died",
            Severity::Error,
            include_str!("writer_died.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(facts) = artifact.hdf5() else {
            return Vec::new();
        };
        if facts.state != RunState::Died {
            return Vec::new();
        }
        let message = match (facts.committed_steps, facts.planned_steps) {
            (Some(committed), Some(planned)) => format!(
                "the recorder died after {} of {} steps",
                Grouped(committed),
                Grouped(planned)
            ),
            (Some(committed), None) => {
                format!("the recorder died after {} steps", Grouped(committed))
            }
            (None, _) => {
                let message = "the program that wrote it died, or writes it still";
                let help = format!(
                    "`selvedge recover {}` takes HDF5's mark of a writer out of the file, if nobody \
                     writes it any more",
                    shell_path(artifact.path.file_name())
                );
                return vec![Diagnosis::new(message).help(help)];
            }
        };
        let name = shell_path(artifact.path.file_name());
        let help = match (
            facts.written_anew && !facts.unequal_steps,
            facts.committed_steps,
        ) {
            (false, _) if facts.unequal_steps => format!(
                "another program shortened step tensors or appended to others, which `selvedge inspect {name}` \
                 lists: give all the same number of steps there, or delete those that it changed"
            ),
            (false, _) => format!(
                "`selvedge recover {name}` puts the file in order, or continue the run with \
                 `Recorder::resume`; what was committed is there"
            ),
            (true, Some(0)) => "it has no steps, and nothing to lose".to_owned(),
            (true, _) => format!(
                "another program wrote the file anew: `selvedge rechunk {name} new.h5` makes a finished \
                 trajectory of it; what was committed is there"
            ),
        };
        vec![Diagnosis::new(message).help(help)]
    }
}
