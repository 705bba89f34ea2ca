//! All groups with a few steps and one round: every contender gives the right answer, and what is made of the report
//! holds together. With the Python of the other tests, which lacks the packages of the benches alone: that has to be
//! told, and not to end the run.

use std::path::PathBuf;

use selvedge_benches::bench::Bench;
use selvedge_benches::groups;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::report::{self, Kind, Report, Verdict};
use selvedge_benches::scratch::Scratch;

fn run(python: Option<PathBuf>, only: &[&str]) -> Report {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let scratch = Scratch::new(&folder, false).unwrap();
    let options = Options {
        scale: Scale::Smoke,
        rounds: 1,
        scratch: folder,
        python,
        torch: None,
        trajectory: None,
        only: only.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut bench = Bench::new(options, scratch.path());
    let mut sections = 0;
    let complete = groups::run(&mut bench, &scratch, |_| {
        sections += 1;
        Ok(())
    });
    assert!(complete.unwrap(), "{:?}", bench.report.notes);
    assert!(sections > 0);
    bench.report
}

fn python() -> Option<PathBuf> {
    std::env::var_os("SELVEDGE_PYTHON").map(PathBuf::from)
}

/// Whether a peer may fail: where its package is not installed.
fn is_missing(why: &str) -> bool {
    why.contains("No module named")
}

#[test]
fn every_contender_gives_the_right_answer() {
    let report = run(python(), &[]);
    for name in groups::names() {
        // Peers of their own, or a trajectory of the demo.
        let needs_more = name.starts_with("compress")
            || name.starts_with("python")
            || name.starts_with("check")
            || name.starts_with("encode/") && name != "encode/gaussian";
        let Some(group) = report.group(name) else {
            assert!(needs_more, "{name} did not run: {:?}", report.notes);
            continue;
        };
        assert!(
            group.row(&group.reference).is_some(),
            "{name} has no reference"
        );
        for row in &group.rows {
            match &row.failure {
                Some(why) => assert!(
                    row.kind == Kind::Peer && is_missing(why),
                    "{name}, {}: {why}",
                    row.name
                ),
                None => assert!(
                    row.median(report::Figure::Seconds).unwrap() > 0.0,
                    "{name}, {}",
                    row.name
                ),
            }
            // One round proves nothing.
            assert!(!matches!(
                group.verdict(row),
                Verdict::Faster(_) | Verdict::Slower(_)
            ));
        }
    }
    assert!(report.group("compress/gaussian").is_some() || !report.notes.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let kept = report::write(&report, &path).unwrap();
    assert_eq!(report::read(&path).unwrap(), kept);

    let page = report::page(&kept);
    for forbidden in ["<script", "http://", "https://", "url(", "@import", "NaN"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    for tag in [
        "section", "article", "div", "svg", "table", "details", "span",
    ] {
        let count = |text: &str| page.matches(text).count();
        let open = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
        assert_eq!(open, count(&format!("</{tag}>")), "<{tag}> is not closed");
    }
    let docs = report::benchmarks(&kept);
    for group in &kept.groups {
        assert!(page.contains(&group.name.replace('/', "-")) && docs.contains(&group.name));
    }
}

#[test]
fn without_python_the_rest_runs_and_the_report_says_so() {
    let report = run(None, &["record/small", "compress", "convert"]);
    assert!(report.group("record/small").is_some());
    assert!(report.group("convert/f32-to-bf16-cache").is_some());
    assert!(report.group("compress/gaussian").is_none());
    let notes = report.notes.join("\n");
    assert!(notes.contains("Without the Python peers"), "{notes}");
    assert!(notes.contains("No groups `compress`"), "{notes}");
}

#[test]
fn a_python_that_is_none_is_told() {
    let report = run(Some(PathBuf::from("no-such-python")), &["record/small"]);
    let notes = report.notes.join("\n");
    assert!(notes.contains("No peers of `record_peer.py`"), "{notes}");
    let group = report.group("record/small").unwrap();
    assert!(
        group.rows.iter().all(|row| row.failure.is_none()),
        "{group:?}"
    );
}
