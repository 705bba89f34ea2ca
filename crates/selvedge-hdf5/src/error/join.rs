//! The files of the ranks of a run do not go together.

use std::path::PathBuf;

use super::{DeclareError, ReadError, StorageError};

/// Why the files of the ranks of a run do not go together, or no view of them is made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// A file that is not that of a rank.
    #[error(
        "{} is of no rank: it does not say which run and rank it is of, as those files do whose recorders are given \
         a shard, one in each process of a run; `selvedge verify` compares files of several runs", path.display()
    )]
    NotAShard {
        /// The file.
        path: PathBuf,
    },
    /// A file of another run, or of a run of another number of ranks.
    #[error("{} is of {found}, and {} is of {expected}", path.display(), other.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// Its run and number of ranks.
        found: String,
        /// The first of the files.
        other: PathBuf,
        /// The run and the number of ranks of that.
        expected: String,
    },
    /// Two files of one rank.
    #[error("{} and {} are both of rank {rank}; name one of them", paths[0].display(), paths[1].display())]
    TwoOfOneRank {
        /// The rank.
        rank: u64,
        /// The files.
        paths: [PathBuf; 2],
    },
    /// Ranks without a file.
    #[error(
        "of {world_size} ranks, {} missing: name a file of each",
        which(missing)
    )]
    MissingRanks {
        /// The ranks.
        missing: Vec<u64>,
        /// The number of ranks of the run.
        world_size: u64,
    },
    /// More ranks than a view has room to name.
    #[error(
        "{found} files of ranks are more than a view can name, which is {limit}; `references` of them have no such limit"
    )]
    TooManyRanks {
        /// The number of files.
        found: usize,
        /// The most that a view can name.
        limit: usize,
    },
    /// Something that ranks say in different ways.
    #[error("{what}: {} has {found}, and {} has {expected}", path.display(), other.display())]
    Disagree {
        /// An attribute or a tensor, with its name.
        what: String,
        /// A file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// The file of the first rank that has something.
        other: PathBuf,
        /// What that has.
        expected: String,
    },
    /// A part of a tensor that two ranks have.
    #[error(
        "tensor `{tensor}`: the ranks {} and {} both have its part {range}; each part is recorded by one",
        ranks[0], ranks[1]
    )]
    Overlap {
        /// The tensor.
        tensor: String,
        /// The ranks.
        ranks: [u64; 2],
        /// The indices of a step that both have, along each axis.
        range: String,
    },
    /// A part of a tensor that no rank has.
    #[error(
        "tensor `{tensor}`: of its steps of shape {global_shape:?} no rank has the part {range}; the ranks that \
         have parts of it are {}",
        listed(holders)
    )]
    Gap {
        /// The tensor.
        tensor: String,
        /// The shape of its steps.
        global_shape: Vec<usize>,
        /// The indices of a step that are missing, along each axis.
        range: String,
        /// The ranks that have some of it.
        holders: Vec<u64>,
    },
    /// A rank that has no step yet.
    #[error("rank {rank} has no committed steps ({}), so there is nothing to join", path.display())]
    NoSteps {
        /// The rank.
        rank: u64,
        /// Its file.
        path: PathBuf,
    },
    /// A file of a rank that another program changed, so that it is not known which steps are the run.
    #[error(
        "{}: {changed}; join its file as the rank left it, or one that `rechunk --common-steps` makes of it",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What was changed, as a clause.
        changed: String,
    },
    /// A view that would replace a file that it is to show.
    #[error("the view cannot replace {}, which is of one of the ranks; give it a name of its own", path.display())]
    OverShard {
        /// The file.
        path: PathBuf,
    },
    /// A file whose name cannot be in the view.
    #[error("{} has a name that is not UTF-8, and a view names its sources in UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// The view cannot be declared so.
    #[error(transparent)]
    Declare(DeclareError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Ranks as what a sentence is about: `rank 1 is`, `ranks 1, 2 are`.
fn which(ranks: &[u64]) -> String {
    match ranks {
        [rank] => format!("rank {rank} is"),
        ranks => format!("ranks {} are", listed(ranks)),
    }
}

/// Some of the ranks, and how many more there are.
fn listed(ranks: &[u64]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = ranks.iter().take(MOST).map(u64::to_string).collect();
    let more = match ranks.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
