//! A `.npy` or `.npz` file that cannot be read.
//!
//! ## What it does
//!
//! Checks that the header of an array is whole and sound, that the file is as long as the header says, and
//! that a `.npz` file is a zip archive.
//!
//! ## Why is this bad?
//!
//! NumPy cannot load the file. One that is too short was mostly copied in part, or the process that saved
//! it was killed: `numpy.save` writes under the final name.
//!
//! ## Example
//!
//! ```python
//! np.save("1.5d_mask.npy", mask)   # and the kernel is restarted meanwhile
//! ```
//!
//! ## Use instead
//!
//! Copy the file again, or make it again. Save tensors as safetensors, which Selvedge writes under a
//! temporary name.

use crate::rule::Metadata;
use crate::units::Grouped;
use crate::{Artifact, Context, Damage, Diagnosis, Rule, Severity};

pub(super) struct DamagedArray;

impl Rule for DamagedArray {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN009",
            "damaged-array",
            Severity::Error,
            include_str!("damaged_array.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(damage) = artifact.numpy().and_then(|facts| facts.damage.as_ref()) else {
            return Vec::new();
        };
        let message = match damage {
            Damage::Truncated { expected, found } => format!(
                "the file ends early: its arrays take {} bytes, and it has {}",
                Grouped(*expected),
                Grouped(*found)
            ),
            Damage::Unreadable { reason } => format!("not a sound file of NumPy: {reason}"),
        };
        vec![Diagnosis::new(message).help("copy or make it again")]
    }
}
