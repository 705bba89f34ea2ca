//! Tables: columns two spaces apart, of which the text gives way where the page is narrow, and those without room stand
//! below.

use super::page::Page;
use super::style::{HEADING, styled};
use super::text::{shortened, width};

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Columns of the page that columns of these widths take; those without a width are left out.
fn used(widths: &[usize], indent: usize) -> usize {
    let columns = widths.iter().filter(|&&width| width > 0);
    indent + columns.map(|width| width + GAP).sum::<usize>() - GAP
}

/// A table under construction. The first column has the names.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    heads: [&'static str; N],
    aligns: [Align; N],
    rows: Vec<[String; N]>,
    /// How many columns name a row, from the first on.
    keys: usize,
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
            keys: 1,
        }
    }

    /// The first so many columns name a row, and not the first alone.
    pub(super) fn named_by(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// Adds a row of plain cells, without styles.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The lines of the table, each indented by `indent` columns. A column without any content is
    /// left out.
    pub(super) fn render(&self, indent: usize, page: Page) -> String {
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| width(&row[column]));
            match cells.max().unwrap_or(0) {
                0 => 0,
                widest => widest.max(width(self.heads[column])),
            }
        });
        let room = page.table.unwrap_or(usize::MAX);
        let narrow = self.narrowed(widths, indent, room);
        let parts = match used(&narrow, indent) <= room {
            true => vec![narrow],
            false => self.folded(widths, indent, room),
        };
        let parts = parts.iter().map(|widths| {
            let heads = styled(HEADING, self.line(&self.heads, widths, indent)).to_string();
            let rows = self.rows.iter().map(|row| self.line(row, widths, indent));
            let lines = std::iter::once(heads).chain(rows);
            lines.map(|line| format!("{line}\n")).collect::<String>()
        });
        parts.collect::<Vec<_>>().join("\n")
    }

    /// The widths of the columns in so much room. Names give way first, then other text. Numbers never do.
    fn narrowed(&self, mut widths: [usize; N], indent: usize, room: usize) -> [usize; N] {
        for column in 0..N {
            let over = used(&widths, indent).saturating_sub(room);
            let text = self.aligns[column] == Align::Left && over > 0;
            let least = if column == 0 { LEAST_NAME } else { LEAST_TEXT };
            if text && widths[column] > least {
                let narrower = widths[column].saturating_sub(over);
                widths[column] = narrower.max(least).max(width(self.heads[column]));
            }
        }
        widths
    }

    /// The widths of the columns of several tables, one below the other, each with the names and some of the others.
    fn folded(&self, mut widths: [usize; N], indent: usize, room: usize) -> Vec<[usize; N]> {
        widths[0] = widths[0].min((room / 3).max(LEAST_NAME));
        let is_name = |column: usize| column < self.keys;
        let names = std::array::from_fn(|column| if is_name(column) { widths[column] } else { 0 });
        let mut parts = vec![names];
        for column in self.keys..N {
            let mut part = parts.pop().unwrap_or(names);
            let is_started = part != names;
            part[column] = widths[column];
            if is_started && used(&part, indent) > room {
                part[column] = 0;
                parts.push(part);
                part = names;
                part[column] = widths[column];
            }
            parts.push(part);
        }
        let parts = parts.into_iter();
        parts
            .map(|part| self.narrowed(part, indent, room))
            .collect()
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

    /// Numbers went over the edge of 50 columns.
    #[test]
    fn columns_without_room_stand_below() {
        let page = Page {
            table: Some(24),
            text: 80,
        };
        assert_eq!(
            plain(&table().render(2, page)),
            "  tensor    shape\n\
             \x20 mod…ight  (2, 3)\n\
             \x20 b         ()\n\
             \n\
             \x20 tensor       size\n\
             \x20 mod…ight     24 B\n\
             \x20 b         1.00 kB\n"
        );
    }

    /// The second part of a table of attributes said `(file)` of each, and nothing of which it was.
    #[test]
    fn what_stands_below_has_all_that_names_it() {
        let page = Page {
            table: Some(36),
            text: 80,
        };
        let columns = ["tensor", "differs in", "first", "second"];
        let mut table = Table::new(columns.map(|head| (head, Align::Left))).named_by(2);
        let rows = [
            ["(file)", "beta1", "0.9 of the first file", "0.95"],
            ["(file)", "beta2", "0.95", "0.999 of the second file"],
        ];
        rows.into_iter()
            .for_each(|row| table.row(row.map(String::from)));
        assert_eq!(
            plain(&table.render(0, page)),
            "tensor  differs in  first\n\
             (file)  beta1       0.9 of …rst file\n\
             (file)  beta2       0.95\n\
             \n\
             tensor  differs in  second\n\
             (file)  beta1       0.95\n\
             (file)  beta2       0.999 o…ond file\n"
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
