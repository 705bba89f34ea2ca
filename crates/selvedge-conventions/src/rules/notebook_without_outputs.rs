//! A notebook that was committed without its outputs.
//!
//! ## What it does
//!
//! Checks that a notebook with code has outputs. One whose cells have all run and print nothing is
//! fine; one whose cells print or show something that is not there is not.
//!
//! ## Why is this bad?
//!
//! The outputs are the record of what was found: they show on GitHub, they tell whether a result
//! can be reproduced, and their differences tell when it changed. A notebook without them says what
//! somebody wanted to do. This is the opposite of what `nbstripout` is for, and on purpose.
//!
//! ## Example
//!
//! ```json
//! {"cell_type": "code", "execution_count": null, "outputs": [], "source": ["mask.sum()"]}
//! ```
//!
//! ## Use instead
//!
//! ```json
//! {"cell_type": "code", "execution_count": 4, "source": ["mask.sum()"],
//!  "outputs": [{"output_type": "execute_result", "data": {"text/plain": ["3699"]}}]}
//! ```

use crate::rule::Metadata;
use crate::units::count;
use crate::{Artifact, Cell, Context, Diagnosis, Rule, Severity};

pub(super) struct NotebookWithoutOutputs;

impl Rule for NotebookWithoutOutputs {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK002",
            "notebook-without-outputs",
            Severity::Warning,
            include_str!("notebook_without_outputs.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        let cells: Vec<_> = notebook.code_cells().collect();
        if cells.is_empty() || cells.iter().any(|(_, cell)| cell.outputs > 0) {
            return Vec::new();
        }
        if cells.iter().all(|(_, cell)| cell.execution_count.is_none()) {
            let message = format!(
                "{} of code, and neither outputs nor a sign that any has run",
                count(cells.len(), "cell")
            );
            return vec![Diagnosis::new(message).help(
                "run all cells, save and commit; if outputs vanish on the way, look for a filter \
                 or a hook that strips them",
            )];
        }
        // Executed, and nothing to show: a tool that keeps the counts may have taken the outputs.
        let showing = cells
            .iter()
            .find(|(_, cell)| cell.execution_count.is_some() && shows_something(cell));
        showing.map_or_else(Vec::new, |(number, _)| {
            vec![
                Diagnosis::new("the outputs are gone: this cell has run, and shows something")
                    .cell(*number)
                    .help("run all cells, save and commit with what they show"),
            ]
        })
    }
}

/// Whether a cell that runs leaves an output: it prints, displays or plots, as far as a look at its
/// lines tells.
fn shows_something(cell: &Cell) -> bool {
    const CALLS: [&str; 4] = ["print(", "display(", "plt.show(", ".plot("];
    !cell.source.starts_with("%%capture")
        && cell.source.lines().any(|line| {
            let code = line.split('#').next().unwrap_or_default();
            // Only what runs with the cell: an indented call may be in a function.
            !code.starts_with([' ', '\t'])
                && !code.contains("file=")
                && CALLS.iter().any(|call| code.contains(call))
        })
}
