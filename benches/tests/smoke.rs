//! All groups with a few steps and one round: every contender gives the right answer, and what is made of the report
//! holds together. With the Python of the other tests, which lacks the packages of the benches alone: that has to be
//! told, and not to end the run.

use clap::Parser as _;
use selvedge_benches::report::{self, Figure, Kind, Report};
use selvedge_benches::{Bench, Options, Scratch, sections};

fn run(args: &[&str]) -> Report {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let scratch = Scratch::new(folder.path(), false).unwrap();
    let options = Options::parse_from([&["bench", "--smoke"], args].concat());
    let mut bench = Bench::new(options, scratch.path());
    let complete = sections::run(&mut bench, &scratch, |_| Ok(())).unwrap();
    assert!(complete, "{:?}", bench.report.notes);
    bench.report
}

#[test]
fn every_contender_gives_the_right_answer() {
    let report = run(&[]);
    for name in sections::names() {
        // Peers of their own, or a trajectory of the demo.
        let needs_more = ["compress", "python", "check", "encode"].map(|of| name.starts_with(of));
        let Some(group) = report.group(name) else {
            let is_told = needs_more.contains(&true) && name != "encode/gaussian";
            assert!(is_told, "{name} did not run: {:?}", report.notes);
            continue;
        };
        assert!(
            group.row(&group.reference).is_some(),
            "{name} has no reference"
        );
        for row in &group.rows {
            match &row.failure {
                // Its package is not installed.
                Some(why) => assert!(
                    row.kind == Kind::Peer && why.contains("No module named"),
                    "{name}, {}: {why}",
                    row.name
                ),
                None => assert!(
                    row.median(Figure::Seconds).unwrap() > 0.0,
                    "{name}, {}",
                    row.name
                ),
            }
            // One round proves nothing.
            assert!(
                group
                    .verdict(row)
                    .is_none_or(|ratio| ratio.side().is_none())
            );
        }
    }
    assert!(report.group("compress/gaussian").is_some() || !report.notes.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    report::write(&report, &path).unwrap();
    assert_eq!(report::read(&path).unwrap(), report);

    let page = report::page(&report);
    for forbidden in ["<script", "http://", "https://", "url(", "@import", "NaN"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    for tag in [
        "div", "table", "tr", "td", "p", "ul", "code", "strong", "span",
    ] {
        let count = |text: &str| page.matches(text).count();
        let open = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
        assert_eq!(open, count(&format!("</{tag}>")), "<{tag}> is not closed");
    }
    let docs = report::benchmarks(&report);
    for group in &report.groups {
        assert!(page.contains(&group.name.replace('/', "-")) && docs.contains(&group.name));
    }
}

#[test]
fn without_python_the_rest_runs_and_the_report_says_so() {
    let only = ["--only=record/small", "--only=compress", "--only=convert"];
    let report = run(&[&["--no-peers"], &only[..]].concat());
    assert!(report.group("record/small").is_some());
    assert!(report.group("convert/f32-to-bf16-cache").is_some());
    assert!(report.group("compress/gaussian").is_none());
    let notes = report.notes.join("\n");
    assert!(notes.contains("Without the Python peers"), "{notes}");
    assert!(notes.contains("No groups `compress`"), "{notes}");
}

#[test]
fn a_python_that_is_none_is_told() {
    let report = run(&["--python", "no-such-python", "--only", "record/small"]);
    let notes = report.notes.join("\n");
    assert!(notes.contains("No peers of `record_peer.py`"), "{notes}");
    let group = report.group("record/small").unwrap();
    assert!(
        group.rows.iter().all(|row| row.failure.is_none()),
        "{group:?}"
    );
}
