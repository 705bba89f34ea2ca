//! A tensor file that names a notebook which does not exist.
//!
//! ## What it does
//!
//! Looks for the notebook whose id a safetensors file has in its name, or a `.npy` or `.npz` file in a
//! directory of tensors: in the notebook directories of the file's project, which is the folder that its `tensors` directory is in. A project without
//! notebooks uses those of the nearest folder above that has some, or else all of the tree.
//! Without a `selvedge.toml` that is asked only where somebody keeps to the conventions: some safetensors or
//! HDF5 file lies in a directory of tensors beside a notebook with an id, or has the name of a trajectory
//! there, or of a tensor file in a tree where some notebook has an id. Arrays of NumPy alone are no sign.
//! Nothing is said of what belongs to tests or to the source of a program.
//!
//! ## Why is this bad?
//!
//! The id is there to find out how a tensor was made. One that leads nowhere is a slip of the
//! finger, or the notebook was renamed or deleted, or never committed, and then nobody can make the
//! tensor again.
//!
//! ## Example
//!
//! ```text
//! box_3/notebooks/1.5d_clusters.ipynb
//! box_3/tensors/Flannel/1.6d_cluster_mask.safetensors
//! ```
//!
//! ## Use instead
//!
//! ```text
//! box_3/notebooks/1.5d_clusters.ipynb
//! box_3/tensors/Flannel/1.5d_cluster_mask.safetensors
//! ```
//!
//! ## Configuration
//!
//! - `notebooks.directories`: where notebooks are.
//! - `notebooks.id-pattern`: what an id looks like.

use super::named_by_notebook;
use crate::rule::Metadata;
use crate::{
    Artifact, Context, Diagnosis, NotebookId, Rule, Severity, TensorFileName, TensorPlace,
};
use selvedge_base::nearest;

pub(super) struct NoSuchNotebook;

impl Rule for NoSuchNotebook {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NAM002",
            "no-such-notebook",
            Severity::Warning,
            include_str!("no_such_notebook.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        if !context.names_are_meant(&artifact.path) {
            return Vec::new();
        }
        let config = context.config();
        let pattern = &config.notebooks.id_pattern;
        let Some((stem, _)) = named_by_notebook(artifact, context) else {
            return Vec::new();
        };
        // Another rule is about names that have no id.
        let as_safetensors = format!("{stem}.{}", TensorFileName::EXTENSION);
        let Ok(name) = TensorFileName::parse(&as_safetensors, pattern) else {
            return Vec::new();
        };
        let project = match config.place(&artifact.path) {
            TensorPlace::Known { project, .. }
            | TensorPlace::UnknownModel { project, .. }
            | TensorPlace::NoModel { project } => project,
            TensorPlace::Elsewhere => artifact.path.parent(),
        };
        let notebooks = context.notebooks_of(project);
        if notebooks.contains_key(name.id()) {
            return Vec::new();
        }
        let directories = config.notebooks.directories.globs().join("`, `");
        let help = if notebooks.is_empty() {
            format!("no directory `{directories}` holds a notebook whose name starts with an id")
        } else {
            let ids = notebooks.keys().map(NotebookId::as_str);
            match nearest(name.id().as_str(), ids) {
                Some(id) => {
                    let path = notebooks
                        .iter()
                        .find(|(known, _)| known.as_str() == id)
                        .map_or("", |(_, path)| path.as_str());
                    format!("the nearest one is {path}")
                }
                None => range(notebooks.keys()),
            }
        };
        vec![Diagnosis::new(format!("no notebook has the id `{}`", name.id())).help(help)]
    }
}

/// From where to where the ids of a project go.
fn range<'a>(mut ids: impl Iterator<Item = &'a NotebookId>) -> String {
    let first = ids.next().map(ToString::to_string).unwrap_or_default();
    match ids.last() {
        Some(last) => format!("the notebooks of the project go from `{first}` to `{last}`"),
        None => format!("the only notebook of the project is `{first}`"),
    }
}
