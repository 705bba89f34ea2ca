//! From the JSON of a notebook to what the rules ask about.

use selvedge_base::Pointer;

use super::lenient::{self, lenient};
use super::node::Node;
use super::silences::{Misspelt, names_rule};
use super::{Cell, CellError, CellKind, Notebook, Silences, Unshown, language, limits, opens};
use selvedge_base::nearest;

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
    /// The notebook lies in git-annex, and has not been fetched.
    #[error("it is a pointer of git-annex, whose content has not been fetched")]
    AnnexPointer,
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
            Self::Empty | Self::LfsPointer | Self::AnnexPointer | Self::NotANotebook { .. } => None,
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
    match Pointer::of(json) {
        Some(Pointer::GitLfs) => return NotebookProblem::LfsPointer,
        Some(Pointer::GitAnnex) => return NotebookProblem::AnnexPointer,
        None => {}
    }
    let line = error.line();
    let text = error.to_string();
    // serde_json appends the place, which is told in our own words.
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let line_text = json
        .split(|byte| *byte == b'\n')
        .nth(line.saturating_sub(1));
    let starts = |marker: &[u8]| line_text.is_some_and(|text| text.starts_with(marker));
    match error.classify() {
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
    // In versions 2 and 3 cells lay in worksheets.
    let cells: Vec<&Node<'_>> = if format >= 4 || format == 1 {
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
        silences: metadata.map(silences).unwrap_or_default(),
        keeps_outputs: keeps_outputs(metadata, &cells),
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
    if let Some(line) = no_number {
        return Some(Unshown::NoNumber { line });
    }
    if root
        .at(&["metadata", "widgets"])
        .is_some_and(|widgets| !are_read(widgets, cells))
    {
        return Some(Unshown::WidgetsWithoutState);
    }
    let is_code = |cell: &Node<'_>| cell.get("cell_type").and_then(Node::text) == Some("code");
    let mut numbered = (1..)
        .zip(cells)
        .filter(|(_, cell)| format >= 4 && is_code(cell));
    numbered.find_map(|(cell, node)| {
        let lacking = ["execution_count", "outputs", "source"]
            .into_iter()
            .find(|key| node.get(key).is_none());
        if let Some(key) = lacking {
            return Some(Unshown::CellWithout { cell, key });
        }
        let key = outputs(node).iter().find_map(lacking_key)?;
        Some(Unshown::OutputWithout { cell, key })
    })
}

fn outputs<'n, 'j>(cell: &'n Node<'j>) -> &'n [Node<'j>] {
    cell.get("outputs").map_or(&[], Node::items)
}

/// A key that the format demands of an output, and that it has not.
fn lacking_key(output: &Node<'_>) -> Option<&'static str> {
    let keys: &[&str] = match output.get("output_type").and_then(Node::text)? {
        "execute_result" => &["data", "metadata", "execution_count"],
        "display_data" => &["data", "metadata"],
        "stream" => &["name", "text"],
        "error" => &["ename", "evalue", "traceback"],
        _ => &[],
    };
    keys.iter().find(|key| output.get(key).is_none()).copied()
}

/// Whether nbconvert, and so GitHub, goes through the metadata of widgets: it looks for their state
/// wherever a value is shown, and for a model in it wherever a widget is.
fn are_read(widgets: &Node<'_>, cells: &[&Node<'_>]) -> bool {
    const STATE: &str = "application/vnd.jupyter.widget-state+json";
    const VIEW: &str = "application/vnd.jupyter.widget-view+json";
    let shown = || {
        let outputs = cells.iter().flat_map(|cell| outputs(cell));
        outputs.filter(|output| {
            let output_type = output.get("output_type").and_then(Node::text);
            matches!(
                output_type,
                Some("execute_result" | "display_data" | "pyout")
            )
        })
    };
    let mut views = shown().filter(|output| output.at(&["data", VIEW]).is_some());
    match widgets {
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => false,
        _ => match widgets.at(&[STATE, "state"]) {
            // GitHub speaks of the key itself.
            None if widgets.get(STATE).is_some_and(Node::is_object) => false,
            None => shown().next().is_none(),
            Some(Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_)) => {
                views.next().is_none()
            }
            Some(_) => true,
        },
    }
}

/// Whether nbstripout leaves all outputs: the notebook says so, or each cell that has some.
fn keeps_outputs(metadata: Option<&Node<'_>>, cells: &[&Node<'_>]) -> bool {
    let says = |node: Option<&Node<'_>>, key: &str| Some(node?.get(key)?.is_truthy());
    let of_notebook = says(metadata, "keep_output") == Some(true);
    let keeps = |cell: &Node<'_>| {
        let metadata = cell.get("metadata");
        let tags = metadata.and_then(|metadata| metadata.get("tags"));
        let has_tag = tags.is_some_and(|tags| {
            let mut tags = tags.items().iter();
            tags.any(|tag| tag.text() == Some("keep_output"))
        });
        says(metadata, "init_cell")
            .or_else(|| says(metadata, "keep_output"))
            .unwrap_or(has_tag || of_notebook)
    };
    let has_outputs = |cell: &&&Node<'_>| {
        let outputs = cell.get("outputs");
        outputs.is_some_and(|outputs| !outputs.items().is_empty())
    };
    let mut with_outputs = cells.iter().filter(has_outputs).peekable();
    (of_notebook || with_outputs.peek().is_some()) && with_outputs.all(|cell| keeps(cell))
}

/// The rules that `selvedge.ignore` of metadata names, and what else is meant so.
fn silences(metadata: &Node<'_>) -> Silences {
    let mut silences = Silences::default();
    match metadata.at(&["selvedge", "ignore"]) {
        Some(Node::Text(names)) => silences.add(names, None),
        Some(Node::List(all)) => {
            for name in all {
                silences.add(name.text().unwrap_or_default(), None);
            }
        }
        Some(_) => silences.add("", None),
        None => {}
    }
    let is_rule = |node: &Node<'_>| node.text().is_some_and(names_rule);
    let has_rule = |node: &Node<'_>| is_rule(node) || node.items().iter().any(is_rule);
    let mut elsewhere = |place: String| {
        let problem = format!("it stands under `{place}`, and not under `ignore` in `selvedge`");
        silences.misspelt.push(Misspelt {
            line: None,
            problem,
        });
    };
    for (key, value) in metadata.entries() {
        let is_own = key == "selvedge";
        let is_like = key.to_ascii_lowercase().starts_with("selvedge");
        if is_like && has_rule(value) {
            elsewhere(key.to_string());
        }
        for (inner, value) in value.entries().iter().filter(|_| is_like) {
            let is_near = nearest(inner, ["ignore", "noqa", "disable"]).is_some();
            if (inner != "ignore" || !is_own) && (is_near || has_rule(value)) {
                elsewhere(format!("{key}.{inner}"));
            }
        }
    }
    silences
}

fn cell(node: &Node<'_>, kernel_is_python: bool) -> Cell {
    let kind = match node.get("cell_type").and_then(Node::text) {
        Some("code") => CellKind::Code,
        Some("markdown" | "text") => CellKind::Markdown,
        _ => CellKind::Raw,
    };
    // What version 3 called the execution count and the source of code.
    let either = |new: &str, old: &str| node.get(new).or_else(|| node.get(old));
    let metadata = node.get("metadata");
    let tags = metadata.and_then(|metadata| metadata.get("tags"));
    let outputs = node.get("outputs").map_or(&[][..], Node::items);
    let source = either("source", "input").or_else(|| node.get("code"));
    let source = source.and_then(Node::joined);
    let source = source.unwrap_or_default();
    let is_foreign = language::is_foreign(metadata, kernel_is_python);
    let mut silences = metadata.map(silences).unwrap_or_default();
    if kind == CellKind::Code {
        silences.add_comments(&source, kernel_is_python && !is_foreign);
    }
    let of_type = |types: &[&str]| {
        let types_of = outputs
            .iter()
            .filter_map(|output| output.get("output_type").and_then(Node::text));
        types_of.filter(|name| types.contains(name)).count()
    };
    Cell {
        kind,
        execution_count: either("execution_count", "prompt_number").and_then(Node::count),
        outputs: outputs.len(),
        results: of_type(&["execute_result", "pyout"]),
        displays: of_type(&["display_data"]),
        error: outputs.iter().find_map(error),
        tags: tags
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(|tag| tag.text().map(str::to_owned))
            .collect(),
        is_frozen: metadata
            .and_then(|metadata| metadata.at(&["run_control", "frozen"]))
            .is_some_and(Node::is_truthy),
        is_foreign,
        silences,
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
