//! What `selvedge rules` prints: two lines for each rule.

use selvedge_conventions::{Config, Rule, Severity};

use super::Page;
use super::findings::style;
use super::style::{HEADING, TITLE, styled};
use super::text::{folded, wrapped};

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
    folded(&text, page)
}

/// The manual page of a rule, of which paragraphs and lists are broken at the edge of the page, and code is not.
pub(crate) fn manual(text: &str, page: Page) -> String {
    if page.table.is_none() {
        return text.to_owned();
    }
    let (mut lines, mut is_code, mut goes_on) = (Vec::<(String, bool)>::new(), false, false);
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        let is_whole = is_code || is_fence || line.starts_with(['#', '|']);
        match lines.last_mut() {
            Some((last, _))
                if goes_on && !is_whole && !line.is_empty() && !line.starts_with("- ") =>
            {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => lines.push((line.to_owned(), is_whole)),
        }
        goes_on = !is_whole && !line.is_empty();
    }
    let lines = lines.into_iter().map(|(line, is_whole)| match is_whole {
        true => line + "\n",
        false => {
            let indent = if line.starts_with("- ") { 2 } else { 0 };
            let (label, text) = line.split_at(indent);
            format!("{label}{}\n", wrapped(text, indent, page.text))
        }
    });
    lines.collect()
}
