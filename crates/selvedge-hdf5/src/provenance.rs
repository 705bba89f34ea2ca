//! The attributes that say what a file is and where it came from. `docs/format.md` lists them.

/// The version of the file's conventions.
pub(crate) const FORMAT: &str = "selvedge_format";
/// The value of [`FORMAT`] that this crate writes. It reads the earlier ones, and goes on with runs in
/// files of them.
pub(crate) const FORMAT_VERSION: i64 = 3;
/// Version of the crate that made the file.
pub(crate) const VERSION: &str = "selvedge_version";
/// Planned number of steps, or [`OPEN_ENDED`].
pub(crate) const STEPS_PLANNED: &str = "selvedge_steps_planned";
/// The value of [`STEPS_PLANNED`] for a run of unknown length.
pub(crate) const OPEN_ENDED: i64 = -1;
/// How the run ended: see [`crate::RunState`].
pub(crate) const STATE: &str = "selvedge_state";
/// The numbers of steps before and after the last commit that was begun. Since version 3.
pub(crate) const COMMIT: &str = "selvedge_commit";
/// The number of the run, which its step tensors are marked with, and how many of them it has. In files
/// of version 3, but for the first ones.
pub(crate) const STEP_TENSORS: &str = "selvedge_step_tensors";
/// How the tensors are mostly read, where its chunks are made for that: see
/// [`ReadPattern::stored`](crate::ReadPattern).
pub(crate) const READ_PATTERN: &str = "selvedge_read_pattern";
/// Which run a file of one of its ranks is of, or the joined view of them: the same in all of them.
pub(crate) const RUN: &str = "selvedge_run";
/// Which of the ranks a file is of.
pub(crate) const RANK: &str = "selvedge_rank";
/// The number of ranks of the run.
pub(crate) const WORLD_SIZE: &str = "selvedge_world_size";
/// Which steps a file of a rank has recorded anew: pairs of a step and a number, of [`Branches`](crate::branches).
pub(crate) const BRANCHES: &str = "selvedge_branches";
/// The files of the ranks that a joined view shows, in their order, by names that count from its folder.
pub(crate) const SOURCES: &str = "selvedge_sources";
/// What tells whether these files have the steps that were joined: a number of each.
pub(crate) const SOURCE_BRANCHES: &str = "selvedge_source_branches";
/// When the file was made: RFC 3339, UTC.
pub(crate) const CREATED: &str = "created";
/// The notebook or program that made the file.
pub(crate) const NOTEBOOK: &str = "notebook";
/// The dtype of a dataset whose stored dtype is another: `bfloat16`.
pub(crate) const LOGICAL_DTYPE: &str = "logical_dtype";

/// An attribute of a dataset: 0 where it is a constant, else which step tensor of which run it is. In the first
/// files of version 3 it is 1 of all step tensors.
pub(crate) const STEP_TENSOR: &str = "selvedge_step_tensor";
/// An attribute of a dataset of a rank that is a part of one of all ranks: the shape of a step of that.
pub(crate) const GLOBAL_SHAPE: &str = "selvedge_global_shape";
/// … and the index in it, along each axis, of the first element of the part.
pub(crate) const OFFSET: &str = "selvedge_offset";
/// An attribute of a compressed tensor: what wrote its streams.
pub(crate) const ENCODER: &str = "selvedge_encoder";

/// The attributes by which HDF5 knows a dimension scale, a dataset that names an axis: its class, of
/// the value [`DIMENSION_SCALE`], and its name. They are part of the structure of a file.
pub(crate) const SCALE_CLASS: &str = "CLASS";
/// See [`SCALE_CLASS`].
pub(crate) const SCALE_NAME: &str = "NAME";
/// The value of [`SCALE_CLASS`].
pub(crate) const DIMENSION_SCALE: &str = "DIMENSION_SCALE";

/// The scales of each axis of a dataset, and the axes that a scale is of: references, and so as little for whoever
/// copies a dataset.
pub(crate) const SCALE_LINKS: [&str; 2] = ["DIMENSION_LIST", "REFERENCE_LIST"];
/// The attribute with the labels of the axes: h5py's `dataset.dims[0].label`.
pub(crate) const AXIS_LABELS: &str = "DIMENSION_LABELS";

/// How the names begin that only this crate gives.
pub(crate) const PREFIX: &str = "selvedge_";

/// The attributes of the root by which a file of ours is read, [`FORMAT`] among them, in the order of their names.
pub(crate) const OF_RUN: [&str; 15] = [
    CREATED,
    NOTEBOOK,
    BRANCHES,
    COMMIT,
    FORMAT,
    RANK,
    READ_PATTERN,
    RUN,
    SOURCE_BRANCHES,
    SOURCES,
    STATE,
    STEP_TENSORS,
    STEPS_PLANNED,
    VERSION,
    WORLD_SIZE,
];

/// Names that only this crate writes at the root.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(PREFIX) || name == CREATED || name == NOTEBOOK
}

/// How the recording of a file ended, as far as the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// The recorder is at work, or died without `finish`.
    Recording,
    /// `finish` was called.
    Finished,
    /// The recorder died and [`recover`](crate::recover()) put the file in order.
    Recovered,
    /// The file does not say: another program made it.
    Unknown,
}

impl RunState {
    pub(crate) const fn value(self) -> i64 {
        match self {
            Self::Recording => 0,
            Self::Finished => 1,
            Self::Recovered => 2,
            Self::Unknown => -1,
        }
    }

    pub(crate) const fn from_value(value: i64) -> Self {
        match value {
            0 => Self::Recording,
            1 => Self::Finished,
            2 => Self::Recovered,
            _ => Self::Unknown,
        }
    }
}
