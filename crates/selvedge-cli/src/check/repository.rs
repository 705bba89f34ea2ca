//! What git and its hooks do to notebooks.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use selvedge_base::text::escaped;
use selvedge_base::{LONGEST_TEXT, read_regular};
use selvedge_conventions::{Filtered, GitAttribute, Hook, RepositoryFacts};

use super::git::{self, NoAnswer};
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
    for path in of_kind(Kind::Lefthook) {
        if let Some(text) = text_of(path) {
            let read = Hook::parse_lefthook(&scope.tree_path(path), &text);
            facts.hooks.extend(read);
        }
    }
    // The hook that pre-commit installs is a script of its own, and names no other program; that of
    // husky calls a script of the repository.
    let of_husky = scope.root.join(".husky/pre-commit");
    for path in settings.hook.iter().chain([&of_husky]) {
        if let Some(text) = text_of(path) {
            let read = Hook::parse_script(&scope.tree_path(path), &text);
            facts.hooks.extend(read);
        }
    }
    // Nobody has more of them.
    const MOST_SCRIPTS: usize = 64;
    let mut left = MOST_SCRIPTS;
    let mut scripts_of = |command: &str| {
        let words = command.split_whitespace().take(left);
        let scripts = words.filter_map(|word| script(scope, word));
        let scripts: Vec<String> = scripts.filter_map(|path| text_of(&path)).collect();
        left = left.saturating_sub(scripts.len());
        scripts
    };
    for hook in &mut facts.hooks {
        hook.scripts = scripts_of(&hook.command);
    }
    for filter in &mut facts.filters {
        filter.scripts = scripts_of(&filter.clean);
    }
    let sets_a_filter = |line: &GitAttribute| {
        let mut attributes = line.attributes.iter();
        attributes.any(|attribute| attribute.starts_with("filter="))
    };
    let notebooks: Vec<&Path> = of_kind(Kind::Notebook)
        .filter(|path| path.starts_with(&scope.root))
        .collect();
    facts.filtered = if facts.attributes.iter().any(sets_a_filter) {
        filtered(scope, &notebooks, failures)
    } else {
        Some(Vec::new())
    };
    facts
}

/// The script of the repository that a word of a command names, if it does.
fn script(scope: &Scope, word: &str) -> Option<PathBuf> {
    let word = word.trim_matches(['\'', '"']);
    let is_path = word.contains('/') && !word.starts_with(['-', '/', '$']);
    let path = scope.root.join(word);
    (is_path && path.is_file()).then_some(path)
}

/// Which notebooks go through which filter, as git says; none where there is no repository.
fn filtered(
    scope: &Scope,
    notebooks: &[&Path],
    failures: &mut Vec<Failure>,
) -> Option<Vec<Filtered>> {
    // A command line has room for more.
    const AT_ONCE: usize = 200;
    let mut answers = String::new();
    for some in notebooks.chunks(AT_ONCE) {
        let paths = some.iter().map(|path| path.as_os_str());
        let words = ["check-attr", "-z", "filter", "--"].map(OsStr::new);
        let words: Vec<&OsStr> = words.into_iter().chain(paths).collect();
        match git::ask(&scope.root, &words) {
            Ok(answer) => answers.push_str(&String::from_utf8_lossy(&answer?)),
            Err(NoAnswer) => {
                failures.push(Failure(
                    "git does not say which filters there are".to_owned(),
                ));
                return None;
            }
        }
    }
    let mut filtered = Filtered::parse(&answers);
    for found in &mut filtered {
        found.first = scope.tree_path(Path::new(found.first.as_str()));
    }
    Some(filtered)
}
