//! Everything that can go wrong, with what was expected, what was found and what to do.

mod library;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use library::LibraryError;
use selvedge_base::FileError;
use selvedge_base::units::Names;
pub(crate) use words::Chain;
use words::{conversion, lengths, what_is_left};

use crate::plan::{Bytes, Grouped, Shape};
use crate::{AmbiguousNames, Compression, Dtype};

/// An error of the recorder, the reader or `recover`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on the file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A step could not be written.
    #[error("cannot write step {step} of tensor `{tensor}` to {}", path.display())]
    WriteStep {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first step that was being written.
        step: u64,
        /// The system's error.
        source: io::Error,
    },
    /// libhdf5 failed, or the file is not a sound HDF5 file.
    #[error("cannot {action} {}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: String,
        /// libhdf5's message, or what was found in the file.
        source: LibraryError,
    },

    /// The file is not HDF5.
    #[error("{} is not an HDF5 file: it does not start with the HDF5 signature", path.display())]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },

    /// The file cannot be locked, written beside its name, or given it.
    #[error(transparent)]
    File(#[from] FileError),

    /// The file has the mark of a program that has it open for writing (HDF5's status flags), and no lock
    /// of it.
    #[error(
        "{} is marked by a program that writes it (HDF5's status flags), and HDF5 opens it for nobody \
         else: its writer died, or is at work on another machine; if nobody writes it any more, \
         `recover` takes the mark out, as `h5clear -s` does", path.display()
    )]
    MarkedByWriter {
        /// The file.
        path: PathBuf,
    },

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
    /// A run of no steps.
    #[error(
        "a run of 0 steps was declared; declare at least one, or omit `steps` for an open \
         number"
    )]
    NoPlannedSteps,
    /// A run without step tensors.
    #[error("a run needs at least one step tensor; declare it with `tensor` or `scalar`")]
    NoTensors,
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
    /// The run does not fit the disk.
    #[error(
        "the run needs {} on the disk of {} and {} are free: {} short; free some space or record \
         fewer steps or tensors",
        Bytes(*needed), path.display(), Bytes(*free), Bytes(needed.saturating_sub(*free))
    )]
    DiskTooSmall {
        /// The file.
        path: PathBuf,
        /// Bytes that the planned run needs.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },

    /// A step was given a tensor that was not declared.
    #[error(
        "no tensor `{tensor}` was declared; the step tensors are {}",
        Names(declared)
    )]
    UnknownTensor {
        /// The name given.
        tensor: String,
        /// The declared step tensors.
        declared: Vec<String>,
    },
    /// A step lacks tensors.
    #[error(
        "step {step} lacks {}; a step has all tensors or is not recorded",
        Names(missing)
    )]
    MissingTensors {
        /// The step.
        step: u64,
        /// The tensors that were not put.
        missing: Vec<String>,
    },
    /// A step was given one tensor twice.
    #[error("tensor `{tensor}` was put twice into step {step}")]
    DuplicateTensor {
        /// The step.
        step: u64,
        /// The tensor.
        tensor: String,
    },
    /// Values of another length than the tensor's.
    #[error("tensor `{tensor}` of shape {shape:?} has {expected} elements, found {found}")]
    LengthMismatch {
        /// The tensor.
        tensor: String,
        /// Shape of one step in elements.
        shape: Vec<usize>,
        /// Elements of that shape.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// Bytes that are no whole number of elements.
    #[error("tensor `{tensor}` has steps of {expected} bytes, found {found}")]
    BytesMismatch {
        /// The tensor.
        tensor: String,
        /// Bytes of one step.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Values of another dtype than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, found {found}{}", conversion(*expected, *found))]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype given or asked for.
        found: Dtype,
    },
    /// More steps than the run was planned for.
    #[error(
        "the run was planned for {} steps and has them all; finish it and resume it with more \
         `steps`, or declare a run without `steps` for an open number", Grouped(*planned)
    )]
    BeyondPlan {
        /// The planned number of steps.
        planned: u64,
    },

    /// A step was begun while the one before was open.
    #[error("step {step} is open: commit it or drop it before the next one is begun")]
    StepOpen {
        /// The open step.
        step: u64,
    },
    /// A step was still open when its recorder was finished or dropped.
    #[error("step {step} was open when the recorder of {} ended, and is not recorded", path.display())]
    StepTooLate {
        /// The file.
        path: PathBuf,
        /// The step.
        step: u64,
    },

    /// The writer stopped; every later call says so.
    #[error(
        "the recorder of {} has stopped: {}{}", path.display(), Chain(&**cause), what_is_left(cause, kept.then_some(*committed))
    )]
    Stopped {
        /// The file.
        path: PathBuf,
        /// Steps that are committed.
        committed: u64,
        /// Whether they stay: not in a file that was to be named when it is finished.
        kept: bool,
        /// Why it stopped. It is part of the message, and so no `source`.
        cause: Arc<Error>,
    },
    /// The file is shorter than it says.
    #[error(
        "{} is truncated: expected at least {expected} bytes, found {found}; it was not copied \
         whole, or another program cut it (h5py's mode 'w' does this)", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Another program wrote over the file.
    #[error(
        "{} was overwritten by another program (h5py's mode 'w' does this): its superblock is no \
         longer the recorder's; what had been recorded is lost", path.display()
    )]
    Overwritten {
        /// The file.
        path: PathBuf,
    },
    /// The file was deleted, or another one was renamed over it.
    #[error("{} was deleted or replaced while it was being recorded", path.display())]
    Deleted {
        /// The file.
        path: PathBuf,
    },
    /// The writer thread panicked: a defect of this crate.
    #[error("the writer thread panicked; please report this")]
    WriterPanicked,

    /// The file is not one that this recorder made.
    #[error("{} is not a trajectory that Selvedge recorded: {reason}", path.display())]
    NotATrajectory {
        /// The file.
        path: PathBuf,
        /// What is missing or different.
        reason: String,
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

    /// The file has no such tensor.
    #[error("{} has no tensor `{tensor}`; it has {}", path.display(), Names(available))]
    NoSuchTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// The tensors of the file.
        available: Vec<String>,
    },
    /// A name under which there is nothing that can be read.
    #[error("`{tensor}` of {} is not read: {reason}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// Why, with where a link leads.
        reason: String,
    },
    /// Steps that the file does not have.
    #[error(
        "tensor `{tensor}` has steps 0..{committed}, asked for {}..{}", range.start, range.end
    )]
    StepOutOfRange {
        /// The tensor.
        tensor: String,
        /// The steps asked for.
        range: std::ops::Range<u64>,
        /// The steps that it has.
        committed: u64,
    },
    /// Rows of a step that it does not have.
    #[error("a step of tensor `{tensor}` has rows 0..{rows}, asked for row {row}")]
    RowOutOfRange {
        /// The tensor.
        tensor: String,
        /// The first row asked for that is not there.
        row: usize,
        /// Rows of a step: the length of its first axis.
        rows: u64,
    },
    /// A mask of another length than the step has rows.
    #[error("a step of tensor `{tensor}` has {expected} rows, found a mask of {found}")]
    MaskLength {
        /// The tensor.
        tensor: String,
        /// Rows of a step: the length of its first axis.
        expected: u64,
        /// Length of the mask.
        found: usize,
    },
    /// Rows of steps that are single values.
    #[error("the steps of tensor `{tensor}` are single values and have no rows")]
    NoRows {
        /// The tensor.
        tensor: String,
    },
    /// Every 0th step.
    #[error("every 0th step of tensor `{tensor}` was asked for; expected 1 or more")]
    ZeroStride {
        /// The tensor.
        tensor: String,
    },
    /// A dtype that has no values as float32.
    #[error(
        "tensor `{tensor}` holds {found}, and float32 is made of bfloat16, float16 and float32"
    )]
    NotFloat {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: Dtype,
    },
    /// Steps of a single value.
    #[error("`{tensor}` is a single value and has no steps; read it whole")]
    NoSteps {
        /// The tensor.
        tensor: String,
    },
    /// A caller's buffer of the wrong length.
    #[error("reading tensor `{tensor}` needs a buffer of {expected} elements, found {found}")]
    BufferLength {
        /// The tensor.
        tensor: String,
        /// Elements that will be read.
        expected: u64,
        /// Elements of the buffer.
        found: u64,
    },
    /// A file without steps, which has no chunks to choose.
    #[error("{} has no steps, so there is nothing to rechunk", path.display())]
    NothingToRechunk {
        /// The file.
        path: PathBuf,
    },
    /// Steps that another program appended to some step tensors and not to others.
    #[error(
        "another program appended steps in {} to some tensors and not to others: {}, and the run \
         has {committed}; give them the same number there, or leave these steps out \
         (`common_steps(true)`)", path.display(), lengths(tensors)
    )]
    UnequalSteps {
        /// The file.
        path: PathBuf,
        /// The tensors with more steps than others, and the number of steps that they have.
        tensors: Vec<(String, u64)>,
        /// Steps that all step tensors have.
        committed: u64,
    },
    /// Datasets that the new file cannot hold.
    #[error("{} has datasets that a trajectory cannot hold: {}", path.display(), datasets.join(", "))]
    CannotKeep {
        /// The file.
        path: PathBuf,
        /// Names and types.
        datasets: Vec<String>,
    },
    /// Names of two files that could go together in several ways.
    #[error(transparent)]
    AmbiguousNames(#[from] AmbiguousNames),
    /// A tensor whose rows of chunks do not fit the memory.
    #[error(
        "tensor `{tensor}` needs a limit of {} of memory, and the limit is {}; raise the limit",
        Bytes(*needed), Bytes(*limit)
    )]
    WorkingMemory {
        /// The tensor.
        tensor: String,
        /// Bytes needed.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
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
    /// A compressed chunk that does not unpack.
    #[error(
        "the chunk at {} of tensor `{tensor}` in {} cannot be unpacked: {reason}; the file is \
         damaged there, other steps can still be read", Shape(chunk), path.display()
    )]
    DamagedChunk {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Offset of the chunk's first element along each axis, the steps first.
        chunk: Vec<u64>,
        /// What is wrong with it.
        reason: String,
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
    /// Values went through a filter that is not there.
    #[error(
        "tensor `{tensor}` in {} went through the filter {filter} (number {id}), which is no part of this \
         program; name the folder of its plugin in HDF5_PLUGIN_PATH (Python's `hdf5plugin` brings most of \
         them, and tells it as `hdf5plugin.PLUGIN_PATH`), and say that plugins are loaded \
         (`load_plugins`; `--load-plugins`)", path.display()
    )]
    MissingFilter {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The filter's name, as far as it is known.
        filter: String,
        /// The number that HDF5 knows it by.
        id: i32,
    },
    /// A part of a virtual dataset is not where it should be.
    #[error(
        "tensor `{tensor}` in {} is virtual, and takes values from {missing}; put it back, or name its \
         folder in HDF5_VDS_PREFIX", path.display()
    )]
    MissingSource {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The source, with the name of its file, and what is wrong with it.
        missing: String,
    },
    /// Values are in another file, which is not read.
    #[error("tensor `{tensor}` in {} takes values from {values}", path.display())]
    NotFollowed {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The other file, and why it is not read.
        values: String,
    },
    /// The recording of the file has not ended.
    #[error(
        "{} was not finished: its recorder is at work or died; finish it, or call `recover`",
        path.display()
    )]
    NotFinished {
        /// The file.
        path: PathBuf,
    },
    /// A dtype that has no counterpart here.
    #[error("tensor `{tensor}` holds {found}, which Selvedge does not read; {hint}")]
    UnsupportedDtype {
        /// The tensor.
        tensor: String,
        /// The type in the file.
        found: String,
        /// What to do.
        hint: &'static str,
    },
}

/// The message with its sources: what `unwrap` and a `main` that returns an error print.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Chain(self))
    }
}

impl Error {
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    pub(crate) fn library(
        path: &Path,
        action: impl Into<String>,
        source: impl Into<LibraryError>,
    ) -> Self {
        Self::Library {
            path: path.to_owned(),
            action: action.into(),
            source: source.into(),
        }
    }
}
