//! What rules see: plain facts about files, gathered by somebody who can read them.
//!
//! The types are open structs with no behaviour that a rule would have: whoever reads a file fills
//! in what it knows, and leaves the default where it does not.

mod evidence;
mod hdf5;
mod hooks;
mod numpy;
mod repository;
mod safetensors;
mod tensor;
mod tree;

pub use evidence::{Exponents, Float16Evidence, Uint16Evidence};
pub use hdf5::{Hdf5Facts, RunState};
pub use hooks::{Hook, HookFiles, Narrowing};
pub(crate) use hooks::{Value, has_groups};
pub use numpy::NumpyFacts;
pub use repository::{Filtered, GitAttribute, GitFilter, RepositoryFacts};
pub use safetensors::SafetensorsFacts;
pub(crate) use tensor::{Chunks, element_count};
pub use tensor::{Dtype, Filter, Storage, TensorFacts};
pub use tree::{Abandoned, Tree, TreeFile};

use serde::{Deserialize, Serialize};

use crate::{Notebook, NotebookProblem, TreePath};

/// One file that is checked, with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Its path below the root.
    pub path: TreePath,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is in it.
    pub contents: Contents,
}

impl Artifact {
    /// A file with what is in it.
    pub fn new(path: impl Into<TreePath>, bytes: u64, contents: impl Into<Contents>) -> Self {
        Self {
            path: path.into(),
            bytes,
            contents: contents.into(),
        }
    }

    /// The tensors of the file; a notebook has none.
    #[must_use]
    pub fn tensors(&self) -> &[TensorFacts] {
        match &self.contents {
            Contents::Safetensors(facts) => &facts.tensors,
            Contents::Hdf5(facts) => &facts.tensors,
            Contents::Numpy(facts) => &facts.tensors,
            Contents::Notebook(_) => &[],
        }
    }

    pub(crate) fn safetensors(&self) -> Option<&SafetensorsFacts> {
        match &self.contents {
            Contents::Safetensors(facts) => Some(facts),
            _ => None,
        }
    }

    pub(crate) fn hdf5(&self) -> Option<&Hdf5Facts> {
        match &self.contents {
            Contents::Hdf5(facts) => Some(facts),
            _ => None,
        }
    }

    pub(crate) fn numpy(&self) -> Option<&NumpyFacts> {
        match &self.contents {
            Contents::Numpy(facts) => Some(facts),
            _ => None,
        }
    }

    /// The notebook, if the file is one that can be read.
    pub(crate) fn notebook(&self) -> Option<&Notebook> {
        match &self.contents {
            Contents::Notebook(Ok(notebook)) => Some(notebook),
            _ => None,
        }
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Contents {
    /// A safetensors file.
    Safetensors(SafetensorsFacts),
    /// An HDF5 file.
    Hdf5(Hdf5Facts),
    /// Arrays of NumPy: a `.npy` or a `.npz` file.
    Numpy(NumpyFacts),
    /// A notebook, or why it is none.
    Notebook(Result<Notebook, NotebookProblem>),
}

impl From<SafetensorsFacts> for Contents {
    fn from(facts: SafetensorsFacts) -> Self {
        Self::Safetensors(facts)
    }
}

impl From<Hdf5Facts> for Contents {
    fn from(facts: Hdf5Facts) -> Self {
        Self::Hdf5(facts)
    }
}

impl From<NumpyFacts> for Contents {
    fn from(facts: NumpyFacts) -> Self {
        Self::Numpy(facts)
    }
}

impl From<Result<Notebook, NotebookProblem>> for Contents {
    fn from(notebook: Result<Notebook, NotebookProblem>) -> Self {
        Self::Notebook(notebook)
    }
}

/// Why a tensor file cannot be read as what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Damage {
    /// The file is shorter than it says.
    Truncated {
        /// The bytes that it should have at least.
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// Something else, in a clause without a full stop: `its header is no JSON`.
    Unreadable {
        /// What is wrong.
        reason: String,
    },
}
