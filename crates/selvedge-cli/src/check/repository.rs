//! What git and its hooks do to notebooks.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
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
    // husky calls a script of the repository. Git passes by what is no program.
    let of_git = settings.hook.filter(|path| is_program(path));
    let of_husky = scope.root.join(".husky/pre-commit");
    let of_husky = Some(of_husky).filter(|path| of_git.as_ref() != Some(path));
    for path in of_git.iter().chain(&of_husky) {
        if let Some(text) = text_of(path) {
            facts
                .hooks
                .push(Hook::of_script(&scope.tree_path(path), text));
        }
    }
    let commands = facts.hooks.iter().map(|hook| hook.command.clone());
    let commands = commands.chain(facts.filters.iter().map(|filter| filter.clean.clone()));
    let folders = [&scope.root]
        .into_iter()
        .map(PathBuf::as_path)
        .chain(of_git.as_deref().and_then(Path::parent));
    facts.scripts = scripts(commands.collect(), &folders.collect::<Vec<_>>(), text_of);
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

/// Whether somebody may run the file.
fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.permissions().mode() & 0o111 != 0)
}

/// The scripts below the folders that texts name, and that these scripts name, by their paths.
fn scripts(
    mut texts: Vec<String>,
    folders: &[&Path],
    mut text_of: impl FnMut(&Path) -> Option<String>,
) -> BTreeMap<String, String> {
    // Nobody has more of them, or names more.
    const MOST_SCRIPTS: usize = 64;
    const MOST_NAMES: usize = 4096;
    let mut names = HashSet::new();
    let mut found = BTreeMap::new();
    while let Some(text) = texts.pop() {
        let is_between = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/');
        let words = text
            .split(is_between)
            .map(|word| word.trim_start_matches('/').trim_start_matches("./"))
            .filter(|word| word.contains(['.', '/']) && !word.contains(".."));
        for word in words {
            if found.len() == MOST_SCRIPTS || names.len() == MOST_NAMES {
                return found;
            }
            if !names.insert(word.to_owned()) {
                continue;
            }
            let mut paths = folders.iter().map(|folder| folder.join(word));
            if let Some(path) = paths.find(|path| path.is_file())
                && let Some(script) = text_of(&path)
            {
                texts.push(script.clone());
                found.insert(word.to_owned(), script);
            }
        }
    }
    found
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
