//! A line for each finding: what `grep` and editors like.

use std::fmt::Write as _;

use super::stale;
use crate::Report;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let fixable = if finding.fix.is_some() { " [*]" } else { "" };
        let _ = writeln!(
            text,
            "{}{}: {}[{}]{fixable} {}",
            finding.path, finding.place, finding.severity, finding.code, finding.message
        );
    }
    for entry in &report.stale {
        let _ = writeln!(text, "{}: {}", entry.path, stale(entry));
    }
    let _ = writeln!(text, "{}", report.summary());
    text
}
