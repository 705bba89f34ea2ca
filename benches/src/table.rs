//! A Markdown table that reads well in a terminal too, and numbers with units.

use std::fmt;

/// Rows under a head; the first column is to the left, the others to the right.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with the column titles `head`.
    #[must_use]
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            rows: vec![Vec::from(head.map(str::to_owned))],
        }
    }

    /// Adds a row with as many cells as the head.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0).max(3)
            })
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "| {cell:<width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if index == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let colon = if column == 0 { "-" } else { ":" };
                    write!(f, "| {}{colon} ", "-".repeat(width - 1))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// Seconds with a unit that suits them.
#[must_use]
pub fn seconds(value: f64) -> String {
    match value {
        _ if value >= 1.0 => format!("{value:.2} s"),
        _ if value >= 1e-3 => format!("{:.2} ms", value * 1e3),
        _ if value >= 1e-6 => format!("{:.2} µs", value * 1e6),
        _ => format!("{:.0} ns", value * 1e9),
    }
}

/// A rate in MB/s, with a digit more where it is small.
#[must_use]
pub fn megabytes(bytes: u64, seconds: f64) -> String {
    let rate = bytes as f64 / seconds / 1e6;
    let digits = usize::from(rate < 99.5);
    format!("{rate:.digits$}")
}

/// A count with a comma between groups of three digits.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What there is of an optional figure.
#[must_use]
pub fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::{Table, seconds};

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["who", "time"]);
        table.row(["recorder".to_owned(), seconds(0.0129)]);
        table.row(["plain".to_owned(), seconds(3.5e-7)]);
        assert_eq!(
            table.to_string(),
            "\
| who      |     time |
| -------- | -------: |
| recorder | 12.90 ms |
| plain    |   350 ns |
"
        );
    }
}
