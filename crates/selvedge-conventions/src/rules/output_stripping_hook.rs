//! A hook that takes the outputs out of notebooks before they are committed.
//!
//! ## What it does
//!
//! Looks for commands that strip outputs in the settings of pre-commit, prek, lefthook and overcommit, in the
//! hook of git and what husky, simple-git-hooks and lint-staged run, and in what these call: scripts of a
//! shell or of Python, targets of `make` and `just`, scripts of a `package.json`. A hook that keeps outputs,
//! only looks (`--verify`, `command -v nbstripout`), prints and changes nothing, strips a copy, runs by hand
//! or where somebody sets a variable, or on other files than the notebooks that are there is fine, and so is
//! one that git ignores because it is no program. Notebooks that tell nbstripout to keep their outputs are
//! left alone, and so is a repository without notebooks. Where the text of a hook does not tell what it does, nothing is found.
//!
//! ## Why is this bad?
//!
//! The hook runs for everybody who commits, and changes the notebooks on their disk, too. Outputs
//! that took hours of a GPU are gone before anybody has looked at them.
//!
//! ## Example
//!
//! ```yaml
//! - repo: https://github.com/kynan/nbstripout
//!   hooks:
//!     - id: nbstripout
//! ```
//!
//! ## Use instead
//!
//! ```yaml
//! - repo: https://github.com/kynan/nbstripout
//!   hooks:
//!     - id: nbstripout
//!       args: [--keep-output, --keep-count]
//! ```

use super::stripping::in_hook;
use crate::rule::Metadata;
use crate::{Context, Diagnosis, Rule, Severity, TreePath};

pub(super) struct OutputStrippingHook;

impl Rule for OutputStrippingHook {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "GIT002",
            "output-stripping-hook",
            Severity::Error,
            include_str!("output_stripping_hook.rs"),
        );
        &METADATA
    }

    fn check_tree(&self, context: &Context<'_>) -> Vec<(TreePath, Diagnosis)> {
        let repository = &context.tree().repository;
        let files = context.tree().files.iter().map(|file| &file.path);
        let notebooks: Vec<_> = files
            .filter(|path| path.file_name().ends_with(".ipynb"))
            .collect();
        repository
            .hooks
            .iter()
            .filter_map(|hook| {
                let found = in_hook(&hook.command, hook.is_given_files, &repository.scripts)?;
                let mut on = hook.on.clone();
                on.files.extend(found.on.files.iter().cloned());
                on.exclude.extend(found.on.exclude.iter().cloned());
                let mut meant = notebooks.iter().filter(|path| {
                    let in_repository = format!("{}{path}", repository.folder);
                    on.is_empty() || on.has(&in_repository) == Some(true)
                });
                let keeps =
                    |path: &TreePath| found.heeds_notebooks() && repository.keeping.contains(path);
                if meant.all(|path| keeps(path)) {
                    return None;
                }
                let diagnosis = Diagnosis::new(format!(
                    "the hook takes the outputs out of notebooks ({})",
                    found.tool
                ))
                .line(hook.line + found.line - 1)
                .help("delete the hook, or tell the tool to keep outputs");
                Some((hook.path.clone(), diagnosis))
            })
            .collect()
    }
}
