//! Everything that can go wrong, with what was expected, what was found and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use selvedge_base::did_you_mean;

/// An error of a name, of `selvedge.toml`, of a baseline or of a selector.
///
/// What a rule finds is no error: findings are [`Finding`](crate::Finding)s.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no notebook id.
    #[error("`{given}` is not a notebook id: expected {expected}{}", did_you_mean(nearest.as_deref()))]
    NotebookId {
        /// The text.
        given: String,
        /// What an id looks like.
        expected: String,
        /// The nearest id, if there is one near.
        nearest: Option<String>,
    },
    /// A text that is not the name of a tensor file.
    #[error(
        "`{given}` is not the name of a tensor file: expected {expected}{}",
        did_you_mean(nearest.as_deref())
    )]
    TensorFileName {
        /// The text.
        given: String,
        /// What a name looks like.
        expected: String,
        /// The nearest name, if there is one near.
        nearest: Option<String>,
    },
    /// A text that is not the name of a trajectory.
    #[error(
        "`{given}` is not the name of a trajectory: expected `<run>_<n>.h5`, for example \
         `thimble_7.h5`{}",
        did_you_mean(nearest.as_deref())
    )]
    TrajectoryName {
        /// The text.
        given: String,
        /// The nearest name, if there is one near.
        nearest: Option<String>,
    },
    /// A text that is not the name of a model's or a run's directory.
    #[error(
        "`{given}` is not the name of a model or run: expected one directory of letters, digits, \
         `_`, `-`, `.`, `+` and `=`, the first a letter or a digit{}",
        did_you_mean(nearest.as_deref())
    )]
    ModelName {
        /// The text.
        given: String,
        /// The nearest name, if there is one near.
        nearest: Option<String>,
    },
    /// A pattern that is no regular expression, or none that an id can have.
    #[error("`{pattern}` cannot be the pattern of notebook ids: {reason}")]
    IdPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A glob that is none.
    #[error("`{glob}` is not a glob: {reason}")]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A selector that selects no rule.
    #[error(
        "no rule is called `{given}`: expected a code such as `NAM001`, the start of some, such as \
         `NAM`, a name such as `missing-notebook-id`, or `ALL`{}",
        match nearest {
            Some(_) => did_you_mean(nearest.as_deref()),
            None => "; `selvedge rules` lists them".to_owned(),
        }
    )]
    UnknownRule {
        /// The selector.
        given: String,
        /// The nearest code or name, if there is one near.
        nearest: Option<String>,
    },
    /// An output format that there is none of.
    #[error(
        "no output format is called `{given}`: expected `full`, `concise`, `json`, `github`, \
         `gitlab`, `junit` or `sarif`{}",
        did_you_mean(nearest.as_deref())
    )]
    UnknownFormat {
        /// The text.
        given: String,
        /// The nearest format, if there is one near.
        nearest: Option<String>,
    },

    /// A file that could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that is not TOML.
    #[error("{location}: not TOML: {reason}")]
    Syntax {
        /// Where it stands.
        location: Box<Location>,
        /// What is wrong.
        reason: String,
    },
    /// A key that means nothing.
    #[error(
        "{location}: unknown key `{key}`{}{} (valid {}: {})",
        in_table(table), did_you_mean(nearest.as_deref()),
        if table.is_empty() { "here" } else { "there" }, known.join(", ")
    )]
    UnknownKey {
        /// Where it stands.
        location: Box<Location>,
        /// The table that the key is in; empty for the top.
        table: String,
        /// The key.
        key: String,
        /// The nearest key, if there is one near.
        nearest: Option<String>,
        /// All keys of the table.
        known: &'static [&'static str],
    },
    /// A key with a value that it cannot have.
    #[error("{location}: `{key}` is {found}: expected {expected}")]
    InvalidValue {
        /// Where it stands.
        location: Box<Location>,
        /// The key, with its table.
        key: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

fn in_table(table: &str) -> String {
    if table.is_empty() {
        String::new()
    } else {
        format!(" in [{table}]")
    }
}
