//! What a document is made of, as Markdown, which reads well in a terminal too, and as HTML.

use std::fmt::Write as _;

/// A part of a document. Its text may have `code` and **what is strong**.
pub(super) enum Block {
    /// Its level, its text and its name.
    Heading(usize, String, String),
    Text(String),
    List(Vec<String>),
    Table(Table),
}

/// Rows under a head, each with its class in HTML; the first column is to the left, the others to the right.
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<(String, Vec<Cell>)>,
}

/// A cell, in HTML with a bar below its text.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) bar: Option<Bar>,
}

/// A bar, with all its places from 0 to 1.
pub(super) struct Bar {
    /// What is filled, and the line over it.
    fill: [f64; 2],
    line: [f64; 2],
    /// Where the bars of all rows begin.
    zero: f64,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, bar: None }
    }
}

impl Table {
    pub(super) fn new(head: &[&str], rows: Vec<Vec<String>>) -> Self {
        let cells = |row: Vec<String>| row.into_iter().map(Cell::from).collect();
        Self {
            head: head.iter().map(|&title| title.to_owned()).collect(),
            rows: rows
                .into_iter()
                .map(|row| (String::new(), cells(row)))
                .collect(),
        }
    }

    fn markdown(&self) -> String {
        let texts = |(_, row): &'_ (String, Vec<Cell>)| -> Vec<String> {
            row.iter().map(|cell| cell.text.clone()).collect()
        };
        let rows: Vec<Vec<String>> = self.rows.iter().map(texts).collect();
        let all = || std::iter::once(&self.head).chain(&rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| width(column).unwrap_or(0).max(3))
            .collect();
        let rule = widths.iter().enumerate();
        let rule = rule.map(|(column, width)| {
            format!(
                "{}{}",
                "-".repeat(width - 1),
                if column == 0 { "-" } else { ":" }
            )
        });
        let rule: Vec<String> = rule.collect();
        let mut lines = Vec::new();
        for row in [&self.head, &rule].into_iter().chain(&rows) {
            let mut line = String::from("|");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match column {
                    0 => write!(line, " {cell:<width$} |"),
                    _ => write!(line, " {cell:>width$} |"),
                };
            }
            lines.push(line);
        }
        lines.join("\n")
    }

    fn html(&self) -> String {
        let heads = self
            .head
            .iter()
            .map(|title| format!("<th>{}</th>", inline(title)));
        let rows = self.rows.iter().map(|(class, cells)| {
            let cells = cells.iter().map(|cell| {
                let bar = cell.bar.as_ref().map(Bar::html).unwrap_or_default();
                format!("<td>{}{bar}</td>", inline(&cell.text))
            });
            format!("<tr class=\"{class}\">{}</tr>\n", cells.collect::<String>())
        });
        format!(
            "<div class=\"scroll\"><table>\n<tr>{}</tr>\n{}</table></div>",
            heads.collect::<String>(),
            rows.collect::<String>()
        )
    }
}

impl Bar {
    /// On a logarithmic axis that holds `values`, and is no shorter than a factor of 2.
    pub(super) fn on(values: &[f64], fill: [f64; 2], line: [f64; 2], zero: f64) -> Option<Self> {
        let positive = values
            .iter()
            .copied()
            .filter(|&value| value.is_finite() && value > 0.0);
        let low = positive.clone().reduce(f64::min)?;
        let high = positive.reduce(f64::max)?.max(2.0 * low);
        let at = |value: f64| ((value / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
        Some(Self {
            fill: fill.map(at),
            line: line.map(at),
            zero: at(zero),
        })
    }

    fn html(&self) -> String {
        let part = |tag: &str, [from, to]: [f64; 2]| {
            let (left, width) = (100.0 * from.min(to), 100.0 * (to - from).abs());
            format!("<{tag} style=\"left:{left:.1}%;width:{width:.1}%\"></{tag}>")
        };
        let parts = [
            part("i", self.fill),
            part("b", self.line),
            part("u", [self.zero; 2]),
        ];
        format!("<div class=\"bar\">{}</div>", parts.concat())
    }
}

impl Block {
    fn markdown(&self) -> String {
        match self {
            Self::Heading(level, text, _) => format!("{} {text}", "#".repeat(*level)),
            Self::Text(text) => text.clone(),
            Self::List(items) => format!("- {}", items.join("\n- ")),
            Self::Table(table) => table.markdown(),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Heading(level, text, name) => {
                format!("<h{level} id=\"{name}\">{}</h{level}>", inline(text))
            }
            Self::Text(text) => format!("<p>{}</p>", inline(text)),
            Self::List(items) => {
                let items = items
                    .iter()
                    .map(|item| format!("<li>{}</li>\n", inline(item)));
                format!("<ul>\n{}</ul>", items.collect::<String>())
            }
            Self::Table(table) => table.html(),
        }
    }
}

/// The blocks as Markdown, with an empty line between two of them.
pub(super) fn markdown(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(Block::markdown).collect();
    blocks.join("\n\n") + "\n"
}

pub(super) fn html(blocks: &[Block]) -> String {
    blocks.iter().map(|block| block.html() + "\n").collect()
}

/// Text in HTML, with its `code` and **what is strong**.
fn inline(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let pairs = |text: &str, mark: &str, tag: &str| -> String {
        let parts = text.split(mark).enumerate();
        parts
            .map(|(nth, part)| match nth % 2 {
                1 => format!("<{tag}>{part}</{tag}>"),
                _ => part.to_owned(),
            })
            .collect()
    };
    pairs(
        &pairs(&escaped.replace('"', "&quot;"), "`", "code"),
        "**",
        "strong",
    )
}

#[cfg(test)]
mod tests {
    use super::{Block, Table, inline, markdown};

    #[test]
    fn text_is_escaped_and_keeps_its_code() {
        assert_eq!(
            inline("`d[:] < 1` is **not** a \"tag\" <b>"),
            "<code>d[:] &lt; 1</code> is <strong>not</strong> a &quot;tag&quot; &lt;b&gt;"
        );
    }

    #[test]
    fn columns_are_aligned() {
        let row = |who: &str, time: &str| vec![who.to_owned(), time.to_owned()];
        let rows = vec![row("recorder", "12.9 ms"), row("plain", "350 ns")];
        let expected = "\
| who      |    time |
| -------- | ------: |
| recorder | 12.9 ms |
| plain    |  350 ns |
";
        let table = Block::Table(Table::new(&["who", "time"], rows));
        assert_eq!(markdown(&[table]), expected);
    }
}
