//! A tensor file whose name does not say which notebook made it.
//!
//! ## What it does
//!
//! Checks that the name of a safetensors file is `<id>_<what>.safetensors`, where the id is that of
//! a notebook, and that of a `.npy` or `.npz` file in a directory of tensors the same with its own
//! extension. Offers the nearest valid name, or one made with the notebook that the file's metadata
//! name.
//! Without a `selvedge.toml` that is asked only where somebody keeps to the conventions: some safetensors or
//! HDF5 file lies in a directory of tensors beside a notebook with an id, or has the name of a trajectory
//! there, or of a tensor file in a tree where some notebook has an id. Arrays of NumPy alone are no sign.
//! Nothing is said of what belongs to tests or to the source of a program.
//!
//! ## Why is this bad?
//!
//! A year later somebody finds `cluster_mask.safetensors` and has to know with which threshold it
//! was made. With the id in its name that is one notebook to open. Without it, it is a search
//! through all of them, and the file is made again to be sure.
//!
//! ## Example
//!
//! ```text
//! tensors/Qwen3-4B-Instruct-2507/cluster_mask.safetensors
//! ```
//!
//! ## Use instead
//!
//! ```text
//! tensors/Qwen3-4B-Instruct-2507/1.5d_cluster_mask.safetensors
//! ```
//!
//! ## Configuration
//!
//! - `notebooks.id-pattern`: what an id looks like.

use super::named_by_notebook;
use crate::name::made_plain;
use crate::rule::Metadata;
use crate::{
    Artifact, Context, Diagnosis, Fix, FixAction, IdPattern, Rule, SafetensorsFacts, Severity,
    TensorFileName,
};

pub(super) struct MissingNotebookId;

impl Rule for MissingNotebookId {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NAM001",
            "missing-notebook-id",
            Severity::Warning,
            include_str!("missing_notebook_id.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        if !context.names_are_meant(&artifact.path) {
            return Vec::new();
        }
        let Some((stem, extension)) = named_by_notebook(artifact, context) else {
            return Vec::new();
        };
        let pattern = &context.config().notebooks.id_pattern;
        let file_name = artifact.path.file_name();
        if is_shard(stem) || context.tree().shards.contains(&artifact.path) {
            return Vec::new();
        }
        let as_safetensors = format!("{stem}.{}", TensorFileName::EXTENSION);
        if TensorFileName::parse(&as_safetensors, pattern).is_ok() {
            return Vec::new();
        }
        let nearest = TensorFileName::nearest(&as_safetensors, pattern);
        let message = if nearest.is_some() {
            format!("the name is not written `<notebook id>_<what>.{extension}`")
        } else {
            "the name does not start with the id of the notebook that made the file".to_owned()
        };
        let facts = artifact.safetensors();
        let nearest = nearest.or_else(|| from_metadata(stem, facts?, pattern));
        let diagnosis = Diagnosis::new(message);
        vec![match nearest {
            Some(name) => {
                let name = format!("{}_{}.{extension}", name.id(), name.what());
                let to = artifact.path.with_file_name(&name);
                diagnosis
                    .help(format!("name it `{name}`"))
                    .fix(Fix::needs_a_look(FixAction::Rename { to }))
            }
            None => diagnosis.help(format!(
                "put the id in front, `<id>_{}`; an id is {}",
                made_plain(file_name),
                pattern.expected()
            )),
        }]
    }
}

/// Whether the name is that of a part of a checkpoint, as its index has it: `model-00001-of-00003`.
fn is_shard(stem: &str) -> bool {
    let is_number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = stem.rsplit_once("-of-");
    parts.is_some_and(|(before, all)| {
        let number = before.rsplit_once('-').map(|(_, number)| number);
        is_number(all) && number.is_some_and(is_number)
    })
}

/// The name with the notebook that the metadata of the file name.
fn from_metadata(
    stem: &str,
    facts: &SafetensorsFacts,
    pattern: &IdPattern,
) -> Option<TensorFileName> {
    let notebook = facts.notebook.as_deref()?;
    let id = pattern.id_of_notebook(notebook.rsplit(['/', '\\']).next()?)?;
    TensorFileName::new(id, &made_plain(stem)).ok()
}
