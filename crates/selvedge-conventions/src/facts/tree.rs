//! The files of the tree, whether they are checked or not.

use std::collections::HashSet;

use super::RepositoryFacts;
use crate::TreePath;

/// What is known of the tree around the files that are checked. Rules that look for other files,
/// such as the notebook that made a tensor, look here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// All notebooks and tensor files, also those that are not checked.
    pub files: Vec<TreeFile>,
    /// Files of checkpoints in several, whose names an index beside them gives.
    pub shards: HashSet<TreePath>,
    /// Folders called like a directory of tensors that are modules of a program.
    pub packages: HashSet<String>,
    /// Folders of checkpoints whose configuration says that they are float16.
    pub float16_folders: HashSet<String>,
    /// What writers that died left behind.
    pub abandoned: Vec<Abandoned>,
    /// Whether there is a `selvedge.toml`, so that its conventions are meant.
    pub is_configured: bool,
    /// The settings of git and of hooks.
    pub repository: RepositoryFacts,
}

/// A notebook or a tensor file.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeFile {
    /// Its path below the root.
    pub path: TreePath,
    /// Its size in bytes.
    pub bytes: u64,
    /// A hash of all of its bytes, if it was asked for: see
    /// [`Selection::reads_contents`](crate::Selection::reads_contents). Any hash without
    /// collisions does, in any notation.
    pub content_hash: Option<String>,
}

impl TreeFile {
    /// A file of which nothing has been read.
    pub fn new(path: impl Into<TreePath>, bytes: u64) -> Self {
        Self {
            path: path.into(),
            bytes,
            content_hash: None,
        }
    }
}

/// A file that a writer left behind under the name that a file has until it is complete. One whose writer
/// is at work is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Its path below the root.
    pub path: TreePath,
    /// The bytes that it takes on the disk.
    pub bytes: u64,
    /// Whether something is in it that can be recovered.
    pub is_recoverable: bool,
    /// Whether it has all that its header says, so that it may lack only its name.
    pub is_whole: bool,
}
