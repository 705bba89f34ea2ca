//! The facts of an HDF5 file, of Selvedge or of any other program.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use selvedge_base::FileError;
use selvedge_base::shape::most_elements;
use selvedge_base::text::shell_path;
use selvedge_hdf5::{
    Attribute as Stored, DataLayout, Dtype, MissingSource, Note, ReadError, Reader, RunState,
    StorageError, Tensor,
};

use super::model;
use super::{
    Assumptions, Attribute, FileFacts, Filter, Format, Part, Provenance, Rank, Recording,
    RecordingState, Remedy, Role, Storage, TensorFacts, UnreadAttribute, Unreadable, Value, python,
};
use crate::object;
use crate::words::of_program;

// The attributes of `docs/format.md`.
const FORMAT: &str = "selvedge_format";
const VERSION: &str = "selvedge_version";
const READ_PATTERN: &str = "selvedge_read_pattern";
const CREATED: &str = "created";
const NOTEBOOK: &str = "notebook";
const LOGICAL_DTYPE: &str = "logical_dtype";
/// The attribute that HDF5's dimension scales keep labels in, which are names of axes.
pub(crate) const AXIS_LABELS: &str = "DIMENSION_LABELS";
/// What the first axis of a step tensor is.
pub(crate) const STEPS: &str = "steps";

pub(super) fn gather(
    path: &Path,
    assumptions: &Assumptions,
) -> Result<(FileFacts, Reader), Unreadable> {
    let metadata = fs::metadata(path).map_err(FileError::io(path, "look at"))?;
    let reader = assumptions.reader.open(path)?;
    let disk_bytes = metadata.blocks().saturating_mul(512);
    let (mut facts, reader) = gather_open(path, reader, disk_bytes, assumptions)?;
    // Where the system does not tell it may still have its writer.
    facts.has_other_writer = reader.has_swmr_mark() && reader.is_open_for_writing() != Some(false);
    Ok((facts, reader))
}

/// The same of the object at `url`.
pub(super) fn gather_object(
    url: &str,
    assumptions: &Assumptions,
) -> Result<(FileFacts, Reader), Unreadable> {
    let reader = object::open(url, &assumptions.reader).map_err(Unreadable::Object)?;
    let (path, bytes) = (reader.path().to_owned(), reader.file_bytes()?);
    let (mut facts, reader) = gather_open(&path, reader, bytes, assumptions)?;
    // What has a remark can lie in other files, which h5py would look for beside the object, and crash or give zeros.
    for tensor in &mut facts.tensors {
        let found = (!tensor.remarks.is_empty()).then(|| reader.tensor(&tensor.name));
        let readable = found.map_or(Ok(()), |found| found?.check_readable());
        if matches!(readable, Err(ReadError::NotFollowed { .. })) {
            tensor.python.clear();
        }
    }
    Ok((facts, reader))
}

fn gather_open(
    path: &Path,
    mut reader: Reader,
    disk_bytes: u64,
    assumptions: &Assumptions,
) -> Result<(FileFacts, Reader), Unreadable> {
    if assumptions.bf16 {
        let unmarked: Vec<String> = reader
            .tensors()
            .iter()
            .filter(|tensor| tensor.may_be_bf16())
            .map(|tensor| tensor.name().to_owned())
            .collect();
        unmarked
            .iter()
            .try_for_each(|name| reader.assume_bf16(name))?;
    }
    for (name, kind) in &assumptions.dtypes {
        let cannot = |what: String| Unreadable::Assumed {
            tensor: name.clone(),
            assumed: kind,
            what,
        };
        if kind.hdf5 != Some(Dtype::Bf16) {
            return Err(cannot(
                "in an HDF5 file, of which that is not assumed".to_owned(),
            ));
        }
        match reader.assume_bf16(name) {
            Err(ReadError::NotBf16 { found, .. }) => return Err(cannot(found)),
            other => other?,
        }
    }
    let recording = recording(&reader);
    let mut unlisted: Vec<Note> = reader.notes().to_vec();
    unlisted.retain(|note| match note {
        Note::UnreadAttributes { object, .. } => object.is_empty(),
        _ => false,
    });
    let mut tensors = reader
        .tensors()
        .iter()
        .zip(reader.axis_names())
        .map(|(tensor, axes)| tensor_facts(tensor, axes, recording.as_ref(), &mut unlisted))
        .collect::<Result<Vec<_>, _>>()?;
    tensors.sort_by_key(|tensor| tensor.role);
    let text = |name: &str| match reader.attribute(name) {
        Some(Stored::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let provenance = Provenance {
        notebook: text(NOTEBOOK),
        created: text(CREATED),
        selvedge_version: text(VERSION),
    };
    // What has a place of its own above; of another type than ours it is an attribute as any other.
    let placed = |name: &str| match name {
        NOTEBOOK => provenance.notebook.is_some(),
        CREATED => provenance.created.is_some(),
        other => recording.is_some() && other.starts_with("selvedge_"),
    };
    let facts = FileFacts {
        path: path.to_owned(),
        format: Format::Hdf5,
        file_bytes: reader.file_bytes()?,
        disk_bytes,
        attributes: attributes(reader.attributes(), placed),
        unread_attributes: unread(reader.skipped_attributes()),
        notes: notes(path, &reader, &unlisted),
        unlisted: unlisted.iter().filter_map(Note::not_kept).collect(),
        python: python::open_hdf5(path, &tensors, reader.has_swmr_mark()),
        provenance,
        recording,
        has_other_writer: false,
        groups: Some(reader.group_names().clone()),
        tensors,
    };
    Ok((facts, reader))
}

/// Takes over what has changed since in a file that is being recorded.
pub(super) fn refresh(facts: &mut FileFacts, reader: &mut Reader) -> Result<(), Unreadable> {
    reader.refresh()?;
    facts.recording = recording(reader);
    facts.file_bytes = reader.file_bytes()?;
    facts.disk_bytes = reader.disk_bytes().unwrap_or(facts.disk_bytes);
    for tensor in &mut facts.tensors {
        if tensor.role != Role::Step {
            continue;
        }
        let now = reader.tensor(&tensor.name)?;
        tensor.shape = now.shape();
        tensor.bytes = tensor
            .element_bits
            .map(|bits| model::bytes(&tensor.shape, bits));
        tensor.extent = now.extent();
        tensor.appended = now.appended();
    }
    Ok(())
}

fn recording(reader: &Reader) -> Option<Recording> {
    let format_version = match reader.attribute(FORMAT)? {
        Stored::Int(version) => Some(*version),
        _ => None,
    };
    let state = match reader.state() {
        RunState::Recording => match reader.has_recorder() {
            Ok(true) => RecordingState::Live,
            Ok(false) => RecordingState::Died,
            Err(_) => RecordingState::LiveOrDied,
        },
        RunState::Finished => RecordingState::Finished,
        RunState::Recovered => RecordingState::Recovered,
        _ => RecordingState::Unknown,
    };
    let remedy = match state {
        RecordingState::Died => match reader.check_in_place() {
            Err(StorageError::WrittenAnew { steps: 0, .. }) => None,
            Err(StorageError::UnequalSteps { .. }) => Some(Remedy::SameSteps),
            Err(StorageError::WrittenAnew { .. }) => Some(Remedy::Rechunk),
            _ => Some(Remedy::Recover),
        },
        _ => None,
    };
    Some(Recording {
        state,
        remedy,
        committed_steps: reader.committed_steps(),
        planned_steps: reader.planned_steps(),
        format_version,
        read_pattern: match reader.attribute(READ_PATTERN) {
            Some(Stored::Text(pattern)) => Some(pattern.clone()),
            _ => None,
        },
        rank: reader.shard().map(|shard| Rank {
            run: shard.run,
            rank: shard.rank,
            world_size: shard.world_size,
        }),
        sources: reader.sources().to_vec(),
        changes: {
            let changes = reader.notes().iter().filter(|note| note.is_change());
            changes.map(ToString::to_string).collect()
        },
    })
}

fn tensor_facts(
    tensor: &Tensor,
    axes: Vec<Option<String>>,
    recording: Option<&Recording>,
    unlisted: &mut Vec<Note>,
) -> Result<TensorFacts, Unreadable> {
    let role = match (recording, tensor.role()) {
        (None, _) => Role::Tensor,
        (Some(_), selvedge_hdf5::Role::Step) => Role::Step,
        (Some(_), _) => Role::Constant,
    };
    let marked = tensor.is_marked_step().filter(|_| recording.is_none());
    let dtype = tensor.dtype().ok();
    let element_bits = dtype.map(|dtype| dtype.size() as u64 * 8);
    let shape = tensor.shape();
    let (stored, skipped) = tensor.all_attributes().unwrap_or_else(|note| {
        unlisted.push(note);
        Default::default()
    });
    let logical_dtype = match find(&stored, LOGICAL_DTYPE) {
        Some(Stored::Text(text)) => Some(text.clone()),
        // A list of one text is a text, as MATLAB writes them.
        Some(Stored::Texts(texts)) if texts.len() == 1 => Some(texts[0].clone()),
        _ => None,
    };
    // The steps that chunks are there for: of a planned run all of them.
    let mut whole = shape.clone();
    if let (Role::Step, Some(leading), Some(recording)) = (role, whole.first_mut(), recording) {
        *leading = recording.planned_steps.unwrap_or(*leading).max(*leading);
    }
    let placed = |name: &str| match name {
        LOGICAL_DTYPE => logical_dtype.is_some(),
        AXIS_LABELS => axes.iter().any(Option::is_some),
        _ => false,
    };
    let stored_dtype = tensor.stored_type();
    let storage = storage(tensor, &whole, element_bits)?;
    let missing = match storage {
        Storage::Virtual => tensor.missing_sources(),
        _ => Ok(Vec::new()),
    };
    // That others are not looked at, the remarks tell.
    let absent = missing.iter().flatten().filter(|source| source.is_absent());
    let own_attributes = attributes(&stored, placed);
    Ok(TensorFacts {
        axes: named(axes, role == Role::Step),
        remarks: remarks(tensor, &storage, &missing),
        missing_sources: absent.map(ToString::to_string).collect(),
        name: tensor.name().to_owned(),
        role,
        dtype: tensor.dtype_name().to_owned(),
        element_bits,
        bytes: element_bits.map(|bits| model::bytes(&shape, bits)),
        stored_bytes: tensor.stored_bytes(),
        storage,
        extent: (role == Role::Step).then(|| tensor.extent()).flatten(),
        appended: tensor.appended(),
        // Copies of tensors of a run have its marks.
        is_of_steps: marked == Some(true) && tensor.role() == selvedge_hdf5::Role::Step,
        is_constant: marked == Some(false),
        python: python::read_hdf5(tensor.name(), dtype, &stored_dtype, shape.len()),
        part: tensor.part_of()?.map(|part| {
            let axes = |axes: &[usize]| axes.iter().map(|&axis| axis as u64).collect();
            Part {
                global_shape: axes(&part.global_shape),
                offset: axes(&part.offset),
            }
        }),
        attributes: own_attributes,
        unread_attributes: unread(&skipped),
        logical_dtype,
        stored_dtype,
        shape,
    })
}

fn notes(path: &Path, reader: &Reader, unlisted: &[Note]) -> Vec<String> {
    let known = reader.notes();
    let more = unlisted.iter().filter(|note| !known.contains(note));
    let notes = known.iter().chain(more);
    let mut notes: Vec<String> = notes.map(|note| of_program(&note.to_string())).collect();
    if reader.has_swmr_mark() {
        let recover = format!("`selvedge recover {}` takes its mark out", shell_path(path));
        notes.push(match reader.is_open_for_writing() {
            Some(true) => {
                "another program is writing it in SWMR mode: this is what there is so far".to_owned()
            }
            Some(false) => format!("the program that wrote it in SWMR mode died; {recover}"),
            None => format!(
                "another program writes it in SWMR mode, or died at it; if nobody does any more, {recover}"
            ),
        });
    }
    notes
}

/// What hinders reading it, or is worth knowing before.
fn remarks(
    tensor: &Tensor,
    storage: &Storage,
    missing: &Result<Vec<MissingSource>, StorageError>,
) -> Vec<String> {
    let mut remarks: Vec<String> = tensor.remark().map(str::to_owned).into_iter().collect();
    match storage {
        Storage::Virtual => match missing {
            Ok(missing) => remarks.extend(missing.iter().map(|missing| {
                format!("it is virtual, and cannot be read: it takes values from {missing}")
            })),
            Err(error) => remarks.push(error.to_string()),
        },
        Storage::Chunked { filters, .. } if !filters.is_empty() => {
            remarks.extend(tensor.missing_filter().map(|filter| {
                format!(
                    "it cannot be read: the filter {filter} is no part of this program; {}",
                    filter.advice()
                )
            }));
        }
        Storage::Contiguous { .. } => {
            let files = tensor.external_files();
            if !files.is_empty() {
                remarks.push(match tensor.check_readable() {
                    Err(
                        ReadError::NotFollowed { values, .. }
                        | ReadError::ExternalStorage { values, .. },
                    ) => {
                        format!("it cannot be read: it takes values from {values}")
                    }
                    _ => format!(
                        "its values lie in other files (external storage): {}",
                        files.join(", ")
                    ),
                });
            }
        }
        _ => {}
    }
    remarks.iter().map(|remark| of_program(remark)).collect()
}

fn storage(
    tensor: &Tensor,
    whole: &[u64],
    element_bits: Option<u64>,
) -> Result<Storage, Unreadable> {
    Ok(match tensor.data_layout()? {
        DataLayout::Compact => Storage::Compact,
        DataLayout::Virtual => Storage::Virtual,
        DataLayout::Chunked {
            shape,
            stored,
            filters,
            ..
        } => {
            let along: Vec<u64> = whole
                .iter()
                .zip(&shape)
                .map(|(axis, chunk)| axis.div_ceil((*chunk).max(1)))
                .collect();
            let chunks = most_elements(&along);
            let held = chunks.saturating_mul(most_elements(&shape));
            let values = most_elements(whole);
            let tail_steps = match (whole.first(), shape.first(), along.first()) {
                (Some(axis), Some(chunk), Some(rows)) => {
                    rows.saturating_mul(*chunk).saturating_sub(*axis)
                }
                _ => 0,
            };
            let filters = filters
                .into_iter()
                .map(|filter| Filter {
                    id: filter.id,
                    name: filter.name,
                })
                .collect();
            Storage::Chunked {
                chunk_bytes: element_bits.map(|bits| model::bytes(&shape, bits)),
                chunks,
                stored_chunks: stored,
                tail_steps,
                waste: held.saturating_sub(values) as f64 / values.max(1) as f64,
                filters,
                encoder: tensor.encoder().map(str::to_owned),
                chunk_shape: shape,
            }
        }
        // Contiguous, and what HDF5 may have one day.
        _ => Storage::Contiguous { offset: None },
    })
}

/// The names of axes that the file has, and no guesses. Without any the list is empty.
fn named(mut axes: Vec<Option<String>>, has_steps: bool) -> Vec<Option<String>> {
    if has_steps && let Some(first) = axes.first_mut() {
        first.get_or_insert_with(|| STEPS.to_owned());
    }
    if axes.iter().all(Option::is_none) {
        axes.clear();
    }
    axes
}

fn find<'a>(attributes: &'a [(String, Stored)], name: &str) -> Option<&'a Stored> {
    let (_, value) = attributes.iter().find(|(found, _)| found == name)?;
    Some(value)
}

fn attributes(stored: &[(String, Stored)], placed: impl Fn(&str) -> bool) -> Vec<Attribute> {
    stored
        .iter()
        .filter(|(name, _)| !placed(name))
        .map(|(name, value)| Attribute {
            name: name.clone(),
            value: Value(value.clone()),
        })
        .collect()
}

fn unread(skipped: &[(String, String)]) -> Vec<UnreadAttribute> {
    skipped
        .iter()
        .map(|(name, stored_type)| UnreadAttribute {
            name: name.clone(),
            stored_type: stored_type.clone(),
        })
        .collect()
}
