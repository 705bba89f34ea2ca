//! From the JSON of a notebook to what the rules ask about.

use super::lenient::{self, lenient};
use super::node::Node;
use super::{Cell, CellError, CellKind, Notebook, Unshown, language, limits, opens};

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
    /// It is JSON that nbformat cannot read: nested too deep, or with a number that is too long.
    #[error("{reason}, at line {line}")]
    BeyondPython {
        /// The line, from 1.
        line: usize,
        /// What there is too much of.
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
            Self::Truncated { line }
            | Self::Conflict { line }
            | Self::NotJson { line, .. }
            | Self::BeyondPython { line, .. } => Some(*line),
            Self::Empty | Self::LfsPointer | Self::NotANotebook { .. } => None,
        }
    }
}

pub(super) fn parse(json: &[u8]) -> Result<Notebook, NotebookProblem> {
    if json.starts_with(b"\xEF\xBB\xBF") {
        return Err(NotebookProblem::NotJson {
            line: 1,
            reason: "it begins with a byte order mark, with which Jupyter does not open it"
                .to_owned(),
        });
    }
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(NotebookProblem::Empty);
    }
    let text = std::str::from_utf8(json).map_err(|error| {
        let line = json[..error.valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        match error.error_len() {
            // It breaks off within a character.
            None => NotebookProblem::Truncated { line },
            Some(_) => NotebookProblem::NotJson {
                line,
                reason: "it is no UTF-8".to_owned(),
            },
        }
    })?;
    if let Some((line, reason)) = limits::exceeded(json) {
        return Err(NotebookProblem::BeyondPython { line, reason });
    }
    // serde does not tell such numbers from floats.
    let mut refused = None;
    if !limits::has_digits(json, lenient::BEYOND_DIGITS) {
        match Node::read(text) {
            Ok(root) => return notebook(&root, None),
            Err(error) => refused = Some(error),
        }
    }
    let lenient = lenient(text);
    let (text, no_number) = match &lenient {
        Some(lenient) => (lenient.text.as_str(), lenient.no_number),
        None => (text, None),
    };
    match Node::read(text) {
        Ok(root) => notebook(&root, no_number),
        Err(error) => Err(problem(json, &refused.unwrap_or(error))),
    }
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
        _ if [&b"<<<<<<<"[..], b"=======", b">>>>>>>", b"|||||||"]
            .iter()
            .any(|marker| starts(marker)) =>
        {
            NotebookProblem::Conflict { line }
        }
        Category::Eof => NotebookProblem::Truncated { line },
        Category::Syntax | Category::Io | Category::Data => {
            NotebookProblem::NotJson { line, reason }
        }
    }
}

fn notebook(root: &Node<'_>, no_number: Option<usize>) -> Result<Notebook, NotebookProblem> {
    let format = opens::opened(root).map_err(|reason| NotebookProblem::NotANotebook { reason })?;
    // Before version 4 cells lay in worksheets.
    let cells: Vec<&Node<'_>> = if format >= 4 {
        root.get("cells")
            .map_or(&[][..], Node::items)
            .iter()
            .collect()
    } else {
        let worksheets = root.get("worksheets").map_or(&[][..], Node::items);
        worksheets
            .iter()
            .filter_map(|worksheet| worksheet.get("cells"))
            .flat_map(Node::items)
            .collect()
    };
    let metadata = root.get("metadata");
    let is_python = language::is_python(metadata);
    Ok(Notebook {
        format,
        is_python,
        unshown: unshown(root, format, &cells, no_number),
        ignores: metadata.map(ignores).unwrap_or_default(),
        cells: cells
            .into_iter()
            .map(|node| cell(node, is_python))
            .collect(),
    })
}

/// What hinders others than Jupyter from showing it.
fn unshown(
    root: &Node<'_>,
    format: u64,
    cells: &[&Node<'_>],
    no_number: Option<usize>,
) -> Option<Unshown> {
    const STATE: &str = "application/vnd.jupyter.widget-state+json";
    if let Some(line) = no_number {
        return Some(Unshown::NoNumber { line });
    }
    // A null is looked into, too.
    let lacks_state = |widgets: &Node<'_>| match widgets.get(STATE) {
        Some(all) => !all.get("state").is_some_and(Node::is_object),
        None => *widgets == Node::Null,
    };
    if root.at(&["metadata", "widgets"]).is_some_and(lacks_state) {
        return Some(Unshown::WidgetsWithoutState);
    }
    let is_code = |cell: &Node<'_>| cell.get("cell_type").and_then(Node::text) == Some("code");
    let mut numbered = (1..)
        .zip(cells)
        .filter(|(_, cell)| format >= 4 && is_code(cell));
    numbered.find_map(|(cell, node)| {
        let key = ["execution_count", "outputs", "source"]
            .into_iter()
            .find(|key| node.get(key).is_none())?;
        Some(Unshown::CellWithout { cell, key })
    })
}

/// The rules that `selvedge.ignore` of metadata names.
fn ignores(metadata: &Node<'_>) -> Vec<String> {
    match metadata.at(&["selvedge", "ignore"]) {
        Some(Node::Text(one)) => vec![one.clone().into_owned()],
        Some(Node::List(all)) => {
            let names = all.iter().filter_map(Node::text);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn cell(node: &Node<'_>, kernel_is_python: bool) -> Cell {
    let kind = match node.get("cell_type").and_then(Node::text) {
        Some("code") => CellKind::Code,
        Some("markdown") => CellKind::Markdown,
        _ => CellKind::Raw,
    };
    // What version 3 called the execution count and the source of code.
    let either = |new: &str, old: &str| node.get(new).or_else(|| node.get(old));
    let metadata = node.get("metadata");
    let tags = metadata.and_then(|metadata| metadata.get("tags"));
    let outputs = node.get("outputs").map_or(&[][..], Node::items);
    let source = either("source", "input").and_then(Node::joined);
    let source = source.unwrap_or_default();
    Cell {
        kind,
        execution_count: either("execution_count", "prompt_number").and_then(Node::count),
        outputs: outputs.len(),
        error: outputs.iter().find_map(error),
        tags: tags
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(|tag| tag.text().map(str::to_owned))
            .collect(),
        is_foreign: language::is_foreign(metadata, kernel_is_python),
        ignores: metadata.map(ignores).unwrap_or_default(),
        source,
    }
}

fn error(output: &Node<'_>) -> Option<CellError> {
    const SHOWN: usize = 120;
    let text = |key| output.get(key).and_then(Node::text);
    // Version 3 called errors `pyerr`.
    if !matches!(text("output_type"), Some("error" | "pyerr")) {
        return None;
    }
    let message = text("evalue").unwrap_or_default();
    let first = message.lines().next().unwrap_or_default().trim();
    let mut value: String = first.chars().take(SHOWN).collect();
    if value.len() < first.len() {
        value.push('…');
    }
    Some(CellError {
        name: text("ename").unwrap_or("an error").to_owned(),
        value,
    })
}
