//! A git filter that takes the outputs out of notebooks when they are added.
//!
//! ## What it does
//!
//! Looks for a `filter=` on notebooks in `.gitattributes` files and in `.git/info/attributes` whose
//! command strips outputs: `nbstripout`, `nb-clean`, `nbconvert --clear-output`, or `jq`. One that
//! is told to keep them (`nbstripout --keep-output`) is fine.
//!
//! ## Why is this bad?
//!
//! The notebook on the disk has its outputs, so nobody notices that the commits do not. What was
//! found is on one machine only, and gone with it.
//!
//! ## Example
//!
//! ```text
//! *.ipynb filter=nbstripout
//! ```
//!
//! ## Use instead
//!
//! Delete the line, and with it the filter: `nbstripout --uninstall`. To keep differences readable,
//! compare notebooks with `nbdime`, which can leave outputs out of what it shows.

use std::collections::HashMap;

use super::stripping::stripping_tool;
use crate::rule::Metadata;
use crate::{Context, Diagnosis, GitAttribute, Rule, Severity, TreePath};

pub(super) struct OutputStrippingFilter;

impl Rule for OutputStrippingFilter {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "GIT001",
            "output-stripping-filter",
            Severity::Error,
            include_str!("output_stripping_filter.rs"),
        );
        &METADATA
    }

    fn check_tree(&self, context: &Context<'_>) -> Vec<(TreePath, Diagnosis)> {
        let repository = &context.tree().repository;
        let attributes = &repository.attributes;
        let last = last_word(attributes);
        let mut found = Vec::new();
        for (index, attribute) in attributes.iter().enumerate() {
            let Some(name) = filter(attribute) else {
                continue;
            };
            if !may_be_about_notebooks(&attribute.pattern)
                // A later line of the same file takes the filter away again.
                || last.get(&key(attribute)).is_some_and(|&last| last > index)
            {
                continue;
            }
            // A filter that is not configured here is configured for whoever installed it, and its
            // name tells what it does.
            let configured = repository.filters.iter().find(|filter| filter.name == name);
            let command = configured.map_or(name, |filter| &filter.clean);
            if let Some(tool) = stripping_tool(command) {
                let diagnosis = Diagnosis::new(format!(
                    "the filter `{name}` takes the outputs out of `{}` ({tool})",
                    attribute.pattern
                ))
                .line(attribute.line)
                .help(
                    "delete the line, so that notebooks are committed with their outputs, and add \
                     them again with `git add --renormalize`",
                );
                found.push((attribute.path.clone(), diagnosis));
            }
        }
        found
    }
}

fn filter(attribute: &GitAttribute) -> Option<&str> {
    let mut filters = attribute.attributes.iter().rev();
    filters.find_map(|text| text.strip_prefix("filter="))
}

/// The file and the pattern of a line.
fn key(attribute: &GitAttribute) -> (&TreePath, &str) {
    (&attribute.path, &attribute.pattern)
}

/// The last line of each file that says something of the filter of a pattern.
fn last_word(attributes: &[GitAttribute]) -> HashMap<(&TreePath, &str), usize> {
    let says =
        |text: &String| text == "-filter" || text == "!filter" || text.starts_with("filter=");
    let lines = attributes.iter().enumerate();
    let lines = lines.filter(|(_, attribute)| attribute.attributes.iter().any(says));
    lines
        .map(|(index, attribute)| (key(attribute), index))
        .collect()
}

fn may_be_about_notebooks(pattern: &str) -> bool {
    let last = pattern.rsplit('/').next().unwrap_or(pattern);
    last.ends_with(".ipynb") || matches!(last, "*" | "**" | "*.*" | "")
}
