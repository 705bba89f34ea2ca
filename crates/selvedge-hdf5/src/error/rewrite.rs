//! A file is not written anew, or not changed.

use std::path::PathBuf;

use selvedge_base::text::shell_path;
use selvedge_base::units::Grouped;

use super::{DeclareError, ReadError, StorageError};

/// Why a file is not written anew, marked, or given checksums.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// A file without steps, which has no chunks to choose; or one of which all that has steps is left out.
    #[error("{} has no steps{}, so there is nothing to rechunk", path.display(), beside(left_out))]
    NothingToRechunk {
        /// The file.
        path: PathBuf,
        /// Names and reasons of what was to be left out.
        left_out: Vec<String>,
    },
    /// Steps that another program appended to some step tensors and not to others.
    #[error(
        "another program appended steps in {} to some tensors and not to others, or shortened those: {}, and the run \
         has {committed}; give them the same number there, or leave these steps out \
         (`common_steps(true)`; `--common-steps`)", path.display(), lengths(tensors)
    )]
    UnequalSteps {
        /// The file.
        path: PathBuf,
        /// The tensors with more steps than others, and the number of steps that they have.
        tensors: Vec<(String, u64)>,
        /// Steps that all step tensors have.
        committed: u64,
    },
    /// A joined view whose values lie in the file that would be replaced.
    #[error(
        "{} is one of the files that the view {} shows, and is not replaced by what is made of it; give the \
         output another name", path.display(), view.display()
    )]
    OverSource {
        /// The file that would be replaced.
        path: PathBuf,
        /// The view.
        view: PathBuf,
    },
    /// Datasets that the new file cannot hold.
    #[error("{} has datasets that a trajectory cannot hold: {}", path.display(), datasets.join(", "))]
    CannotKeep {
        /// The file.
        path: PathBuf,
        /// Names and types.
        datasets: Vec<String>,
    },
    /// Values that are not those that the checksums of the file were made of.
    #[error(
        "{} is not as it was when its checksums were made: {}; take it from where it is whole, or say that new \
         checksums are made of the values as they are (`trust_values(true)`; \
         `--trust-values`)", path.display(), clauses(tensors)
    )]
    WrongChecksums {
        /// The file.
        path: PathBuf,
        /// The tensors, each with a clause that says which of its steps are not as they were.
        tensors: Vec<(String, String)>,
    },
    /// What was written is not what is read back.
    #[error(
        "step {step} of tensor `{tensor}` in {} is not read back as it was written; the disk or \
         the memory of this machine may be failing", path.display()
    )]
    NotAsWritten {
        /// The new file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The step; of a constant the index along its first axis.
        step: u64,
    },
    /// The recording of the file has not ended.
    #[error(
        "{} was not finished: its recorder is at work or died; finish it, or, if it \
         died, put the file in order (`recover`; `selvedge recover {}`)",
        path.display(), shell_path(path)
    )]
    NotFinished {
        /// The file.
        path: PathBuf,
    },
    /// The new file cannot be made.
    #[error(transparent)]
    Declare(DeclareError),
    /// The file that there is cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What there was beside, of which nothing is left.
fn beside(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        all => format!(" beside what is left out ({})", all.join(", ")),
    }
}

/// Tensors and what there is to be said of each.
fn clauses(tensors: &[(String, String)]) -> String {
    let one = |(name, why): &(String, String)| format!("`{name}`: {why}");
    tensors.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Tensors and their numbers of steps.
fn lengths(tensors: &[(String, u64)]) -> String {
    let one = |(name, steps): &(String, u64)| format!("`{name}` has {} steps", Grouped(*steps));
    tensors.iter().map(one).collect::<Vec<_>>().join(", ")
}
