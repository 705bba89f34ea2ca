//! The facts of a file as the rules of the conventions take them.

use selvedge_base::{Chain, FileError};
use selvedge_conventions as conventions;
use selvedge_conventions::{Damage, Dtype, Hdf5Facts, NumpyFacts, RunState, SafetensorsFacts};
use selvedge_hdf5::{ChunkPlan, Compression, ReadError, ReadPattern, StorageError, TensorSpec};
use selvedge_safetensors::{HeaderError, ReadError as SafetensorsError};

use super::reading::Reading;
use crate::facts::{FileFacts, RecordingState, Remedy, Role, Storage, TensorFacts, Unreadable};

/// The facts of an HDF5 file.
pub(crate) fn hdf5(facts: &FileFacts, reading: &Reading) -> Hdf5Facts {
    let recording = facts.recording.as_ref();
    Hdf5Facts {
        damage: None,
        changed_source: None,
        state: match recording.map(|recording| recording.state) {
            // Where nobody can tell, nobody is accused.
            Some(RecordingState::Live | RecordingState::LiveOrDied) => RunState::Live,
            Some(RecordingState::Died) => RunState::Died,
            Some(RecordingState::Finished) => RunState::Finished,
            Some(RecordingState::Recovered) => RunState::Recovered,
            Some(RecordingState::Unknown) | None => RunState::Unknown,
        },
        written_anew: recording.is_some_and(|recording| {
            recording.state == RecordingState::Died && recording.remedy != Some(Remedy::Recover)
        }),
        unequal_steps: recording
            .is_some_and(|recording| recording.remedy == Some(Remedy::SameSteps)),
        changes: recording.map_or_else(Vec::new, |recording| recording.changes.clone()),
        committed_steps: recording.map(|recording| recording.committed_steps),
        planned_steps: recording.and_then(|recording| recording.planned_steps),
        read_pattern: own_pattern(facts),
        selvedge_version: facts.provenance.selvedge_version.clone(),
        notebook: facts.provenance.notebook.clone(),
        tensors: facts
            .tensors
            .iter()
            .map(|tensor| hdf5_tensor(facts, tensor, reading))
            .collect(),
    }
}

fn hdf5_tensor(
    facts: &FileFacts,
    tensor: &TensorFacts,
    reading: &Reading,
) -> conventions::TensorFacts {
    let mut converted = plain_tensor(tensor);
    let Storage::Chunked {
        chunk_shape,
        filters,
        encoder,
        ..
    } = &tensor.storage
    else {
        return converted;
    };
    converted.storage = conventions::Storage::Chunked {
        chunk: chunk_shape.clone(),
        filters: filters
            .iter()
            .map(|filter| conventions::Filter {
                id: filter.id,
                name: filter.name.clone(),
            })
            .collect(),
        fast_encoder: fast(encoder.as_deref()).map(str::to_owned),
    };
    // What the last chunk of an open-ended run holds beyond the steps is a hole in the file, which
    // takes no room on the disk.
    let recording = facts.recording.as_ref();
    let open_ended = recording.is_some_and(|recording| recording.planned_steps.is_none());
    let stored = if open_ended {
        tensor.stored_bytes.min(converted.bytes())
    } else {
        tensor.stored_bytes
    };
    converted.stored_bytes = Some(stored);
    if facts.recording.is_none() || tensor.role == Role::Step {
        converted.advised_chunk = advised_chunk(facts, tensor, reading);
    }
    converted
}

/// How the file says that it is read.
fn own_pattern(facts: &FileFacts) -> Option<conventions::ReadPattern> {
    let recording = facts.recording.as_ref()?;
    conventions::ReadPattern::named(recording.read_pattern.as_deref()?)
}

/// The chunks that the planner advises for the run as it was declared. A file of another program
/// declares nothing, and has as many steps as it was made for.
fn advised_chunk(facts: &FileFacts, tensor: &TensorFacts, reading: &Reading) -> Option<Vec<u64>> {
    let (&steps, shape) = tensor.shape.split_first()?;
    let shape = shape
        .iter()
        .map(|&axis| usize::try_from(axis).ok())
        .collect::<Option<Vec<_>>>()?;
    let dtype = selvedge_hdf5::Dtype::ALL
        .into_iter()
        .find(|dtype| dtype.name() == tensor.dtype)?;
    let steps = match &facts.recording {
        Some(recording) => recording.planned_steps,
        None => Some(steps),
    };
    let pattern = match own_pattern(facts).unwrap_or(reading.pattern) {
        conventions::ReadPattern::WholeTensors => ReadPattern::WholeTensor,
        conventions::ReadPattern::SingleSteps => ReadPattern::SingleSteps,
        conventions::ReadPattern::TokenSubsets => ReadPattern::TokenSubset,
    };
    // Its name does not matter, and that of a tensor in a group is none that a recorder takes.
    let spec = TensorSpec::new("tensor", dtype, shape);
    let compression = match &tensor.storage {
        Storage::Chunked {
            encoder,
            chunk_shape,
            ..
        } if fast(encoder.as_deref()).is_some() => match chunk_shape.first() {
            Some(1) => Compression::Fast,
            _ => Compression::Temporal,
        },
        _ => Compression::None,
    };
    let plan = ChunkPlan::new(&spec, steps, pattern, reading.chunk_size, compression).ok()?;
    Some(plan.chunk_shape)
}

/// The encoder of a compressed tensor, if it is one that keeps up with the disk.
fn fast(encoder: Option<&str>) -> Option<&str> {
    encoder.filter(|encoder| encoder.starts_with("selvedge-deflate "))
}

/// The facts of a safetensors file.
pub(crate) fn safetensors(facts: &FileFacts) -> SafetensorsFacts {
    SafetensorsFacts {
        damage: None,
        uncovered: Vec::new(),
        tensors: facts.tensors.iter().map(plain_tensor).collect(),
        notebook: facts.provenance.notebook.clone(),
    }
}

/// The facts of a file of NumPy.
pub(crate) fn numpy(facts: &FileFacts) -> NumpyFacts {
    let end = |tensor: &TensorFacts| match (&tensor.storage, tensor.bytes) {
        (
            Storage::Contiguous {
                offset: Some(start),
            },
            Some(bytes),
        ) => start.saturating_add(bytes),
        _ => 0,
    };
    let (expected, found) = (facts.tensors.iter().map(end).max(), facts.file_bytes);
    let missing = expected.filter(|&expected| expected > found);
    NumpyFacts {
        damage: missing.map(|expected| Damage::Truncated { expected, found }),
        tensors: facts.tensors.iter().map(plain_tensor).collect(),
    }
}

fn plain_tensor(tensor: &TensorFacts) -> conventions::TensorFacts {
    conventions::TensorFacts {
        logical_dtype: tensor.logical_dtype.clone(),
        missing_sources: tensor.missing_sources.clone(),
        ..conventions::TensorFacts::new(
            &tensor.name,
            Dtype::named(&tensor.stored_dtype),
            tensor.element_bits.unwrap_or(0).div_ceil(8),
            &tensor.shape,
        )
    }
}

/// The facts of an HDF5 file that cannot be read, if that is for what is in it.
pub(crate) fn unreadable_hdf5(error: Unreadable) -> Result<Hdf5Facts, Unreadable> {
    let mut facts = Hdf5Facts::default();
    let storage = match error {
        // What it points to may be sound.
        Unreadable::Pointer { .. } => return Ok(facts),
        Unreadable::Hdf5(ReadError::Storage(error)) => error,
        other => {
            facts.damage = Some(not_that_format(other)?);
            return Ok(facts);
        }
    };
    match storage {
        // h5py writes it at this moment.
        StorageError::File(FileError::OpenForWriting { .. }) => facts.state = RunState::Live,
        // All that its writer had put into it may be there.
        StorageError::MarkedByWriter { .. } => facts.state = RunState::Died,
        StorageError::Truncated {
            expected, found, ..
        } => facts.damage = Some(Damage::Truncated { expected, found }),
        // A view of the ranks of a run.
        StorageError::ChangedSource { file, what, .. } => {
            facts.changed_source = Some(format!("{file} {what}"));
        }
        StorageError::Library { action, source, .. } => {
            let why = Chain(&source);
            facts.damage = Some(reason(&format!("libhdf5 cannot {action} it: {why}")));
        }
        other => return Err(other.into()),
    }
    Ok(facts)
}

/// The facts of a safetensors file that cannot be read, if that is for what is in it. `data_start` is
/// where its data begin, as far as its first bytes tell.
pub(crate) fn unreadable_safetensors(
    error: Unreadable,
    data_start: u64,
) -> Result<SafetensorsFacts, Unreadable> {
    let mut facts = SafetensorsFacts::default();
    match error {
        Unreadable::Pointer { .. } => {}
        Unreadable::Safetensors(SafetensorsError::Header { source, .. }) => match source {
            HeaderError::Hole { begin, end, .. } => facts.uncovered.push(end..begin),
            HeaderError::TrailingBytes { expected, found } => {
                facts.uncovered.push(expected..found);
            }
            HeaderError::Truncated {
                expected, found, ..
            } => {
                facts.damage = Some(Damage::Truncated {
                    expected: expected.saturating_add(data_start),
                    found: found.saturating_add(data_start),
                });
            }
            HeaderError::Cut { expected, found } => {
                facts.damage = Some(Damage::Truncated {
                    expected: expected.saturating_add(8),
                    found: found.saturating_add(8),
                });
            }
            other => facts.damage = Some(reason(&Chain(&other).to_string())),
        },
        other => facts.damage = Some(not_that_format(other)?),
    }
    Ok(facts)
}

/// The facts of a file of NumPy that cannot be read, if that is for what is in it.
pub(crate) fn unreadable_numpy(error: Unreadable) -> Result<NumpyFacts, Unreadable> {
    let damage = match error {
        // What it points to may be sound.
        Unreadable::Pointer { .. } => None,
        Unreadable::Array(error) if !error.is_of_system() => Some(reason(&error.reason())),
        other => Some(not_that_format(other)?),
    };
    Ok(NumpyFacts {
        damage,
        tensors: Vec::new(),
    })
}

/// What all formats have in common.
fn not_that_format(error: Unreadable) -> Result<Damage, Unreadable> {
    match error {
        Unreadable::Empty { .. } => Ok(reason("it is empty")),
        Unreadable::UnknownFormat { start, .. } => Ok(reason(&format!("it starts with {start}"))),
        other => Err(other),
    }
}

/// Damage of a clause, which it ends with no full stop.
pub(crate) fn reason(text: &str) -> Damage {
    Damage::Unreadable {
        reason: text.trim_end_matches('.').to_owned(),
    }
}
