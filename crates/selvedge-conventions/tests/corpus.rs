//! Notebooks as some twenty tools leave them, made by `corpus/make.py`, and filters and hooks of git, which
//! `corpus/filters.py` ran: what the rules find of each is what is right, and `docs/checker-corpus.md` is
//! the table of it.
//!
//! `SELVEDGE_UPDATE=1 cargo test -p selvedge-conventions --test corpus` writes the table anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use selvedge_conventions::{
    Artifact, Checker, Config, Filtered, Finding, GitFilter, Hook, Notebook, RepositoryFacts,
    Selection, Tree, TreePath, rule,
};
use serde::Deserialize;

/// A circumstance, as `corpus.json` has it.
#[derive(Deserialize)]
struct Entry {
    file: String,
    tool: String,
    version: String,
    what: String,
    expected: Vec<String>,
    why: String,
}

/// A filter or a hook, as `filters.json` has it.
#[derive(Deserialize)]
struct OfGit {
    kind: String,
    tool: String,
    version: String,
    text: String,
    /// Whether a notebook that was committed with it lacks outputs.
    takes: bool,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn entries() -> Vec<Entry> {
    let text = fs::read_to_string(folder().join("corpus.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn filters_and_hooks() -> Vec<OfGit> {
    let text = fs::read_to_string(folder().join("filters.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rules that find something of a repository with the filter, or with the hook.
fn said_of(entry: &OfGit) -> BTreeSet<&'static str> {
    let repository = if entry.kind == "filter" {
        RepositoryFacts {
            filters: GitFilter::parse(&format!("filter.f.clean\n{}\0", entry.text)),
            filtered: Some(Filtered::parse("a.ipynb\0filter\0f\0")),
            ..RepositoryFacts::default()
        }
    } else {
        let path = TreePath::new(".git/hooks/pre-commit");
        RepositoryFacts {
            hooks: vec![Hook::of_script(&path, entry.text.clone())],
            ..RepositoryFacts::default()
        }
    };
    let tree = Tree {
        repository,
        ..Tree::default()
    };
    let config = Config::default();
    let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
    let found = checker.check_tree();
    found.iter().map(|finding| finding.code).collect()
}

impl OfGit {
    fn expected(&self) -> BTreeSet<&'static str> {
        let code = if self.kind == "filter" {
            "GIT001"
        } else {
            "GIT002"
        };
        self.takes.then_some(code).into_iter().collect()
    }
}

/// What all rules that are on find in the file.
fn found(entry: &Entry) -> Vec<Finding> {
    let json = fs::read(folder().join(&entry.file)).unwrap();
    let (config, tree) = (Config::default(), Tree::default());
    let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
    let path = format!("notebooks/{}", entry.file);
    checker.check(&Artifact::new(
        &*path,
        json.len() as u64,
        Notebook::parse(&json),
    ))
}

#[test]
fn what_is_found_is_what_is_right() {
    let mut wrong = Vec::new();
    for entry in entries() {
        let codes: BTreeSet<_> = found(&entry).iter().map(|finding| finding.code).collect();
        let expected: BTreeSet<_> = entry.expected.iter().map(String::as_str).collect();
        if codes != expected {
            let Entry { file, what, .. } = entry;
            wrong.push(format!(
                "{file}, {what}: {codes:?}, and right is {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Git ran each of them: what it committed decides.
#[test]
fn what_is_said_of_filters_and_hooks_is_what_git_does_with_them() {
    let all = filters_and_hooks();
    let of = |takes| all.iter().filter(|entry| entry.takes == takes).count();
    assert!(of(true) >= 30 && of(false) >= 20);
    for entry in all {
        assert_eq!(said_of(&entry), entry.expected(), "{}", entry.text);
    }
}

/// Every rule about notebooks that is on speaks of some of them, and most tools are left alone by some.
#[test]
fn the_corpus_is_wide() {
    let entries = entries();
    let tools: BTreeSet<_> = entries.iter().map(|entry| &entry.tool).collect();
    assert!(
        entries.len() >= 40 && tools.len() >= 12,
        "{} of {tools:?}",
        entries.len()
    );
    assert!(
        entries
            .iter()
            .filter(|entry| entry.expected.is_empty())
            .count()
            >= 20
    );
    let codes: BTreeSet<_> = entries.iter().flat_map(|entry| &entry.expected).collect();
    assert_eq!(codes.len(), 8, "{codes:?}");
}

fn in_words(codes: &BTreeSet<&str>) -> String {
    let named = |code: &&str| format!("`{code}` {}", rule(code).unwrap().name());
    let said: Vec<_> = codes.iter().map(named).collect();
    if said.is_empty() {
        "nothing".to_owned()
    } else {
        said.join(", ")
    }
}

/// The table of filters and hooks.
fn filter_table() -> String {
    let entries = filters_and_hooks();
    let mut text = format!(
        "\n## Filters and hooks of git\n\n\
         Git ran each of them, for `corpus/filters.py`, and what it committed decides whether outputs are \
         taken out. The\nchecker runs none of them: it reads their text. {} of them; `⏎` is the end of a \
         line.\n\n\
         | tool | what | text | takes outputs out | said | right |\n|---|---|---|---|---|---|\n",
        entries.len()
    );
    for entry in &entries {
        let said = said_of(entry);
        let code = entry.text.replace('|', "\\|").replace('\n', " ⏎ ");
        let OfGit {
            kind,
            tool,
            version,
            takes,
            ..
        } = entry;
        let yes = |is: bool| if is { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| {} | {kind} | `` {code} `` | {} | {} | {} |",
            format!("{tool} {version}").trim(),
            yes(*takes),
            in_words(&said),
            yes(said == entry.expected()),
        );
    }
    text
}

/// The page, of what is found.
fn page() -> String {
    let entries = entries();
    let mut by_tool: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in &entries {
        by_tool
            .entry(entry.tool.to_lowercase())
            .or_default()
            .push(entry);
    }
    let mut text = format!(
        "# What tools leave, and what the checker says\n\n\
         Made by `crates/selvedge-conventions/tests/corpus.rs` from the notebooks beside it, which \
         `corpus/make.py` made\nwith these tools at these versions. What is right is decided by what \
         a tool has done to the notebook; what is\nsaid is what `selvedge check` finds. {} \
         circumstances of {} tools.\n\n\
         | tool | what it leaves | said | right | why |\n|---|---|---|---|---|\n",
        entries.len(),
        by_tool.len()
    );
    for entry in by_tool.values().flatten() {
        let codes: BTreeSet<_> = found(entry).iter().map(|finding| finding.code).collect();
        let said = in_words(&codes);
        let expected: BTreeSet<_> = entry.expected.iter().map(String::as_str).collect();
        let right = if codes == expected { "yes" } else { "no" };
        let Entry {
            tool,
            version,
            what,
            why,
            ..
        } = entry;
        let tool = format!("{tool} {version}");
        let _ = writeln!(
            text,
            "| {} | {what} | {said} | {right} | {why} |",
            tool.trim()
        );
    }
    text + &filter_table()
}

#[test]
fn the_page_is_that_of_the_corpus() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/checker-corpus.md");
    if env::var_os("SELVEDGE_UPDATE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "write docs/checker-corpus.md anew: SELVEDGE_UPDATE=1"
    );
}
