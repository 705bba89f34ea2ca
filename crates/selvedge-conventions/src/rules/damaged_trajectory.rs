//! An HDF5 file that cannot be read.
//!
//! ## What it does
//!
//! Checks that an `.h5` file is HDF5, that its structures can be followed, and that it is as long as
//! they say.
//!
//! ## Why is this bad?
//!
//! It does not open, or a read fails in the middle. A file that is too short was mostly copied in
//! part, or opened by mistake with h5py's mode `'w'`, which empties it at once.
//!
//! ## Example
//!
//! ```python
//! f = h5py.File("thimble_7.h5", "w")   # to have a look at it
//! ```
//!
//! ## Use instead
//!
//! ```python
//! f = h5py.File("thimble_7.h5")        # mode "r"
//! ```

use crate::rule::Metadata;
use crate::units::Grouped;
use crate::{Artifact, Context, Damage, Diagnosis, Rule, Severity};

pub(super) struct DamagedTrajectory;

impl Rule for DamagedTrajectory {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ006",
            "damaged-trajectory",
            Severity::Error,
            include_str!("damaged_trajectory.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(damage) = artifact.hdf5().and_then(|facts| facts.damage.as_ref()) else {
            return Vec::new();
        };
        let (message, help) = match damage {
            Damage::Truncated { expected, found } => (
                format!(
                    "the file ends early: it should have {} bytes, and has {}",
                    Grouped(*expected),
                    Grouped(*found)
                ),
                "copy it again from where it is whole",
            ),
            Damage::Unreadable { reason } => (
                format!("not a sound HDF5 file: {reason}"),
                "copy it again from where it is whole",
            ),
        };
        vec![Diagnosis::new(message).help(help)]
    }
}
