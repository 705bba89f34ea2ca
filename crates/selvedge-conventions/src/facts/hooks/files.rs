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
    /// All files but those that are meant by all of this.
    Not(Box<Narrowing>),
}

/// What nobody can tell whether a path is like it.
const UNKNOWN: &str = "(";

impl HookFiles {
    /// What `files` or `exclude` of pre-commit has: an expression, or globs, as only prek knows them.
    pub(super) fn of_pre_commit(value: &Value) -> Self {
        match (value.text(), value.get("glob")) {
            (None, Some(globs)) => Self::globs(globs, false),
            (text, _) => Self::Pattern(text.unwrap_or(UNKNOWN).to_owned()),
        }
    }

    pub(super) fn globs(globs: &Value, is_lenient: bool) -> Self {
        let globs = globs.texts().map(str::to_owned).collect();
        Self::Globs { globs, is_lenient }
    }

    /// Files and folders by their names, of which one is enough, as git writes them, and `find`.
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

    /// Files and folders by their names, of which one is enough, as a shell writes them: there a `*` ends
    /// at a `/`.
    pub(crate) fn expanded(paths: &[String]) -> Self {
        let mut globs = Vec::new();
        for path in paths {
            let path = path.trim_start_matches("./").trim_end_matches('/');
            if has_groups(path) {
                return Self::of_groups(paths, "(?:/.*)?");
            }
            if matches!(path, "" | ".") {
                globs.push("**".to_owned());
                continue;
            }
            globs.extend([path.to_owned(), format!("{path}/**")]);
        }
        Self::Globs {
            globs,
            is_lenient: false,
        }
    }

    /// Paths that are like one of the patterns, as a shell compares texts.
    pub(crate) fn like(patterns: Vec<String>) -> Self {
        if patterns.iter().any(|pattern| has_groups(pattern)) {
            return Self::of_groups(&patterns, "");
        }
        Self::Globs {
            globs: patterns,
            is_lenient: true,
        }
    }

    fn of_groups(patterns: &[String], behind: &str) -> Self {
        let all = patterns.iter().map(|pattern| {
            let mut rest = pattern.trim_start_matches("./");
            expression(&mut rest).filter(|_| rest.is_empty())
        });
        let all: Option<Vec<String>> = all.collect();
        Self::Pattern(all.map_or_else(
            || UNKNOWN.to_owned(),
            |all| format!("^(?:{}){behind}$", all.join("|")),
        ))
    }

    /// Whether the path is one of these; none where what is written is not understood.
    pub(super) fn have(&self, path: &str) -> Option<bool> {
        match self {
            Self::Pattern(pattern) => fancy_regex::Regex::new(pattern).ok()?.is_match(path).ok(),
            Self::Below(folder) => Some(path.starts_with(folder)),
            Self::Not(meant) => meant.has(path).map(|is_meant| !is_meant),
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

    /// All other files; of nothing that is known nothing is.
    pub(crate) fn inverted(&self) -> Self {
        match self.files.len() + self.exclude.len() {
            0 => Self::default(),
            1 => Self {
                files: self.exclude.clone(),
                exclude: self.files.clone(),
            },
            _ => Self::to(HookFiles::Not(Box::new(self.clone()))),
        }
    }

    /// The files of both. Where nothing is known of one, nothing is of both.
    pub(crate) fn or(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return Self::default();
        }
        let mut neither = self.inverted();
        neither.extend(&other.inverted());
        neither.inverted()
    }
}

/// Whether a pattern of a shell has a part such as `@(a|b)`.
pub(crate) fn has_groups(pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some(at) = rest.find('(') {
        if rest[..at].ends_with(['@', '?', '*', '+', '!']) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// A pattern of a shell with such parts as a regular expression, up to its end or to a `)` of a part around
/// it; none where there is no such expression.
fn expression(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    while let Some(c) = rest.chars().next() {
        if c == ')' {
            break;
        }
        *rest = &rest[c.len_utf8()..];
        match c {
            '@' | '?' | '*' | '+' | '!' if rest.starts_with('(') => {
                *rest = &rest[1..];
                let inner = expression(rest)?;
                *rest = rest.strip_prefix(')')?;
                if c == '!' {
                    // What follows has to have one length, or it may take a part of what must not be there.
                    if rest.contains(['*', '?', '(', ')', '[']) {
                        return None;
                    }
                    let behind = expression(rest)?;
                    text.push_str(&format!("(?!(?:{inner}){behind}$).*{behind}"));
                } else {
                    text.push_str(&format!("(?:{inner})"));
                    text.extend(Some(c).filter(|c| *c != '@'));
                }
            }
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '|' => text.push('|'),
            '[' => {
                let (set, behind) = rest.split_once(']')?;
                *rest = behind;
                let set = set
                    .strip_prefix('!')
                    .map_or(set.to_owned(), |set| format!("^{set}"));
                text.push_str(&format!("[{set}]"));
            }
            '\\' => {
                let escaped = rest.chars().next()?;
                *rest = &rest[escaped.len_utf8()..];
                text.push_str(&regex_lite::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            _ => text.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Some(text)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_of_patterns_are_read_or_not_known() {
        for (pattern, path, expected) in [
            ("@(docs|site)/*.ipynb", "docs/a.ipynb", Some(true)),
            ("@(docs|site)/*.ipynb", "notebooks/a.ipynb", Some(false)),
            ("*.@(ipynb|py)", "a.ipynb", Some(true)),
            ("+([0-9]).ipynb", "12.ipynb", Some(true)),
            ("+([0-9]).ipynb", "a.ipynb", Some(false)),
            ("?(a)b*([!x])", "bcd", Some(true)),
            ("!(a|b).ipynb", "a.ipynb", Some(false)),
            ("!(a|b).ipynb", "ab.ipynb", Some(true)),
            ("!(docs)/*", "docs/a.ipynb", None),
            ("@(a", "a", None),
        ] {
            let files = HookFiles::like(vec![pattern.to_owned()]);
            assert_eq!(files.have(path), expected, "{pattern} {path}");
        }
        let files = HookFiles::expanded(&["docs/@(a|b)".to_owned()]);
        assert_eq!(files.have("docs/a/1.ipynb"), Some(true));
        assert_eq!(files.have("docs/c/1.ipynb"), Some(false));
    }

    #[test]
    fn a_shell_ends_a_star_at_a_folder_and_git_does_not() {
        let paths = ["docs/*.ipynb".to_owned()];
        let both = [HookFiles::expanded(&paths), HookFiles::paths(&paths)];
        let have = |path: &str| both.each_ref().map(|files| files.have(path));
        assert_eq!(have("docs/a.ipynb"), [Some(true); 2]);
        assert_eq!(have("docs/old/a.ipynb"), [Some(false), Some(true)]);
    }

    #[test]
    fn all_other_files_are_told_of_several_conditions_too() {
        let like = |pattern: &str| Narrowing::to(HookFiles::like(vec![pattern.to_owned()]));
        let mut both = like("docs/*");
        both.extend(&like("*_draft.ipynb"));
        let others = both.inverted();
        let either = like("docs/*").or(&like("site/*"));
        for (path, is_other, is_either) in [
            ("docs/a_draft.ipynb", false, true),
            ("docs/a.ipynb", true, true),
            ("a_draft.ipynb", true, false),
            ("site/a.ipynb", true, true),
        ] {
            assert_eq!(others.has(path), Some(is_other), "{path}");
            assert_eq!(either.has(path), Some(is_either), "{path}");
        }
        assert!(like("a").or(&Narrowing::default()).is_empty());
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[-@?*+!()|ab/.\\[\\]\\\\é]{0,20}") {
            let files = HookFiles::like(vec![pattern.clone()]);
            let _ = files.have("a/b.ipynb");
            let _ = HookFiles::expanded(&[pattern]).have("a/b.ipynb");
        }
    }
}
