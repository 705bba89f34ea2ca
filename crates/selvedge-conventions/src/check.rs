//! Running rules over facts.

use crate::{Artifact, Config, Context, Diagnosis, Finding, Place, Rule, Selection, Tree};

/// Runs rules over facts.
///
/// Each file is checked by itself, so facts need not be kept, and threads may share a checker. What
/// no single file shows is checked once, by [`check_tree`](Self::check_tree).
///
/// ```
/// use selvedge_conventions::{
///     Artifact, Checker, Config, Notebook, Selection, Tree, TreeFile, TreePath,
/// };
///
/// let config = Config::default();
/// let tree = Tree {
///     files: vec![TreeFile::new("notebooks/1.5d_clusters.ipynb", 12)],
///     ..Tree::default()
/// };
/// let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
///
/// let notebook = Notebook::parse(b"{\"nbformat\":");
/// let artifact = Artifact::new("notebooks/1.5d_clusters.ipynb", 12, notebook);
/// let mut findings = checker.check(&artifact);
/// findings.extend(checker.check_tree());
/// assert_eq!(findings[0].code, "NBK001");
/// ```
pub struct Checker<'a> {
    context: Context<'a>,
    selection: Selection,
}

impl<'a> Checker<'a> {
    /// A checker of the files of a tree.
    #[must_use]
    pub fn new(config: &'a Config, tree: &'a Tree, selection: Selection) -> Self {
        let context = Context::new(config, tree);
        Self { context, selection }
    }

    /// What the rules find in one file. Nothing in one that the configuration excludes.
    #[must_use]
    pub fn check(&self, artifact: &Artifact) -> Vec<Finding> {
        let config = self.context.config();
        let mut findings = Vec::new();
        if config.excludes(&artifact.path) {
            return findings;
        }
        for (rule, severity) in self.selection.rules() {
            let diagnoses = rule.check(artifact, &self.context);
            if diagnoses.is_empty() || config.ignores(&artifact.path, rule) {
                continue;
            }
            let heard = diagnoses
                .into_iter()
                .filter(|diagnosis| !is_silenced(artifact, rule, diagnosis));
            findings.extend(
                heard.map(|diagnosis| {
                    Finding::new(artifact.path.clone(), rule, severity, diagnosis)
                }),
            );
        }
        findings
    }

    /// What the rules find that is not in one file: settings of git, and files that are the same.
    /// It is about the whole tree: whoever checks only a part of it keeps the paths that matter.
    #[must_use]
    pub fn check_tree(&self) -> Vec<Finding> {
        let config = self.context.config();
        self.selection
            .rules()
            .flat_map(|(rule, severity)| {
                rule.check_tree(&self.context)
                    .into_iter()
                    .filter(move |(path, _)| !config.excludes(path) && !config.ignores(path, rule))
                    .map(move |(path, diagnosis)| Finding::new(path, rule, severity, diagnosis))
            })
            .collect()
    }
}

/// Whether the file says that the rule does not hold for it, or for the cell in which something was
/// found.
fn is_silenced(artifact: &Artifact, rule: &dyn Rule, diagnosis: &Diagnosis) -> bool {
    let Some(notebook) = artifact.notebook() else {
        return false;
    };
    let cell = match diagnosis.place {
        Place::Cell { number, .. } => number.checked_sub(1).and_then(|at| notebook.cells.get(at)),
        _ => None,
    };
    let code = rule.code();
    notebook.silences.has(code) || cell.is_some_and(|cell| cell.silences(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Notebook;

    /// Threads share a checker.
    #[test]
    fn a_checker_can_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<Checker<'_>>();
    }

    /// What the rule says of cells of code, given as their number, their output and their text.
    #[track_caller]
    fn check(code: &str, cells: &[(&str, &str, &str)], expected: &[&str]) {
        let cells = cells.iter().map(|(count, outputs, source)| {
            let source = source.replace("silence", &format!("# selvedge: ignore {code}"));
            format!(
                r#"{{"cell_type": "code", "metadata": {{}}, "execution_count": {count},
                "outputs": [{outputs}], "source": "{source}"}}"#
            )
        });
        let cells = cells.collect::<Vec<_>>().join(", ");
        let json = format!(
            r#"{{"nbformat": 4, "nbformat_minor": 4, "metadata": {{}}, "cells": [{cells}]}}"#
        );
        let config = Config::default();
        let tree = Tree::default();
        let selection = Selection::new(&config, &[code.parse().unwrap()], &[]);
        let artifact = Artifact::new("a.ipynb", 1, Notebook::parse(json.as_bytes()));
        let found = Checker::new(&config, &tree, selection).check(&artifact);
        let found: Vec<_> = found
            .iter()
            .map(|finding| format!("{}: {}", finding.place, finding.message))
            .collect();
        assert_eq!(found, expected);
    }

    /// A finding of these rules is about all cells of a notebook, and stands at the first. A comment
    /// there silenced what was to say of the others.
    #[test]
    fn a_cell_silences_nothing_for_the_others() {
        const OUT: &str = r#"{"output_type": "stream", "name": "stdout", "text": "1"}"#;
        let gone = ":cell 2: the output is gone: this cell has run, and shows something";
        let run = [("1", "", "print(1)  silence"), ("2", "", "print(2)")];
        check("NBK002", &run, &[gone]);
        let never = [("null", "", "print(1)  silence"), ("null", "", "x = 1")];
        let none = ": 1 cell of code, and neither outputs nor a sign that any has run";
        check("NBK002", &never, &[none]);
        check("NBK002", &never[..1], &[]);
        let reason = [(
            "1",
            "",
            "print(1)  # selvedge: ignore NBK003 as NBK002 does not",
        )];
        check(
            "NBK002",
            &reason,
            &[":cell 1: the output is gone: this cell has run, and shows something"],
        );
        let order = [
            ("5", "", "a"),
            ("1", "", "b  silence"),
            ("7", "", "c"),
            ("6", "", "d"),
        ];
        let back = ":cell 4: executed as [6], before cell 3 above it, which was executed as [7]";
        check("NBK004", &order, &[back]);
        check("NBK004", &order[..3], &[]);
        let not = [
            ("1", OUT, "a"),
            ("null", "", "b  silence"),
            ("null", "", "c"),
        ];
        check(
            "NBK005",
            &not,
            &[":cell 3: 1 of 2 cells with code has not run: cell 3"],
        );
        let stale = [
            ("1", "", "a"),
            ("null", OUT, "b  silence"),
            ("null", OUT, "c"),
        ];
        let changed =
            ":cell 3: the cell has an output and no number: its code was changed after it had run";
        check("NBK009", &stale, &[changed]);
    }

    /// Loops, of which any number may go through nothing, and what mostly shows something.
    #[test]
    fn of_loops_nobody_knows_unless_something_else_is_gone() {
        let loops = [
            ("1", "", "for x in y: print(x)"),
            ("2", "", "for x in z: print(x)"),
            ("3", "", "while y: print(y.pop())"),
            ("4", "", "plt.show()"),
        ];
        check("NBK002", &loops[..3], &[]);
        let gone =
            ":cell 1: the outputs are gone: this and 3 other cells have run, and show something";
        check("NBK002", &loops, &[gone]);
        let printed = r#"{"output_type": "stream", "name": "stdout", "text": "1"}"#;
        let shown = [&loops[..], &[("5", printed, "print(1)")]].concat();
        check("NBK002", &shown, &[]);
    }
}
