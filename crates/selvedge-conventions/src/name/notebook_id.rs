//! The id of a notebook: `1.5d`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::IdPattern;
use crate::Error;
use selvedge_base::natural;

/// The id of a notebook: `1.5d`, a variant of it such as `1.24c8`, or zero-padded, `01.1a`.
///
/// An id is made by [`IdPattern::parse`], or by [`FromStr`] with the default pattern. It prints as
/// it was written, and ids sort as people count.
///
/// ```
/// use selvedge_conventions::NotebookId;
///
/// let first: NotebookId = "1.5d".parse()?;
/// let later: NotebookId = "1.24c8".parse()?;
/// assert!(first < later);
/// assert_eq!(later.to_string(), "1.24c8");
///
/// let error = "1.5D".parse::<NotebookId>().unwrap_err();
/// assert!(error.to_string().ends_with("; did you mean `1.5d`?"));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotebookId(String);

impl NotebookId {
    /// For [`IdPattern`], which has checked the text.
    pub(super) fn from_checked(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NotebookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for NotebookId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        IdPattern::default().parse(text)
    }
}

impl Ord for NotebookId {
    /// As people count: `1.5d` stands before `1.24c8`.
    fn cmp(&self, other: &Self) -> Ordering {
        natural::compare(&self.0, &other.0)
    }
}

impl PartialOrd for NotebookId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
