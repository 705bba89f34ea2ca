//! Reading a tensor file for the rules: headers, and of the values what the selected rules need.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use selvedge_conventions::{
    Config, Dtype, Hdf5Facts, ReadPattern, SafetensorsFacts, Selection, TensorFacts,
};
use serde::{Deserialize, Serialize};

use super::{artifact, evidence};
use crate::facts::{Assumptions, OpenFile, Unreadable, gather};

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
    let (facts, file) = match gather(path, Assumptions::default()) {
        Ok(gathered) => gathered,
        Err(error) => return artifact::unreadable_hdf5(error),
    };
    let OpenFile::Hdf5(file) = file else {
        return Ok(Hdf5Facts {
            damage: Some(artifact::reason("it is a safetensors file")),
            ..Hdf5Facts::default()
        });
    };
    let mut facts = artifact::hdf5(&facts, reading);
    for tensor in &mut facts.tensors {
        if reading.needs(tensor) {
            evidence::hdf5(&file, tensor);
        }
    }
    Ok(facts)
}

/// The facts of what should be a safetensors file.
///
/// # Errors
///
/// What the file is not to blame for.
pub(crate) fn safetensors(path: &Path, reading: &Reading) -> Result<SafetensorsFacts, Unreadable> {
    let (facts, file) = match gather(path, Assumptions::default()) {
        Ok(gathered) => gathered,
        Err(error) => return artifact::unreadable_safetensors(error, data_start(path)),
    };
    let OpenFile::Safetensors(file) = file else {
        return Ok(SafetensorsFacts {
            damage: Some(artifact::reason("it is an HDF5 file")),
            ..SafetensorsFacts::default()
        });
    };
    let mut converted = artifact::safetensors(&facts);
    if converted.tensors.iter().any(|tensor| reading.needs(tensor)) {
        let data = File::open(path).map_err(|source| Unreadable::Io {
            path: path.to_owned(),
            action: "open",
            source,
        })?;
        for (tensor, info) in converted.tensors.iter_mut().zip(file.header().tensors()) {
            if reading.needs(tensor) {
                evidence::safetensors(&data, info.range.clone(), tensor);
            }
        }
    }
    Ok(converted)
}

/// Where the data of a safetensors file begin, as its first bytes say.
fn data_start(path: &Path) -> u64 {
    let mut length = [0; 8];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut length, 0));
    read.map_or(0, |()| u64::from_le_bytes(length).saturating_add(8))
}
