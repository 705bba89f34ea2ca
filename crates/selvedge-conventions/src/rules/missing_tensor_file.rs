//! A notebook that names a tensor file which does not exist.
//!
//! ## What it does
//!
//! Looks for the strings in a notebook's code that end with `.safetensors`, `.h5` or `.hdf5`, and
//! checks that a file of that name lies somewhere in the tree. Folders are not compared, because
//! they depend on where the notebook runs. In an f-string `{…}` may stand for anything.
//!
//! ## Why is this bad?
//!
//! The notebook cannot be run again, or it is the old name of a file that was renamed. The rule is
//! off by default because tensors are mostly not committed: where the tree is a fresh clone, all of
//! them are missing.
//!
//! ## Example
//!
//! ```python
//! mask = load_file("../tensors/Flannel/1.5d_cluster_maks.safetensors")
//! ```
//!
//! ## Use instead
//!
//! ```python
//! mask = load_file("../tensors/Flannel/1.5d_cluster_mask.safetensors")
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Mention, Rule, Severity};
use selvedge_base::nearest;

pub(super) struct MissingTensorFile;

impl Rule for MissingTensorFile {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK006",
            "missing-tensor-file",
            Severity::Warning,
            include_str!("missing_tensor_file.rs"),
        )
        .off_by_default();
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        let mut diagnoses: Vec<Diagnosis> = Vec::new();
        for (number, cell) in notebook.code_cells() {
            for mention in cell.mentions() {
                if exists(&mention, context) {
                    continue;
                }
                let diagnosis = diagnosis(&mention, context).line_of_cell(number, mention.line);
                // A file that is saved and loaded again is named twice, and is missing once.
                if diagnoses
                    .iter()
                    .all(|known| known.message != diagnosis.message)
                {
                    diagnoses.push(diagnosis);
                }
            }
        }
        diagnoses
    }
}

fn exists(mention: &Mention, context: &Context<'_>) -> bool {
    if !mention.formatted {
        return context.has_file_named(&mention.file_name);
    }
    mention.may_be_anything() || names(context).any(|name| mention.may_be(name))
}

fn diagnosis(mention: &Mention, context: &Context<'_>) -> Diagnosis {
    let nearest = nearest(&mention.file_name, names(context));
    let diagnosis = Diagnosis::new(format!("there is no file `{}`", mention.file_name));
    match nearest {
        Some(nearest) => diagnosis.help(format!("the nearest name is `{nearest}`")),
        None => diagnosis.help("make it again, or say in the notebook where it comes from"),
    }
}

fn names<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a str> {
    let files = context.tree().files.iter();
    files
        .map(|file| file.path.file_name())
        .filter(|name| !name.ends_with(".ipynb"))
}
