//! Tables: columns two spaces apart, of which the text gives way where the page is narrow.

use super::page::Page;
use super::style::{HEADING, styled};
use super::text::{shortened, width};

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table under construction. The first column has the names.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    heads: [&'static str; N],
    aligns: [Align; N],
    rows: Vec<[String; N]>,
}

/// Names are not shortened below this.
const LEAST_NAME: usize = 8;
/// … and other text not below this.
const LEAST_TEXT: usize = 16;
const GAP: usize = 2;

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Align); N]) -> Self {
        Self {
            heads: columns.map(|(head, _)| head),
            aligns: columns.map(|(_, align)| align),
            rows: Vec::new(),
        }
    }

    /// Adds a row of plain cells, without styles.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The lines of the table, each indented by `indent` columns. A column without any content is
    /// left out.
    pub(super) fn render(&self, indent: usize, page: Page) -> String {
        let mut widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| width(&row[column]));
            match cells.max().unwrap_or(0) {
                0 => 0,
                widest => widest.max(width(self.heads[column])),
            }
        });
        let used = |widths: &[usize]| {
            let columns = widths.iter().filter(|&&width| width > 0);
            indent + columns.map(|width| width + GAP).sum::<usize>() - GAP
        };
        // Names give way first, then other text. Numbers never do.
        for column in 0..N {
            let over = used(&widths).saturating_sub(page.table.unwrap_or(usize::MAX));
            let text = self.aligns[column] == Align::Left && over > 0;
            let least = if column == 0 { LEAST_NAME } else { LEAST_TEXT };
            if text && widths[column] > least {
                let narrower = widths[column].saturating_sub(over);
                widths[column] = narrower.max(least).max(width(self.heads[column]));
            }
        }
        let mut text = styled(HEADING, self.line(&self.heads, &widths, indent)).to_string();
        text.push('\n');
        for row in &self.rows {
            text.push_str(&self.line(row, &widths, indent));
            text.push('\n');
        }
        text
    }

    fn line<S: AsRef<str>>(&self, cells: &[S; N], widths: &[usize; N], indent: usize) -> String {
        let mut line = " ".repeat(indent);
        for (column, cell) in cells.iter().enumerate() {
            let room = widths[column];
            if room == 0 {
                continue;
            }
            let cell = shortened(cell.as_ref(), room);
            let padding = " ".repeat(room - width(&cell).min(room));
            match self.aligns[column] {
                Align::Left => line.extend([&*cell, &*padding]),
                Align::Right => line.extend([&*padding, &*cell]),
            }
            line.push_str("  ");
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Align, Table};
    use crate::render::Page;

    fn table() -> Table<4> {
        let mut table = Table::new([
            ("tensor", Align::Left),
            ("shape", Align::Left),
            ("note", Align::Left),
            ("size", Align::Right),
        ]);
        let cells = ["model.layers.0.weight", "(2, 3)", "", "24 B"];
        table.row(cells.map(String::from));
        table.row(["b", "()", "", "1.00 kB"].map(String::from));
        table
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let page = Page {
            table: None,
            text: 80,
        };
        assert_eq!(
            plain(&table().render(2, page)),
            "  tensor                 shape      size\n\
             \x20 model.layers.0.weight  (2, 3)     24 B\n\
             \x20 b                      ()      1.00 kB\n"
        );
    }

    #[test]
    fn names_give_way_and_the_table_holds() {
        let page = Page {
            table: Some(32),
            text: 80,
        };
        assert_eq!(
            plain(&table().render(2, page)),
            "  tensor         shape      size\n\
             \x20 model.…weight  (2, 3)     24 B\n\
             \x20 b              ()      1.00 kB\n"
        );
    }
}
