//! XML as JUnit writes it: each finding is a test that failed.
//!
//! There is no standard. What is written here is valid by the schema of Jenkins (`junit-10.xsd` of its
//! xUnit plugin), and has what GitLab reads: it shows `classname`, `name` and the text of a failure, and of
//! tests of one name only the first.

use std::collections::HashMap;
use std::fmt::Write as _;

use selvedge_base::text::shown;

use super::{placed_message, stale};
use crate::Report;

pub(super) fn render(report: &Report) -> String {
    let count = report.findings.len() + report.stale.len();
    let mut cases = Cases::default();
    for finding in &report.findings {
        let name = format!("{} {}{}", finding.code, finding.rule_name(), finding.place);
        let mut said = placed_message(finding);
        if let Some(help) = &finding.help {
            let _ = write!(said, "; {help}");
        }
        let severity = finding.severity.as_str();
        cases.fail(finding.path.as_str(), name, severity, &said);
    }
    for entry in &report.stale {
        let name = format!("{} stale baseline", entry.code);
        cases.fail(entry.path.as_str(), name, "note", &stale(entry));
    }
    if count == 0 {
        // A suite without a test is taken for one that did not run.
        cases.text =
            "    <testcase classname=\"selvedge check\" name=\"no findings\"/>\n".to_owned();
    }
    let tests = count.max(1);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"selvedge check\" \
         tests=\"{tests}\" failures=\"{count}\" errors=\"0\">\n{}    <system-out>{}</system-out>\n  \
         </testsuite>\n</testsuites>\n",
        cases.text,
        xml(&report.summary().to_string())
    )
}

#[derive(Default)]
struct Cases {
    text: String,
    /// How often a test of this class and name was written.
    known: HashMap<(String, String), usize>,
}

impl Cases {
    fn fail(&mut self, path: &str, mut name: String, severity: &str, said: &str) {
        let times = self
            .known
            .entry((path.to_owned(), name.clone()))
            .or_default();
        *times += 1;
        if *times > 1 {
            let _ = write!(name, " ({times})");
        }
        let (path, name, said) = (xml(path), xml(&name), xml(said));
        // Writing to a string does not fail.
        let _ = writeln!(
            self.text,
            "    <testcase classname=\"{path}\" name=\"{name}\">\n      <failure \
             type=\"{severity}\">{said}</failure>\n    </testcase>"
        );
    }
}

/// Text between tags or in an attribute. What XML 1.0 cannot hold is escaped as for people.
fn xml(text: &str) -> String {
    let mut safe = String::new();
    for c in shown(text).to_string().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // Beside control characters, of which none is left, the only ones that are no `Char` of XML.
            '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(safe, "{}", c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::xml;

    #[test]
    fn every_character_is_one_of_xml() {
        assert_eq!(
            xml("a<b>&\"\u{0}\u{ffff}ü\n"),
            "a&lt;b&gt;&amp;&quot;\\u{0}\\u{ffff}ü\\n"
        );
        for c in '\0'..=char::MAX {
            let is_of_xml =
                |c| matches!(c, ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            assert!(xml(&c.to_string()).chars().all(is_of_xml), "{c:?}");
        }
    }
}
