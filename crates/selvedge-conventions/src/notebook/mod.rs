//! A notebook, without what its outputs hold.

mod before_4;
mod language;
mod lenient;
mod limits;
mod mentions;
mod names;
mod node;
mod opens;
mod parse;
mod prints;
mod python;
mod shows;
mod silences;
#[cfg(test)]
mod tests;

pub use mentions::Mention;
pub use parse::NotebookProblem;
pub(crate) use prints::Shows;
pub(crate) use python::parsed;

pub(crate) use silences::Silences;

/// A notebook: its cells, and of their outputs only whether there are any and what went wrong.
///
/// ```
/// use selvedge_conventions::Notebook;
///
/// let json = br#"{
///   "nbformat": 4, "nbformat_minor": 5, "metadata": {},
///   "cells": [{
///     "cell_type": "code", "metadata": {}, "execution_count": 3, "source": ["1 / 0"],
///     "outputs": [{"output_type": "error", "ename": "ZeroDivisionError",
///                  "evalue": "division by zero", "traceback": []}]
///   }]
/// }"#;
/// let notebook = Notebook::parse(json)?;
/// let error = notebook.cells[0].error.as_ref().unwrap();
/// assert_eq!(error.name, "ZeroDivisionError");
///
/// let problem = Notebook::parse(&json[..60]).unwrap_err();
/// assert_eq!(problem.to_string(), "it ends in the middle, at line 3: it was not written whole");
/// # Ok::<(), selvedge_conventions::NotebookProblem>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notebook {
    /// The major version of the format: 4 since 2015. One that has none is of 2011, to nbformat.
    pub format: u64,
    /// Whether its kernel reads Python, as far as it says: one that says nothing does.
    pub is_python: bool,
    /// What hinders other programs than Jupyter from showing it.
    pub unshown: Option<Unshown>,
    /// The rules that its metadata silence.
    pub(crate) silences: Silences,
    /// Whether it tells nbstripout and its like to leave all of its outputs: by `keep_output` in its
    /// metadata or in those of each cell that has outputs.
    pub keeps_outputs: bool,
    /// Its cells, in order.
    pub cells: Vec<Cell>,
}

/// Why other programs do not show a notebook that Jupyter's server opens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unshown {
    /// It has `NaN` or an infinity, which Python reads and writes, and JSON has not.
    NoNumber {
        /// The line of the first, from 1.
        line: usize,
    },
    /// The state of its widgets is not under the key `state`, and something is shown that asks for it.
    WidgetsWithoutState,
    /// A cell of code has no such key, which the format demands.
    CellWithout {
        /// The cell, from 1.
        cell: usize,
        /// The key.
        key: &'static str,
    },
    /// An output has no such key, which the format demands.
    OutputWithout {
        /// Its cell, from 1.
        cell: usize,
        /// The key.
        key: &'static str,
    },
}

impl Notebook {
    /// Reads the bytes of an `.ipynb` file. What outputs hold is skipped, not stored, so a notebook
    /// of many megabytes takes no more memory than its source.
    ///
    /// # Errors
    ///
    /// Why it is not a notebook, which is a finding rather than a failure.
    pub fn parse(json: &[u8]) -> Result<Self, NotebookProblem> {
        parse::parse(json)
    }

    /// The cells that the kernel would run: code of its language that does something, each with its
    /// number from 1.
    pub fn code_cells(&self) -> impl Iterator<Item = (usize, &Cell)> {
        (1..)
            .zip(&self.cells)
            .filter(|(_, cell)| cell.kind == CellKind::Code && !cell.is_foreign)
            .filter(|(_, cell)| cell.lines().next().is_some())
    }

    /// Whether its first cell says that none of the others is meant to run, as Quarto and nbdev have it:
    /// `skip_exec: true`, or `eval: false` below `execute:`.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        let first = self
            .cells
            .first()
            .filter(|cell| cell.kind != CellKind::Code);
        let front = first.and_then(|cell| cell.source.trim_start().strip_prefix("---"));
        front.is_some_and(|front| {
            front.lines().any(|line| {
                let (key, value) = line.split_once(':').unwrap_or_default();
                matches!(
                    (key.trim(), truth(value.trim())),
                    ("skip_exec", Some(true)) | ("eval" | "enabled", Some(false))
                )
            })
        })
    }

    /// Whether the numbers of its cells say anything: some are there, and not all of them are 0, as
    /// services export them that count nothing.
    #[must_use]
    pub fn has_counts(&self) -> bool {
        let mut counts = self
            .code_cells()
            .filter_map(|(_, cell)| cell.execution_count);
        counts.any(|count| count > 0)
    }
}

/// A cell of a notebook.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What kind it is.
    pub kind: CellKind,
    /// The number that its last run had, if it has run; 0 of one that is no such number, as some programs
    /// write it.
    pub execution_count: Option<u64>,
    /// How many outputs it has.
    pub outputs: usize,
    /// How many of them are the value of its last expression.
    pub results: usize,
    /// How many are something that it shows otherwise than as text: a picture, a table, a widget.
    pub displays: usize,
    /// The error that it ended with.
    pub error: Option<CellError>,
    /// Its tags: `raises-exception` is one that Jupyter knows.
    pub tags: Vec<String>,
    /// Whether an extension of Jupyter keeps it from being run.
    pub is_frozen: bool,
    /// Whether it is in another language than the kernel of the notebook, and is run elsewhere.
    pub is_foreign: bool,
    /// The rules that its metadata and its comments silence.
    pub(crate) silences: Silences,
    /// Its text.
    pub source: String,
}

impl Cell {
    /// Whether the cell has a tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag)
    }

    /// Whether it is not meant to run with the others: a tag says so, or an option of Quarto and
    /// nbdev, `#| eval: false`; or it is turned off, by a magic or by the quotes around it.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        let says = self.has_tag("skip-execution") || self.is_set("eval", false);
        says || self.is_frozen || self.is_turned_off()
    }

    /// Whether a magic hands all of it to a program that does nothing with it (`%%script false`), or it is
    /// nothing but one text of several lines: old code.
    fn is_turned_off(&self) -> bool {
        const NOTHING: [&str; 4] = ["false", "true", "echo", ":"];
        let magic = self.lines().next().and_then(|line| line.strip_prefix("%%"));
        let mut words = magic.unwrap_or_default().split_whitespace();
        let does_nothing = match words.next() {
            Some("script") => words
                .find(|word| !word.starts_with('-'))
                .is_some_and(|program| NOTHING.contains(&program)),
            name => name == Some("skip"),
        };
        let text = self.source.trim();
        let is_text = ["\"\"\"", "'''"].iter().any(|quotes| {
            let inner = text.strip_prefix(quotes);
            let inner = inner.and_then(|inner| inner.strip_suffix(quotes));
            inner.is_some_and(|inner| inner.contains('\n') && !inner.contains(quotes))
        });
        does_nothing || is_text
    }

    /// Whether it is meant to end with an error: a tag says so, or an option of Quarto, `#| error: true`.
    #[must_use]
    pub fn may_fail(&self) -> bool {
        const TAGS: [&str; 2] = ["raises-exception", "nbval-raises-exception"];
        TAGS.iter().any(|tag| self.has_tag(tag)) || self.is_set("error", true)
    }

    /// Whether it silences the rule of this code for itself.
    pub(crate) fn silences(&self, code: &str) -> bool {
        self.silences.has(code)
    }

    /// Whether an option in a comment of the first lines is set to this, as YAML writes it:
    /// `#| error: true`, `#| eval: no`.
    fn is_set(&self, name: &str, value: bool) -> bool {
        let lines = self.source.lines().map(str::trim);
        let first = lines.take_while(|line| line.is_empty() || line.starts_with('#'));
        // Formatters put a space between.
        let mut options =
            first.filter_map(|line| line[1.min(line.len())..].trim_start().strip_prefix('|'));
        options.any(|option| {
            option.split_once(':').is_some_and(|(key, given)| {
                let given = given.split(" #").next().unwrap_or(given).trim();
                key.trim() == name && truth(given) == Some(value)
            })
        })
    }

    /// Its lines that are neither blank nor a comment.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.source.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))
    }

    /// The tensor files that strings in its code name; none in a cell that is no code.
    #[must_use]
    pub fn mentions(&self) -> Vec<Mention> {
        if self.kind == CellKind::Code {
            mentions::find(&self.source)
        } else {
            Vec::new()
        }
    }
}

/// What YAML takes a word for.
fn truth(word: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_one_of(["true", "yes", "on"]) {
        Some(true)
    } else {
        is_one_of(["false", "no", "off"]).then_some(false)
    }
}

/// The kind of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CellKind {
    /// Code.
    Code,
    /// Text in Markdown.
    Markdown,
    /// Text that is left alone, and any kind that is not known.
    #[default]
    Raw,
}

/// The error that a cell ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// The name of the error: `ZeroDivisionError`.
    pub name: String,
    /// The first line of its message, shortened.
    pub value: String,
}
