//! What git and its hooks do to notebooks.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use selvedge_base::text::escaped;
use selvedge_base::{LONGEST_TEXT, read_regular};
use selvedge_conventions::{GitAttribute, Hook, RepositoryFacts};

use super::settings::GitSettings;
use super::walk::{Found, Kind};
use super::{Failure, Scope};

/// The facts, from git's settings and the files of the tree.
pub(super) fn facts(
    scope: &Scope,
    settings: GitSettings,
    files: &[Found],
    failures: &mut Vec<Failure>,
) -> RepositoryFacts {
    let of_kind = |kind| {
        let files = files.iter().filter(move |file| file.kind == kind);
        files.map(|file| file.path.as_path())
    };
    failures.extend(settings.failure);
    let mut text_of = |path: &Path| {
        let mut bytes = Vec::new();
        match read_regular(path, LONGEST_TEXT, &mut bytes) {
            Ok(()) => Some(escaped(&bytes)),
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                    let path = scope.tree_path(path);
                    failures.push(Failure(format!("cannot read {path}: {error}")));
                }
                None
            }
        }
    };
    let mut facts = RepositoryFacts {
        filters: settings.filters,
        ..RepositoryFacts::default()
    };
    let others = settings.attribute_files.iter().map(PathBuf::as_path);
    for path in of_kind(Kind::GitAttributes).chain(others) {
        if let Some(text) = text_of(path) {
            let read = GitAttribute::parse(&scope.tree_path(path), &text);
            facts.attributes.extend(read);
        }
    }
    for path in of_kind(Kind::PreCommit) {
        if let Some(text) = text_of(path) {
            let read = Hook::parse_pre_commit(&scope.tree_path(path), &text);
            facts.hooks.extend(read);
        }
    }
    // The hook that pre-commit installs is a script of its own, and names no other program.
    if let Some(path) = &settings.hook
        && let Some(text) = text_of(path)
    {
        let read = Hook::parse_script(&scope.tree_path(path), &text);
        facts.hooks.extend(read);
    }
    facts
}
