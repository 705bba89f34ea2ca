//! Findings for people, in lines that fit the page.

use anstyle::Style;
use selvedge_conventions::{Finding, FixAction, FixSafety, Report, Severity, TreePath};

use super::Page;
use super::style::{ERROR, GOOD, HEADING, NOTE, TITLE, WARNING, styled};
use super::text::{shown, wrapped};

/// The report of a check, without its summary.
pub(crate) fn report(report: &Report, page: Page) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&whole(finding, page));
        text.push('\n');
    }
    for entry in &report.stale {
        let message = format!(
            "stale: the baseline allows {} of {} here, found {}: write it again",
            entry.allowed,
            shown(&entry.code),
            entry.found
        );
        text.push_str(&format!(
            "{}\n  {} {}\n\n",
            wrapped(&message, 0, page.text),
            styled(HEADING, "-->"),
            shown(entry.path.as_str())
        ));
    }
    text
}

/// How many findings there are of each rule, the most first.
pub(crate) fn statistics(report: &Report) -> String {
    let counts = report.statistics();
    let width = counts
        .first()
        .map_or(0, |most| most.findings.to_string().len());
    let lines = counts.iter().map(|of_rule| {
        let (code, name) = (styled(TITLE, of_rule.code), of_rule.name);
        format!("{:>width$}  {code}  {name}\n", of_rule.findings)
    });
    lines.collect()
}

/// The line that sums a report up.
pub(crate) fn summary(report: &Report, page: Page) -> String {
    let summary = report.summary().to_string();
    let summary = wrapped(&summary, 2, page.text);
    let style = if report.findings.is_empty() && report.stale.is_empty() {
        GOOD
    } else {
        TITLE
    };
    format!("{}\n", styled(style, summary))
}

/// A finding: what, where, what to do, which rule.
fn whole(finding: &Finding, page: Page) -> String {
    let mut text = head(finding, 0, page);
    let place = format!("{}{}", finding.path, finding.place);
    // A path in one piece is a link in many terminals.
    text.push_str(&format!("  {} {}\n", styled(HEADING, "-->"), shown(&place)));
    for line in advice(finding) {
        text.push_str(&advice_line(&line, 3, page));
    }
    text
}

/// A change that a fix would make to the file at `path`: a new name as git shows one, and an attribute of a
/// file of bytes as a line that is added.
pub(crate) fn diff(path: &TreePath, action: &FixAction) -> String {
    let renamed = |to: &TreePath| shown(path.with_file_name(to.file_name()).as_str());
    let path = shown(path.as_str());
    match action {
        FixAction::AddBf16Marker { tensor } => format!(
            "--- {path}\n+++ {path}\n@@ attributes of {} @@\n+logical_dtype = \"bfloat16\"\n",
            shown(tensor)
        ),
        FixAction::Rename { to } => {
            let to = renamed(to);
            format!(
                "diff --git a/{path} b/{to}\nsimilarity index 100%\nrename from {path}\nrename to {to}\n"
            )
        }
        other => format!("--- {path}\n+++ {path}\n{}\n", shown(&other.to_string())),
    }
}

/// The findings of one file, below its path: shorter by that.
pub(super) fn of_file(findings: &[Finding], indent: usize, page: Page) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = finding.place.to_string();
        let place = place.strip_prefix(':').unwrap_or_default();
        let space = " ".repeat(indent);
        text.push_str(&format!("{space}{}", head_of(finding, place, indent, page)));
        if let Some(help) = &finding.help {
            text.push_str(&advice_line(&format!("help: {help}"), indent + 2, page));
        }
    }
    text
}

fn head(finding: &Finding, indent: usize, page: Page) -> String {
    head_of(finding, "", indent, page)
}

fn head_of(finding: &Finding, place: &str, indent: usize, page: Page) -> String {
    let label = format!("{}[{}]:", finding.severity, finding.code);
    let colon = if place.is_empty() { "" } else { ": " };
    let line = format!("{label} {}{colon}{}", shown(place), shown(&finding.message));
    // Wrapped without its style, which takes no columns.
    let line = wrapped(&line, indent, page.text);
    let rest = line.strip_prefix(&label).unwrap_or_default();
    format!("{}{rest}\n", styled(style(finding.severity), &label))
}

fn advice(finding: &Finding) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(help) = &finding.help {
        lines.push(format!("help: {help}"));
    }
    if let Some(fix) = &finding.fix {
        let flag = match fix.safety {
            FixSafety::Safe => "--fix",
            _ => "--unsafe-fixes",
        };
        lines.push(format!("fix: {} (`{flag}`)", fix.action));
    }
    let (name, code) = (finding.rule_name(), finding.code);
    lines.push(format!("rule: {name}, see `selvedge rules {code}`"));
    lines
}

fn advice_line(line: &str, indent: usize, page: Page) -> String {
    let space = " ".repeat(indent);
    let line = wrapped(&shown(line), indent + 2, page.text);
    format!("{space}{} {line}\n", styled(HEADING, "="))
}

/// The style of a severity.
pub(super) fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => ERROR,
        Severity::Warning => WARNING,
        Severity::Note => NOTE,
    }
}
