//! Reading a tensor file for the rules: headers, and of the values what the selected rules need.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use selvedge_base::open_regular;
use selvedge_conventions::{
    Config, Dtype, Hdf5Facts, NumpyFacts, ReadPattern, SafetensorsFacts, Selection, TensorFacts,
};
use selvedge_hdf5::Note;
use serde::{Deserialize, Serialize};

use super::{artifact, evidence};
use crate::facts::{Assumptions, FileFacts, Format, OpenFile, RecordingState, Unreadable, gather};
use crate::source::Source;

/// What the rules need to know of a tensor file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// How trajectories are read.
    pub(crate) pattern: ReadPattern,
    /// What their chunks aim at, in bytes.
    pub(crate) chunk_size: u64,
    /// A sample of the values of `uint16` tensors without a marker.
    pub(crate) samples: bool,
    /// All values of float16 tensors.
    pub(crate) float16: bool,
}

impl Reading {
    /// What these rules need.
    pub(crate) fn new(config: &Config, selection: &Selection) -> Self {
        Self {
            pattern: config.trajectories.read_pattern,
            chunk_size: config.limits.chunk_size,
            samples: selection.contains("TEN003"),
            float16: selection.contains("TEN007"),
        }
    }

    /// Whether it needs values of this tensor.
    fn needs(&self, tensor: &TensorFacts) -> bool {
        match tensor.dtype {
            Dtype::Uint16 => self.samples && tensor.logical_dtype.is_none(),
            Dtype::Float16 => self.float16,
            _ => false,
        }
    }
}

/// The facts of what should be an HDF5 file.
///
/// # Errors
///
/// What the file is not to blame for.
pub(crate) fn hdf5(path: &Path, reading: &Reading) -> Result<Hdf5Facts, Unreadable> {
    let (facts, file) = match gather(path, &Assumptions::default()) {
        Ok(gathered) => gathered,
        Err(error) => return artifact::unreadable_hdf5(error),
    };
    let OpenFile::Hdf5(file) = file else {
        return Ok(Hdf5Facts {
            damage: Some(artifact::reason(&format!(
                "it is a {} file",
                facts.format.name()
            ))),
            ..Hdf5Facts::default()
        });
    };
    let mut converted = artifact::hdf5(&facts, reading);
    converted.damage = file.notes().iter().find_map(|note| match note {
        Note::Unread { .. } => Some(artifact::reason(&note.to_string())),
        _ => None,
    });
    let file = OpenFile::Hdf5(file);
    fill(&facts, &file, &mut converted.tensors, reading)?;
    Ok(converted)
}

/// The facts of what should be a safetensors file.
///
/// # Errors
///
/// What the file is not to blame for.
pub(crate) fn safetensors(path: &Path, reading: &Reading) -> Result<SafetensorsFacts, Unreadable> {
    let (facts, file) = match gather(path, &Assumptions::default()) {
        Ok(gathered) => gathered,
        Err(error) => return artifact::unreadable_safetensors(error, data_start(path)),
    };
    let OpenFile::Safetensors(file) = file else {
        return Ok(SafetensorsFacts {
            damage: Some(artifact::reason(&format!(
                "it is a file of {}",
                facts.format.name()
            ))),
            ..SafetensorsFacts::default()
        });
    };
    let mut converted = artifact::safetensors(&facts);
    let file = OpenFile::Safetensors(file);
    fill(&facts, &file, &mut converted.tensors, reading)?;
    Ok(converted)
}

/// The facts of what should be a file of NumPy.
///
/// # Errors
///
/// What the file is not to blame for.
pub(crate) fn numpy(path: &Path, reading: &Reading) -> Result<NumpyFacts, Unreadable> {
    let (facts, file) = match gather(path, &Assumptions::default()) {
        Ok(gathered) => gathered,
        Err(error) => return artifact::unreadable_numpy(error),
    };
    if !matches!(file, OpenFile::Arrays(_)) {
        return Ok(NumpyFacts {
            damage: Some(artifact::reason(&format!(
                "it is a file of {}",
                facts.format.name()
            ))),
            ..NumpyFacts::default()
        });
    }
    let mut converted = artifact::numpy(&facts);
    if converted.damage.is_none() {
        fill(&facts, &file, &mut converted.tensors, reading)?;
    }
    Ok(converted)
}

/// Whether a file has all that its header says, whatever its name: without its values nobody can tell more.
pub(crate) fn is_whole(path: &Path) -> bool {
    if path.extension().is_some_and(|end| end == "unfinished") {
        return selvedge_safetensors::Reader::open(path).is_ok();
    }
    match gather(path, &Assumptions::default()) {
        Ok((facts, OpenFile::Hdf5(file))) => {
            let state = facts.recording.as_ref().map(|recording| recording.state);
            let is_done = facts.provenance.selvedge_version.is_none()
                || matches!(
                    state,
                    Some(RecordingState::Finished | RecordingState::Recovered)
                );
            is_done && !file.notes().iter().any(Note::is_unread)
        }
        Ok((facts, OpenFile::Arrays(_))) => artifact::numpy(&facts).damage.is_none(),
        Ok((_, OpenFile::Safetensors(_))) => true,
        Err(_) => false,
    }
}

/// Looks at the values that the rules need to know of.
fn fill(
    facts: &FileFacts,
    file: &OpenFile,
    tensors: &mut [TensorFacts],
    reading: &Reading,
) -> Result<(), Unreadable> {
    if tensors.iter().any(|tensor| reading.needs(tensor)) {
        // Both have the order of the facts.
        let sources = Source::all(facts, file, false)?;
        // A member of an archive is read from its beginning, however little is asked for.
        let is_archive = facts.format == Format::Npz;
        for (tensor, source) in tensors.iter_mut().zip(sources) {
            let is_large = is_archive && tensor.bytes() > evidence::SAMPLE_BYTES;
            if reading.needs(tensor) && (reading.float16 || !is_large) {
                evidence::fill(&source, tensor);
            }
        }
    }
    Ok(())
}

/// Where the data of a safetensors file begin, as its first bytes say.
pub(super) fn data_start(path: &Path) -> u64 {
    let mut length = [0; 8];
    let read = open_regular(path).and_then(|file| file.read_exact_at(&mut length, 0));
    read.map_or(0, |()| u64::from_le_bytes(length).saturating_add(8))
}
