//! Notebooks as some thirty tools leave them, made by `corpus/make.py`, and filters and hooks of git, which
//! `corpus/filters.py` ran: what the rules find of each is what is right, and `docs/generated/checker-corpus.md` is
//! the table of it.
//!
//! `SELVEDGE_UPDATE=1 cargo test -p selvedge-conventions --test corpus` writes the table anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use selvedge_conventions::{
    Artifact, Checker, Config, Filtered, Finding, GitFilter, Hook, Notebook, RepositoryFacts,
    Selection, Tree, TreeFile, TreePath, rule,
};
use serde::Deserialize;
use serde_json::json;

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
    /// Where the notebook lies.
    #[serde(default = "at_the_top")]
    notebook: String,
    /// Its metadata, and those of its cell.
    #[serde(default)]
    metadata: Map,
    #[serde(default)]
    cell: Map,
    /// Files beside it.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Whether a notebook that was committed with it lacks outputs.
    takes: bool,
}

type Map = serde_json::Map<String, serde_json::Value>;

fn at_the_top() -> String {
    "a.ipynb".to_owned()
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
    let notebook = json!({
        "nbformat": 4, "nbformat_minor": 5, "metadata": entry.metadata,
        "cells": [{
            "cell_type": "code", "id": "a", "source": "print(1)", "execution_count": 1, "metadata": entry.cell,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
        }],
    });
    let notebook = Notebook::parse(notebook.to_string().as_bytes()).unwrap();
    let path = TreePath::new(&entry.notebook);
    let mut repository = RepositoryFacts {
        scripts: entry.files.clone(),
        ..RepositoryFacts::default()
    };
    if notebook.keeps_outputs {
        repository.keeping.insert(path.clone());
    }
    if entry.kind == "filter" {
        repository.filters = GitFilter::parse(&format!("filter.f.clean\n{}\0", entry.text));
        repository.filtered = Some(Filtered::parse(&format!("{path}\0filter\0f\0")));
    } else {
        let hook = TreePath::new(".git/hooks/pre-commit");
        repository.hooks = vec![Hook::of_script(&hook, entry.text.clone())];
    }
    let tree = Tree {
        files: vec![TreeFile::new(path, 1)],
        repository,
        ..Tree::default()
    };
    let config = Config::default();
    let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
    let found = checker.check_tree();
    found.iter().map(|finding| finding.code).collect()
}

impl OfGit {
    /// What is with the filter or the hook, in words.
    fn with(&self) -> String {
        let mut parts = Vec::new();
        if self.notebook != at_the_top() {
            parts.push(format!("the notebook is `{}`", self.notebook));
        }
        for (whose, map) in [("its", &self.metadata), ("its cell's", &self.cell)] {
            for (key, value) in map {
                parts.push(format!("{whose} metadata have `{key}` = `{value}`"));
            }
        }
        let files = self.files.iter();
        parts.extend(files.map(|(path, text)| format!("`{path}`: `` {} ``", one_line(text))));
        parts.join("; ")
    }

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
    assert!(of(true) >= 60 && of(false) >= 60);
    for entry in all {
        let with = entry.with();
        assert_eq!(said_of(&entry), entry.expected(), "{} {with}", entry.text);
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
    assert_eq!(codes.len(), 9, "{codes:?}");
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

fn one_line(text: &str) -> String {
    let text = text.trim_end().replace('|', "\\|").replace('\t', "    ");
    text.replace('\n', " ⏎ ")
}

/// The table of filters and hooks.
fn filter_table() -> String {
    let entries = filters_and_hooks();
    let mut text = format!(
        "\n## Filters and hooks of git\n\n\
         Git ran each of them, for `corpus/filters.py`, and what it committed decides whether outputs are \
         taken out. The\nchecker runs none of them: it reads their text. {} of them; `⏎` is the end of a \
         line.\n\n\
         | tool | what | text | with | takes outputs out | said | right |\n|---|---|---|---|---|---|---|\n",
        entries.len()
    );
    for entry in &entries {
        let said = said_of(entry);
        let code = one_line(&entry.text);
        let with = entry.with();
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
            "| {} | {kind} | `` {code} `` | {with} | {} | {} | {} |",
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated/checker-corpus.md");
    if env::var_os("SELVEDGE_UPDATE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "write docs/generated/checker-corpus.md anew: SELVEDGE_UPDATE=1"
    );
}
