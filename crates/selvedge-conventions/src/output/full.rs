//! Some lines for each finding, with what to do about it.

use std::fmt::Write as _;

use super::stale;
use crate::{FixSafety, Report};

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{}[{}]: {}\n  --> {}{}",
            finding.severity, finding.code, finding.message, finding.path, finding.place
        );
        if let Some(help) = &finding.help {
            let _ = writeln!(text, "   = help: {help}");
        }
        if let Some(fix) = &finding.fix {
            let flag = match fix.safety {
                FixSafety::Safe => "--fix",
                FixSafety::Unsafe => "--unsafe-fixes",
            };
            let _ = writeln!(text, "   = fix: {} (`{flag}`)", fix.action);
        }
        let name = finding.rule_name();
        let _ = writeln!(
            text,
            "   = rule: {name}, see `selvedge rules {}`\n",
            finding.code
        );
    }
    for entry in &report.stale {
        let _ = writeln!(text, "stale: {}\n  --> {}\n", stale(entry), entry.path);
    }
    let _ = writeln!(text, "{}", report.summary());
    text
}
