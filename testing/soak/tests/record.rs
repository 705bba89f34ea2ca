//! The tables of `docs/durability.md` are those that the tool made of the committed record.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::path::Path;

use selvedge_soak::{GROUPS, MARKERS, Record, render};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).expect(path)
}

#[test]
fn the_docs_show_the_record() {
    let record: Record = serde_json::from_str(&read("testing/soak/record.json")).expect("a record");
    let docs = read("docs/durability.md");
    let [begin, end] = MARKERS;
    let (_, rest) = docs.split_once(begin).expect("the first marker");
    let (found, _) = rest.split_once(end).expect("the second marker");
    assert_eq!(
        found.trim(),
        render(&record).trim(),
        "`cargo xtask soak` writes both"
    );
}

#[test]
fn the_record_has_every_group_and_no_broken_promise() {
    let record: Record = serde_json::from_str(&read("testing/soak/record.json")).expect("a record");
    let names: Vec<&str> = record.groups.iter().map(|group| &*group.name).collect();
    let expected: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
    assert_eq!(names, expected);
    for group in &record.groups {
        for row in &group.rows {
            assert!(row.tried > 0 || row.of == 0, "{row:?}");
            assert!(!row.failed(), "{row:?}");
        }
    }
}
