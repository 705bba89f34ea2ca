//! What git and its hooks do to notebooks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use selvedge_conventions::{GitAttribute, GitFilter, Hook, RepositoryFacts};

use super::Scope;
use super::walk::{Found, Kind};

/// The settings of git that lie in no file of the tree.
#[derive(Default)]
pub(super) struct GitSettings {
    filters: Vec<GitFilter>,
    /// Attribute files beside those of the tree.
    attribute_files: Vec<PathBuf>,
    hook: Option<PathBuf>,
}

impl GitSettings {
    /// Asks git. Where there is no git, or no repository, there is nothing to be told.
    pub(super) fn ask(root: &Path) -> Self {
        let Some(paths) = git(
            root,
            &[
                "rev-parse",
                "--git-path",
                "hooks/pre-commit",
                "--git-path",
                "info/attributes",
            ],
        ) else {
            return Self::default();
        };
        // Relative to the folder that git ran in, or absolute.
        let mut paths = paths.lines().map(|path| root.join(path));
        let hook = paths.next();
        let mut attribute_files: Vec<PathBuf> = paths.collect();
        let of_user = git(root, &["config", "--path", "core.attributesFile"]);
        attribute_files.extend(match of_user {
            Some(path) => Some(PathBuf::from(path.trim_end())),
            None => configuration_folder().map(|folder| folder.join("git/attributes")),
        });
        let filters = git(root, &["config", "--get-regexp", r"^filter\..*\.clean$"]);
        Self {
            filters: GitFilter::parse(&filters.unwrap_or_default()),
            attribute_files,
            hook,
        }
    }
}

fn configuration_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))
}

/// What git prints, if it succeeds.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// The facts, from git's settings and the files of the tree.
pub(super) fn facts(scope: &Scope, settings: GitSettings, files: &[Found]) -> RepositoryFacts {
    let of_kind = |kind| {
        let files = files.iter().filter(move |file| file.kind == kind);
        files.map(|file| file.path.as_path())
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

fn text_of(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
