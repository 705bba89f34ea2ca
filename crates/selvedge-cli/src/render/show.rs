//! What `selvedge show` prints: tables of numbers for people, and csv.

use std::path::Path;

use selvedge_hdf5::{Bytes, Grouped, Shape};

use super::Page;
use super::style::{HEADING, TITLE, styled};
use super::text::{self, counted, shown, width};
use crate::show::{Axis, Shown};

/// Rows of a table are put into columns when so many cells have come, or at its end.
const CELLS: usize = 20_000;
const GAP: &str = "…";

/// What the values are of.
pub(crate) fn title(values: &Shown<'_>, path: &str) -> String {
    let facts = values.facts();
    let name = shown(&facts.name);
    let mut title = format!(
        "{} of {}: {}",
        styled(TITLE, name),
        shown(path),
        values.kind.name
    );
    title.push_str(&format!(", {}", Shape(&facts.shape)));
    let shape = values.shape();
    if shape != facts.shape {
        title.push_str(&format!(", of which {}", Shape(&shape)));
    }
    title.push('\n');
    title
}

/// What a file has, of so many values that were asked for.
pub(crate) fn written(path: &Path, (written, asked): (u64, u64), bytes: u64) -> String {
    let count = counted(asked, "value");
    let (path, bytes) = (text::shown(path), Bytes(bytes));
    match written < asked {
        true => format!(
            "{path}: {} of {count}, {bytes}; --all writes all\n",
            Grouped(written)
        ),
        false => format!("{path}: {count}, {bytes}\n"),
    }
}

/// That not all values were shown.
pub(crate) fn left_out(shown: &Shown<'_>, asked: &Shown<'_>) -> String {
    let names: Vec<&str> = asked
        .axes
        .iter()
        .filter_map(|axis| flag(&axis.name))
        .collect();
    format!(
        "\n{} of {} values are shown: --all shows all, {} some\n",
        Grouped(shown.count()),
        Grouped(asked.count()),
        names.join(", ")
    )
}

fn flag(axis: &str) -> Option<&'static str> {
    match axis {
        "step" => Some("--step"),
        "row" => Some("--rows"),
        "column" => Some("--columns"),
        _ => None,
    }
}

/// The rows of an array in their order: of each the places along all axes but that of the columns.
struct Rows {
    /// The indices of each of these axes.
    indices: Vec<Vec<u64>>,
    places: Vec<usize>,
    /// Columns of a row.
    columns: usize,
}

impl Rows {
    fn new(axes: &[Axis]) -> Self {
        let lines = axes.len().saturating_sub(1).max(1);
        let indices = axes.iter().take(lines).map(|axis| axis.indices().collect());
        let indices: Vec<Vec<u64>> = indices.collect();
        Self {
            places: vec![0; indices.len()],
            indices,
            columns: columns(axes)
                .map_or(1, |axis| usize::try_from(axis.len()).unwrap_or(usize::MAX)),
        }
    }

    /// The index along one of the axes.
    fn index(&self, axis: usize) -> u64 {
        self.indices[axis][self.places[axis]]
    }

    /// Goes on to the next row, and tells whether it is in the same table.
    fn next(&mut self) -> bool {
        for axis in (0..self.places.len()).rev() {
            self.places[axis] += 1;
            if self.places[axis] < self.indices[axis].len() {
                return axis + 1 == self.places.len();
            }
            self.places[axis] = 0;
        }
        false
    }
}

/// The axis whose indices are columns: the last of at least two.
fn columns(axes: &[Axis]) -> Option<&Axis> {
    axes.get(1..).and_then(<[Axis]>::last)
}

/// Values with commas between them: before those of a line the indices that it is of.
pub(crate) struct Csv {
    rows: Rows,
    column: usize,
}

impl Csv {
    /// Also returns the first line.
    pub(crate) fn new(axes: &[Axis]) -> (Self, String) {
        let rows = Rows::new(axes);
        let lines = axes.iter().take(rows.indices.len());
        let mut heads: Vec<String> = lines.map(|axis| axis.name.clone()).collect();
        match columns(axes) {
            Some(axis) => heads.extend(axis.indices().map(|index| index.to_string())),
            None => heads.push("value".to_owned()),
        }
        (Self { rows, column: 0 }, heads.join(",") + "\n")
    }

    /// Adds the next value to the text.
    pub(crate) fn push(&mut self, text: &mut String, value: impl FnOnce(&mut String)) {
        if self.column == 0 {
            for axis in 0..self.rows.places.len() {
                text.push_str(&format!("{},", self.rows.index(axis)));
            }
        } else {
            text.push(',');
        }
        value(text);
        self.column += 1;
        if self.column == self.rows.columns {
            text.push('\n');
            self.column = 0;
            self.rows.next();
        }
    }
}

/// Tables of the last two axes, under the indices of those before.
pub(crate) struct Tables {
    rows: Rows,
    names: Vec<String>,
    /// The axes that have a gap in their middle.
    gaps: Vec<bool>,
    /// What stands above the values of each column, and where a column is left out.
    heads: Vec<String>,
    gap: Option<usize>,
    page: Page,
    /// Rows that are not in the text yet, each with its index first.
    cells: Vec<Vec<String>>,
    row: Vec<String>,
    /// Whether the table has no row in the text yet.
    is_new: bool,
    is_first: bool,
}

impl Tables {
    /// The tables of a tensor that goes by `name`.
    pub(crate) fn new(axes: &[Axis], name: &str, page: Page) -> Self {
        let rows = Rows::new(axes);
        let half = |axis: &Axis| {
            axis.has_gap
                .then(|| usize::try_from(axis.len() / 2).unwrap_or(0))
        };
        let heads = match columns(axes) {
            Some(axis) => axis.indices().map(|index| index.to_string()).collect(),
            None => vec![shown(name)],
        };
        Self {
            rows,
            names: axes.iter().map(|axis| axis.name.clone()).collect(),
            gaps: axes.iter().map(|axis| axis.has_gap).collect(),
            heads,
            gap: columns(axes).and_then(half),
            page,
            cells: Vec::new(),
            row: Vec::new(),
            is_new: true,
            is_first: true,
        }
    }

    /// Takes the next value, and adds to the text what is complete.
    pub(crate) fn push(&mut self, text: &mut String, value: String) {
        if self.row.is_empty() {
            let last = self.rows.places.len().checked_sub(1);
            self.row
                .push(last.map_or_else(String::new, |axis| self.rows.index(axis).to_string()));
            if last.is_some_and(|axis| self.is_after_gap(axis)) {
                self.cells.push(vec![GAP.to_owned()]);
            }
        }
        self.row.push(value);
        if self.row.len() <= self.rows.columns {
            return;
        }
        self.cells.push(std::mem::take(&mut self.row));
        let places = self.rows.places.clone();
        let goes_on = self.rows.next();
        if !goes_on || self.cells.len() * self.rows.columns >= CELLS {
            // The heading is that of the rows that have come.
            let next = std::mem::replace(&mut self.rows.places, places);
            self.finish(text);
            self.rows.places = next;
            self.is_new = !goes_on;
        }
    }

    fn is_after_gap(&self, axis: usize) -> bool {
        self.gaps[axis] && self.rows.places[axis] == self.rows.indices[axis].len() / 2
    }

    /// Adds the rows that have come to the text.
    fn finish(&mut self, text: &mut String) {
        let rows = std::mem::take(&mut self.cells);
        let leading = self.rows.places.len().saturating_sub(1);
        if self.is_new && leading > 0 {
            if !self.is_first {
                text.push('\n');
            }
            let is_gap = (0..leading).any(|axis| {
                let inner = &self.rows.places[axis + 1..leading];
                self.is_after_gap(axis) && inner.iter().all(|&place| place == 0)
            });
            if is_gap {
                text.push_str(&format!("{GAP}\n\n"));
            }
            let indices =
                (0..leading).map(|axis| format!("{} {}", self.names[axis], self.rows.index(axis)));
            let indices: Vec<String> = indices.collect();
            text.push_str(&format!("{}\n", indices.join(", ")));
        }
        self.is_first = false;
        let row_head = match self.rows.places.len() {
            0 => "",
            _ => self.names[leading].as_str(),
        };
        let label = rows
            .iter()
            .map(|row| width(&row[0]))
            .max()
            .unwrap_or(0)
            .max(width(row_head));
        let widths = self.widths(&rows);
        let groups = groups(&widths, label, self.page);
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            if self.is_new || groups.len() > 1 {
                let heads = group.clone().map(|column| &*self.heads[column]);
                let head = self.line(row_head, heads, label, &widths, group.start);
                text.push_str(&format!("{}\n", styled(HEADING, head)));
            }
            for row in &rows {
                let (index, values) = (&row[0], row.get(1..).unwrap_or_default());
                let values = values.get(group.clone()).unwrap_or_default();
                let line = self.line(
                    index,
                    values.iter().map(String::as_str),
                    label,
                    &widths,
                    group.start,
                );
                text.push_str(&format!("{line}\n"));
            }
        }
    }

    fn widths(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let of = |(column, head): (usize, &String)| {
            let cells = rows.iter().filter_map(|row| row.get(column + 1));
            cells
                .map(|cell| width(cell))
                .max()
                .unwrap_or(0)
                .max(width(head))
        };
        self.heads.iter().enumerate().map(of).collect()
    }

    /// A line of cells, of which the first is that of column `start`.
    fn line<'c>(
        &self,
        index: &str,
        cells: impl Iterator<Item = &'c str>,
        label: usize,
        widths: &[usize],
        start: usize,
    ) -> String {
        let mut line = format!("{}{index}", " ".repeat(label - width(index)));
        for (column, cell) in (start..).zip(cells) {
            if self.gap == Some(column) {
                line.push_str("  ");
                line.push_str(GAP);
            }
            let room = widths[column] - width(cell);
            line.push_str(&format!("  {}{cell}", " ".repeat(room)));
        }
        line
    }
}

/// The columns that fit beside each other, as many as do.
fn groups(widths: &[usize], label: usize, page: Page) -> Vec<std::ops::Range<usize>> {
    let room = page.table.unwrap_or(usize::MAX);
    let mut groups = Vec::new();
    let (mut start, mut used) = (0, label);
    for (column, width) in widths.iter().enumerate() {
        // A gap takes three.
        if column > start && used + 2 + width + 3 > room {
            groups.push(start..column);
            (start, used) = (column, label);
        }
        used += 2 + width;
    }
    groups.push(start..widths.len());
    groups
}

#[cfg(test)]
mod tests {
    use selvedge_base::Stride;

    use super::{Csv, Tables};
    use crate::render::Page;
    use crate::show::Axis;

    fn axis(name: &str, indices: &[u64], has_gap: bool) -> Axis {
        Axis {
            name: name.to_owned(),
            strides: indices
                .iter()
                .map(|&index| Stride::of(index..index + 1))
                .collect(),
            has_gap,
        }
    }

    fn table(axes: &[Axis], values: usize, columns: Option<usize>) -> String {
        let page = Page {
            table: columns,
            text: 80,
        };
        let mut tables = Tables::new(axes, "W", page);
        let mut text = String::new();
        for value in 0..values {
            tables.push(&mut text, value.to_string());
        }
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn tables_have_the_indices_of_their_values() {
        let axes = [
            axis("step", &[0, 600], false),
            axis("row", &[3, 7], true),
            axis("column", &[0, 63], true),
        ];
        let expected = "\
step 0
row  0  …  63
  3  0  …   1
  …
  7  2  …   3

step 600
row  0  …  63
  3  4  …   5
  …
  7  6  …   7
";
        assert_eq!(table(&axes, 8, None), expected);
        let one = [axis("step", &[5, 6], false)];
        assert_eq!(table(&one, 2, None), "step  W\n   5  0\n   6  1\n");
        assert_eq!(table(&[], 1, None), "  W\n  0\n");
        let narrow = [axis("row", &[0], false), axis("column", &[0, 1, 2], false)];
        assert_eq!(
            table(&narrow, 3, Some(12)),
            "row  0  1\n  0  0  1\n\nrow  2\n  0  2\n"
        );
    }

    #[test]
    fn a_line_of_csv_says_what_it_is_of() {
        let axes = [axis("step", &[5, 6], false), axis("column", &[1, 4], false)];
        let (mut csv, mut text) = Csv::new(&axes);
        for value in 0..4 {
            csv.push(&mut text, |text| text.push_str(&value.to_string()));
        }
        assert_eq!(text, "step,1,4\n5,0,1\n6,2,3\n");
        let (mut csv, mut text) = Csv::new(&[]);
        csv.push(&mut text, |text| text.push('7'));
        assert_eq!(text, "value\n7\n");
    }
}
