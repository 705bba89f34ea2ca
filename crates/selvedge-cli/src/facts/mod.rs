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
mod numpy;
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

use crate::source::{Array, Kind};

/// A file whose headers have been read, open for reading its tensors.
#[derive(Debug)]
pub(crate) enum OpenFile {
    Hdf5(selvedge_hdf5::Reader),
    Safetensors(selvedge_safetensors::Reader),
    Arrays(Vec<Array>),
}

impl OpenFile {
    /// Gives the one array of a `.npy` file another name.
    pub(crate) fn rename(&mut self, name: &str) {
        if let Self::Arrays(arrays) = self {
            arrays
                .iter_mut()
                .for_each(|array| name.clone_into(&mut array.name));
        }
    }
}

/// How to take what the file leaves open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumptions {
    /// `uint16` without a marker, or two bytes without a type, hold the bits of bfloat16.
    pub(crate) bf16: bool,
    /// What single tensors hold.
    pub(crate) dtypes: Vec<(String, &'static Kind)>,
}

impl Assumptions {
    /// The dtype that tensor `name` is taken to have.
    pub(crate) fn kind_of(&self, name: &str) -> Option<&'static Kind> {
        let mut dtypes = self.dtypes.iter();
        let assumed = dtypes.find(|(assumed, _)| assumed == name);
        let bf16 = || Kind::named("bfloat16").filter(|_| self.bf16);
        assumed.map(|(_, kind)| *kind).or_else(bf16)
    }
}

/// Opens the file at `path` and gathers its facts.
///
/// # Errors
///
/// Why it cannot be read, with its path; and that a tensor cannot be what it is assumed to be.
pub(crate) fn gather(
    path: &Path,
    assumptions: &Assumptions,
) -> Result<(FileFacts, OpenFile), Unreadable> {
    match Format::detect(path)? {
        Format::Hdf5 => {
            let (facts, reader) = hdf5::gather(path, assumptions)?;
            Ok((facts, OpenFile::Hdf5(reader)))
        }
        Format::Safetensors => {
            if let Some((tensor, assumed)) = assumptions.dtypes.first() {
                let what = "in a safetensors file, whose dtypes are what they say".to_owned();
                let tensor = tensor.clone();
                return Err(Unreadable::Assumed {
                    tensor,
                    assumed,
                    what,
                });
            }
            let (facts, reader) = safetensors::gather(path)?;
            Ok((facts, OpenFile::Safetensors(reader)))
        }
        format @ (Format::Npy | Format::Npz) => {
            let (facts, arrays) = numpy::gather(path, format, assumptions)?;
            Ok((facts, OpenFile::Arrays(arrays)))
        }
    }
}
