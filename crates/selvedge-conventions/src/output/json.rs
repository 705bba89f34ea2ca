//! One JSON object, for scripts. Keys are only ever added; `version` changes if that is not enough.

use selvedge_base::text::json;
use serde::Serialize;

use crate::report::OfRule;
use crate::{Finding, FixAction, FixSafety, Place, Report, Severity};

pub(super) fn render(report: &Report) -> String {
    let object = Object {
        version: 1,
        findings: report.findings.iter().map(JsonFinding::of).collect(),
        stale: report
            .stale
            .iter()
            .map(|entry| Stale {
                path: entry.path.as_str(),
                code: &entry.code,
                allowed: entry.allowed,
                found: entry.found,
            })
            .collect(),
        summary: JsonSummary::of(report),
    };
    to_text(&object)
}

/// How many findings there are of each rule, as one object like that of the findings.
pub(super) fn statistics(report: &Report) -> String {
    #[derive(Serialize)]
    struct Statistics {
        version: u32,
        statistics: Vec<OfRule>,
        summary: JsonSummary,
    }
    to_text(&Statistics {
        version: 1,
        statistics: report.statistics(),
        summary: JsonSummary::of(report),
    })
}

/// The value as indented JSON, with a line break at the end.
pub(super) fn to_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("structs of strings and numbers are always JSON");
    json(&format!("{text}\n")).into_owned()
}

#[derive(Serialize)]
struct Object<'r> {
    version: u32,
    findings: Vec<JsonFinding<'r>>,
    stale: Vec<Stale<'r>>,
    summary: JsonSummary,
}

#[derive(Serialize)]
struct JsonFinding<'r> {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: &'r str,
    path: &'r str,
    line: Option<usize>,
    cell: Option<usize>,
    tensor: Option<&'r str>,
    help: Option<&'r str>,
    fix: Option<JsonFix<'r>>,
}

impl<'r> JsonFinding<'r> {
    fn of(finding: &'r Finding) -> Self {
        let (line, cell, tensor) = match &finding.place {
            Place::File => (None, None, None),
            Place::Line(line) => (Some(*line), None, None),
            // A line of the cell, because there is a cell.
            Place::Cell { number, line } => (*line, Some(*number), None),
            Place::Tensor(name) => (None, None, Some(&**name)),
        };
        Self {
            code: finding.code,
            name: finding.rule_name(),
            severity: finding.severity.as_str(),
            message: &finding.message,
            path: finding.path.as_str(),
            line,
            cell,
            tensor,
            help: finding.help.as_deref(),
            fix: finding.fix.as_ref().map(|fix| JsonFix {
                kind: match &fix.action {
                    FixAction::Rename { .. } => "rename",
                    FixAction::AddBf16Marker { .. } => "add-bf16-marker",
                },
                safe: fix.safety == FixSafety::Safe,
                description: fix.action.to_string(),
                rename_to: match &fix.action {
                    FixAction::Rename { to } => Some(to.as_str()),
                    FixAction::AddBf16Marker { .. } => None,
                },
            }),
        }
    }
}

#[derive(Serialize)]
struct JsonFix<'r> {
    kind: &'static str,
    safe: bool,
    description: String,
    rename_to: Option<&'r str>,
}

#[derive(Serialize)]
struct Stale<'r> {
    path: &'r str,
    code: &'r str,
    allowed: u64,
    found: u64,
}

#[derive(Serialize)]
struct JsonSummary {
    files: usize,
    files_with_findings: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
    hidden: usize,
    text: String,
}

impl JsonSummary {
    fn of(report: &Report) -> Self {
        Self {
            files: report.files,
            files_with_findings: report.files_with_findings(),
            errors: report.count(Severity::Error),
            warnings: report.count(Severity::Warning),
            notes: report.count(Severity::Note),
            hidden: report.hidden,
            text: report.summary().to_string(),
        }
    }
}
