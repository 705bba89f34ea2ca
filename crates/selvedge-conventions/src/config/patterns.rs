//! Globs of paths, and of directories by their names.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{Error, TreePath};

/// A list of globs. `*` stops at a `/`, `**` does not.
#[derive(Clone, Debug)]
pub struct Patterns {
    globs: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    /// The most globs of a list: each takes kilobytes when it is compiled.
    pub const MOST: usize = 10_000;
    /// The longest glob, in bytes: alternatives within each other take a piece of the stack each.
    pub const LONGEST: usize = 1024;

    /// Takes globs of paths, read as in a `.gitignore`: one without a `/` stands for what is so
    /// named anywhere, one with a `/` for a path below the root.
    ///
    /// # Errors
    ///
    /// [`Error::Glob`] for one that is none, such as `[`, for one that is longer than
    /// [`LONGEST`](Self::LONGEST), and where there are more than [`MOST`](Self::MOST).
    pub fn of_paths<G: Into<String>>(globs: impl IntoIterator<Item = G>) -> Result<Self, Error> {
        Self::build(globs.into_iter().map(Into::into).collect(), true)
    }

    /// Takes globs of names, which stand for the whole name.
    ///
    /// # Errors
    ///
    /// As [`of_paths`](Self::of_paths).
    pub fn of_names<G: Into<String>>(globs: impl IntoIterator<Item = G>) -> Result<Self, Error> {
        Self::build(globs.into_iter().map(Into::into).collect(), false)
    }

    fn build(globs: Vec<String>, anywhere: bool) -> Result<Self, Error> {
        if globs.len() > Self::MOST {
            return Err(Error::Glob {
                glob: globs[Self::MOST].chars().take(Self::LONGEST).collect(),
                reason: format!(
                    "it comes after {} others, the most that a list has",
                    Self::MOST
                ),
            });
        }
        let mut set = GlobSetBuilder::new();
        for glob in &globs {
            let invalid = |reason: &dyn ToString| Error::Glob {
                glob: glob.chars().take(Self::LONGEST).collect(),
                reason: reason.to_string(),
            };
            if glob.len() > Self::LONGEST {
                let (found, most) = (glob.len(), Self::LONGEST);
                return Err(invalid(&format!("it has {found} bytes, of at most {most}")));
            }
            let plain = glob.trim_start_matches("./").trim_end_matches('/');
            if plain.is_empty() {
                return Err(invalid(&"it is empty"));
            }
            let anchored = plain.strip_prefix('/');
            let pattern = match anchored {
                Some(pattern) => pattern.to_owned(),
                None if anywhere && !plain.contains('/') => format!("**/{plain}"),
                None => plain.to_owned(),
            };
            let compiled = GlobBuilder::new(&pattern)
                .literal_separator(true)
                .backslash_escape(true)
                .build();
            set.add(compiled.map_err(|error| invalid(error.kind()))?);
        }
        let set = set.build().map_err(|error| Error::Glob {
            glob: globs.join(", "),
            reason: error.kind().to_string(),
        })?;
        Ok(Self { globs, set })
    }

    /// The globs as they were given.
    #[must_use]
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    /// Whether one of the globs matches the path of this directory or file.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Whether one of the globs matches the file, or a directory that it is in.
    #[must_use]
    pub fn matches_file_or_directory_of(&self, path: &TreePath) -> bool {
        self.matches(path.as_str()) || path.ancestors().any(|directory| self.matches(directory))
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.globs == other.globs
    }
}

#[cfg(test)]
mod tests {
    use super::Patterns;
    use crate::{Error, TreePath};

    #[test]
    fn a_name_is_found_anywhere_and_a_path_at_the_root() {
        let named = Patterns::of_paths(["tensors"]).unwrap();
        assert!(named.matches("tensors") && named.matches("a/b/tensors"));
        assert!(!named.matches("tensors/a") && !named.matches("my-tensors"));
        let path = Patterns::of_paths(["box_*/tensors/"]).unwrap();
        assert!(path.matches("box_3/tensors"));
        assert!(!path.matches("a/box_3/tensors") && !path.matches("tensors"));
        let root = Patterns::of_paths(["/tensors"]).unwrap();
        assert!(root.matches("tensors") && !root.matches("a/tensors"));
        let names = Patterns::of_names(["*"]).unwrap();
        assert!(names.matches("Thimble") && !names.matches("a/Thimble"));
        assert!(!Patterns::of_paths::<&str>([]).unwrap().matches("a"));
    }

    #[test]
    fn a_directory_stands_for_what_is_in_it() {
        let archive = Patterns::of_paths(["archive", "*.tmp.h5"]).unwrap();
        let matches = |path: &str| archive.matches_file_or_directory_of(&TreePath::new(path));
        assert!(matches("a/archive/b/c.h5") && matches("x/y.tmp.h5"));
        assert!(!matches("a/archived/c.h5"));
    }

    /// Alternatives within each other, thousands of them, overflowed the stack.
    #[test]
    fn globs_have_a_longest_length_and_lists_a_most() {
        let nested = |depth: usize| format!("{}b{}", "{a,".repeat(depth), "}".repeat(depth));
        let reason = |globs: Vec<String>| match Patterns::of_paths(globs) {
            Err(Error::Glob { reason, glob }) => {
                assert!(glob.len() <= Patterns::LONGEST, "{} bytes", glob.len());
                reason
            }
            other => panic!("{other:?}"),
        };
        assert!(Patterns::of_paths([nested(100)]).unwrap().matches("x/b"));
        // The globs themselves have a limit, too, within the longest one.
        assert!(Patterns::of_paths([nested((Patterns::LONGEST - 1) / 4)]).is_err());
        let found = reason(vec![nested(30_000)]);
        assert_eq!(found, "it has 120001 bytes, of at most 1024");
        let most = Patterns::MOST;
        assert!(Patterns::of_paths(vec!["a"; most]).is_ok());
        let found = reason(vec!["a".to_owned(); most + 1]);
        assert_eq!(
            found,
            "it comes after 10000 others, the most that a list has"
        );
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for wrong in ["", "[", "a/{b", "./"] {
            assert!(Patterns::of_paths([wrong]).is_err(), "{wrong}");
        }
    }
}
