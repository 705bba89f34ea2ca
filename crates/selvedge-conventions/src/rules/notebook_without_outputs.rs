//! A notebook that was committed without its outputs.
//!
//! ## What it does
//!
//! Checks that a notebook with code has outputs, and that a cell which has run shows what it must
//! show: what it prints, and the value of its last expression. That is read from its code as Python
//! reads it, so a `print` in a function that is only defined, in a text or behind a condition is
//! none, and neither is one whose name the notebook gives another meaning. Plots, loops over what may be
//! empty and calls of the notebook's own functions count where no cell of the notebook has an output: a
//! tool has then kept the counts and taken all else. Left alone are cells that
//! capture their output or clear it (`clear_output`), those that are not meant to run (`#| eval: false`),
//! values that may be `None`, and kernels of other languages.
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

use crate::notebook::Shows;
use crate::rule::Metadata;
use crate::units::count;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

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
        let has_outputs = notebook.cells.iter().any(|cell| cell.outputs > 0);
        let has_run = cells.iter().any(|(_, cell)| cell.execution_count.is_some());
        // Some are not meant to run, and others not to show what they do.
        let meant = cells.iter();
        let meant = meant.filter(|(_, cell)| !cell.is_skipped() && !cell.hides_output());
        let meant = meant.filter(|(_, cell)| !cell.silences(self.code()));
        let meant = meant.count();
        if meant > 0 && !has_outputs && !has_run && !notebook.is_skipped() {
            let message = format!(
                "{} of code, and neither outputs nor a sign that any has run",
                count(meant, "cell")
            );
            return vec![Diagnosis::new(message).help(
                "run all cells, save and commit; if outputs vanish on the way, look for a filter \
                 or a hook that strips them",
            )];
        }
        // Executed, and nothing to show: a tool that keeps the counts may have taken the outputs, or their
        // values alone.
        let mut bare = cells
            .iter()
            // A count of 0 says nothing: it is what Databricks gives to all.
            .filter(|(_, cell)| cell.execution_count.is_some_and(|count| count > 0))
            .filter(|(_, cell)| cell.error.is_none())
            .filter(|(_, cell)| cell.results + cell.displays == 0)
            // What it has printed is there, and it has no value beside.
            .filter(|(_, cell)| cell.outputs == 0 || !ends_with_print(&cell.source))
            .filter(|(_, cell)| !cell.silences(self.code()))
            .peekable();
        if bare.peek().is_none() {
            return Vec::new();
        }
        let shows = notebook.shows(!has_outputs);
        let bare: Vec<_> = bare
            .map(|(number, cell)| {
                let shown = shows(cell);
                let is_value = shown.printed < Shows::Surely || cell.outputs > 0;
                let shows = match cell.outputs {
                    0 => shown.any(has_outputs),
                    // What it has printed is there.
                    _ => shown.value.min(Shows::Likely),
                };
                (*number, shows, is_value, shown.value)
            })
            .filter(|(_, shows, ..)| *shows != Shows::Unsure)
            .collect();
        // One value may be `None` where other outputs are there, and some may be of which nothing is known.
        // That none of them is there is another matter: a tool kept what is printed. Any number of loops may
        // go through nothing.
        const MANY: usize = 3;
        let values = || {
            let values = bare.iter();
            values.filter(|(_, shows, is_value, _)| *is_value && *shows != Shows::Surely)
        };
        let unknown = values().filter(|(.., value)| *value != Shows::Unsure);
        let (values, unknown) = (values().count(), unknown.count());
        let likely = bare.iter().any(|(_, shows, ..)| *shows >= Shows::Likely);
        let has_values = notebook.cells.iter().any(|cell| cell.results > 0);
        let least = if has_outputs && (values < 2 || has_values) {
            Shows::Surely
        } else if values < 2 || !likely && unknown < MANY {
            Shows::Likely
        } else {
            Shows::Perhaps
        };
        let gone = bare.into_iter().filter(|(_, shows, ..)| *shows >= least);
        let bare: Vec<_> = gone.map(|(number, ..)| number).collect();
        let Some(&first) = bare.first() else {
            return Vec::new();
        };
        let message = match bare.len() {
            1 => "the output is gone: this cell has run, and shows something".to_owned(),
            cells => format!(
                "the outputs are gone: this and {} have run, and show something",
                count(cells - 1, "other cell")
            ),
        };
        vec![
            Diagnosis::new(message)
                .cell(first)
                .help("run all cells, save and commit with what they show"),
        ]
    }
}

/// Whether the last line is a whole call of `print`. To see that is cheaper than to read the code as Python does.
fn ends_with_print(code: &str) -> bool {
    let mut lines = code.trim_end().rsplit('\n');
    let last = lines.next().unwrap_or_default();
    let goes_on = lines
        .next()
        .is_some_and(|line| line.trim_end().ends_with('\\'));
    // The parenthesis behind the name is closed by the last character, and by none before.
    let mut depth = 0_usize;
    let open = last.bytes().map(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 0
    });
    let name = "print";
    last.starts_with("print(")
        && open.skip(name.len()).position(|is_open| !is_open) == Some(last.len() - name.len() - 1)
        && !last.contains("\"\"\"")
        && !last.contains("'''")
        && !goes_on
}

#[cfg(test)]
mod tests {
    use super::ends_with_print;

    #[test]
    fn a_last_line_that_only_prints() {
        for code in ["print(x)", "x = 1\nprint(f(x), \"a\")\n\n"] {
            assert!(ends_with_print(code), "{code}");
        }
        for code in [
            "x = 1",
            "f(\nprint(1))",
            "f(\"\"\"\nprint(1)\"\"\")",
            "print(1); x",
            "y if x else \\\nprint(1)",
            "print(1) or f(1)",
            "print(1)  # )",
            "if x:\n    print(1)",
        ] {
            assert!(!ends_with_print(code), "{code}");
        }
    }
}
