//! A run cannot start, or a tensor cannot be made.

use std::path::PathBuf;

use selvedge_base::units::{Bytes, Names};

use super::{ReadError, StorageError};
use crate::Compression;

/// Why a declared run, tensor or attribute cannot be made, or a recorder does not start.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// A name that a dataset or attribute cannot have.
    #[error("`{name}` cannot be the name of a dataset or attribute: expected {expected}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is expected of a name.
        expected: &'static str,
    },
    /// Two datasets, or two attributes, of one name.
    #[error("`{name}` is declared twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A shape or a number of steps that HDF5 cannot hold.
    #[error("tensor `{tensor}` of shape {shape:?}: expected {expected}")]
    InvalidTensor {
        /// The tensor.
        tensor: String,
        /// The declared shape of one step.
        shape: Vec<usize>,
        /// What is expected.
        expected: &'static str,
    },
    /// A part that does not lie in the tensor that it is to be a part of.
    #[error(
        "tensor `{tensor}` of shape {shape:?} from {offset:?} on is no part of one of shape \
         {global_shape:?}: expected an offset and a length for each axis of a step (one at least), that \
         end within it, and a whole of less than 2^63 elements along each"
    )]
    NoSuchPart {
        /// The tensor.
        tensor: String,
        /// The declared shape of one step of the part.
        shape: Vec<usize>,
        /// The shape of one step of the whole tensor.
        global_shape: Vec<usize>,
        /// Where in it the part begins.
        offset: Vec<usize>,
    },
    /// A part of a tensor in a file that is of no rank.
    #[error(
        "tensor `{tensor}` is a part of one of several ranks, and which rank this file is of was not \
         declared; say it with `shard`"
    )]
    PartOfNoShard {
        /// The tensor.
        tensor: String,
    },
    /// A rank that a run does not have.
    #[error(
        "rank {rank} of {world_size} of the run {run:?}: expected a rank below the number of ranks, and \
         a name of the run, which is the same in all of them and in no other run"
    )]
    NoSuchRank {
        /// The run.
        run: String,
        /// The rank.
        rank: u64,
        /// The number of ranks.
        world_size: u64,
    },
    /// A run of no steps.
    #[error(
        "a run of 0 steps was declared; declare at least one, or omit `steps` for an open \
         number"
    )]
    NoPlannedSteps,
    /// A run without step tensors.
    #[error("a run needs at least one step tensor; declare it with `tensor` or `scalar`")]
    NoTensors,
    /// An attribute for a tensor that was not declared.
    #[error(
        "no tensor `{tensor}` was declared for the attribute `{name}`; declared are {}",
        Names(declared)
    )]
    UnknownTensor {
        /// The attribute.
        name: String,
        /// The name given.
        tensor: String,
        /// The declared tensors and constants.
        declared: Vec<String>,
    },
    /// An attribute too large for HDF5.
    #[error(
        "attribute `{name}` takes {found} bytes, and HDF5 has room for {limit}; \
         store it as a constant"
    )]
    AttributeTooLarge {
        /// The attribute.
        name: String,
        /// Its size in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// An attribute whose text would not be read as it is.
    #[error(
        "attribute `{name}` has a zero byte in its text, where HDF5 ends a text; store it as a constant"
    )]
    ZeroByte {
        /// The attribute.
        name: String,
    },
    /// The values given for a constant do not fill its shape.
    #[error("constant `{name}` of shape {shape:?} has {expected} elements, found {found}")]
    ConstantLength {
        /// The constant.
        name: String,
        /// The declared shape.
        shape: Vec<usize>,
        /// Elements of the shape.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// The queue needs more memory than the budget allows.
    #[error(
        "the recorder needs {} of memory for a queue of two steps, {} more than the budget of {}; \
         raise the budget or record smaller steps",
        Bytes(*needed), Bytes(needed.saturating_sub(*budget)), Bytes(*budget)
    )]
    MemoryBudget {
        /// Bytes needed.
        needed: u64,
        /// The budget in bytes.
        budget: u64,
    },
    /// The file does not fit the disk.
    #[error(
        "the file needs {} on the disk of {} and {} are free: {} short; free some space, take another \
         disk, or write fewer steps or tensors",
        Bytes(*needed), path.display(), Bytes(*free), Bytes(needed.saturating_sub(*free))
    )]
    DiskTooSmall {
        /// The file.
        path: PathBuf,
        /// Bytes that the file needs, with all of its planned steps.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A recorder was to compress in a way that is for archives.
    #[error(
        "a recorder does not compress as `{compression}`: a chunk would hold several steps, and a kill \
         would cost them; record with `fast` or `none`, and archive the finished file with `Rechunk` \
         (`selvedge rechunk --compression {compression}`)"
    )]
    NotForRecording {
        /// What was asked for.
        compression: Compression,
    },
    /// The declared run is not the one in the file.
    #[error(
        "cannot resume {}: {what}: the file has {found}, declared is {expected}; declare what the \
         file has (no tensors at all takes the file's), or record into a new file", path.display()
    )]
    ResumeMismatch {
        /// The file.
        path: PathBuf,
        /// What differs, with its name.
        what: String,
        /// What was declared.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file to resume whose compressed chunks hold several steps each.
    #[error(
        "{} is an archive: the compressed chunks of tensor `{tensor}` hold {steps} steps each, and a \
         run goes on with chunks of 1; rechunk it with the compression `fast` or `none`, and resume \
         that file", path.display()
    )]
    ResumeArchive {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Steps in a chunk.
        steps: u64,
    },
    /// A step to go on at that the file does not have.
    #[error(
        "{} has {committed} committed steps, and the run was to go on at step {step}: expected at most \
         {committed}, in a file that is resumed", path.display()
    )]
    NoSuchStep {
        /// The file.
        path: PathBuf,
        /// The step that was asked for.
        step: u64,
        /// Steps that the file has.
        committed: u64,
    },
    /// A step to go on at that checksums reach beyond.
    #[error(
        "{} has checksums of {covered} steps of tensor `{tensor}`, and to go on at step {step} would leave \
         them wrong; rechunk the file without checksums, and resume the new one", path.display()
    )]
    ResumeBelowChecksums {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The step that was asked for.
        step: u64,
        /// Steps that the checksums cover.
        covered: u64,
    },
    /// The file to resume cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
