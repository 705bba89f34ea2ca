//! What an id of a notebook looks like, in this repository.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::NotebookId;
use crate::Error;

/// What the ids of a repository's notebooks look like: a regular expression for the whole id.
///
/// Whatever the pattern, an id consists of ASCII letters, digits, `.` and `-`, and begins with a
/// letter or a digit. The `_` is left out because it ends the id in the name of a tensor file.
///
/// ```
/// use selvedge_conventions::IdPattern;
///
/// let numbered = IdPattern::new("[0-9]{3}")?;
/// assert_eq!(numbered.parse("042")?.as_str(), "042");
/// assert_eq!(numbered.id_of_notebook("042-clusters.ipynb").unwrap().as_str(), "042");
/// assert!(numbered.parse("1.5d").is_err());
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdPattern {
    text: String,
    whole: Regex,
    start: Regex,
    anywhere: Regex,
}

impl IdPattern {
    /// The pattern without a configuration: two numbers, a letter, and the number of a variant.
    pub const DEFAULT: &'static str = "[0-9]+[.][0-9]+[a-z][0-9]*";

    /// Takes a regular expression, in the syntax of the crate `regex-lite`. It stands for the whole
    /// id, with or without `^` and `$`.
    ///
    /// # Errors
    ///
    /// [`Error::IdPattern`] if it is no regular expression, or has a `_`, which no id can have.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::IdPattern {
            pattern: pattern.to_owned(),
            reason,
        };
        let compile =
            |pattern: &str| Regex::new(pattern).map_err(|error| invalid(error.to_string()));
        // By itself first: `a)|(b` is no pattern, but would be one inside of a group.
        compile(pattern)?;
        if pattern.contains('_') {
            return Err(invalid(
                "an id cannot contain `_`, which ends the id in `<id>_<what>.safetensors`; use `-` \
                 or `.`"
                    .to_owned(),
            ));
        }
        let bare = pattern.trim_start_matches('^').trim_end_matches('$');
        Ok(Self {
            text: pattern.to_owned(),
            whole: compile(&format!("^(?:{bare})$"))?,
            start: compile(&format!("^({bare})(?:[^A-Za-z0-9]|$)"))?,
            anywhere: compile(&format!("(?:^|[^A-Za-z0-9])({bare})(?:[^A-Za-z0-9]|$)"))?,
        })
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`Error::NotebookId`] with what was expected and the nearest id, where there is one.
    pub fn parse(&self, text: &str) -> Result<NotebookId, Error> {
        self.accept(text).ok_or_else(|| Error::NotebookId {
            given: text.to_owned(),
            expected: self.expected(),
            nearest: self.nearest(text).map(|id| id.to_string()),
        })
    }

    /// The id that the file name of a notebook starts with: that of `1.5d_clusters.ipynb` is
    /// `1.5d`.
    #[must_use]
    pub fn id_of_notebook(&self, file_name: &str) -> Option<NotebookId> {
        let stem = file_name.strip_suffix(".ipynb").unwrap_or(file_name);
        self.id_at_start(stem).map(|(id, _)| id)
    }

    /// The id that the text starts with, and what follows it.
    pub(super) fn id_at_start<'t>(&self, text: &'t str) -> Option<(NotebookId, &'t str)> {
        let found = self.start.captures(text)?.get(1)?;
        Some((self.accept(found.as_str())?, &text[found.end()..]))
    }

    /// The first id that stands somewhere in the text, and what is before and after it.
    pub(super) fn id_inside<'t>(&self, text: &'t str) -> Option<(NotebookId, &'t str, &'t str)> {
        let found = self.anywhere.captures(text)?.get(1)?;
        let id = self.accept(found.as_str())?;
        Some((id, &text[..found.start()], &text[found.end()..]))
    }

    /// An id that `text` may have been meant to be.
    pub(crate) fn nearest(&self, text: &str) -> Option<NotebookId> {
        let tidy = text.trim().to_ascii_lowercase();
        let dotted: String = tidy
            .chars()
            .map(|c| {
                if matches!(c, '_' | '-' | ',' | ' ' | ':') {
                    '.'
                } else {
                    c
                }
            })
            .collect();
        self.accept(&tidy)
            .or_else(|| self.id_inside(text).map(|(id, ..)| id))
            .or_else(|| self.id_inside(&tidy).map(|(id, ..)| id))
            .or_else(|| self.accept(&dotted))
            .or_else(|| self.accept(&format!("{dotted}a")))
    }

    /// What an id is, for a message.
    pub(crate) fn expected(&self) -> String {
        if self.text == Self::DEFAULT {
            "two numbers and a letter, such as `1.5d`, `1.24c8` or `01.1a`".to_owned()
        } else {
            format!("what `notebooks.id-pattern` describes, `{}`", self.text)
        }
    }

    fn accept(&self, text: &str) -> Option<NotebookId> {
        let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        (plain && self.whole.is_match(text)).then(|| NotebookId::from_checked(text))
    }
}

impl Default for IdPattern {
    fn default() -> Self {
        // Every name that is read without a configuration asks for it, and compiling takes longer
        // than reading.
        static DEFAULT: LazyLock<IdPattern> = LazyLock::new(|| {
            IdPattern::new(IdPattern::DEFAULT).expect("the default is a pattern: tests use it")
        });
        DEFAULT.clone()
    }
}

impl PartialEq for IdPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IdPattern {}
