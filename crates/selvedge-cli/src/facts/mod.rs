//! What there is to know of a tensor file without reading its tensors: plain data.
//!
//! [`gather`] reads headers only, whatever the size of the file. The types hold what the file says,
//! with nothing decided: rules and renderings come after.

mod attribute;
mod difference;
mod error;
mod format;
mod hdf5;
mod model;
mod numpy;
mod python;
mod safetensors;

use std::collections::HashSet;
use std::path::Path;

use anyhow::bail;
pub(crate) use attribute::{Attribute, UnreadAttribute, Value};
pub(crate) use difference::{AttributeDifference, Differences, TensorDifference};
pub(crate) use error::Unreadable;
pub(crate) use format::{Format, check_there, folder};
pub(crate) use hdf5::{AXIS_LABELS, STEPS};
pub(crate) use model::{
    FileFacts, Filter, Part, Provenance, Rank, Recording, RecordingState, Remedy, Role, Storage,
    TensorFacts,
};
pub(crate) use python::identifier;
pub(crate) use safetensors::STEP_TENSORS;
use selvedge_base::units::Names;
use selvedge_base::{did_you_mean, nearest_tensor};
use selvedge_hdf5::ReadError;

use crate::object;
use crate::source::Array;
pub(crate) use crate::source::Assumptions;

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

    /// The first dataset or group that cannot be opened, in which file, and why: what hinders whoever wants all of it. What
    /// is `chosen` by its name is there; and it may be left out where that is asked for.
    pub(crate) fn unread(&self, chosen: &[String], may_skip: bool) -> Option<String> {
        match self {
            Self::Hdf5(reader) if chosen.is_empty() && !may_skip => {
                reader.unread().map(|error| error.to_string())
            }
            _ => None,
        }
    }
}

/// Opens the file at `path`, or the HDF5 file that is an object at such a URL, and gathers its facts.
///
/// # Errors
///
/// Why it cannot be read, with its path; and that a tensor cannot be what it is assumed to be.
pub(crate) fn gather(
    path: &Path,
    assumptions: &Assumptions,
) -> Result<(FileFacts, OpenFile), Unreadable> {
    if let Some(url) = object::url(path) {
        let (facts, reader) = hdf5::gather_object(url, assumptions)?;
        return Ok((facts, OpenFile::Hdf5(reader)));
    }
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

impl FileFacts {
    /// Takes over what has changed since in the file, which is open as `file`, if a recorder may be at work on it.
    ///
    /// # Errors
    ///
    /// It is no longer the one that was opened.
    pub(crate) fn refresh(&mut self, file: &mut OpenFile) -> Result<(), Unreadable> {
        match file {
            OpenFile::Hdf5(reader) if self.recording.is_some() => hdf5::refresh(self, reader),
            _ => Ok(()),
        }
    }

    /// Whether a recorder, or another program, may be at work on it.
    pub(crate) fn is_live(&self) -> bool {
        let state = self.recording.as_ref().map(|recording| recording.state);
        let is_recorded = matches!(
            state,
            Some(RecordingState::Live | RecordingState::LiveOrDied)
        );
        is_recorded || self.has_other_writer
    }

    /// The names of tensors that may be bfloat16, of which nothing says so.
    pub(crate) fn unmarked(&self) -> impl Iterator<Item = &String> {
        let may_be = self.recording.is_none() && self.format == Format::Hdf5;
        let tensors = self.tensors.iter().filter(move |_| may_be);
        let tensors = tensors.filter(|tensor| tensor.dtype == "uint16");
        tensors.map(|tensor| &tensor.name)
    }

    /// The names of its tensors, for an error.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self
            .tensors
            .iter()
            .map(|tensor| tensor.name.clone())
            .collect();
        Names(&names).to_string()
    }

    /// The names that it has for tensors, which in HDF5 may be given as paths from the root on.
    ///
    /// # Errors
    ///
    /// Which of them it has not, also where the name is of something that is there and cannot be read, such as
    /// a link to a file that is not there.
    pub(crate) fn own_names(
        &self,
        file: &OpenFile,
        names: &[String],
    ) -> anyhow::Result<Vec<String>> {
        let there: HashSet<&str> = self.tensors.iter().map(|tensor| &*tensor.name).collect();
        let own = |name: &String| {
            let found = match file {
                OpenFile::Hdf5(reader) => match reader.tensor(name) {
                    Ok(tensor) => tensor.name(),
                    Err(error @ ReadError::Unread { .. }) => return Err(error.into()),
                    Err(_) => name,
                },
                _ => name,
            };
            if there.contains(found) {
                return Ok(found.to_owned());
            }
            bail!(
                "{} has no tensor `{name}`; it has {}{}",
                self.path.display(),
                self.names(),
                did_you_mean(self.nearest(name))
            );
        };
        names.iter().map(own).collect()
    }

    /// What was probably meant by the name of a tensor.
    fn nearest(&self, name: &str) -> Option<&str> {
        let names = self.tensors.iter().map(|tensor| &*tensor.name);
        nearest_tensor(name, names)
    }
}
