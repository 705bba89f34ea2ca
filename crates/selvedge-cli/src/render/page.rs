//! How wide the output may be.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use terminal_size::{Width, terminal_size_of};

/// What is assumed where nothing tells: the width that tables are made for.
const USUAL: usize = 80;
/// Text in longer lines is hard to read.
const LONGEST: usize = 100;
/// Below this nothing can be shown in columns.
const LEAST: usize = 40;
/// No screen has as many, and what is drawn takes time and memory for each.
const MOST: usize = 10_000;

/// The room for tables and for text, in columns of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Tables are made to fit, by shortening names. In a pipe they are not: `grep` shall find them.
    pub(crate) table: Option<usize>,
    /// Text is wrapped.
    pub(crate) text: usize,
}

impl Page {
    /// That of standard output: what `COLUMNS` says, or else the terminal.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    /// The same of standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of<S: IsTerminal + AsFd>(stream: &S) -> Self {
        let columns = std::env::var("COLUMNS").ok();
        let columns = columns.and_then(|columns| columns.trim().parse().ok());
        let terminal = || terminal_size_of(stream).map(|(Width(width), _)| width.into());
        match columns.filter(|&columns| columns > 0).or_else(terminal) {
            Some(columns) => Self::new(columns),
            None if stream.is_terminal() => Self::new(USUAL),
            None => Self::unlimited(),
        }
    }

    /// That of a file or a pipe, where lines may be of any length.
    pub(crate) fn unlimited() -> Self {
        Self {
            table: None,
            text: USUAL,
        }
    }

    /// That of a file of plain text.
    pub(crate) fn of_text() -> Self {
        Self::new(LONGEST)
    }

    fn new(columns: usize) -> Self {
        let columns = columns.clamp(LEAST, MOST);
        Self {
            table: Some(columns),
            text: columns.min(LONGEST),
        }
    }
}
