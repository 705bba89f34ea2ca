//! A line for each finding: what `grep` and editors like.

use super::{Lines, stale};
use crate::Report;

pub(super) fn render(report: &Report) -> String {
    let mut lines = Lines::default();
    for finding in &report.findings {
        let fixable = if finding.fix.is_some() { " [*]" } else { "" };
        lines.push(format_args!(
            "{}{}: {}[{}]{fixable} {}",
            finding.path, finding.place, finding.severity, finding.code, finding.message
        ));
    }
    for entry in &report.stale {
        lines.push(format_args!("{}: {}", entry.path, stale(entry)));
    }
    lines.push(format_args!("{}", report.summary()));
    lines.0
}
