//! The report as JSON: objects by the line, and the numbers of a row side by side.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::{Report, SCHEMA};
use crate::Result;

/// Digits that a sample is kept with: more than any clock here is good for.
const DIGITS: i32 = 5;

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
    rounded.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text,
        Lines::default(),
    ))?;
    text.push(b'\n');
    fs::write(path, text)?;
    Ok(rounded)
}

/// Through its decimal text: dividing by a power of ten would bring digits of its own.
fn round(value: f64) -> f64 {
    let digits = usize::try_from(DIGITS - 1).unwrap_or(0);
    format!("{value:.digits$e}").parse().unwrap_or(value)
}

/// Pretty, but the values of an array are side by side.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
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
