//! The report as JSON: a line for each entry of an object, and the numbers of a row side by side.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize as _;
use serde_json::ser::Formatter;

use super::{Report, SCHEMA};
use crate::Result;

/// Reads a report.
///
/// # Errors
///
/// A file that cannot be read, is no report, or is one of another schema.
pub fn read(path: &Path) -> Result<Report> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| named(&error))?;
    if report.schema != SCHEMA {
        let found = report.schema;
        return Err(named(&format!("schema {found}, and this program reads {SCHEMA}")).into());
    }
    Ok(report)
}

/// Writes a report, and returns it as it is then read: with as many digits as are kept.
///
/// # Errors
///
/// The errors of the file system.
pub fn write(report: &Report, path: &Path) -> Result<Report> {
    let mut rounded = report.clone();
    let rows = rounded.groups.iter_mut().flat_map(|group| &mut group.rows);
    for values in rows.flat_map(|row| row.samples.values_mut()) {
        values.iter_mut().for_each(|value| *value = round(*value));
    }
    let mut text = Vec::new();
    let lines = Lines::default();
    rounded.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, lines,
    ))?;
    text.push(b'\n');
    fs::write(path, text)?;
    Ok(rounded)
}

/// Five digits, more than any clock here is good for; through the decimal text, as dividing by a power of ten would bring
/// digits of its own.
fn round(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// A line for each entry of an object; the indentation is so many steps deep.
#[derive(Default)]
struct Lines(usize);

impl Lines {
    fn line<W: ?Sized + Write>(&self, w: &mut W) -> io::Result<()> {
        write!(w, "\n{:1$}", "", 2 * self.0)
    }
}

impl Formatter for Lines {
    fn begin_array_value<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        w.write_all(if first { b"" } else { b", " })
    }

    fn begin_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0 += 1;
        w.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0 -= 1;
        self.line(w)?;
        w.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        w.write_all(if first { b"" } else { b"," })?;
        self.line(w)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        w.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn samples_keep_five_digits() {
        assert_eq!(round(0.123_456_789), 0.12346);
        assert_eq!(round(512_000_000.0), 512_000_000.0);
        assert_eq!(round(0.0), 0.0);
    }
}
