//! A trajectory whose name does not say which run it is.
//!
//! ## What it does
//!
//! Checks that the name of an HDF5 file is `<run>_<n>.h5`: the experiment, and the number of the
//! run.
//! Without a `selvedge.toml` that is asked only where somebody keeps to the conventions: some safetensors or
//! HDF5 file lies in a directory of tensors beside a notebook with an id, or has the name of a trajectory
//! there, or of a tensor file in a tree where some notebook has an id. Arrays of NumPy alone are no sign.
//! Nothing is said of what belongs to tests or to the source of a program.
//!
//! ## Why is this bad?
//!
//! Runs are compared with each other, and a notebook that loads `thimble_7.h5` says which one it is
//! about. Files called `thimble.h5`, `thimble_new.h5` and `thimble_final.hdf5` get overwritten by
//! the next run, or mistaken for each other.
//!
//! ## Example
//!
//! ```text
//! tensors/Thimble/thimble-final.hdf5
//! ```
//!
//! ## Use instead
//!
//! ```text
//! tensors/Thimble/thimble_7.h5
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Fix, FixAction, Rule, Severity, TrajectoryName};

pub(super) struct MisnamedTrajectory;

impl Rule for MisnamedTrajectory {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NAM004",
            "misnamed-trajectory",
            Severity::Warning,
            include_str!("misnamed_trajectory.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        if !context.names_are_meant(&artifact.path) {
            return Vec::new();
        }
        let file_name = artifact.path.file_name();
        if artifact.hdf5().is_none() || file_name.parse::<TrajectoryName>().is_ok() {
            return Vec::new();
        }
        let diagnosis = Diagnosis::new("the name is not written `<run>_<n>.h5`");
        vec![match TrajectoryName::nearest(file_name) {
            Some(name) => {
                let to = artifact.path.with_file_name(&name.to_string());
                diagnosis
                    .help(format!("name it `{name}`, or with the number of the run"))
                    .fix(Fix::needs_a_look(FixAction::Rename { to }))
            }
            None => diagnosis.help("name it after the experiment, as in `thimble_7.h5`"),
        }]
    }
}
