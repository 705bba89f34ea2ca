//! What the documents say is what the committed report says: they are made from it, and not typed.

use std::fs;
use std::path::Path;

use selvedge_benches::report::{self, Report};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn committed() -> Report {
    report::read(&root().join("benches/record/report.json")).unwrap()
}

fn check(path: &str, expected: &str) {
    let found = fs::read_to_string(root().join(path)).unwrap();
    if found == expected {
        return;
    }
    let mut lines = found.lines().zip(expected.lines()).zip(1..);
    let first = lines.find(|((found, expected), _)| found != expected);
    panic!(
        "{path} is not what `cargo xtask bench --docs` makes of benches/record/report.json; first in {first:?}"
    );
}

#[test]
fn the_documents_are_made_from_the_report() {
    let report = committed();
    check("docs/generated/benchmarks.md", &report::benchmarks(&report));
    check("benches/record/report.html", &report::page(&report));
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    check(
        "README.md",
        &report::replace_region(&readme, &report).unwrap(),
    );
}

#[test]
fn another_figure_makes_another_document() {
    let report = committed();
    let mut other = report.clone();
    let mut rows = other.groups[0].rows.iter_mut();
    let ours = rows.find(|row| row.name == "Selvedge").unwrap();
    let values = ours.samples.values_mut().flatten();
    values.for_each(|value| *value *= 3.0);
    assert_ne!(report::benchmarks(&report), report::benchmarks(&other));
    assert_ne!(
        report::readme_region(&report),
        report::readme_region(&other)
    );
    assert_ne!(report::page(&report), report::page(&other));
}

#[test]
fn the_report_is_whole_and_agrees_with_itself() {
    let report = committed();
    for name in selvedge_benches::sections::names() {
        let is_there = report.group(name).is_some();
        assert!(is_there, "{name} is not in the committed report");
    }
    assert_eq!(report.failures().count(), 0);
    // What is asked of a contender that was renamed would be left out in silence.
    for mut asked in report::asked(&report) {
        assert_eq!(asked.found.is_some(), asked.ran, "{}", asked.name);
        // Each has a number, and less than that is a miss.
        if let (false, Some(found)) = (asked.asked.is_empty(), &mut asked.found) {
            found.median = 0.0;
            assert!(asked.is_missed(), "{}", asked.name);
            asked.asked = "at least 0.50, aim 0.80";
            asked.found.as_mut().unwrap().median = 0.5;
            assert!(!asked.is_missed());
        }
    }
    assert!(
        report::compare(&report, &report)
            .iter()
            .all(|row| row.verdict() != Some(report::CONTRADICTION))
    );
}
