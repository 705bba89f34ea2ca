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
    pub fn new(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    /// Adds a row; cells that it lacks are empty.
    pub fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.rows[0].len(), String::new());
        self.rows.push(cells);
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

/// Three digits of a positive number, as many as a median of noisy samples is good for.
#[must_use]
pub fn three_digits(value: f64) -> String {
    let digits = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A ratio: three digits, and of small ones two.
#[must_use]
pub fn factor(value: f64) -> String {
    match value {
        _ if value >= 1000.0 => group_digits(&format!("{value:.0}")),
        _ if value >= 0.095 || value <= 0.0 => three_digits(value),
        // 0.012 and 0.0012 and so on: two digits from the first that is not 0.
        _ => {
            let first = (1..15).find(|&digits| value * 10_f64.powi(digits) >= 1.0);
            let digits = first.and_then(|first| usize::try_from(first + 1).ok());
            format!("{value:.*}", digits.unwrap_or(15))
        }
    }
}

/// Seconds with a unit that suits them.
#[must_use]
pub fn seconds(value: f64) -> String {
    match value {
        _ if value >= 0.9995 => format!("{} s", three_digits(value)),
        _ if value >= 0.9995e-3 => format!("{} ms", three_digits(value * 1e3)),
        _ if value >= 0.9995e-6 => format!("{} µs", three_digits(value * 1e6)),
        _ => format!("{:.0} ns", value * 1e9),
    }
}

/// Bytes with a unit that suits them; 1 MB is 10⁶ bytes.
#[must_use]
pub fn bytes(value: f64) -> String {
    match value {
        _ if value >= 0.9995e9 => format!("{} GB", three_digits(value / 1e9)),
        _ if value >= 0.9995e6 => format!("{} MB", three_digits(value / 1e6)),
        _ if value >= 0.9995e3 => format!("{} kB", three_digits(value / 1e3)),
        _ => format!("{value:.0} B"),
    }
}

/// A rate in MB/s.
#[must_use]
pub fn megabytes(bytes: f64, seconds: f64) -> String {
    let rate = bytes / seconds / 1e6;
    if rate >= 1000.0 {
        group_digits(&format!("{rate:.0}"))
    } else {
        three_digits(rate)
    }
}

/// A count with a comma between groups of three digits.
#[must_use]
pub fn grouped(count: u64) -> String {
    group_digits(&count.to_string())
}

fn group_digits(digits: &str) -> String {
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
    use super::{Table, bytes, factor, megabytes, seconds};

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(vec!["who".to_owned(), "time".to_owned()]);
        table.row(vec!["recorder".to_owned(), seconds(0.0129)]);
        table.row(vec!["plain".to_owned(), seconds(3.5e-7)]);
        assert_eq!(
            table.to_string(),
            "\
| who      |    time |
| -------- | ------: |
| recorder | 12.9 ms |
| plain    |  350 ns |
"
        );
    }

    #[test]
    fn numbers_have_the_digits_that_they_are_good_for() {
        assert_eq!(seconds(0.99999), "1.00 s");
        assert_eq!(seconds(12.34), "12.3 s");
        assert_eq!(bytes(1.5e9), "1.50 GB");
        assert_eq!(bytes(999_999.0), "1.00 MB");
        assert_eq!(megabytes(4.5e9, 1.0), "4,500");
        let factors = [0.0123, 0.00123, 0.5, 9.87, 48.3, 123.4, 4567.0].map(factor);
        assert_eq!(
            factors,
            ["0.012", "0.0012", "0.50", "9.87", "48.3", "123", "4,567"]
        );
    }
}
