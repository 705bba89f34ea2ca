//! A git filter that takes the outputs out of notebooks when they are added.
//!
//! ## What it does
//!
//! Asks git which notebooks go through a filter when they are added (`git check-attr`), and looks whether
//! its command strips outputs, or a script of the repository that it calls: `nbstripout`, `nb-clean`,
//! `nbwipers`, `nbdev` and `databooks` where they are told to, `nbconvert --clear-output`, a program of
//! `jq`, `perl` or `sed`, or Python. One that is told to keep them (`nbstripout --keep-output`) is fine, and so
//! are notebooks that tell nbstripout and nbwipers to (`keep_output` in metadata or tags), and those that a
//! script passes by. No filter is ever run: its text is read as the shell, `jq` or Python reads it, and where
//! that does not tell, or a variable decides that nobody sets, nothing is found. Where git cannot be asked,
//! the lines of `.gitattributes` are read.
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

use super::stripping::{Found, by_name, in_filter};
use crate::rule::Metadata;
use crate::units::count;
use crate::{Context, Diagnosis, GitAttribute, RepositoryFacts, Rule, Severity, TreePath};

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
        let help = "delete the line, so that notebooks are committed with their outputs, and add \
                    them again with `git add --renormalize`";
        let last = last_word(attributes);
        let mut found = Vec::new();
        for filtered in repository.filtered.iter().flatten() {
            let Some(taking) = taking(repository, &filtered.filter) else {
                continue;
            };
            let is_taken = |path: &&TreePath| {
                let in_repository = format!("{}{path}", repository.folder);
                let keeps = taking.heeds_notebooks() && repository.keeping.contains(path);
                !keeps && (taking.on.is_empty() || taking.on.has(&in_repository) == Some(true))
            };
            let notebooks: Vec<_> = filtered.notebooks.iter().filter(is_taken).collect();
            let Some((first, others)) = notebooks.split_first() else {
                continue;
            };
            let more = match others.len() {
                0 => String::new(),
                more => format!(" and {}", count(more, "more notebook")),
            };
            let diagnosis = Diagnosis::new(format!(
                "the filter `{}` takes the outputs out of `{first}`{more} ({})",
                filtered.filter, taking.tool
            ))
            .help(help);
            // The last line that sets it may be about other files, and is where to look first.
            let mut lines = attributes.iter().rev();
            let line = lines.find(|line| filter(line) == Some(&*filtered.filter));
            found.push(match line {
                Some(line) => (line.path.clone(), diagnosis.line(line.line)),
                None => ((*first).clone(), diagnosis),
            });
        }
        let mut files = context.tree().files.iter();
        let has_notebooks = files.any(|file| file.path.file_name().ends_with(".ipynb"));
        if repository.filtered.is_some() || !has_notebooks {
            return found;
        }
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
            // Where git was not asked, its name tells what it does.
            let is_configured = repository.filters.iter().any(|filter| filter.name == name);
            let tool = if is_configured {
                taking(repository, name).map(|found| found.tool)
            } else {
                by_name(name)
            };
            if let Some(tool) = tool {
                let diagnosis = Diagnosis::new(format!(
                    "the filter `{name}` takes the outputs out of `{}` ({tool})",
                    attribute.pattern
                ));
                let diagnosis = diagnosis.line(attribute.line).help(help);
                found.push((attribute.path.clone(), diagnosis));
            }
        }
        found
    }
}

/// How the filter strips outputs. Where it is not configured, git commits what is there.
fn taking(repository: &RepositoryFacts, name: &str) -> Option<Found> {
    // The last one counts.
    let mut filters = repository.filters.iter().rev();
    let filter = filters.find(|filter| filter.name == name)?;
    in_filter(&filter.clean, &repository.scripts)
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
