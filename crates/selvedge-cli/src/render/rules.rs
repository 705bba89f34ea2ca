//! What `selvedge rules` prints: two lines for each rule.

use selvedge_conventions::{Config, Rule, Severity};

use super::Page;
use super::findings::style;
use super::style::{HEADING, TITLE, styled};
use super::text::wrapped;

/// The list.
pub(crate) fn list(rules: &[&'static dyn Rule], config: &Config, page: Page) -> String {
    const INDENT: usize = 8;
    let width = rules.iter().map(|rule| rule.name().len()).max();
    let mut text = String::new();
    for rule in rules {
        let severity = config.severity(*rule);
        let level = severity.map_or("off", Severity::as_str);
        let level = styled(severity.map_or(HEADING, style), level);
        let reads = if rule.reads_contents() {
            ", reads the data"
        } else {
            ""
        };
        text.push_str(&format!(
            "{}  {:width$}  {level}{reads}\n{:INDENT$}{}\n",
            styled(TITLE, rule.code()),
            rule.name(),
            "",
            wrapped(&rule.summary(), INDENT, page.text),
            width = width.unwrap_or(0),
        ));
    }
    text.push_str("\n`selvedge rules CODE` explains a rule.\n");
    text
}
