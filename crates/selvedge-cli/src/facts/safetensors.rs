//! The facts of a safetensors file.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use selvedge_base::FileError;
use selvedge_safetensors::{Reader, TensorInfo};

use super::python::SafetensorsLines;
use super::{
    Attribute, FileFacts, Format, Provenance, Role, Storage, TensorFacts, Unreadable, Value,
};
use crate::source::Kind;

/// The keys of `__metadata__` that say where a file came from.
const PROVENANCE: [&str; 3] = ["notebook", "created", "selvedge_version"];
/// The key of the names of step tensors, in a file that `selvedge convert` made of a trajectory.
pub(crate) const STEP_TENSORS: &str = "step_tensors";

pub(super) fn gather(path: &Path) -> Result<(FileFacts, Reader), Unreadable> {
    let metadata = fs::metadata(path).map_err(FileError::io(path, "look at"))?;
    let reader = Reader::open(path)?;
    let header = reader.header();
    let [notebook, created, selvedge_version] =
        PROVENANCE.map(|key| header.metadata().get(key).cloned());
    let attributes = header
        .metadata()
        .iter()
        .filter(|(name, _)| !PROVENANCE.contains(&name.as_str()))
        .map(|(name, value)| Attribute {
            name: name.clone(),
            value: Value::text(value),
        })
        .collect();
    let steps = header.metadata().get(STEP_TENSORS);
    let steps: Option<HashSet<String>> = steps.and_then(|names| serde_json::from_str(names).ok());
    let steps = steps.unwrap_or_default();
    let python = SafetensorsLines::new(path, header.tensors());
    let facts = FileFacts {
        path: path.to_owned(),
        format: Format::Safetensors,
        file_bytes: metadata.len(),
        disk_bytes: metadata.blocks().saturating_mul(512),
        recording: None,
        has_other_writer: false,
        groups: None,
        provenance: Provenance {
            notebook,
            created,
            selvedge_version,
        },
        attributes,
        unread_attributes: Vec::new(),
        unlisted: Vec::new(),
        notes: Vec::new(),
        python: python.open(),
        tensors: header
            .tensors()
            .iter()
            .map(|info| TensorFacts {
                is_of_steps: steps.contains(&info.name),
                ..tensor_facts(info, &python)
            })
            .collect(),
    };
    Ok((facts, reader))
}

fn tensor_facts(info: &TensorInfo, python: &SafetensorsLines<'_>) -> TensorFacts {
    TensorFacts {
        name: info.name.clone(),
        role: Role::Tensor,
        dtype: Kind::of_safetensors(info.dtype)
            .map_or("an unknown dtype", |kind| kind.name)
            .to_owned(),
        stored_dtype: info.dtype.to_string(),
        logical_dtype: None,
        element_bits: Some(info.dtype.bitsize() as u64),
        shape: info.shape.iter().map(|&axis| axis as u64).collect(),
        axes: Vec::new(),
        bytes: Some(info.bytes()),
        stored_bytes: info.bytes(),
        storage: Storage::Contiguous {
            offset: Some(info.range.start),
        },
        extent: None,
        appended: 0,
        is_of_steps: false,
        is_constant: false,
        part: None,
        attributes: Vec::new(),
        unread_attributes: Vec::new(),
        remarks: Vec::new(),
        missing_sources: Vec::new(),
        python: python.read(info),
    }
}
