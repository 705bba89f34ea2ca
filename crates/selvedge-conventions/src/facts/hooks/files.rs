//! Which files a hook runs on.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::document::Value;

/// A part of what a hook says of the files that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFiles {
    /// A regular expression of Python, which is looked for in the path.
    Pattern(String),
    /// Globs, of which one is enough.
    Globs {
        /// The globs.
        globs: Vec<String>,
        /// Whether a `*` goes over `/`, and letters are the same in both cases: as lefthook has it.
        is_lenient: bool,
    },
    /// The files below a folder, which ends with `/`.
    Below(String),
}

impl HookFiles {
    /// What `files` or `exclude` of pre-commit has: an expression, or globs, as only prek knows them.
    pub(super) fn of_pre_commit(value: &Value) -> Self {
        match (value.text(), value.get("glob")) {
            (None, Some(globs)) => Self::globs(globs, false),
            (text, _) => Self::Pattern(text.unwrap_or("(").to_owned()),
        }
    }

    pub(super) fn globs(globs: &Value, is_lenient: bool) -> Self {
        let globs = globs.texts().map(str::to_owned).collect();
        Self::Globs { globs, is_lenient }
    }

    /// Whether the path is one of these; none where what is written is not understood.
    pub(super) fn have(&self, path: &str) -> Option<bool> {
        match self {
            Self::Pattern(pattern) => fancy_regex::Regex::new(pattern).ok()?.is_match(path).ok(),
            Self::Below(folder) => Some(path.starts_with(folder)),
            Self::Globs { globs, is_lenient } => Some(set(globs, *is_lenient)?.is_match(path)),
        }
    }
}

fn set(globs: &[String], is_lenient: bool) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let mut glob = GlobBuilder::new(glob);
        glob.literal_separator(!is_lenient)
            .case_insensitive(is_lenient);
        set.add(glob.build().ok()?);
    }
    set.build().ok()
}
