//! Tables as Markdown, which reads well in a terminal too, and the page that is made of it.

use std::fmt::Write as _;

use pulldown_cmark::{Options, Parser, html::push_html};

/// Rows under a head; the first column is to the left, the others to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    let mut widths = vec![3; head.len()];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = (0..).zip(&widths).map(|(column, width)| match column {
        0 => "-".repeat(*width),
        _ => "-".repeat(width - 1) + ":",
    });
    let mut text = String::new();
    for row in [&head, &rule.collect()].into_iter().chain(rows) {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
    }
    text.truncate(text.trim_end().len());
    text
}

/// A bar on a logarithmic axis that holds `values` and is no shorter than a factor of 2: what is filled, the line over it,
/// and where the bars of all rows begin.
pub(super) fn bar(
    class: &str,
    values: &[f64],
    fill: [f64; 2],
    line: [f64; 2],
    zero: f64,
) -> Option<String> {
    let values = values.iter().copied().filter(|value| *value > 0.0);
    let low = values.clone().reduce(f64::min)?;
    let high = values.reduce(f64::max)?.max(2.0 * low);
    let at = |value: f64| 100.0 * ((value / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
    let part = |tag: &str, ends: [f64; 2]| {
        let [from, to] = ends.map(at);
        let (left, width) = (from.min(to), (to - from).abs());
        format!("<{tag} style=\"left:{left:.1}%;width:{width:.1}%\"></{tag}>")
    };
    let parts = [part("i", fill), part("b", line), part("u", [zero; 2])].concat();
    Some(format!("<div class=\"bar {class}\">{parts}</div>"))
}

/// The page of a text in Markdown, whose headings have names, and of its headings for the navigation.
pub(super) fn page(markdown: &str) -> String {
    let named = markdown.lines().filter_map(|line| {
        let (text, name) = line.strip_prefix("## ")?.split_once(" {#")?;
        let name = name.trim_end_matches('}');
        Some(format!("<a href=\"#{name}\">{text}</a>\n"))
    });
    let mut body = String::new();
    let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES;
    push_html(&mut body, Parser::new_ext(markdown, options));
    let links = named.collect::<String>();
    let page = include_str!("page.html").replace("{links}", &links);
    page.replace("{body}", &body)
}

#[cfg(test)]
mod tests {
    use super::{page, table};

    #[test]
    fn columns_are_aligned() {
        let row = |who: &str, time: &str| vec![who.to_owned(), time.to_owned()];
        let rows = [row("recorder", "12.9 ms"), row("plain", "350 ns")];
        let expected = "\
| who      |    time |
| -------- | ------: |
| recorder | 12.9 ms |
| plain    |  350 ns |";
        assert_eq!(table(&["who", "time"], &rows), expected);
    }

    #[test]
    fn a_page_has_links_to_its_parts_and_escapes_code() {
        let page = page("## Who {#who}\n\n`d[:] < 1` is **not**");
        assert!(page.contains("<a href=\"#who\">Who</a>"));
        assert!(page.contains("<h2 id=\"who\">Who</h2>"));
        assert!(page.contains("<code>d[:] &lt; 1</code> is <strong>not</strong>"));
    }
}
