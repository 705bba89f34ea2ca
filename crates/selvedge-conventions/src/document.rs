//! A TOML document with the places of its keys and values, so that messages have lines.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use selvedge_base::read_text;
use selvedge_base::text::steers;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Error;
use crate::error::Location;
use selvedge_base::nearest;

/// The text of a file, and where it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) path: &'a Path,
}

/// Reads the text of a file, which is a regular one, and no longer than
/// [`LONGEST_TEXT`](selvedge_base::LONGEST_TEXT).
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    read_text(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

impl<'a> Document<'a> {
    /// Reads the document.
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'a>>, Error> {
        DeTable::parse(self.text).map_err(|error| Error::Syntax {
            location: self.location(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', ", "),
        })
    }

    fn location(&self, offset: usize) -> Box<Location> {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Box::new(Location {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        })
    }

    /// That `key`, which stands at `span` in `table`, is none of `known`.
    pub(crate) fn unknown_key(
        &self,
        span: Range<usize>,
        table: &str,
        key: &str,
        known: &'static [&'static str],
    ) -> Error {
        Error::UnknownKey {
            location: self.location(span.start),
            table: table.to_owned(),
            key: key.to_owned(),
            nearest: nearest(key, known.iter().copied()).map(str::to_owned),
            known,
        }
    }

    /// That the value at `span` is not what was expected.
    pub(crate) fn invalid(
        &self,
        span: Range<usize>,
        key: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        Error::InvalidValue {
            location: self.location(span.start),
            key: key.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// One value of a document, with its key.
pub(crate) struct Entry<'d, 'a> {
    pub(crate) document: Document<'a>,
    /// The key with its table: `limits.memory`.
    pub(crate) key: String,
    pub(crate) value: &'d Spanned<DeValue<'a>>,
}

impl<'d, 'a> Entry<'d, 'a> {
    /// That the value is not what was expected.
    pub(crate) fn expected(&self, expected: impl Into<String>) -> Error {
        let found = described(self.value.get_ref());
        self.document
            .invalid(self.value.span(), &self.key, expected, found)
    }

    pub(crate) fn table(&self) -> Result<&'d DeTable<'a>, Error> {
        let table = self.value.get_ref().as_table();
        table.ok_or_else(|| self.expected("a table"))
    }

    pub(crate) fn string(&self) -> Result<&'d str, Error> {
        let string = self.value.get_ref().as_str();
        string.ok_or_else(|| self.expected("a string"))
    }

    /// A whole number that is not negative, in whatever notation.
    pub(crate) fn whole_number(&self) -> Option<u64> {
        let integer = self.value.get_ref().as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A number, with or without a point.
    pub(crate) fn number(&self) -> Option<f64> {
        let value = self.value.get_ref();
        if let Some(float) = value.as_float() {
            return float.as_str().parse().ok();
        }
        self.whole_number().map(|number| number as f64)
    }

    /// A list of strings, or one string, with the entry of each.
    pub(crate) fn strings(&self) -> Result<Vec<(&'d str, Entry<'d, 'a>)>, Error> {
        let entry = |value: &'d Spanned<DeValue<'a>>| {
            let entry = Entry {
                document: self.document,
                key: self.key.clone(),
                value,
            };
            Ok((entry.string()?, entry))
        };
        match self.value.get_ref() {
            DeValue::String(_) => Ok(vec![entry(self.value)?]),
            DeValue::Array(values) => values.iter().map(entry).collect(),
            _ => Err(self.expected("a string or a list of strings")),
        }
    }
}

/// Calls `read` with each key of the table and its entry, if the keys are all in `known`.
pub(crate) fn each<'d, 'a>(
    document: Document<'a>,
    name: &str,
    table: &'d DeTable<'a>,
    known: &'static [&'static str],
    mut read: impl FnMut(&str, Entry<'d, 'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    for (key, value) in table {
        let text: &str = key.get_ref();
        if !known.contains(&text) {
            return Err(document.unknown_key(key.span(), name, text, known));
        }
        let separator = if name.is_empty() { "" } else { "." };
        let entry = Entry {
            document,
            key: format!("{name}{separator}{text}"),
            value,
        };
        read(text, entry)?;
    }
    Ok(())
}

/// A value as a message calls it.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("`{text}`"),
        DeValue::Integer(number) => format!("`{}`", number.as_str()),
        DeValue::Float(number) => format!("`{}`", number.as_str()),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A text in quotes, with what a basic string of TOML cannot hold escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if steers(c) => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
