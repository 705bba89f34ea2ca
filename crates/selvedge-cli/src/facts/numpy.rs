//! The facts of arrays of `NumPy`: one in a `.npy` file, some in a `.npz` file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use selvedge_base::units::Names;
use selvedge_base::{FileError, did_you_mean, nearest_tensor};

use super::{
    Assumptions, FileFacts, Format, Provenance, Role, Storage, TensorFacts, Unreadable, python,
};
use crate::source::{Array, npz};

pub(super) fn gather(
    path: &Path,
    format: Format,
    assumptions: &Assumptions,
) -> Result<(FileFacts, Vec<Array>), Unreadable> {
    let metadata = fs::metadata(path).map_err(FileError::io(path, "look at"))?;
    let (arrays, others) = match format {
        Format::Npz => npz::open(path, assumptions)?,
        _ => (vec![Array::open(path, assumptions)?], Vec::new()),
    };
    for (tensor, assumed) in &assumptions.dtypes {
        let found = arrays.iter().find(|array| array.name == *tensor);
        if found.is_none_or(|array| array.kind != Some(assumed)) {
            let what = match found {
                Some(array) => format!("`{}`", array.descr),
                None => not_there(tensor, &arrays),
            };
            let tensor = tensor.clone();
            return Err(Unreadable::Assumed {
                tensor,
                assumed,
                what,
            });
        }
    }
    let others = others
        .iter()
        .map(|name| format!("`{name}` is no array, and is not looked into"));
    let rest = arrays.iter().filter_map(Array::rest);
    let tensors = arrays.iter();
    let tensors: Vec<TensorFacts> = tensors
        .map(|array| array_facts(array, path, format))
        .collect();
    let facts = FileFacts {
        path: path.to_owned(),
        format,
        file_bytes: metadata.len(),
        disk_bytes: metadata.blocks().saturating_mul(512),
        recording: None,
        has_other_writer: false,
        groups: None,
        provenance: Provenance::default(),
        attributes: Vec::new(),
        unread_attributes: Vec::new(),
        unlisted: Vec::new(),
        notes: others.chain(rest).collect(),
        python: python::open_numpy(path, format, &tensors),
        tensors,
    };
    Ok((facts, arrays))
}

/// Which arrays there are, where one is not.
fn not_there(name: &str, arrays: &[Array]) -> String {
    let names: Vec<String> = arrays.iter().map(|array| array.name.clone()).collect();
    format!(
        "not there, but {}{}",
        Names(&names),
        did_you_mean(nearest_tensor(name, names.iter().map(String::as_str)))
    )
}

fn array_facts(array: &Array, path: &Path, format: Format) -> TensorFacts {
    let dtype = array.kind.map_or(&*array.descr, |kind| kind.name);
    let bytes = array.bytes();
    TensorFacts {
        name: array.name.clone(),
        role: Role::Tensor,
        dtype: dtype.to_owned(),
        stored_dtype: array.descr.clone(),
        logical_dtype: None,
        element_bits: array.kind.map(|kind| kind.bits),
        shape: array.shape.clone(),
        axes: Vec::new(),
        bytes,
        stored_bytes: bytes.unwrap_or(0),
        storage: Storage::Contiguous {
            offset: array.offset(),
        },
        extent: None,
        appended: 0,
        is_of_steps: false,
        is_constant: false,
        part: None,
        attributes: Vec::new(),
        unread_attributes: Vec::new(),
        remarks: array.unread.iter().cloned().collect(),
        missing_sources: Vec::new(),
        python: python::read_numpy(path, array, format),
    }
}
