//! What there is to know of a tensor file without reading its tensors: plain data.
//!
//! [`gather`] reads headers only, whatever the size of the file. The types hold what the file says,
//! with nothing decided: rules and renderings come after.

mod attribute;
mod axes;
mod difference;
mod error;
mod format;
mod hdf5;
mod model;
mod python;
mod safetensors;

use std::path::Path;

pub(crate) use attribute::{Attribute, UnreadAttribute, Value};
pub(crate) use difference::{AttributeDifference, Differences, TensorDifference};
pub(crate) use error::Unreadable;
pub(crate) use format::Format;
pub(crate) use model::{
    FileFacts, Filter, Provenance, Recording, RecordingState, Role, Storage, TensorFacts,
};
pub(crate) use python::identifier;
pub(crate) use safetensors::dtype_name;

/// A file whose headers have been read, open for reading its tensors.
#[derive(Debug)]
pub(crate) enum OpenFile {
    Hdf5(selvedge_hdf5::Reader),
    Safetensors(selvedge_safetensors::Reader),
}

/// How to take what the file leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Assumptions {
    /// `uint16` without a marker holds the bits of bfloat16.
    pub(crate) bf16: bool,
}

/// Opens the file at `path` and gathers its facts.
///
/// # Errors
///
/// Why it cannot be read, with its path.
pub(crate) fn gather(
    path: &Path,
    assumptions: Assumptions,
) -> Result<(FileFacts, OpenFile), Unreadable> {
    match Format::detect(path)? {
        Format::Hdf5 => {
            let (facts, reader) = hdf5::gather(path, assumptions)?;
            Ok((facts, OpenFile::Hdf5(reader)))
        }
        Format::Safetensors => {
            let (facts, reader) = safetensors::gather(path)?;
            Ok((facts, OpenFile::Safetensors(reader)))
        }
    }
}
