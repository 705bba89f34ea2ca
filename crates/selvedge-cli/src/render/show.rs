//! What `selvedge show` prints: tables of numbers for people, and csv.

use std::path::Path;

use selvedge_base::Stride;
use selvedge_hdf5::{Bytes, Grouped, Shape};

use super::Page;
use super::style::{HEADING, TITLE, styled};
use super::text::{self, counted, shown, width};
use crate::show::{Axis, Shown};

/// Rows of a table are put into columns when so many cells have come, or at its end; a row with more columns is in several
/// parts, one below the other.
const CELLS: usize = 20_000;
/// Characters of a line that are written at a time.
const PIECE: usize = 1 << 16;
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

/// An index along an axis, which goes on to the next.
struct Line {
    strides: Vec<Stride>,
    len: u64,
    /// How many indices are before it.
    nth: u64,
    /// Its stride, and which index of that it is.
    stride: usize,
    within: u64,
}

impl Line {
    fn new(axis: &Axis) -> Self {
        let strides = axis.strides.iter().copied();
        Self {
            strides: strides.filter(|stride| stride.count > 0).collect(),
            len: axis.len(),
            nth: 0,
            stride: 0,
            within: 0,
        }
    }

    fn index(&self) -> u64 {
        let stride = self.strides.get(self.stride);
        stride.map_or(0, |stride| stride.at(self.within))
    }

    fn is_last(&self) -> bool {
        self.nth + 1 >= self.len
    }

    /// Goes on to the next one, behind the last to the first.
    fn next(&mut self) {
        if self.is_last() {
            (self.nth, self.stride, self.within) = (0, 0, 0);
            return;
        }
        (self.nth, self.within) = (self.nth + 1, self.within + 1);
        if self.strides[self.stride].count == self.within {
            (self.stride, self.within) = (self.stride + 1, 0);
        }
    }
}

/// The rows of an array in their order: of each the places along all axes but that of the columns.
struct Rows {
    lines: Vec<Line>,
    /// Columns of a row.
    columns: usize,
}

impl Rows {
    fn new(axes: &[Axis]) -> Self {
        let lines = axes.len().saturating_sub(1).max(1);
        Self {
            lines: axes.iter().take(lines).map(Line::new).collect(),
            columns: columns(axes)
                .map_or(1, |axis| usize::try_from(axis.len()).unwrap_or(usize::MAX)),
        }
    }

    /// Whether the next row is in the same table.
    fn goes_on(&self) -> bool {
        self.lines.last().is_some_and(|line| !line.is_last())
    }

    /// Goes on to the next row.
    fn next(&mut self) {
        for line in self.lines.iter_mut().rev() {
            let goes_on = !line.is_last();
            line.next();
            if goes_on {
                return;
            }
        }
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
    pub(crate) fn new(axes: &[Axis]) -> Self {
        Self {
            rows: Rows::new(axes),
            column: 0,
        }
    }

    /// Writes the first line, in pieces: there can be millions of columns.
    pub(crate) fn head(
        axes: &[Axis],
        mut write: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let lines = axes.iter().take(axes.len().saturating_sub(1).max(1));
        let names: Vec<&str> = lines.map(|axis| &*axis.name).collect();
        let mut text = names.join(",");
        let heads = columns(axes).into_iter().flat_map(Axis::indices);
        for index in heads {
            text.push_str(&format!(",{index}"));
            if text.len() > PIECE {
                write(&text)?;
                text.clear();
            }
        }
        if columns(axes).is_none() {
            let comma = if names.is_empty() { "" } else { "," };
            text.push_str(&format!("{comma}value"));
        }
        write(&(text + "\n"))
    }

    /// Adds the next value to the text.
    pub(crate) fn push(&mut self, text: &mut String, value: impl FnOnce(&mut String)) {
        if self.column == 0 {
            for line in &self.rows.lines {
                text.push_str(&format!("{},", line.index()));
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
    heads: Heads,
    gap: Option<usize>,
    page: Page,
    /// Rows that are not in the text yet, each with its index first.
    cells: Vec<Vec<String>>,
    row: Vec<String>,
    /// The first column of these rows: not 0 in the later parts of a row that has many.
    start: usize,
    /// Whether the table has no row in the text yet.
    is_new: bool,
    is_first: bool,
}

/// The heads of columns: their indices, or the name of the tensor above the only one.
enum Heads {
    Indices(Vec<Stride>),
    Name(String),
}

impl Heads {
    /// Those of `count` columns from `start` on.
    fn of(&self, start: usize, count: usize) -> Vec<String> {
        match self {
            Self::Indices(strides) => {
                let part = Stride::parts(strides, start as u64, count as u64);
                let indices = part.iter().flat_map(Stride::iter);
                indices.map(|index| index.to_string()).collect()
            }
            Self::Name(name) => vec![name.clone()],
        }
    }
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
            Some(axis) => Heads::Indices(axis.strides.clone()),
            None => Heads::Name(shown(name)),
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
            start: 0,
            is_new: true,
            is_first: true,
        }
    }

    /// Takes the next value, and adds to the text what is complete.
    pub(crate) fn push(&mut self, text: &mut String, value: String) {
        if self.row.is_empty() {
            let line = self.rows.lines.last();
            let index = line.map_or_else(String::new, |line| line.index().to_string());
            let last = self.rows.lines.len().checked_sub(1);
            if last.is_some_and(|axis| self.is_after_gap(axis)) {
                self.cells.push(vec![GAP.to_owned()]);
            }
            self.row.push(index);
        }
        self.row.push(value);
        let columns = self.start + self.row.len() - 1;
        let is_row = columns >= self.rows.columns;
        if !is_row && columns - self.start < CELLS {
            return;
        }
        self.cells.push(std::mem::take(&mut self.row));
        if !is_row {
            self.finish(text);
            self.start = columns;
            return;
        }
        let goes_on = self.rows.goes_on();
        if !goes_on || self.cells.len().saturating_mul(self.rows.columns) >= CELLS {
            // The heading is that of the rows that have come.
            self.finish(text);
            self.is_new = !goes_on;
        }
        self.start = 0;
        self.rows.next();
    }

    fn is_after_gap(&self, axis: usize) -> bool {
        let line = &self.rows.lines[axis];
        self.gaps[axis] && line.nth == line.len / 2
    }

    /// Adds the rows that have come to the text.
    fn finish(&mut self, text: &mut String) {
        let rows = std::mem::take(&mut self.cells);
        let lines = &self.rows.lines;
        let leading = lines.len().saturating_sub(1);
        if self.is_new && leading > 0 && self.start == 0 {
            if !self.is_first {
                text.push('\n');
            }
            let is_gap = (0..leading).any(|axis| {
                let inner = &lines[axis + 1..leading];
                self.is_after_gap(axis) && inner.iter().all(|line| line.nth == 0)
            });
            if is_gap {
                text.push_str(&format!("{GAP}\n\n"));
            }
            let indices =
                (0..leading).map(|axis| format!("{} {}", self.names[axis], lines[axis].index()));
            let indices: Vec<String> = indices.collect();
            text.push_str(&format!("{}\n", indices.join(", ")));
        }
        self.is_first = false;
        let row_head = match lines.len() {
            0 => "",
            _ => self.names[leading].as_str(),
        };
        let label = rows
            .iter()
            .map(|row| width(&row[0]))
            .max()
            .unwrap_or(0)
            .max(width(row_head));
        let is_part = self.rows.columns > CELLS;
        let columns = rows.iter().map(|row| row.len() - 1).max().unwrap_or(0);
        let heads = self.heads.of(self.start, columns);
        let widths = widths(&heads, &rows);
        let groups = groups(&widths, label, self.page);
        for (number, group) in groups.iter().enumerate() {
            if number > 0 || self.start > 0 {
                text.push('\n');
            }
            if self.is_new || groups.len() > 1 || is_part {
                let heads = group.clone().map(|column| &*heads[column]);
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

/// The width of each column.
fn widths(heads: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let of = |(column, head): (usize, &String)| {
        let cells = rows.iter().filter_map(|row| row.get(column + 1));
        let widest = cells.map(|cell| width(cell)).max().unwrap_or(0);
        widest.max(width(head))
    };
    heads.iter().enumerate().map(of).collect()
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

    use super::{CELLS, Csv, Tables};
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

    /// A row of 2,000,000 values was kept as a whole, which took 180 bytes for each of them.
    #[test]
    fn a_row_of_many_columns_is_in_parts() {
        let wide = Axis {
            name: "column".to_owned(),
            strides: vec![Stride::of(0..50_001)],
            has_gap: false,
        };
        let axes = [axis("step", &[2, 9], false), axis("row", &[4], false), wide];
        let mut tables = Tables::new(&axes, "W", Page::unlimited());
        let (mut all, mut longest) = (String::new(), 0);
        for value in 0..2 * 50_001 {
            let mut text = String::new();
            tables.push(&mut text, (value % 7).to_string());
            assert!(tables.row.len() + tables.cells.len() <= CELLS + 1);
            longest = longest.max(text.len());
            all.push_str(&text);
        }
        assert!(longest < CELLS * 20, "{longest}");
        let all = anstream::adapter::strip_str(&all).to_string();
        let starts = all
            .lines()
            .map(|line| line.chars().take(12).collect::<String>() + "\n");
        let parts = "row  0  1  2\n  4  0  1  2\n\nrow  20000  \n  4      1  \n\nrow  40000  \n  4      2  \n";
        let expected = format!("step 2\n{parts}\nstep 9\n{parts}");
        assert_eq!(starts.collect::<String>(), expected);
    }

    fn head(axes: &[Axis]) -> String {
        let mut text = String::new();
        let written = Csv::head(axes, |part| {
            text.push_str(part);
            Ok(())
        });
        written.unwrap();
        text
    }

    #[test]
    fn a_line_of_csv_says_what_it_is_of() {
        let axes = [axis("step", &[5, 6], false), axis("column", &[1, 4], false)];
        let (mut csv, mut text) = (Csv::new(&axes), head(&axes));
        for value in 0..4 {
            csv.push(&mut text, |text| text.push_str(&value.to_string()));
        }
        assert_eq!(text, "step,1,4\n5,0,1\n6,2,3\n");
        let (mut csv, mut text) = (Csv::new(&[]), head(&[]));
        csv.push(&mut text, |text| text.push('7'));
        assert_eq!(text, "value\n7\n");
    }
}
