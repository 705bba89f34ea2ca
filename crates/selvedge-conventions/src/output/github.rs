//! Annotations of GitHub Actions: workflow commands that the runner reads from the log.

use std::fmt::Write as _;

use selvedge_base::text::shown;

use super::{placed_message, stale};
use crate::{Place, Report, Severity};

/// GitHub shows this many annotations of a severity in one step, and drops the rest.
const SHOWN: usize = 10;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let mut message = placed_message(finding);
        if let Some(help) = &finding.help {
            message.push('\n');
            message.push_str(help);
        }
        let title = format!("{} {}", finding.code, finding.rule_name());
        let line = match finding.place {
            Place::Line(line) => Some(line),
            _ => None,
        };
        let command = command(finding.severity);
        annotation(
            &mut text,
            command,
            finding.path.as_str(),
            line,
            &title,
            &message,
        );
    }
    for entry in &report.stale {
        let path = entry.path.as_str();
        annotation(
            &mut text,
            "notice",
            path,
            None,
            "stale baseline",
            &stale(entry),
        );
    }
    let dropped = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .any(|severity| report.count(severity) > SHOWN);
    let mut summary = report.summary().to_string();
    if dropped {
        let _ = write!(
            summary,
            "; GitHub shows {SHOWN} of each severity, the log has all of them"
        );
    }
    let _ = writeln!(text, "::notice title=selvedge check::{}", data(&summary));
    text
}

fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    }
}

fn annotation(
    text: &mut String,
    command: &str,
    path: &str,
    line: Option<usize>,
    title: &str,
    message: &str,
) {
    let _ = write!(text, "::{command} file={}", property(path));
    if let Some(line) = line {
        let _ = write!(text, ",line={line}");
    }
    let _ = writeln!(text, ",title={}::{}", property(title), data(message));
}

/// A message with what would end it escaped. The `%` goes first, because it escapes the others.
fn data(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| shown(line).to_string())
        .collect();
    lines.join("\n").replace('%', "%25").replace('\n', "%0A")
}

/// The value of a property, which a `:` or a `,` would end, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diagnosis, Finding, TreePath, rule};

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let diagnosis = Diagnosis::new("100 %\r\nof: a, b\u{1b}[31m").line(3);
        let path = TreePath::new("a,b:c%.ipynb");
        let rule = rule("NBK001").unwrap();
        let finding = Finding::new(path, rule, Severity::Error, diagnosis);
        let text = render(&Report::new(vec![finding], 1));
        assert_eq!(
            text.lines().next().unwrap(),
            "::error file=a%2Cb%3Ac%25.ipynb,line=3,title=NBK001 invalid-notebook::100 %25\\r%0A\
             of: a, b\\u{1b}[31m"
        );
    }

    #[test]
    fn what_github_drops_is_told() {
        let finding = |number: usize| {
            let diagnosis = Diagnosis::new(format!("finding {number}"));
            let rule = rule("NBK001").unwrap();
            Finding::new(TreePath::new("a"), rule, Severity::Error, diagnosis)
        };
        let text = |count: usize| render(&Report::new((0..count).map(finding).collect(), 1));
        assert!(!text(10).contains("GitHub shows"));
        assert!(
            text(11).ends_with("; GitHub shows 10 of each severity, the log has all of them\n")
        );
    }
}
