//! From the JSON of a notebook to what the rules ask about.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::{Cell, CellError, CellKind, Notebook};

/// Why a file is not a notebook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotebookProblem {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// The JSON breaks off.
    #[error("it ends in the middle, at line {line}: it was not written whole")]
    Truncated {
        /// The last line, from 1.
        line: usize,
    },
    /// git left both sides of a merge in it.
    #[error("line {line} is left over from a merge that git could not make")]
    Conflict {
        /// The line of the first marker, from 1.
        line: usize,
    },
    /// The notebook lies in Git LFS, and has not been fetched.
    #[error("it is a pointer of Git LFS, whose content has not been fetched")]
    LfsPointer,
    /// It is no JSON.
    #[error("it is no JSON: {reason}, at line {line}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It is JSON, and no notebook.
    #[error("it is JSON, but no notebook: {reason}")]
    NotANotebook {
        /// What is missing or different.
        reason: String,
    },
}

impl NotebookProblem {
    /// The line that the problem is in, if it is in one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Truncated { line } | Self::Conflict { line } | Self::NotJson { line, .. } => {
                Some(*line)
            }
            Self::Empty | Self::LfsPointer | Self::NotANotebook { .. } => None,
        }
    }
}

pub(super) fn parse(json: &[u8]) -> Result<Notebook, NotebookProblem> {
    // Some editors put a byte order mark in front.
    let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(NotebookProblem::Empty);
    }
    let not_a_notebook = |reason: &str| NotebookProblem::NotANotebook {
        reason: reason.to_owned(),
    };
    // serde would take a list for the fields of the object, in order.
    if json.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<IgnoredAny>(json).map_err(|error| problem(json, &error))?;
        return Err(not_a_notebook("it is a list, and a notebook is an object"));
    }
    let raw: RawNotebook = serde_json::from_slice(json).map_err(|error| problem(json, &error))?;
    // Before version 4 cells lay in worksheets.
    let cells = match (raw.cells, raw.worksheets) {
        (Some(cells), _) => cells,
        (None, Some(worksheets)) => worksheets
            .into_iter()
            .flat_map(|worksheet| worksheet.cells)
            .collect(),
        (None, None) => return Err(not_a_notebook("it has no `cells`")),
    };
    let format = raw.nbformat.as_ref().and_then(whole_number);
    let format = format.ok_or_else(|| not_a_notebook("it has no number `nbformat`"))?;
    Ok(Notebook {
        format,
        cells: cells.into_iter().map(Cell::from).collect(),
    })
}

fn problem(json: &[u8], error: &serde_json::Error) -> NotebookProblem {
    use serde_json::error::Category;
    let line = error.line();
    let text = error.to_string();
    // serde_json appends the place, which is told in our own words.
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let line_text = json
        .split(|byte| *byte == b'\n')
        .nth(line.saturating_sub(1));
    let starts = |marker: &[u8]| line_text.is_some_and(|text| text.starts_with(marker));
    match error.classify() {
        _ if json.starts_with(b"version https://git-lfs") => NotebookProblem::LfsPointer,
        Category::Data => NotebookProblem::NotANotebook { reason },
        _ if [&b"<<<<<<<"[..], b"=======", b">>>>>>>", b"|||||||"]
            .iter()
            .any(|marker| starts(marker)) =>
        {
            NotebookProblem::Conflict { line }
        }
        Category::Eof => NotebookProblem::Truncated { line },
        Category::Syntax | Category::Io => NotebookProblem::NotJson { line, reason },
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a notebook")]
struct RawNotebook {
    nbformat: Option<Value>,
    cells: Option<Vec<RawCell>>,
    worksheets: Option<Vec<RawWorksheet>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a worksheet")]
struct RawWorksheet {
    #[serde(default)]
    cells: Vec<RawCell>,
}

#[derive(Deserialize)]
#[serde(expecting = "a cell")]
struct RawCell {
    cell_type: String,
    execution_count: Option<Value>,
    /// What version 3 calls the execution count.
    prompt_number: Option<Value>,
    #[serde(default)]
    outputs: Vec<RawOutput>,
    #[serde(default)]
    metadata: RawMetadata,
    #[serde(default)]
    source: Text,
    /// What version 3 calls the source of code.
    #[serde(default)]
    input: Text,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "metadata")]
struct RawMetadata {
    tags: Option<Value>,
}

/// An output: what it holds is none of these fields, and so is skipped.
#[derive(Deserialize)]
#[serde(expecting = "an output")]
struct RawOutput {
    output_type: Option<String>,
    ename: Option<String>,
    evalue: Option<String>,
}

impl From<RawCell> for Cell {
    fn from(raw: RawCell) -> Self {
        let kind = match &*raw.cell_type {
            "code" => CellKind::Code,
            "markdown" => CellKind::Markdown,
            _ => CellKind::Raw,
        };
        let count = raw.execution_count.or(raw.prompt_number);
        let tags = raw.metadata.tags.as_ref().and_then(Value::as_array);
        Self {
            kind,
            execution_count: count.as_ref().and_then(whole_number),
            outputs: raw.outputs.len(),
            error: raw.outputs.into_iter().find_map(RawOutput::error),
            tags: tags
                .into_iter()
                .flatten()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect(),
            source: if raw.source.0.is_empty() {
                raw.input.0
            } else {
                raw.source.0
            },
        }
    }
}

impl RawOutput {
    fn error(self) -> Option<CellError> {
        const SHOWN: usize = 120;
        // Version 3 called errors `pyerr`.
        if !matches!(self.output_type.as_deref(), Some("error" | "pyerr")) {
            return None;
        }
        let message = self.evalue.unwrap_or_default();
        let first = message.lines().next().unwrap_or_default().trim();
        let mut value: String = first.chars().take(SHOWN).collect();
        if value.len() < first.len() {
            value.push('…');
        }
        Some(CellError {
            name: self.ename.unwrap_or_else(|| "an error".to_owned()),
            value,
        })
    }
}

/// A number that some program may have written as `3.0`.
fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        let whole = number.fract() == 0.0 && (0.0..9.0e15).contains(&number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the line above checks the range"
        )]
        whole.then_some(number as u64)
    })
}

/// A text of several lines: a string, or a list of strings to be joined.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lines;

        impl<'de> Visitor<'de> for Lines {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut lines: A) -> Result<Text, A::Error> {
                let mut text = String::new();
                while let Some(line) = lines.next_element::<String>()? {
                    text.push_str(&line);
                }
                Ok(Text(text))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                // No notebook has one here, but an unknown kind of cell may.
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(Lines)
    }
}
