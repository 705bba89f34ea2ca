//! `selvedge.toml`: where things are, what is allowed, and which rules hold. All of it is optional.

mod limits;
mod parse;
mod patterns;
mod place;
mod print;
mod rule_levels;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{IdPattern, Selector, TreePath};

pub use limits::Limits;
pub use patterns::Patterns;
pub use place::TensorPlace;
pub(crate) use rule_levels::Level;
pub use rule_levels::RuleLevels;

/// The configuration of a repository: `selvedge.toml`, or the defaults where it says nothing.
///
/// ```
/// use selvedge_conventions::Config;
///
/// let config = Config::parse("[limits]\nmemory = \"16 GB\"\n", "selvedge.toml")?;
/// assert_eq!(config.limits.safetensors_size, 16_000_000_000);
/// assert_eq!(Config::parse(&config.to_toml(), "printed.toml")?, config);
///
/// let error = Config::parse("[limit]\n", "selvedge.toml").unwrap_err();
/// assert!(error.to_string().starts_with(
///     "selvedge.toml:1:2: unknown key `limit`; did you mean `limits`?"
/// ));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// What is checked when the command line names nothing, below the folder of the file.
    pub roots: Vec<String>,
    /// Files and folders that are never checked.
    pub exclude: Patterns,
    /// Where tensor files belong.
    pub tensors: TensorsConfig,
    /// Where notebooks are and what their ids look like.
    pub notebooks: NotebooksConfig,
    /// How trajectories are read.
    pub trajectories: TrajectoriesConfig,
    /// Sizes.
    pub limits: Limits,
    /// Which rules hold, at which severity.
    pub rules: RuleLevels,
    /// Rules that do not hold for some files.
    pub per_file_ignores: Vec<PerFileIgnore>,
}

/// Where tensor files belong: `<directory>/<model>/<file>`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorsConfig {
    /// The directories of tensors, by name or by path.
    pub directories: Patterns,
    /// The directories of models and runs in them.
    pub models: Patterns,
}

/// Where notebooks are and what their ids look like.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotebooksConfig {
    /// The directories of notebooks, by name or by path.
    pub directories: Patterns,
    /// What an id looks like.
    pub id_pattern: IdPattern,
}

/// How trajectories are read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrajectoriesConfig {
    /// How a trajectory is mostly read, which decides what chunks are good.
    pub read_pattern: ReadPattern,
}

/// How the tensors of a trajectory are mostly read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadPattern {
    /// All steps at once.
    #[default]
    WholeTensors,
    /// One step at a time.
    SingleSteps,
    /// Some indices of the first axis over all steps.
    TokenSubsets,
}

impl ReadPattern {
    /// All of them, with the names that `selvedge.toml` gives them.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("whole-tensors", Self::WholeTensors),
        ("single-steps", Self::SingleSteps),
        ("token-subsets", Self::TokenSubsets),
    ];

    /// The pattern of such a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, pattern)| *pattern)
    }

    /// As `selvedge.toml` writes it: `whole-tensors`, `single-steps` or `token-subsets`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, pattern)| *pattern == self);
        found.map_or("whole-tensors", |(name, _)| name)
    }
}

/// Rules that do not hold for some files.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PerFileIgnore {
    /// The files: one glob.
    pub files: Patterns,
    /// The rules.
    pub rules: Vec<Selector>,
}

impl Default for Config {
    fn default() -> Self {
        let paths = |globs: &[&str]| {
            Patterns::of_paths(globs.iter().copied()).expect("the defaults are globs")
        };
        Self {
            roots: vec![".".to_owned()],
            exclude: paths(&[]),
            tensors: TensorsConfig {
                directories: paths(&["tensors"]),
                models: Patterns::of_names(["*"]).expect("`*` is a glob"),
            },
            notebooks: NotebooksConfig {
                directories: paths(&["notebooks"]),
                id_pattern: IdPattern::default(),
            },
            trajectories: TrajectoriesConfig {
                read_pattern: ReadPattern::default(),
            },
            limits: Limits::default(),
            rules: RuleLevels::default(),
            per_file_ignores: Vec::new(),
        }
    }
}

impl Config {
    /// The name of the file.
    pub const FILE_NAME: &'static str = "selvedge.toml";

    /// The configuration file that holds for a folder: its own, or that of the nearest folder above
    /// that has one.
    #[must_use]
    pub fn find(folder: &Path) -> Option<PathBuf> {
        // A relative path has no ancestors above the working directory.
        std::path::absolute(folder)
            .ok()?
            .ancestors()
            .map(|folder| folder.join(Self::FILE_NAME))
            // What is no regular file is told when it is read.
            .find(|file| file.exists())
    }

    /// Whether the file is left out of every check.
    #[must_use]
    pub fn excludes(&self, path: &TreePath) -> bool {
        self.exclude.matches_file_or_directory_of(path)
    }
}
