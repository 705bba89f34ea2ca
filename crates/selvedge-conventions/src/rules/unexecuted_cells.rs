//! A notebook with cells that have not run, among others that have.
//!
//! ## What it does
//!
//! Checks that every cell of code has been executed. Blank cells, comments, cells of another
//! language and those that are not meant to run (the tag `skip-execution`, `#| eval: false`, the front
//! matter of Quarto and nbdev, `%%script false`, quotes around all of it, a cell that is frozen) do not count. A notebook of which nothing has run is the business of `notebook-without-outputs`.
//! Where no cell has a number, or each has 0, a tool took the numbers out, and nobody knows.
//!
//! ## Why is this bad?
//!
//! Either the notebook was saved before it was done, or code was changed after it had run: Jupyter
//! forgets the number of a cell that is edited in some programs, and of one that was pasted. What is
//! on the page is then not what made the results.
//!
//! ## Example
//!
//! ```text
//! In [3]: mask = norms < threshold
//! In [ ]: save_file({'mask': mask}, path)
//! In [4]: mask.sum()
//! ```
//!
//! ## Use instead
//!
//! Run all cells and save, or delete the cells that are not part of the work.

use crate::rule::Metadata;
use crate::units::{count, shortened};
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct UnexecutedCells;

impl Rule for UnexecutedCells {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK005",
            "unexecuted-cells",
            Severity::Warning,
            include_str!("unexecuted_cells.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        const SHOWN: usize = 8;
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        let cells: Vec<_> = notebook
            .code_cells()
            // Who takes an output out takes the number with it.
            .filter(|(_, cell)| !cell.is_skipped() && !cell.hides_output())
            .filter(|(_, cell)| !cell.silences(self.code()))
            .collect();
        if !notebook.has_counts() || notebook.is_skipped() {
            return Vec::new();
        }
        // What has an output and no number is the business of another rule.
        let has_run = |cell: &crate::Cell| cell.execution_count.is_some() || cell.outputs > 0;
        let missing: Vec<_> = cells
            .iter()
            .filter(|(_, cell)| !has_run(cell))
            .map(|(number, _)| *number)
            .collect();
        let Some(&first) = missing.first() else {
            return Vec::new();
        };
        let numbers: Vec<_> = missing.iter().map(ToString::to_string).collect();
        let (verb, noun) = if missing.len() == 1 {
            ("has", "cell")
        } else {
            ("have", "cells")
        };
        vec![
            Diagnosis::new(format!(
                "{} of {} with code {verb} not run: {noun} {}",
                missing.len(),
                count(cells.len(), "cell"),
                shortened(&numbers, SHOWN)
            ))
            .cell(first)
            .help(
                "run all cells and save, or tag a cell `skip-execution` if it is not meant to run",
            ),
        ]
    }
}
