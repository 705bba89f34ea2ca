//! A notebook that no program can open.
//!
//! ## What it does
//!
//! Finds what nbformat does not open, and so neither Jupyter: a file that is no JSON, or lacks a part
//! of a notebook that nbformat goes through. It says where a file breaks off, where git left the
//! markers of a merge, and whether the file is a pointer of Git LFS or git-annex. What Python reads although it is
//! no JSON (`NaN`, half an emoji, a key twice) is opened; a byte order mark is not, nor what is nested
//! deeper, or has longer whole numbers, than Python reads. A notebook without a version, or with 1, is read
//! as one of 2011, and found if its code is not where it was then: Jupyter shows none of it.
//!
//! ## Why is this bad?
//!
//! Jupyter refuses to open the file, GitHub shows nothing, and the other rules cannot look into it.
//! A file that breaks off was not saved whole, and what it held may still be in the kernel, or in
//! the commit before.
//!
//! ## Example
//!
//! ```text
//! {
//! <<<<<<< HEAD
//!  "cells": [
//! =======
//! ```
//!
//! ## Use instead
//!
//! ```text
//! {
//!  "cells": [
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Contents, Context, Diagnosis, NotebookProblem, Rule, Severity};

pub(super) struct InvalidNotebook;

impl Rule for InvalidNotebook {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK001",
            "invalid-notebook",
            Severity::Error,
            include_str!("invalid_notebook.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Contents::Notebook(Err(problem)) = &artifact.contents else {
            return Vec::new();
        };
        let help = match problem {
            NotebookProblem::Empty | NotebookProblem::Truncated { .. } => {
                "save it again from Jupyter, or take it from an earlier commit: `git log -- FILE`"
            }
            NotebookProblem::Conflict { .. } => {
                "take one side with `git checkout --ours FILE` or `--theirs`, or merge with \
                 `nbdime`"
            }
            NotebookProblem::LfsPointer => "fetch it with `git lfs pull`",
            NotebookProblem::AnnexPointer => "fetch it with `git annex get`",
            NotebookProblem::BeyondPython { .. } => {
                "take it out of the notebook, or out of the output that has it"
            }
            NotebookProblem::NotJson { .. } => {
                "fix that line, or take the file from an earlier commit: `git log -- FILE`"
            }
            NotebookProblem::NotANotebook { .. } => {
                "give the file another extension if it was never meant to be one"
            }
        };
        let diagnosis = Diagnosis::new(format!("not a notebook: {problem}")).help(help);
        vec![match problem.line() {
            Some(line) => diagnosis.line(line),
            None => diagnosis,
        }]
    }
}
