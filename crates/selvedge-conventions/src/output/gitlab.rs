//! GitLab's Code Quality: the part of Code Climate's format that merge requests show.

use std::collections::HashMap;

use selvedge_base::text::fnv1a;
use serde::Serialize;

use super::json::to_text;
use super::{placed_message, stale};
use crate::{Place, Report, Severity};

pub(super) fn render(report: &Report) -> String {
    let mut issues = Issues::default();
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Error => "major",
            Severity::Warning => "minor",
            Severity::Note => "info",
        };
        let line = match finding.place {
            Place::Line(line) => line,
            _ => 1,
        };
        let path = finding.path.as_str();
        issues.add(finding.code, severity, path, line, placed_message(finding));
    }
    for entry in &report.stale {
        issues.add(
            "stale-baseline",
            "info",
            entry.path.as_str(),
            1,
            stale(entry),
        );
    }
    to_text(&issues.all)
}

#[derive(Default)]
struct Issues<'r> {
    all: Vec<Issue<'r>>,
    /// How often the same was found already, since GitLab shows one issue of a fingerprint.
    known: HashMap<String, usize>,
}

impl<'r> Issues<'r> {
    fn add(
        &mut self,
        check_name: &'r str,
        severity: &'static str,
        path: &'r str,
        begin: usize,
        description: String,
    ) {
        // By its fingerprint GitLab knows an issue again after other lines of the file have changed.
        let mut same = format!("{check_name}\n{path}\n{description}");
        let times = self.known.entry(same.clone()).or_default();
        *times += 1;
        if *times > 1 {
            same.push_str(&format!("\n{times}"));
        }
        self.all.push(Issue {
            description,
            check_name,
            fingerprint: format!("{:016x}", fnv1a(same.as_bytes())),
            severity,
            location: Location {
                path,
                lines: Lines { begin },
            },
        });
    }
}

#[derive(Serialize)]
struct Issue<'r> {
    description: String,
    check_name: &'r str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'r>,
}

#[derive(Serialize)]
struct Location<'r> {
    path: &'r str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Diagnosis, Finding, TreePath, rule};

    fn fingerprints(lines: &[usize]) -> Vec<String> {
        let findings = lines.iter().map(|line| {
            let diagnosis = Diagnosis::new("a filter").line(*line);
            let rule = rule("GIT001").unwrap();
            Finding::new(TreePath::new("a"), rule, Severity::Error, diagnosis)
        });
        let report = Report::new(findings.collect(), 1);
        let issues: serde_json::Value = serde_json::from_str(&render(&report)).unwrap();
        let issues = issues.as_array().unwrap().iter();
        issues
            .map(|issue| issue["fingerprint"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn fingerprints_are_unique_and_know_an_issue_on_another_line() {
        let found = fingerprints(&[3, 5, 5]);
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(found, fingerprints(&[4, 6, 9]));
    }
}
