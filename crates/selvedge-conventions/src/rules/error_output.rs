//! A notebook with a cell that ended with an error.
//!
//! ## What it does
//!
//! Checks that no cell has an error among its outputs. A cell with the tag `raises-exception`, which
//! Jupyter knows, or with Quarto's `#| error: true` is meant to have one.
//!
//! ## Why is this bad?
//!
//! What comes after the error did not run, or ran on what an earlier session had left behind. A
//! reader cannot tell which results to trust.
//!
//! ## Example
//!
//! ```text
//! In [7]: W[:, dead_mask]
//! IndexError: boolean index did not match indexed array
//! ```
//!
//! ## Use instead
//!
//! Fix the cell and run the notebook from the top. An error that is the point of the cell gets the
//! tag `raises-exception` in the cell's metadata.

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct ErrorOutput;

impl Rule for ErrorOutput {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK003",
            "error-output",
            Severity::Warning,
            include_str!("error_output.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        (1..)
            .zip(&notebook.cells)
            .filter(|(_, cell)| !cell.may_fail())
            .filter_map(|(number, cell)| {
                let error = cell.error.as_ref()?;
                let separator = if error.value.is_empty() { "" } else { ": " };
                let message = format!(
                    "the cell ended with {}{separator}{}",
                    error.name, error.value
                );
                Some(Diagnosis::new(message).cell(number).help(
                    "fix it and run the notebook from the top, or tag the cell \
                     `raises-exception` if it is meant to fail",
                ))
            })
            .collect()
    }
}
