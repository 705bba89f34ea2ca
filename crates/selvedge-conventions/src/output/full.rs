//! Some lines for each finding, with what to do about it.

use super::{Lines, stale};
use crate::{FixSafety, Report};

pub(super) fn render(report: &Report) -> String {
    let mut lines = Lines::default();
    for finding in &report.findings {
        lines.push(format_args!(
            "{}[{}]: {}",
            finding.severity, finding.code, finding.message
        ));
        lines.push(format_args!("  --> {}{}", finding.path, finding.place));
        if let Some(help) = &finding.help {
            lines.push(format_args!("   = help: {help}"));
        }
        if let Some(fix) = &finding.fix {
            let flag = match fix.safety {
                FixSafety::Safe => "--fix",
                FixSafety::Unsafe => "--unsafe-fixes",
            };
            lines.push(format_args!("   = fix: {} (`{flag}`)", fix.action));
        }
        lines.push(format_args!(
            "   = rule: {}, see `selvedge rules {}`",
            finding.rule_name(),
            finding.code
        ));
        lines.push(format_args!(""));
    }
    for entry in &report.stale {
        lines.push(format_args!("stale: {}", stale(entry)));
        lines.push(format_args!("  --> {}", entry.path));
        lines.push(format_args!(""));
    }
    lines.push(format_args!("{}", report.summary()));
    lines.0
}
