//! What nbformat opens, we open, and what it refuses, we find: over notebooks that were changed at
//! random, with the verdicts that `nbformat/mutate.py` wrote down. With `SELVEDGE_VERDICTS` another
//! file of verdicts is read.

use std::path::Path;
use std::{env, fs};

use selvedge_conventions::Notebook;
use serde::Deserialize;

#[derive(Deserialize)]
struct Verdict {
    opens: bool,
    #[serde(default)]
    text: String,
    /// What is no UTF-8.
    #[serde(default)]
    bytes: Vec<u8>,
}

/// Two things are read otherwise, on purpose. A notebook that has no number `nbformat`, or 1, and is none of
/// 2011 nbformat opens without its code. And it fails on a `cell_type` that is no text when it puts its
/// complaint into words, unless it has to complain of something else before.
fn is_taken_otherwise(reason: &str) -> bool {
    reason.contains("takes it for one of 2011") || reason.contains("`cell_type`")
}

#[test]
fn what_nbformat_opens_is_opened_and_what_it_refuses_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nbformat");
    let path =
        env::var_os("SELVEDGE_VERDICTS").map_or_else(|| folder.join("verdicts.jsonl"), Into::into);
    let verdicts = fs::read_to_string(path).unwrap();
    let (mut agreed, mut otherwise, mut wrong) = (0, 0, Vec::new());
    for line in verdicts.lines() {
        let verdict: Verdict = serde_json::from_str(line).unwrap();
        let bytes = if verdict.bytes.is_empty() {
            verdict.text.as_bytes()
        } else {
            &verdict.bytes
        };
        let read = Notebook::parse(bytes);
        match read {
            _ if read.is_ok() == verdict.opens => agreed += 1,
            Err(problem) if is_taken_otherwise(&problem.to_string()) => otherwise += 1,
            _ => wrong.push(format!(
                "{:?}: {line}",
                read.map(|notebook| notebook.format)
            )),
        }
    }
    println!(
        "{agreed} agreed, {otherwise} are taken otherwise, {} are wrong",
        wrong.len()
    );
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        agreed >= 100 && otherwise * 20 < agreed,
        "{agreed}, {otherwise}"
    );
}
