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

    /// Files and folders by their names, of which one is enough, as a shell or git writes them.
    pub(crate) fn paths(paths: &[String]) -> Self {
        let mut globs = Vec::new();
        for path in paths {
            let path = path.trim_start_matches("./").trim_end_matches('/');
            if matches!(path, "" | ".") {
                globs.push("*".to_owned());
                continue;
            }
            // A folder stands for what is below it.
            globs.extend([path.to_owned(), format!("{path}/*")]);
        }
        Self::Globs {
            globs,
            is_lenient: true,
        }
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

/// What narrows down the files that something runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// They are among all of these.
    pub files: Vec<HookFiles>,
    /// They are none of these.
    pub exclude: Vec<HookFiles>,
}

impl Narrowing {
    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.exclude.is_empty()
    }

    /// Whether the file, whose path is below the top of the repository, is meant; none where what is
    /// written is not understood.
    #[must_use]
    pub fn has(&self, path: &str) -> Option<bool> {
        let mut is_meant = true;
        for files in &self.files {
            is_meant &= files.have(path)?;
        }
        for files in &self.exclude {
            is_meant &= !files.have(path)?;
        }
        Some(is_meant)
    }

    pub(crate) fn to(files: HookFiles) -> Self {
        Self {
            files: vec![files],
            exclude: Vec::new(),
        }
    }

    /// Takes what another one says, too. Of very many conditions some are left out.
    pub(crate) fn extend(&mut self, other: &Self) {
        const MOST: usize = 32;
        for (ours, others) in [
            (&mut self.files, &other.files),
            (&mut self.exclude, &other.exclude),
        ] {
            let room = MOST.saturating_sub(ours.len());
            ours.extend(others.iter().take(room).cloned());
        }
    }

    /// All other files, where one condition can say so.
    pub(crate) fn inverted(&self) -> Self {
        if self.files.len() + self.exclude.len() == 1 {
            Self {
                files: self.exclude.clone(),
                exclude: self.files.clone(),
            }
        } else {
            Self::default()
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
