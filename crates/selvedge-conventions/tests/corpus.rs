//! Notebooks as some twenty tools leave them, made by `corpus/make.py`: what the rules find in each is
//! what is right, and `docs/checker-corpus.md` is the table of it.
//!
//! `SELVEDGE_UPDATE=1 cargo test -p selvedge-conventions --test corpus` writes the table anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use selvedge_conventions::{Artifact, Checker, Config, Finding, Notebook, Selection, Tree, rule};
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn entries() -> Vec<Entry> {
    let text = fs::read_to_string(folder().join("corpus.json")).unwrap();
    serde_json::from_str(&text).unwrap()
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
        let said: Vec<_> = codes
            .iter()
            .map(|code| format!("`{code}` {}", rule(code).unwrap().name()))
            .collect();
        let said = if said.is_empty() {
            "nothing".to_owned()
        } else {
            said.join(", ")
        };
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
    text
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
