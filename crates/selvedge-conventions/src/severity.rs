//! How much a finding matters.

use std::fmt;

/// How much a finding matters. A finding is a finding at any severity: the severity says how it is
/// shown, and in which level of GitHub and SARIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// A convention that is not held.
    Warning,
    /// Data that is lost, wrong or about to be.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`: as `selvedge.toml`, GitHub and SARIF write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
