//! Training trajectories larger than RAM, recorded step by step into plain HDF5.
//!
//! A [`Recorder`] appends every step of a live training loop to a file that stock h5py reads, at any
//! moment: while it is written, after a kill, and when it is finished. [`Reader`] reads it back,
//! bfloat16 as [`half::bf16`], bit for bit. [`RunPlan`] says beforehand what a run takes of disk and
//! memory, and [`recover`](recover()) puts a file in order whose writer died.
//!
//! ```no_run
//! use selvedge_hdf5::{Error, Reader, Recorder, bf16};
//!
//! fn main() -> Result<(), Error> {
//!     let weights = vec![bf16::from_f32(0.5); 640_000];
//!     let mut run = Recorder::create("tensors/Thimble/thimble_7.h5")
//!         .steps(6_001)
//!         .tensor::<bf16>("W", [10_000, 64])
//!         .scalar::<f32>("losses")
//!         .attribute("learning_rate", 1e-3)
//!         .start()?;
//!     for _ in 0..6_001 {
//!         run.append(|step| step.put("W", &weights)?.put("losses", &2.5_f32))?;
//!     }
//!     println!("{}", run.finish()?);
//!
//!     let file = Reader::open("tensors/Thimble/thimble_7.h5")?;
//!     let last = file.committed_steps() - 1;
//!     let w: Vec<bf16> = file.tensor("W")?.read_step(last)?;
//!     assert_eq!(w, weights);
//!     Ok(())
//! }
//! ```
//!
//! libhdf5 builds the file. During the run its metadata do not change, but for the leading extents:
//! the recorder writes the data of a step at the addresses of the chunks, and then moves the extents
//! forward, 8 bytes for each tensor. So the extents are the commit record, and there is no moment at
//! which the file does not open. (A run of unknown length adds chunks to the file's chunk index, by
//! writes that keep this true, and so does one with [`Compression`].) The price: the oldest HDF5
//! format, no other filters, and a recorder that is the only writer.
//!
//! See [`Recorder`] for writing and [`Reader`] for reading. The file format is in `docs/format.md`
//! of the repository.
//!
//! Building needs a C compiler and cmake 3.26 or newer (`pip install cmake`): libhdf5 is built from source and linked
//! statically. In a dev build compression takes some 30 times longer, unless your `Cargo.toml` says
//! `[profile.dev.package.selvedge-deflate] opt-level = 2`.

mod attribute;
mod branches;
mod bulk;
mod checksum;
mod chunks;
mod compare;
mod compression;
mod cover;
mod create;
mod dtype;
mod element;
mod error;
mod ffi;
mod float16;
mod gather;
mod group_names;
mod join;
mod layout;
mod mark;
mod other_files;
mod plan;
mod provenance;
mod ranges;
mod reader;
mod rechunk;
mod recorder;
mod recover;
mod references;
mod run;
mod shard;
mod source;
mod spec;
mod storage;
mod trajectory;
mod unmark;
mod write_back;

pub use attribute::Attribute;
pub use bulk::Progress;
pub use checksum::{
    ChecksumOptions, ChecksumReport, Checksums, TensorChecksums, add_checksums, verify_checksums,
    verify_tensor_checksums,
};
pub use compare::{
    AmbiguousNames, CompareOptions, Comparison, Difference, Pairing, TensorComparison, Verdict,
    compare, compare_tensors, pair_listed_names, pair_names, root_name,
};
pub use compression::Compression;
pub use dtype::Dtype;
pub use element::{Element, Values};
pub use error::{
    DeclareError, Error, JoinError, LibraryError, ReadError, RecordError, RewriteError,
    StorageError,
};
pub use float16::{Float16Survey, survey_float16};
pub use gather::Gathered;
pub use group_names::GroupNames;
pub use half::{bf16, f16};
pub use join::{Join, JoinPlan, JoinedRank, JoinedTensor, Replicas, joined_steps};
pub use mark::mark_bf16;
pub use num_complex::{Complex32, Complex64};
pub use plan::{
    Bytes, ChunkPlan, EncodingPlan, Grouped, Limits, MAX_CHUNK_BYTES, QueuePlan, ReadPattern,
    RunPlan, Shape,
};
pub use provenance::RunState;
pub use ranges::{Piece, RangeReader};
pub use reader::{
    Block, Blocks, DataLayout, Filter, MissingSource, Note, Reader, ReaderOptions, Role, Selection,
    Tensor,
};
pub use rechunk::{Rechunk, RechunkPlan, RechunkSummary};
pub use recorder::{
    AppendTimes, ConstantWriter, Durability, OpenStep, Recorder, RecorderBuilder, Step, Summary,
    check_attribute,
};
pub use recover::{Recovery, plan_recovery, recover};
pub use references::{
    ReferenceCodec, ReferenceOptions, ReferencedArray, ReferencedPiece, References,
};
pub use run::common_steps;
pub use selvedge_base::{FileError, Indices, NoIndices};
pub use shard::{Shard, new_run_id};
pub use source::{Access, TensorSource};
pub use spec::{PartOf, TensorSpec};
