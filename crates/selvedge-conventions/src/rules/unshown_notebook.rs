//! A notebook that GitHub, nbconvert or a browser refuses to show.
//!
//! ## What it does
//!
//! Finds what Jupyter's server opens and others do not: models of widgets in the metadata without the key
//! `state`, and other metadata in their place where a value or a widget is shown; cells of code without `execution_count` or `outputs`, and outputs without
//! `metadata` or another key that the format demands; and `NaN`, which Python writes into metadata and no
//! browser reads.
//!
//! ## Why is this bad?
//!
//! GitHub shows "Invalid Notebook" in place of the results, and nbconvert ends with an error. Who has
//! made the notebook sees nothing of that.
//!
//! ## Example
//!
//! ```json
//! {"widgets": {"application/vnd.jupyter.widget-state+json": {"abc": {"state": {}}}}}
//! ```
//!
//! ## Use instead
//!
//! ```json
//! {"widgets": {"application/vnd.jupyter.widget-state+json": {
//!   "state": {"abc": {"state": {}}}, "version_major": 2, "version_minor": 0}}}
//! ```

use crate::notebook::Unshown;
use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct UnshownNotebook;

impl Rule for UnshownNotebook {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK008",
            "unshown-notebook",
            Severity::Warning,
            include_str!("unshown_notebook.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        let diagnosis = match &notebook.unshown {
            None => return Vec::new(),
            Some(Unshown::NoNumber { line }) => Diagnosis::new(
                "`NaN` or an infinity stands in it, which is no JSON: Python reads it, and no browser",
            )
            .line(*line)
            .help("write it as a text, or as null; papermill writes a parameter that is NaN so"),
            Some(Unshown::WidgetsWithoutState) => Diagnosis::new(
                "the metadata of its widgets have no `state`: GitHub and nbconvert refuse it",
            )
            .help(
                "delete `widgets` from the metadata, or put what is in it under a key `state`",
            ),
            Some(Unshown::CellWithout { cell, key }) => Diagnosis::new(format!(
                "a cell of code without `{key}`, which the format demands: GitHub refuses it"
            ))
            .cell(*cell)
            .help("save it once from Jupyter, or add the key with null, or with an empty list"),
            Some(Unshown::OutputWithout { cell, key }) => Diagnosis::new(format!(
                "an output without `{key}`, which the format demands: GitHub and nbconvert refuse it"
            ))
            .cell(*cell)
            .help("run the cell again in Jupyter and save"),
        };
        vec![diagnosis]
    }
}
