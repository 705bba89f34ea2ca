//! A notebook, without what its outputs hold.

mod mentions;
mod parse;
mod python;
#[cfg(test)]
mod tests;

pub use mentions::Mention;
pub use parse::NotebookProblem;

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
    /// The major version of the format: 4 since 2015.
    pub format: u64,
    /// Its cells, in order.
    pub cells: Vec<Cell>,
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

    /// The cells that Jupyter would run: code that is not blank, each with its number from 1.
    pub fn code_cells(&self) -> impl Iterator<Item = (usize, &Cell)> {
        (1..)
            .zip(&self.cells)
            .filter(|(_, cell)| cell.kind == CellKind::Code && !cell.source.trim().is_empty())
    }
}

/// A cell of a notebook.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What kind it is.
    pub kind: CellKind,
    /// The number that its last run had, if it has run.
    pub execution_count: Option<u64>,
    /// How many outputs it has.
    pub outputs: usize,
    /// The error that it ended with.
    pub error: Option<CellError>,
    /// Its tags: `raises-exception` is one that Jupyter knows.
    pub tags: Vec<String>,
    /// Its text.
    pub source: String,
}

impl Cell {
    /// Whether the cell has a tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag)
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
