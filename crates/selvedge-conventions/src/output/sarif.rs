//! SARIF 2.1.0, the OASIS standard for what checkers find: as much of it as code scanning shows.

use std::fmt::Write as _;

use serde::Serialize;

use super::json::to_text;
use crate::{Finding, Place, RULES, Report, Rule};

pub(super) fn render(report: &Report) -> String {
    to_text(&Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "selvedge",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: RULES
                        .iter()
                        .map(|rule| ReportingDescriptor::of(*rule))
                        .collect(),
                },
            },
            results: report.findings.iter().map(SarifResult::of).collect(),
            properties: RunProperties {
                summary: report.summary().to_string(),
            },
        }],
    })
}

#[derive(Serialize)]
struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'r>; 1],
}

#[derive(Serialize)]
struct Run<'r> {
    tool: Tool,
    results: Vec<SarifResult<'r>>,
    properties: RunProperties,
}

#[derive(Serialize)]
struct RunProperties {
    summary: String,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<ReportingDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportingDescriptor {
    id: &'static str,
    name: &'static str,
    short_description: Message<String>,
    full_description: Message<String>,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    enabled: bool,
    level: &'static str,
}

impl ReportingDescriptor {
    fn of(rule: &'static dyn Rule) -> Self {
        let page = rule.page();
        let does = rule.section("What it does").unwrap_or_default();
        Self {
            id: rule.code(),
            name: rule.name(),
            short_description: Message {
                text: rule.summary(),
            },
            full_description: Message { text: does },
            help: Help {
                text: page.clone(),
                markdown: page,
            },
            default_configuration: Configuration {
                enabled: rule.is_on_by_default(),
                level: rule.severity().as_str(),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'r> {
    rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Message<String>,
    locations: [Location<'r>; 1],
}

#[derive(Serialize)]
struct Message<T> {
    text: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'r> {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_locations: Option<[LogicalLocation<'r>; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
}

#[derive(Serialize)]
struct LogicalLocation<'r> {
    name: std::borrow::Cow<'r, str>,
    kind: &'static str,
}

impl<'r> SarifResult<'r> {
    fn of(finding: &'r Finding) -> Self {
        let mut text = finding.message.clone();
        if let Some(help) = &finding.help {
            let _ = write!(text, "; {help}");
        }
        // GitHub shows no result without a line, so what is about a whole file is at its first.
        let (line, logical) = match &finding.place {
            Place::File => (1, None),
            Place::Line(line) => (*line, None),
            Place::Tensor(name) => (1, Some((name.as_str().into(), "tensor"))),
            Place::Cell { number, line: None } => {
                (1, Some((format!("cell {number}").into(), "cell")))
            }
            Place::Cell {
                number,
                line: Some(line),
            } => (
                1,
                Some((format!("cell {number}, line {line}").into(), "cell")),
            ),
        };
        Self {
            rule_id: finding.code,
            rule_index: RULES.iter().position(|rule| rule.code() == finding.code),
            level: finding.severity.as_str(),
            message: Message { text },
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: ArtifactLocation {
                        uri: uri(finding.path.as_bytes()),
                    },
                    region: Region { start_line: line },
                },
                logical_locations: logical.map(|(name, kind)| [LogicalLocation { name, kind }]),
            }],
        }
    }
}

/// A path as a relative reference of RFC 3986: everything but unreserved characters and `/` as
/// its percent-encoded bytes.
fn uri(path: &[u8]) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::uri;
    use crate::TreePath;

    #[test]
    fn paths_become_references() {
        let check = |path: &[u8], expected: &str| {
            let path = TreePath::new(OsStr::from_bytes(path));
            assert_eq!(uri(path.as_bytes()), expected);
        };
        check("a b/ü:1.ipynb".as_bytes(), "a%20b/%C3%BC%3A1.ipynb");
        check(b"box_3/tensors/1.5d~x.h5", "box_3/tensors/1.5d~x.h5");
        // Latin-1, and a name that has what stands for such a byte.
        check(b"lat\xfcn.ipynb", "lat%FCn.ipynb");
        check(b"lat\\xfcn.ipynb", "lat%5Cxfcn.ipynb");
    }
}
