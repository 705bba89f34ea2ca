//! What the tests of the rules share: little repositories, made of facts.

pub(crate) mod fixtures;
mod git;
mod names;
mod notebooks;
mod tensors;
mod trajectories;

use selvedge_conventions::{
    Artifact, Checker, Config, Contents, Finding, Notebook, Selection, Selector, Tree, TreeFile,
    TreePath,
};

/// A little repository: some files that are checked, what lies around them, a configuration.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) tree: Tree,
    pub(crate) config: &'static str,
}

impl World {
    /// With a file, which is checked and is part of the tree.
    pub(crate) fn file(mut self, path: &str, bytes: u64, contents: impl Into<Contents>) -> Self {
        self.artifacts.push(Artifact::new(path, bytes, contents));
        self.tree.files.push(TreeFile::new(path, bytes));
        self
    }

    /// With a file that is not checked.
    pub(crate) fn neighbour(mut self, path: &str) -> Self {
        self.tree.files.push(TreeFile::new(path, 100));
        self
    }

    /// With a `selvedge.toml`.
    pub(crate) fn config(mut self, text: &'static str) -> Self {
        self.config = text;
        self
    }

    /// What one rule finds.
    pub(crate) fn check(&self, code: &str) -> Vec<Finding> {
        let config = Config::parse(self.config, "selvedge.toml").unwrap();
        let selector: Selector = code.parse().unwrap();
        let checker = Checker::new(
            &config,
            &self.tree,
            Selection::new(&config, &[selector], &[]),
        );
        let mut findings: Vec<_> = self
            .artifacts
            .iter()
            .flat_map(|artifact| checker.check(artifact))
            .collect();
        findings.extend(checker.check_tree());
        findings
    }
}

/// A world of one file.
pub(crate) fn file(path: &str, bytes: u64, contents: impl Into<Contents>) -> World {
    World::default().file(path, bytes, contents)
}

/// A world of one notebook, of its JSON.
pub(crate) fn notebook(path: &str, json: &str) -> World {
    file(path, json.len() as u64, Notebook::parse(json.as_bytes()))
}

/// A world of one notebook of version 4, of its cells.
pub(crate) fn cells(path: &str, cells: &[String]) -> World {
    notebook(
        path,
        &format!(
            r#"{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": [{}]}}"#,
            cells.join(",\n")
        ),
    )
}

/// A cell of code that has run and printed.
pub(crate) fn ran(count: u32, source: &str) -> String {
    let output = r#"{"output_type": "stream", "name": "stdout", "text": ["3699\n"]}"#;
    code(&count.to_string(), source, output, "")
}

/// A cell of code with all its parts: the count, the source, the JSON of its outputs, a tag.
pub(crate) fn code(count: &str, source: &str, outputs: &str, tag: &str) -> String {
    let tags = if tag.is_empty() {
        String::new()
    } else {
        format!(r#""tags": ["{tag}"]"#)
    };
    format!(
        r#"{{"cell_type": "code", "execution_count": {count}, "metadata": {{{tags}}}, "source": [{source:?}], "outputs": [{outputs}]}}"#
    )
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::new(text)
}
