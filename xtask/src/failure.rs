//! How a command fails: what is printed, and the exit code.

use std::fmt;
use std::io;
use std::path::Path;

/// A failed command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// Something else, told to the user: exit code 1.
    Failed(String),
    /// A program that we started failed and has said why; its exit code becomes ours.
    Child(u8),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Child(code) => {
                write!(f, "a program that we started failed with exit code {code}")
            }
        }
    }
}

impl Failure {
    /// The exit code of xtask.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Child(code) => *code,
        }
    }

    /// For `map_err` on an I/O error: what was being done, to what.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let what = format!("cannot {doing} {}", path.display());
        move |source| Self::Failed(format!("{what}: {source}"))
    }
}
