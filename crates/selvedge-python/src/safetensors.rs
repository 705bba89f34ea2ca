//! safetensors files: saved from Python's objects, loaded into memory that Python owns.

use std::collections::HashMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use selvedge_hdf5::Dtype;
use selvedge_safetensors::{Dtype as Stored, Reader, Save};

use crate::error;
use crate::values::{self, make_room, with_bytes};

/// What is said of a file beside its tensors.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    notebook: Option<String>,
    parameters: Vec<(String, String)>,
    metadata: Vec<(String, String)>,
    overwrite: bool,
    sync: bool,
    reproducible: bool,
}

const DTYPES: [(Dtype, Stored); 16] = [
    (Dtype::Bf16, Stored::BF16),
    (Dtype::F16, Stored::F16),
    (Dtype::F32, Stored::F32),
    (Dtype::F64, Stored::F64),
    (Dtype::I8, Stored::I8),
    (Dtype::I16, Stored::I16),
    (Dtype::I32, Stored::I32),
    (Dtype::I64, Stored::I64),
    (Dtype::U8, Stored::U8),
    (Dtype::U16, Stored::U16),
    (Dtype::U32, Stored::U32),
    (Dtype::U64, Stored::U64),
    (Dtype::Bool, Stored::BOOL),
    (Dtype::F8E4M3, Stored::F8_E4M3),
    (Dtype::F8E5M2, Stored::F8_E5M2),
    (Dtype::C64, Stored::C64),
];

/// Saves tensors, arrays and numbers: the number of bytes of the file.
#[pyfunction]
pub(crate) fn save_safetensors(
    py: Python<'_>,
    path: PathBuf,
    tensors: Vec<(String, Bound<'_, PyAny>)>,
    options: Options,
) -> PyResult<u64> {
    let mut found = Vec::with_capacity(tensors.len());
    let mut owners = Vec::with_capacity(tensors.len());
    let mut gathered = Vec::with_capacity(tensors.len());
    for (name, value) in tensors {
        let described = std::cell::RefCell::new(None);
        let (piece, owner) = values::find(&value, &name, None, &|dtype, shape| {
            let stored = DTYPES.iter().find(|(ours, _)| *ours == dtype);
            let Some(&(_, stored)) = stored else {
                let text =
                    format!("tensor `{name}` holds {dtype}, for which safetensors has no dtype");
                return Err(error::dtype(py, text));
            };
            let shape: Vec<usize> = shape.iter().map(|&axis| values::length(axis)).collect();
            *described.borrow_mut() = Some((stored, shape));
            Ok(())
        })?;
        owners.push(owner);
        let mut scratch = Vec::new();
        make_room(&mut scratch, piece.gathered(), &name)?;
        gathered.push(scratch);
        found.push((name, described.into_inner(), piece));
    }
    let Options {
        notebook,
        parameters,
        metadata,
        overwrite,
        sync,
        reproducible,
    } = options;
    let saved = py.detach(|| {
        let mut save = Save::new(path)
            .overwrite(overwrite)
            .sync(sync)
            .reproducible(reproducible);
        for ((name, described, piece), scratch) in found.iter().zip(&mut gathered) {
            if let Some((dtype, shape)) = described {
                save = save.raw(name, *dtype, shape, piece.bytes(scratch));
            }
        }
        if let Some(notebook) = notebook {
            save = save.notebook(notebook);
        }
        for (name, value) in &parameters {
            save = save.parameter(name, value);
        }
        for (key, value) in &metadata {
            save = save.metadata(key, value);
        }
        save.write()
    });
    drop(owners);
    let saved = saved.map_err(error::safetensors)?;
    Ok(saved.bytes)
}

/// An open file.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct SafetensorsFile(Reader);

#[pymethods]
impl SafetensorsFile {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| Reader::open(path))
            .map(Self)
            .map_err(error::safetensors)
    }

    /// The names of the tensors, in the order of the file.
    fn names(&self) -> Vec<String> {
        self.0.header().names().map(str::to_owned).collect()
    }

    /// Dtype and shape of a tensor.
    fn info(&self, py: Python<'_>, name: &str) -> PyResult<(&'static str, Vec<usize>)> {
        let tensor = self.0.tensor(name).map_err(error::safetensors)?;
        let dtype = DTYPES.iter().find(|(_, stored)| *stored == tensor.dtype());
        let Some((dtype, _)) = dtype else {
            let text = format!(
                "tensor `{name}` holds {:?}, which NumPy has no dtype for",
                tensor.dtype()
            );
            return Err(error::dtype(py, text));
        };
        Ok((dtype.name(), tensor.shape().to_vec()))
    }

    fn metadata(&self) -> HashMap<String, String> {
        let metadata = self.0.header().metadata().iter();
        metadata
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Fills `buffer` with ranges of bytes of a tensor: (first, count), one after the other.
    fn read_into(
        &self,
        buffer: &Bound<'_, PyAny>,
        name: &str,
        ranges: Vec<(u64, usize)>,
    ) -> PyResult<()> {
        with_bytes(buffer, |bytes| {
            let tensor = self.0.tensor(name).map_err(error::safetensors)?;
            let mut rest = bytes;
            for (first, count) in ranges {
                let room = rest.len();
                let Some((here, after)) = rest.split_at_mut_checked(count) else {
                    let text = format!("a buffer of {room} bytes where {count} are read");
                    return Err(Python::attach(|py| error::shape(py, text)));
                };
                tensor
                    .read_bytes_at(first, here)
                    .map_err(error::safetensors)?;
                rest = after;
            }
            Ok(())
        })
    }
}
