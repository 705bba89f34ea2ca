//! The facts. As JSON they are what `--json` prints: names and meanings are part of the interface.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::shape::most_elements;
use selvedge_base::text::escaped;
use selvedge_hdf5::GroupNames;
use serde::{Serialize, Serializer};

use super::{Attribute, Format, UnreadAttribute};

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FileFacts {
    /// The path as it was given.
    #[serde(serialize_with = "displayed")]
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// Its length in bytes.
    pub(crate) file_bytes: u64,
    /// The bytes that it takes on the disk: fewer than its length where it has holes.
    pub(crate) disk_bytes: u64,
    /// How it was recorded, if Selvedge's recorder did.
    pub(crate) recording: Option<Recording>,
    /// Whether another program writes it, as far as can be told, and lets others read (SWMR of HDF5).
    #[serde(skip)]
    pub(crate) has_other_writer: bool,
    pub(crate) provenance: Provenance,
    /// What else the file says of itself.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) unread_attributes: Vec<UnreadAttribute>,
    /// The file and tensors whose attributes cannot be listed: `the attributes of …`, and why. The notes tell them, too.
    #[serde(skip)]
    pub(crate) unlisted: Vec<(String, String)>,
    /// What others added to a recorded file or changed in it, and what of the file is not shown among
    /// the tensors, in clauses.
    pub(crate) notes: Vec<String>,
    /// The groups that have several names, of HDF5.
    #[serde(skip)]
    pub(crate) groups: Option<GroupNames>,
    /// The lines of Python that open it, for the expressions of the tensors.
    pub(crate) python: Vec<String>,
    /// In the order of the file, of HDF5 in the natural order of their names; of a recording the step tensors
    /// first.
    pub(crate) tensors: Vec<TensorFacts>,
}

/// A trajectory of Selvedge's recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Recording {
    pub(crate) state: RecordingState,
    /// Steps that all step tensors have.
    pub(crate) committed_steps: u64,
    /// Steps that the run was planned for; none for an open number.
    pub(crate) planned_steps: Option<u64>,
    /// What puts the file in order, of a run whose writer died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<Remedy>,
    /// The version of the file's conventions.
    pub(crate) format_version: Option<i64>,
    /// How its tensors are mostly read, where its chunks were made for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_pattern: Option<String>,
    /// Which of the ranks of a run the file is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<Rank>,
    /// The files of the ranks, if it is a joined view.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "all_displayed"
    )]
    pub(crate) sources: Vec<PathBuf>,
    /// What another program did to the run, in words.
    pub(crate) changes: Vec<String>,
}

/// One of the processes of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rank {
    /// The name of the run.
    pub(crate) run: String,
    pub(crate) rank: u64,
    pub(crate) world_size: u64,
}

/// Which part of a tensor of all ranks a tensor of one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    /// Shape of a step of the whole.
    pub(crate) global_shape: Vec<u64>,
    /// Where the part begins in it.
    pub(crate) offset: Vec<u64>,
}

/// How a recording ended, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RecordingState {
    /// A recorder is at work: it holds its lock.
    Live,
    /// The file says that it is being recorded, and no recorder holds the lock.
    Died,
    /// Live or died: the file system has no locks to tell by.
    LiveOrDied,
    Finished,
    /// It died, and was put in order.
    Recovered,
    /// The file does not say.
    Unknown,
}

/// What puts the file of a run in order whose writer died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Remedy {
    Recover,
    /// Another program wrote it anew, and `recover` does not change it.
    Rechunk,
    /// Another program gave its step tensors other numbers of steps, and is to give them the same.
    SameSteps,
}

/// Where a file came from, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Provenance {
    /// The notebook or program that made it.
    pub(crate) notebook: Option<String>,
    /// When, as the file has it: RFC 3339.
    pub(crate) created: Option<String>,
    /// The version of Selvedge that made it.
    pub(crate) selvedge_version: Option<String>,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TensorFacts {
    /// Its name, in HDF5 its path.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The dtype of its values, by PyTorch's name: `bfloat16`.
    pub(crate) dtype: String,
    /// The type of its bytes in the file, by the format's name: `uint16`, `BF16`.
    pub(crate) stored_dtype: String,
    /// The attribute `logical_dtype`, in HDF5.
    pub(crate) logical_dtype: Option<String>,
    /// Bits of one element, where its dtype is known.
    pub(crate) element_bits: Option<u64>,
    /// In elements, outermost axis first; of a step tensor the committed steps.
    pub(crate) shape: Vec<u64>,
    /// The names of the axes, where the file has any.
    pub(crate) axes: Vec<Option<String>>,
    /// Bytes of its values, where its dtype is known.
    pub(crate) bytes: Option<u64>,
    /// Bytes that the file has for them: compressed, or with room that no value fills.
    pub(crate) stored_bytes: u64,
    pub(crate) storage: Storage,
    /// The steps of a step tensor in the file, which a kill can have left ahead of the committed
    /// ones.
    pub(crate) extent: Option<u64>,
    /// Steps of these that another program appended to it, and not to all step tensors.
    #[serde(skip)]
    pub(crate) appended: u64,
    /// Whether its first axis is steps, whatever the format: the metadata say so, or who asks.
    #[serde(skip)]
    pub(crate) is_of_steps: bool,
    /// Whether a mark says that it has one value, in a file that does not say which tensors have steps.
    #[serde(skip)]
    pub(crate) is_constant: bool,
    /// What it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<Part>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) unread_attributes: Vec<UnreadAttribute>,
    /// What else there is to know of it, in sentences without a subject.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) remarks: Vec<String>,
    /// The sources of a virtual dataset that are missing, in words; the remarks tell them, too.
    #[serde(skip)]
    pub(crate) missing_sources: Vec<String>,
    /// The Python expression that reads it, if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) python: String,
}

/// What a tensor is to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// It has a value for each step of a recording.
    Step,
    /// It has one value, beside the step tensors of a recording.
    Constant,
    /// The file has no steps, or does not say which tensors have.
    Tensor,
}

/// How a tensor lies in its file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "layout")]
pub(crate) enum Storage {
    /// In the header of the dataset.
    Compact,
    /// In one run of bytes.
    Contiguous {
        /// Where it begins, in bytes from the start of the file; where the format tells.
        offset: Option<u64>,
    },
    Chunked {
        /// In elements.
        chunk_shape: Vec<u64>,
        /// Bytes of a chunk before any filter.
        chunk_bytes: Option<u64>,
        /// The chunks that the whole tensor takes: of a planned run all planned steps.
        chunks: u64,
        /// The chunks that have a place in the file.
        stored_chunks: u64,
        /// The length that the last chunk has beyond the first axis.
        tail_steps: u64,
        /// What chunks hold beyond the tensor, as a share of the tensor: it can be more than 1.
        waste: f64,
        /// In the order in which they are applied.
        filters: Vec<Filter>,
        /// What wrote the streams, where the file says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        encoder: Option<String>,
    },
    /// In datasets of other files.
    Virtual,
}

/// A step of HDF5's filter pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    /// The number that HDF5 knows it by.
    pub(crate) id: i32,
    /// `gzip-1`.
    pub(crate) name: String,
}

impl TensorFacts {
    /// The number of elements.
    pub(crate) fn elements(&self) -> u64 {
        most_elements(&self.shape)
    }

    /// Whether the first axis is steps. In another program's file only chunks tell that it may be.
    pub(crate) fn has_steps(&self) -> bool {
        let has = match self.role {
            Role::Step => true,
            Role::Constant => false,
            Role::Tensor if self.is_constant => false,
            Role::Tensor => self.is_of_steps || matches!(self.storage, Storage::Chunked { .. }),
        };
        has && !self.shape.is_empty()
    }
}

/// Bytes of a shape with elements of so many bits.
pub(super) fn bytes(shape: &[u64], element_bits: u64) -> u64 {
    // A product that overflows is none that a file holds.
    most_elements(shape)
        .saturating_mul(element_bits)
        .div_ceil(8)
}

fn displayed<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&escaped(path.as_os_str().as_bytes()))
}

fn all_displayed<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        paths
            .iter()
            .map(|path| escaped(path.as_os_str().as_bytes())),
    )
}
