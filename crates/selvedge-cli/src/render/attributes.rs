//! Attributes, one a line.

use super::Page;
use super::text::{shortened, shown, width, wrapped};
use crate::facts::{Attribute, UnreadAttribute};

/// Values longer than this are cut: they are for programs.
const LONGEST: usize = 400;
/// Names longer than this get a line of their own.
const LONGEST_NAME: usize = 28;

/// `name  value` for each, indented by `indent` columns.
pub(super) fn lines(
    attributes: &[Attribute],
    unread: &[UnreadAttribute],
    indent: usize,
    page: Page,
) -> String {
    let known = attributes
        .iter()
        .map(|attribute| (shown(&attribute.name), shown(&attribute.value.to_string())));
    let unread = unread.iter().map(|attribute| {
        let what = format!("({}, not read)", shown(&attribute.stored_type));
        (shown(&attribute.name), what)
    });
    let pairs: Vec<(String, String)> = known.chain(unread).collect();
    let names = pairs.iter().map(|(name, _)| width(name));
    let column = names
        .filter(|&name| name <= LONGEST_NAME)
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs {
        let value = shortened(&value, LONGEST);
        let after = indent + column + 2;
        let value = wrapped(&value, after, page.text);
        let gap = match width(&name) {
            long if long > column => format!("\n{}", " ".repeat(after)),
            short => " ".repeat(column - short + 2),
        };
        text.push_str(&format!("{}{name}{gap}{value}", " ".repeat(indent)));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
