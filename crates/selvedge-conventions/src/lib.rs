//! The conventions of a repository of research tensors and notebooks: names, places and rules.
//!
//! A tensor is worth something as long as somebody can tell where it came from and read it. This
//! crate holds what that takes: names that say which notebook made a file, a place for every file,
//! a `selvedge.toml` for what a repository does otherwise, and rules that look at facts about files
//! and say what is wrong.
//!
//! | to do | use |
//! |---|---|
//! | read, make and sort names | [`NotebookId`], [`TensorFileName`], [`TrajectoryName`], [`ModelName`] |
//! | know where a file goes | [`Project`] |
//! | read `selvedge.toml` | [`Config`] |
//! | read a notebook without its outputs | [`Notebook`] |
//! | check files | [`Artifact`], [`Tree`], [`Selection`], [`Checker`] |
//! | explain a rule | [`RULES`], [`rule()`], `<dyn Rule>::page` |
//! | hide what is known | [`Baseline`] |
//! | print what was found | [`Report`], [`Format`] |
//!
//! # Trade-offs
//!
//! - The rules never open a file. Somebody who can read safetensors, HDF5 and git's settings gathers
//!   plain facts, so that this crate has none of those dependencies and every rule can be tested
//!   with a few lines. The price is a second description of a tensor, [`TensorFacts`].
//! - Headers tell most of what matters, and hold no data. Rules that need the data are off by
//!   default, and say so.
//! - A finding is no error. Parsers return [`Error`], and whatever is wrong with a file that is
//!   checked is a [`Finding`].
//!
//! # Example
//!
//! ```
//! use selvedge_conventions::{
//!     Artifact, Checker, Config, Dtype, Format, Report, SafetensorsFacts, Selection, TensorFacts,
//!     TensorFileName, Tree, TreeFile,
//! };
//!
//! let mask: TensorFileName = "1.5d_cluster_mask.safetensors".parse()?;
//! assert!(mask < "1.24c8_cluster_mask.safetensors".parse()?);
//!
//! // What the headers of a file say, gathered by whoever can read it.
//! let file = Artifact::new(
//!     "tensors/Flannel/1.6a_norms.safetensors",
//!     1_280_000,
//!     SafetensorsFacts {
//!         tensors: vec![TensorFacts::new("norms", Dtype::Float16, 2, &[10_000, 64])],
//!         ..SafetensorsFacts::default()
//!     },
//! );
//! let tree = Tree {
//!     files: vec![TreeFile::new("notebooks/1.6a_norms.ipynb", 20_000)],
//!     ..Tree::default()
//! };
//!
//! let config = Config::default();
//! let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
//! let report = Report::new(checker.check(&file), 1);
//! assert_eq!(
//!     report.render(Format::Concise),
//!     "tensors/Flannel/1.6a_norms.safetensors:norms: warning[TEN002] stored as float16, which cannot \
//!      hold what bfloat16 can\n1 warning in 1 of 1 file\n"
//! );
//! # Ok::<(), selvedge_conventions::Error>(())
//! ```
//!
//! All conventions, keys and rules are in `docs/conventions.md` of the repository.

#![forbid(unsafe_code)]

mod baseline;
mod check;
mod config;
mod context;
mod diagnosis;
mod document;
mod error;
mod facts;
mod finding;
mod name;
mod notebook;
mod output;
mod path;
mod project;
mod report;
mod rule;
mod rules;
mod selection;
mod selector;
mod severity;
mod units;

pub use baseline::{Baseline, StaleEntry};
pub use check::Checker;
pub use config::{
    Config, Limits, NotebooksConfig, Patterns, PerFileIgnore, ReadPattern, RuleLevels, TensorPlace,
    TensorsConfig, TrajectoriesConfig,
};
pub use context::Context;
pub use diagnosis::{Diagnosis, Fix, FixAction, FixSafety, Place};
pub use error::{Error, Location};
pub use facts::{
    Abandoned, Artifact, Contents, Damage, Dtype, Exponents, Filter, Filtered, Float16Evidence,
    GitAttribute, GitFilter, Hdf5Facts, Hook, HookFiles, Narrowing, NumpyFacts, RepositoryFacts,
    RunState, SafetensorsFacts, Storage, TensorFacts, Tree, TreeFile, Uint16Evidence,
};
pub use finding::Finding;
pub use name::{IdPattern, ModelName, NotebookId, TensorFileName, TrajectoryName};
pub use notebook::{Cell, CellError, CellKind, Mention, Notebook, NotebookProblem, Unshown};
pub use output::Format;
pub use path::TreePath;
pub use project::Project;
pub use report::{OfRule, Report, Summary};
pub use rule::{Metadata, Rule};
pub use rules::{RULES, rule};
pub use selection::Selection;
pub use selector::Selector;
pub use severity::Severity;
pub use units::parse_size;
