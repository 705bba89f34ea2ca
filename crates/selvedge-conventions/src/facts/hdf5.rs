//! An HDF5 file, as its structures describe it.

use serde::{Deserialize, Serialize};

use super::{Damage, TensorFacts};
use crate::ReadPattern;

/// What is known of an HDF5 file without reading its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hdf5Facts {
    /// Why it cannot be read, if it cannot.
    pub damage: Option<Damage>,
    /// The source of a joined view that is not as it was joined, as a clause: `rank1.h5 is not there`.
    pub changed_source: Option<String>,
    /// How its recording ended.
    pub state: RunState,
    /// Whether, of a run whose recorder died, another program wrote the file anew: `recover` does not change it.
    pub written_anew: bool,
    /// Whether, of such a run, another program gave the step tensors other numbers of steps.
    pub unequal_steps: bool,
    /// What another program did to its run, each in a clause: it took steps or step tensors from it, or appended
    /// steps to some of them.
    pub changes: Vec<String>,
    /// The steps that all of its step tensors have.
    pub committed_steps: Option<u64>,
    /// The steps that the run was planned for.
    pub planned_steps: Option<u64>,
    /// How it is mostly read, if it says so itself.
    pub read_pattern: Option<ReadPattern>,
    /// The version of Selvedge that made it; none if another program did.
    pub selvedge_version: Option<String>,
    /// The notebook or program that made it, as its attributes say.
    pub notebook: Option<String>,
    /// Its tensors.
    pub tensors: Vec<TensorFacts>,
}

/// How the recording of a file ended, as far as the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RunState {
    /// The recorder was finished.
    Finished,
    /// The recorder died, and the file has been put in order since.
    Recovered,
    /// A recorder is at work: it holds its lock on the file.
    Live,
    /// The recorder died: the file says that it is being recorded, and nobody holds the lock.
    Died,
    /// The file does not say: another program made it.
    #[default]
    Unknown,
}
