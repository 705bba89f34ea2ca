//! A hook that takes the outputs out of notebooks before they are committed.
//!
//! ## What it does
//!
//! Looks for commands that strip outputs in the settings of pre-commit, prek and lefthook, in the hooks
//! of git, and in the scripts that these call. A hook that keeps outputs, only looks (`--verify`), runs
//! by hand or on other files than the notebooks that are there is fine.
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

use super::stripping::in_command_or_scripts;
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
        let files = context.tree().files.iter().map(|file| &file.path);
        let notebooks: Vec<_> = files
            .filter(|path| path.file_name().ends_with(".ipynb"))
            .collect();
        let hooks = &context.tree().repository.hooks;
        hooks
            .iter()
            .filter_map(|hook| {
                let tool = in_command_or_scripts(&hook.command, &hook.scripts)?;
                let narrowed = !hook.files.is_empty() || !hook.exclude.is_empty();
                if narrowed && !notebooks.iter().any(|path| hook.runs_on(path)) {
                    return None;
                }
                let diagnosis = Diagnosis::new(format!(
                    "the hook takes the outputs out of notebooks ({tool})"
                ))
                .line(hook.line)
                .help("delete the hook, or tell the tool to keep outputs");
                Some((hook.path.clone(), diagnosis))
            })
            .collect()
    }
}
