//! The files of the ranks of a run, joined: checked against each other, and shown as one by a view.

mod check;
mod view;

use std::path::{Path, PathBuf};

use crate::{Dtype, JoinError, Note, Role, RunState};
pub(crate) use check::{Shards, Sources};

/// Joins the files of the ranks of a run: checks that they go together, and writes a *view* of them, one file
/// in which each tensor is whole.
///
/// The view holds no values, but those that are a single number: its tensors are HDF5's virtual datasets,
/// over the steps that all ranks have. Stock h5py opens it; where a source is missing or was replaced, h5py
/// shows fill values without a word (NaN, where the dtype has one), and [`Reader`](crate::Reader) refuses to open it.
/// Values are read from the ranks' files, past libhdf5, as from any file.
///
/// A run that goes on after it was joined is joined anew: a view has the steps that it was made with.
///
/// ```
/// # use selvedge_hdf5::{Dtype, Join, Reader, Recorder, Shard, TensorSpec, new_run_id};
/// # let folder = tempfile::tempdir()?;
/// # let run = new_run_id()?;
/// # let mut paths = Vec::new();
/// # for rank in 0..2_u16 {
/// #     let path = folder.path().join(format!("rank_{rank}.h5"));
/// #     let shard = Shard { run: run.clone(), rank: rank.into(), world_size: 2 };
/// #     let part = [2 * usize::from(rank)];
/// #     let mut rec = Recorder::create(&path).shard(shard)
/// #         .tensor_spec(TensorSpec::new("W", Dtype::U16, [2]).part_of([4], part)).start()?;
/// #     for step in 0..=rank { rec.append(|row| row.put("W", &[step, rank]))?; }
/// #     rec.finish()?;
/// #     paths.push(path);
/// # }
/// let join = Join::new(&paths);
/// // Rank 1 is a step ahead.
/// assert_eq!(join.plan()?.steps, 1);
/// let view = folder.path().join("thimble_1.h5");
/// join.write(&view)?;
/// assert_eq!(Reader::open(&view)?.tensor("W")?.read::<u16>()?, [0, 0, 0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `plan` or `write`"]
pub struct Join {
    shards: Vec<PathBuf>,
    overwrite: bool,
}

/// What a view of the ranks of a run is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinPlan {
    /// The name of the run.
    pub run: String,
    /// Steps that all ranks have committed.
    pub steps: u64,
    /// The ranks, from 0 on.
    pub ranks: Vec<JoinedRank>,
    /// The tensors, in the order of their names.
    pub tensors: Vec<JoinedTensor>,
}

/// A rank of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinedRank {
    /// Its file.
    pub path: PathBuf,
    /// Its committed steps.
    pub committed: u64,
    /// How its recording ended.
    pub state: RunState,
    /// What other programs did to its file.
    pub notes: Vec<Note>,
}

/// A tensor of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinedTensor {
    /// Its name.
    pub name: String,
    /// Its dtype.
    pub dtype: Dtype,
    /// Whether it has steps.
    pub role: Role,
    /// Shape of one step in elements, of a constant its whole shape.
    pub shape: Vec<u64>,
    /// The ranks that its values come from: of a tensor that is replicated the first one that has it.
    pub ranks: Vec<u64>,
    /// What was found of a tensor that several ranks have all of.
    pub replicas: Replicas,
}

/// Whether ranks that have the same tensor have the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replicas {
    /// One rank has it, or each has a part.
    None,
    /// They have, over the common steps.
    Equal,
    /// These ranks have other values than the view, and the first index along the first axis, the step, at
    /// which they have. A loss that is not averaged over the ranks is such a tensor.
    Differ(Vec<(u64, u64)>),
    /// They were not compared, since they are large.
    NotCompared,
}

impl Join {
    /// Starts to join these files, one of each rank, in any order.
    pub fn new<P: AsRef<Path>>(shards: impl IntoIterator<Item = P>) -> Self {
        let shards = shards.into_iter().map(|path| path.as_ref().to_owned());
        Self {
            shards: shards.collect(),
            overwrite: false,
        }
    }

    /// Lets the view replace a file that is there. Default: no.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Checks that the files go together, and tells what a view of them has. Nothing is written.
    ///
    /// They are of one run, each rank is there once, the attributes of the files and tensors agree, and so do
    /// dtypes and shapes; the parts of each tensor cover it, each element once. A tensor of several ranks that is
    /// no part is the same in all of them: it is compared up to 64 MiB, and a difference is told, since a loss may
    /// be each rank's own.
    ///
    /// # Errors
    ///
    /// Those of [`JoinError`] that say what does not go together.
    pub fn plan(&self) -> Result<JoinPlan, JoinError> {
        Ok(Shards::open(&self.shards)?.plan()?.0)
    }

    /// Does the same, and writes the view to `path`, where it gets its name when it is complete. It names the
    /// files by where they lie as seen from its folder.
    ///
    /// # Errors
    ///
    /// The errors of [`plan`](Self::plan); [`JoinError::TooManyRanks`]; [`JoinError::NoSteps`]; [`JoinError::NotUtf8`];
    /// [`JoinError::Storage`], which is a [`FileError`](crate::FileError) where there is a file that is not to
    /// be replaced.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<JoinPlan, JoinError> {
        // Many files take long to open.
        view::check_count(self.shards.len())?;
        let shards = Shards::open(&self.shards)?;
        let (plan, tensors) = shards.plan()?;
        view::write(path.as_ref(), self.overwrite, &shards, &plan, &tensors)?;
        Ok(plan)
    }
}

/// The steps that all ranks of a run have committed, whose files these are: where all of them can go on.
///
/// # Errors
///
/// The errors of [`Join::plan`] that concern the ranks, and not their tensors.
pub fn joined_steps<P: AsRef<Path>>(shards: impl IntoIterator<Item = P>) -> Result<u64, JoinError> {
    let shards: Vec<PathBuf> = shards
        .into_iter()
        .map(|path| path.as_ref().to_owned())
        .collect();
    Ok(Shards::open(&shards)?.steps())
}
