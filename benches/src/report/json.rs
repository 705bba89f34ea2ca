//! The report as JSON.

use std::fs;
use std::path::Path;

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

/// Writes a report.
///
/// # Errors
///
/// The errors of the file system.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    // A line for each group and each row. Within a text, a quote would have a backslash before it.
    let text = serde_json::to_string(report)?;
    let text = text.replace(r#"{"name":"#, "\n{\"name\":") + "\n";
    Ok(fs::write(path, text)?)
}

/// Five digits, more than any clock here is good for; through the decimal text, as dividing by a power of ten would bring
/// digits of its own.
pub(super) fn round(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
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
