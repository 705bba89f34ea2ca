//! A notebook with an output of code that was changed after it had run.
//!
//! ## What it does
//!
//! Finds cells that have an output and no number, among cells that have numbers: an editor took the
//! number away when the code was changed, and left the output.
//!
//! ## Why is this bad?
//!
//! The page shows a result beside code that did not make it, and nothing tells them apart.
//!
//! ## Example
//!
//! ```text
//! In [1]: x = 3
//! In [ ]: print(x + 2)
//! 4
//! In [2]: x
//! ```
//!
//! ## Use instead
//!
//! Run all cells and save.

use crate::rule::Metadata;
use crate::units::{count, shortened};
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct OutputOfOtherCode;

impl Rule for OutputOfOtherCode {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK009",
            "output-of-other-code",
            Severity::Warning,
            include_str!("output_of_other_code.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        const SHOWN: usize = 8;
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        // Where no cell has a number, a tool took them all out.
        if !notebook.has_counts() {
            return Vec::new();
        }
        let stale: Vec<_> = notebook
            .code_cells()
            .filter(|(_, cell)| cell.execution_count.is_none() && cell.outputs > 0)
            .filter(|(_, cell)| !cell.silences(self.code()))
            .map(|(number, _)| number)
            .collect();
        let Some(&first) = stale.first() else {
            return Vec::new();
        };
        let others: Vec<_> = stale[1..].iter().map(ToString::to_string).collect();
        let more = if others.is_empty() {
            String::new()
        } else {
            format!(
                ", and so {} {}: {}",
                if others.len() == 1 { "has" } else { "have" },
                count(others.len(), "other cell"),
                shortened(&others, SHOWN)
            )
        };
        vec![
            Diagnosis::new(format!(
                "the cell has an output and no number: its code was changed after it had run{more}"
            ))
            .cell(first)
            .help("run all cells and save"),
        ]
    }
}
