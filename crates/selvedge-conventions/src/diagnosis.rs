//! What a rule has to say: a message, its place in the file, and what to do.

use std::fmt;

use crate::TreePath;

/// What a rule has to say about a file. A [`Checker`](crate::Checker) makes a [`Finding`](crate::Finding) of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What is wrong: one clause, lower case, without a full stop.
    pub message: String,
    /// Where in the file.
    pub place: Place,
    /// What to do about it, in the same style.
    pub help: Option<String>,
    /// How it can be fixed.
    pub fix: Option<Fix>,
}

impl Diagnosis {
    /// Something that is wrong with the whole file.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Place::File,
            help: None,
            fix: None,
        }
    }

    /// It is this tensor that it is about.
    #[must_use]
    pub fn tensor(mut self, name: &str) -> Self {
        self.place = Place::Tensor(name.to_owned());
        self
    }

    /// It is this cell that it is about, counted from 1.
    #[must_use]
    pub fn cell(mut self, number: usize) -> Self {
        self.place = Place::Cell { number, line: None };
        self
    }

    /// It is this line of a cell that it is about, both counted from 1.
    #[must_use]
    pub fn line_of_cell(mut self, number: usize, line: usize) -> Self {
        let line = Some(line);
        self.place = Place::Cell { number, line };
        self
    }

    /// It is this line that it is about, counted from 1.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.place = Place::Line(line);
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How it can be fixed.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// Where in a file something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Place {
    /// All of it.
    File,
    /// A line, from 1.
    Line(usize),
    /// A cell of a notebook.
    Cell {
        /// Which one, from 1.
        number: usize,
        /// The line of its source, from 1.
        line: Option<usize>,
    },
    /// A tensor, by its name.
    Tensor(String),
}

impl fmt::Display for Place {
    /// As it stands after the path: nothing for the whole file, `:3`, `:cell 2:7`, `:W`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(line) => write!(f, ":{line}"),
            Self::Cell { number, line: None } => write!(f, ":cell {number}"),
            Self::Cell {
                number,
                line: Some(line),
            } => write!(f, ":cell {number}:{line}"),
            Self::Tensor(name) => write!(f, ":{name}"),
        }
    }
}

/// How something can be fixed, as data: nothing here touches a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fix {
    /// What to do.
    pub action: FixAction,
    /// Whether that can be wrong.
    pub safety: FixSafety,
}

impl Fix {
    pub(crate) fn safe(action: FixAction) -> Self {
        let safety = FixSafety::Safe;
        Self { action, safety }
    }

    pub(crate) fn needs_a_look(action: FixAction) -> Self {
        let safety = FixSafety::Unsafe;
        Self { action, safety }
    }
}

/// What a fix does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixAction {
    /// Gives a dataset the attribute `logical_dtype = "bfloat16"`. No value changes.
    AddBf16Marker {
        /// The dataset.
        tensor: String,
    },
    /// Renames the file.
    Rename {
        /// Its new path, in the same folder.
        to: TreePath,
    },
}

/// Whether a fix can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FixSafety {
    /// What the fix says is known to be so, and it breaks nothing.
    Safe,
    /// Somebody should look first: the fix may say what is not so, or break what refers to the
    /// file.
    Unsafe,
}

impl fmt::Display for FixAction {
    /// What it does, in the imperative.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddBf16Marker { tensor } => {
                write!(f, "set logical_dtype = \"bfloat16\" on `{tensor}`")
            }
            Self::Rename { to } => write!(f, "rename to `{}`", to.file_name()),
        }
    }
}
