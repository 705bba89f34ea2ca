//! A tensor file that lies where no tensors belong.
//!
//! ## What it does
//!
//! Checks that every safetensors and HDF5 file lies in `<tensors>/<MODEL>/`, directly in the
//! directory of a model or a run. A `.npy` or `.npz` file is held to that within a directory of tensors;
//! elsewhere it may be anything.
//! Without a `selvedge.toml` that is asked only where somebody keeps to the conventions: some safetensors or
//! HDF5 file lies in a directory of tensors beside a notebook with an id, or has the name of a trajectory
//! there, or of a tensor file in a tree where some notebook has an id. Arrays of NumPy alone are no sign.
//! Nothing is said of what belongs to tests or to the source of a program.
//!
//! ## Why is this bad?
//!
//! Notebooks find tensors by their path. A file beside a notebook, in a scratch folder or under a
//! misspelt model is found by nobody else, and is the first to be deleted or committed by mistake.
//!
//! ## Example
//!
//! ```text
//! box_3/notebooks/1.5d_cluster_mask.safetensors
//! box_3/tensors/1.5d_cluster_mask.safetensors
//! ```
//!
//! ## Use instead
//!
//! ```text
//! box_3/tensors/Qwen3-4B-Instruct-2507/1.5d_cluster_mask.safetensors
//! ```
//!
//! ## Configuration
//!
//! - `tensors.directories`: where tensors are; `tensors` folders anywhere, by default.
//! - `tensors.models`: the directories in them, as a list or as patterns; any, by default.

use crate::rule::Metadata;
use crate::{Artifact, Contents, Context, Diagnosis, Rule, Severity, TensorPlace};
use selvedge_base::{did_you_mean, nearest};

pub(super) struct UnknownDirectory;

impl Rule for UnknownDirectory {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NAM003",
            "unknown-directory",
            Severity::Warning,
            include_str!("unknown_directory.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        if !context.names_are_meant(&artifact.path) {
            return Vec::new();
        }
        if matches!(artifact.contents, Contents::Notebook(_)) {
            return Vec::new();
        }
        let tensors = &context.config().tensors;
        let directories = tensors.directories.globs().join("`, `");
        vec![match context.config().place(&artifact.path) {
            TensorPlace::Known { .. } => return Vec::new(),
            // A checkpoint has a folder of its own, whose index names the files.
            TensorPlace::UnknownModel { model, .. }
                if model.contains('/') && context.tree().shards.contains(&artifact.path) =>
            {
                return Vec::new();
            }
            TensorPlace::Elsewhere if artifact.numpy().is_some() => return Vec::new(),
            TensorPlace::UnknownModel { model, .. } if model.contains('/') => {
                let (first, _) = model.split_once('/').unwrap_or((model, ""));
                Diagnosis::new(format!("the file lies in a folder inside of `{first}`")).help(
                    format!("move it into `{first}` itself, or add `{model}` to `tensors.models`"),
                )
            }
            TensorPlace::UnknownModel { model, .. } => {
                let known = tensors.models.globs().iter().map(String::as_str);
                Diagnosis::new(format!("`{model}` is no known model or run")).help(format!(
                    "`tensors.models` has `{}`{}",
                    tensors.models.globs().join("`, `"),
                    did_you_mean(nearest(model, known))
                ))
            }
            TensorPlace::NoModel { .. } => {
                Diagnosis::new("the file lies in no directory of a model or run").help(format!(
                    "move it to `{}/<MODEL>/{}`",
                    artifact.path.parent(),
                    artifact.path.file_name()
                ))
            }
            TensorPlace::Elsewhere => Diagnosis::new(
                "the file lies outside of every directory of \
                                                      tensors",
            )
            .help(format!(
                "move it to `tensors/<MODEL>/` of its project; directories of tensors are \
                 `{directories}`"
            )),
        }]
    }
}
