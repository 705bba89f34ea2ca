//! A notebook in a format from before 2015.
//!
//! ## What it does
//!
//! Checks that `nbformat` is 4 or above.
//!
//! ## Why is this bad?
//!
//! Jupyter converts such a notebook when it opens it, and the next save changes every line of the
//! file. Tools that read notebooks without Jupyter mostly know version 4 alone.
//!
//! ## Example
//!
//! ```json
//! {"nbformat": 3, "worksheets": [{"cells": []}]}
//! ```
//!
//! ## Use instead
//!
//! ```sh
//! jupyter nbconvert --to notebook --nbformat 4 --inplace 0.1a_first_look.ipynb
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct OldNotebookFormat;

impl Rule for OldNotebookFormat {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK007",
            "old-notebook-format",
            Severity::Warning,
            include_str!("old_notebook_format.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        match artifact.notebook() {
            Some(notebook) if notebook.format < 4 => vec![
                Diagnosis::new(format!(
                    "the format of the notebook is version {}, and 4 is current",
                    notebook.format
                ))
                .help(format!(
                    "convert it with `jupyter nbconvert --to notebook --nbformat 4 --inplace {}`",
                    artifact.path.file_name()
                )),
            ],
            _ => Vec::new(),
        }
    }
}
