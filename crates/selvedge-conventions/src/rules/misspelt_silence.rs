//! A comment that is meant to silence a rule, and silences none.
//!
//! ## What it does
//!
//! Reads the comments of cells that begin with `selvedge: ignore`, in letters of any size and behind another
//! comment too, and the key `ignore` of `selvedge` in the metadata of cells and notebooks, and finds names
//! there that no rule has. What is meant so and written otherwise is found, too: a comment without its `:`,
//! with another word, or behind a comment of another tool without a `#` of its own; a key that is misspelt.
//! Comments of Python are what Python takes for comments, and no texts that look like some.
//!
//! ## Why is this bad?
//!
//! The rule speaks on, or, worse, nobody notices that it was never silenced and what it says is ignored.
//!
//! ## Example
//!
//! ```python
//! 1 / 0  # selvedge: ignore NBK03
//! ```
//!
//! ## Use instead
//!
//! ```python
//! 1 / 0  # selvedge: ignore NBK003
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct MisspeltSilence;

impl Rule for MisspeltSilence {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK010",
            "misspelt-silence",
            Severity::Warning,
            include_str!("misspelt_silence.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        const HELP: &str = "it is written `selvedge: ignore CODE` in a comment, and `{\"selvedge\": \
                            {\"ignore\": [\"CODE\"]}}` in metadata; `selvedge rules` lists the codes";
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        let of_notebook = notebook.silences.misspelt.iter().map(|misspelt| {
            let problem = &misspelt.problem;
            Diagnosis::new(format!(
                "`selvedge.ignore` in the metadata silences nothing: {problem}"
            ))
        });
        let of_cells = (1..).zip(&notebook.cells).flat_map(|(number, cell)| {
            cell.silences.misspelt.iter().map(move |misspelt| {
                let problem = &misspelt.problem;
                match misspelt.line {
                    Some(line) => {
                        Diagnosis::new(format!("the comment silences nothing: {problem}"))
                            .line_of_cell(number, line)
                    }
                    None => Diagnosis::new(format!(
                        "`selvedge.ignore` in the metadata of the cell silences nothing: {problem}"
                    ))
                    .cell(number),
                }
            })
        });
        of_notebook
            .chain(of_cells)
            .map(|diagnosis| diagnosis.help(HELP))
            .collect()
    }
}
