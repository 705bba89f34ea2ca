//! What git and its hooks do to notebooks.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::text::escaped;
use selvedge_base::{LONGEST_TEXT, read_regular};
use selvedge_conventions::{Filtered, GitAttribute, Hook, Notebook, RepositoryFacts, TreePath};

use super::git::{self, NoAnswer};
use super::settings::GitSettings;
use super::walk::{Found, Kind};
use super::{Failure, LONGEST_NOTEBOOK, Scope};

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
    let top = settings.top.filter(|top| scope.root.starts_with(top));
    let top = top.unwrap_or_else(|| scope.root.clone());
    let tree_path = |path: &Path| from_root(&scope.root, &top, path);
    let folder = scope.root.strip_prefix(&top).unwrap_or(Path::new(""));
    let folder = TreePath::new(folder).to_string();
    let mut facts = RepositoryFacts {
        folder: if folder.is_empty() {
            folder
        } else {
            folder + "/"
        },
        filters: settings.filters,
        ..RepositoryFacts::default()
    };
    let above = scope.root.ancestors().skip(1);
    let above = above.take_while(|folder| folder.starts_with(&top));
    let above: Vec<_> = above.map(|folder| folder.join(".gitattributes")).collect();
    let others = above.iter().rev().map(PathBuf::as_path);
    let last = settings.attribute_files.iter().map(PathBuf::as_path);
    for path in others.chain(of_kind(Kind::GitAttributes)).chain(last) {
        if let Some(text) = text_of(path) {
            facts
                .attributes
                .extend(GitAttribute::parse(&tree_path(path), &text));
        }
    }
    // Those of folders below are read by nobody who commits here.
    for path in [&top, &top.join(".config")]
        .into_iter()
        .flat_map(|folder| files_in(folder))
    {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parse = match &*name {
            _ if is_lefthook(&name) => Hook::parse_lefthook,
            ".pre-commit-config.yaml" | ".pre-commit-config.yml" | "prek.toml"
                if path.parent() == Some(&top) =>
            {
                Hook::parse_pre_commit
            }
            ".overcommit.yml" if path.parent() == Some(&top) => Hook::parse_overcommit,
            "package.json" if path.parent() == Some(&top) => Hook::parse_package,
            _ => continue,
        };
        if let Some(text) = text_of(&path) {
            facts.hooks.extend(parse(&tree_path(&path), &text));
        }
    }
    // The hook that pre-commit installs is a script of its own, and names no other program; that of
    // husky calls a script of the repository. Git passes by what is no program.
    let of_git = settings.hook.filter(|path| is_program(path));
    let of_husky = top.join(".husky/pre-commit");
    let of_husky = Some(of_husky).filter(|path| of_git.as_ref() != Some(path));
    for path in of_git.iter().chain(&of_husky) {
        let Some(text) = text_of(path) else {
            continue;
        };
        // One that runs all programs of a folder.
        for path in files_of(&text, path, &top)
            .iter()
            .filter(|path| is_program(path))
        {
            if let Some(text) = text_of(path) {
                facts.hooks.push(Hook::of_script(&tree_path(path), text));
            }
        }
        facts.hooks.push(Hook::of_script(&tree_path(path), text));
    }
    let commands = facts.hooks.iter().map(|hook| hook.command.clone());
    let commands = commands.chain(facts.filters.iter().map(|filter| filter.clean.clone()));
    let folders = [&top]
        .into_iter()
        .map(PathBuf::as_path)
        .chain(of_git.as_deref().and_then(Path::parent));
    let texts: Vec<String> = commands.collect();
    facts.scripts = scripts(texts.clone(), &folders.collect::<Vec<_>>(), text_of);
    let notebooks: Vec<&Path> = of_kind(Kind::Notebook)
        .filter(|path| path.starts_with(&scope.root))
        .collect();
    let texts = texts.iter().chain(facts.scripts.values());
    facts.keeping = keeping(scope, texts, &notebooks);
    let sets_a_filter = |line: &GitAttribute| {
        let mut attributes = line.attributes.iter();
        attributes.any(|attribute| attribute.starts_with("filter="))
    };
    facts.filtered = if facts.attributes.iter().any(sets_a_filter) {
        filtered(scope, &notebooks, failures)
    } else {
        Some(Vec::new())
    };
    facts
}

/// The path from the root, which goes up where the file lies elsewhere in the repository.
fn from_root(root: &Path, top: &Path, path: &Path) -> TreePath {
    if !path.starts_with(top) {
        return TreePath::new(path);
    }
    let mut up = PathBuf::new();
    for folder in root.ancestors() {
        if let Ok(below) = path.strip_prefix(folder) {
            return TreePath::new(up.join(below));
        }
        up.push("..");
    }
    TreePath::new(path)
}

/// The files in a folder, in the order of their names; none where there is no such folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// `lefthook.yml` and `lefthook-local.yml`, in TOML too, hidden or not.
fn is_lefthook(name: &str) -> bool {
    let name = name.strip_prefix('.').unwrap_or(name);
    name.split_once('.').is_some_and(|(stem, extension)| {
        matches!(stem, "lefthook" | "lefthook-local")
            && matches!(extension, "yml" | "yaml" | "toml" | "json")
    })
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
        let unnamed = read_by(&text);
        let words = words.chain(unnamed.iter().map(String::as_str));
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

/// The files that programs read which a text calls, although it does not name them.
fn read_by(text: &str) -> Vec<String> {
    const READERS: [(&[&str], &[&str]); 5] = [
        (&["make"], &["GNUmakefile", "makefile", "Makefile"]),
        (&["just"], &["justfile", "Justfile", ".justfile"]),
        (
            &["npm", "yarn", "pnpm", "bun", "lint-staged"],
            &[
                "package.json",
                ".lintstagedrc",
                ".lintstagedrc.json",
                ".lintstagedrc.yaml",
                ".lintstagedrc.yml",
            ],
        ),
        (
            &["databooks", "nbwipers"],
            &["pyproject.toml", ".nbwipers.toml", "nbwipers.toml"],
        ),
        (&["nbdev"], &["pyproject.toml", "settings.ini"]),
    ];
    let called = READERS.into_iter().filter(|(programs, _)| {
        let mut programs = programs.iter();
        programs.any(|program| text.contains(program))
    });
    let mut names: Vec<String> = called
        .flat_map(|(_, files)| files)
        .map(|file| (*file).to_owned())
        .collect();
    // `make -C FOLDER`
    let words: Vec<&str> = text.split_whitespace().collect();
    for pair in words.windows(2) {
        if let ["-C" | "--directory", folder] = pair {
            let folder = folder.trim_end_matches('/');
            names.extend(READERS[0].1.iter().map(|file| format!("{folder}/{file}")));
        }
    }
    names
}

/// The files of a folder that a hook goes through: `pre-commit.d`, beside it or where it says.
fn files_of(hook: &str, path: &Path, top: &Path) -> Vec<PathBuf> {
    let is_between =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '*' | '$' | ';' | '(' | ')');
    let named = hook
        .split(is_between)
        .map(|word| word.trim_matches('/'))
        .find(|word| word.ends_with(".d"));
    let Some(named) = named else {
        return Vec::new();
    };
    let name = named.rsplit('/').next().unwrap_or(named);
    let beside = path.parent().map(|folder| files_in(&folder.join(name)));
    match beside.unwrap_or_default() {
        none if none.is_empty() => files_in(&top.join(named)),
        files => files,
    }
}

/// The notebooks that tell nbstripout to leave their outputs, where one of the texts calls it.
fn keeping<'t>(
    scope: &Scope,
    mut texts: impl Iterator<Item = &'t String>,
    notebooks: &[&Path],
) -> HashSet<TreePath> {
    let calls_one = |text: &String| text.contains("nbstripout") || text.contains("nbwipers");
    if !texts.any(calls_one) {
        return HashSet::new();
    }
    let mut json = Vec::new();
    let mut keeps = |path: &&&Path| {
        // Who checks the notebook tells what is wrong with it.
        let is_read = read_regular(path, LONGEST_NOTEBOOK, &mut json).is_ok();
        let text = std::str::from_utf8(&json).unwrap_or_default();
        is_read
            && (text.contains("keep_output") || text.contains("init_cell"))
            && Notebook::parse(&json).is_ok_and(|notebook| notebook.keeps_outputs)
    };
    let kept = notebooks.iter().filter(&mut keeps);
    kept.map(|path| scope.tree_path(path)).collect()
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
    for path in filtered.iter_mut().flat_map(|found| &mut found.notebooks) {
        *path = scope.tree_path(Path::new(path.as_str()));
    }
    Some(filtered)
}
