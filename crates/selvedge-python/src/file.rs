//! Reading trajectories, and any HDF5 file: values into memory that Python owns.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use selvedge_base::shape::most_elements;
use selvedge_base::{Mutex, Stride};
use selvedge_hdf5::{Attribute, Dtype, Indices, NoIndices, Reader, ReaderOptions, Role, RunState};

use crate::error;
use crate::object::{Object, Opening};
use crate::values::with_bytes;
use crate::wait::Apart;

/// About so many bytes are read between two looks for Ctrl-C.
const PART: u64 = 256 << 20;

/// An open file.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct File {
    reader: Apart<Mutex<Reader>>,
    /// The object that it is, unless it is a file of this machine.
    object: Option<Arc<Object>>,
}

/// Which other files are read, of those that the file names.
#[derive(FromPyObject)]
pub(crate) enum Links {
    Asked(bool),
    Inside(PathBuf),
}

impl Links {
    /// How a file is opened with them.
    pub(crate) fn options(self) -> ReaderOptions {
        let options = Reader::options();
        match self {
            Self::Asked(false) => options,
            Self::Asked(true) => options.follow_links(),
            Self::Inside(folder) => options.follow_links_inside(folder),
        }
    }
}

#[pymethods]
impl File {
    /// `links` are the folder in which files are read that the file names, or whether those in its own are.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, links: Links, plugins: bool) -> PyResult<Self> {
        let options = match plugins {
            true => links.options().load_plugins(),
            false => links.options(),
        };
        let reader = py.detach(|| options.open(path)).map_err(error::hdf5)?;
        Ok(Self {
            reader: Apart::new(Mutex::new(reader)),
            object: None,
        })
    }

    /// The file that is the object at `url`: the one that goes by `version`, if that is given.
    #[staticmethod]
    fn of_object(
        py: Python<'_>,
        url: &str,
        version: Option<String>,
        timeout: f64,
        plugins: bool,
    ) -> PyResult<Self> {
        let opening = Opening {
            url,
            version,
            timeout,
            plugins,
        };
        let (object, reader) = py.detach(|| Object::open(&opening))?;
        Ok(Self {
            reader: Apart::new(Mutex::new(reader)),
            object: Some(object),
        })
    }

    /// Which object it is, in words; `None` of a file of this machine.
    fn version(&self) -> Option<String> {
        self.object.as_ref().map(|object| object.version())
    }

    /// Shows the steps that were committed since, and returns how many there are. An object does not grow: it fails if
    /// there is another one of its name.
    fn refresh(&self, py: Python<'_>) -> PyResult<u64> {
        if let Some(object) = &self.object {
            py.detach(|| object.check_unchanged())?;
        }
        self.with(py, |reader| reader.refresh().map_err(error::hdf5))
    }

    fn assume_bf16(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.with(py, |reader| reader.assume_bf16(name).map_err(error::hdf5))
    }

    /// The names of all tensors, in the order of the file.
    fn names(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |reader| {
            reader
                .tensors()
                .iter()
                .map(|tensor| tensor.name().to_owned())
                .collect()
        })
    }

    fn tensor(&self, py: Python<'_>, name: &str) -> PyResult<Tensor> {
        self.with(py, |reader| {
            let tensor = reader.tensor(name).map_err(error::hdf5)?;
            Ok(Tensor::new(tensor.clone(), self.object.clone()))
        })
    }

    fn committed(&self, py: Python<'_>) -> u64 {
        self.with(py, |reader| reader.committed_steps())
    }

    fn planned(&self, py: Python<'_>) -> Option<u64> {
        self.with(py, |reader| reader.planned_steps())
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let attributes = self.with(py, |reader| reader.attributes().to_vec());
        attributes
            .into_iter()
            .map(|(name, value)| Ok((name, to_python(py, value)?)))
            .collect()
    }

    /// What is not as the run left it, in sentences.
    fn notes(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |reader| {
            let notes = reader.notes().iter();
            notes
                .map(|note| error::in_python(&note.to_string()))
                .collect()
        })
    }

    /// How the recording ended: `live`, `died`, `finished`, `recovered` or `unknown`.
    fn state(&self, py: Python<'_>) -> &'static str {
        self.with(py, |reader| match reader.state() {
            RunState::Finished => "finished",
            RunState::Recovered => "recovered",
            // Nobody records into an object.
            RunState::Recording if self.object.is_some() => "died",
            // Without locks to ask for, it may be at work.
            RunState::Recording => match reader.has_recorder() {
                Ok(false) => "died",
                Ok(true) | Err(_) => "live",
            },
            _ => "unknown",
        })
    }
}

impl File {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Reader) -> T + Send) -> T {
        py.detach(|| work(&mut self.reader.lock()))
    }
}

/// A tensor as the file was when it was asked for.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct Tensor {
    tensor: Apart<selvedge_hdf5::Tensor>,
    object: Option<Arc<Object>>,
    /// Whether nobody wants any longer what is being read by it.
    given_up: AtomicBool,
}

#[pymethods]
impl Tensor {
    #[getter]
    fn name(&self) -> &str {
        self.tensor.name()
    }

    #[getter]
    fn dtype(&self) -> PyResult<&'static str> {
        self.tensor.dtype().map(Dtype::name).map_err(error::hdf5)
    }

    #[getter]
    fn shape(&self) -> Vec<u64> {
        self.tensor.shape()
    }

    #[getter]
    fn is_step_tensor(&self) -> bool {
        self.tensor.role() == Role::Step
    }

    #[getter]
    fn chunk_shape(&self) -> Option<Vec<u64>> {
        self.tensor.chunk_shape().map(<[u64]>::to_vec)
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let attributes =
            py.detach(|| self.ask(|| self.tensor.attributes().map_err(error::hdf5)))?;
        attributes
            .into_iter()
            .map(|(name, value)| Ok((name, to_python(py, value)?)))
            .collect()
    }

    /// Fills `buffer` with indices of the first axis, in runs of (first, count, stride), and of each the
    /// `rows` of the second; `None` for all.
    #[pyo3(signature = (buffer, runs, rows, as_float32))]
    fn read_into(
        &self,
        buffer: &Bound<'_, PyAny>,
        runs: Vec<(u64, u64, u64)>,
        rows: Option<Vec<usize>>,
        as_float32: bool,
    ) -> PyResult<()> {
        let runs = runs.into_iter().map(|(first, count, stride)| Stride {
            first,
            count,
            stride,
        });
        let runs: Vec<Stride> = runs.collect();
        with_bytes(buffer, move |bytes| {
            let rows = rows.as_deref();
            if self.object.is_some() {
                // All at once: each request takes long, and they wait together.
                return self.ask(|| self.read_strides(&runs, rows, as_float32, bytes));
            }
            let mut rest = bytes;
            for run in runs {
                rest = self.read_run(run, rows, as_float32, rest)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
            let text = format!("a buffer with {} bytes too many", rest.len());
            Err(Python::attach(|py| error::shape(py, text)))
        })
    }

    /// Fills `buffer` with the value of a tensor without axes.
    fn read_single_into(&self, buffer: &Bound<'_, PyAny>) -> PyResult<()> {
        with_bytes(buffer, |bytes| {
            let value = self.ask(|| self.tensor.read_bytes().map_err(error::hdf5))?;
            if bytes.len() != value.len() {
                let text = format!("a buffer of {} bytes for {}", bytes.len(), value.len());
                return Err(Python::attach(|py| error::shape(py, text)));
            }
            bytes.copy_from_slice(&value);
            Ok(())
        })
    }

    /// The same tensor for another reader, who can give up without the others.
    fn apart(&self) -> Self {
        Self::new(self.tensor.clone(), self.object.clone())
    }

    /// Ends what is being read by it from a store: an error for whoever waits.
    fn give_up(&self) {
        if self.object.is_some() {
            self.given_up.store(true, Ordering::Relaxed);
            Object::interrupt();
        }
    }
}

impl Tensor {
    fn new(tensor: selvedge_hdf5::Tensor, object: Option<Arc<Object>>) -> Self {
        Self {
            tensor: Apart::new(tensor),
            object,
            given_up: AtomicBool::new(false),
        }
    }

    /// Does `work`, for which a store may be asked.
    fn ask<T: Send>(&self, mut work: impl FnMut() -> PyResult<T> + Send) -> PyResult<T> {
        match &self.object {
            Some(object) => object.ask(&self.given_up, work),
            None => work(),
        }
    }

    /// Reads strides into `bytes`, which has exactly their length.
    fn read_strides(
        &self,
        strides: &[Stride],
        rows: Option<&[usize]>,
        as_float32: bool,
        bytes: &mut [u8],
    ) -> PyResult<()> {
        let mut selection = self.tensor.select().steps(strides);
        if let Some(rows) = rows {
            selection = selection.rows(rows);
        }
        if as_float32 {
            let values = floats(bytes)?;
            return selection.read_f32_into(values).map_err(error::hdf5);
        }
        selection.read_bytes_into(bytes).map_err(error::hdf5)?;
        if matches!(self.tensor.dtype(), Ok(Dtype::Bool)) {
            // A file can hold any byte where Python knows 0 and 1.
            bytes
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Ok(())
    }

    /// Reads a run into the beginning of `bytes`, and returns the rest of it.
    fn read_run<'a>(
        &self,
        Stride {
            first,
            count,
            stride,
        }: Stride,
        rows: Option<&[usize]>,
        as_float32: bool,
        mut bytes: &'a mut [u8],
    ) -> PyResult<&'a mut [u8]> {
        let tensor = &self.tensor;
        let shape = tensor.shape();
        let row = most_elements(shape.get(2..).unwrap_or_default());
        let count_of_rows =
            rows.map_or(shape.get(1).copied().unwrap_or(1), |rows| rows.len() as u64);
        let element = if as_float32 {
            size_of::<f32>()
        } else {
            tensor.dtype().map_err(error::hdf5)?.size()
        };
        let index = row
            .saturating_mul(count_of_rows)
            .saturating_mul(element as u64);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let part = part(tensor.chunk_shape(), index as u64, stride);
        let mut done = 0;
        while done < count {
            let now = part.min(count - done);
            let length = index.saturating_mul(usize::try_from(now).unwrap_or(usize::MAX));
            let room = bytes.len();
            let Some((here, rest)) = bytes.split_at_mut_checked(length) else {
                let text = format!("a buffer of {room} bytes where {length} are read");
                return Err(Python::attach(|py| error::shape(py, text)));
            };
            let now_read = Stride {
                first: first + done * stride,
                count: now,
                stride,
            };
            self.read_strides(&[now_read], rows, as_float32, here)?;
            bytes = rest;
            done += now;
            if done < count {
                #[expect(
                    clippy::redundant_closure_for_method_calls,
                    reason = "the method is of one lifetime"
                )]
                Python::attach(|py| py.check_signals())?;
            }
        }
        Ok(bytes)
    }
}

/// How many indices of the first axis are read at once: whole rows of chunks, so that each is unpacked once.
fn part(chunk: Option<&[u64]>, index_bytes: u64, stride: u64) -> u64 {
    let indices = (PART / index_bytes.max(1)).max(1);
    let chunk = chunk
        .and_then(|chunk| chunk.first())
        .map_or(1, |&rows| rows.div_ceil(stride));
    match indices / chunk.max(1) {
        0 => indices,
        whole => whole * chunk.max(1),
    }
}

/// A buffer of float32 as such.
fn floats(bytes: &mut [u8]) -> PyResult<&mut [f32]> {
    bytemuck::try_cast_slice_mut(bytes).map_err(|error| {
        let text = format!("a buffer of float32: {error}");
        Python::attach(|py| error::shape(py, text))
    })
}

/// The values of an attribute.
pub(crate) fn to_python<'py>(py: Python<'py>, value: Attribute) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Attribute::Int(value) => value.into_pyobject(py)?.into_any(),
        Attribute::Uint(value) => value.into_pyobject(py)?.into_any(),
        Attribute::Float(value) => value.into_pyobject(py)?.into_any(),
        Attribute::Float32(value) => value.into_pyobject(py)?.into_any(),
        Attribute::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Attribute::Text(value) => value.into_pyobject(py)?.into_any(),
        Attribute::Ints(value) => value.into_pyobject(py)?,
        Attribute::Floats(value) => value.into_pyobject(py)?,
        Attribute::Floats32(value) => value.into_pyobject(py)?,
        Attribute::Bools(value) => value.into_pyobject(py)?,
        Attribute::Texts(value) => value.into_pyobject(py)?,
        other => other.to_string().into_pyobject(py)?.into_any(),
    })
}

/// Indices that a text names, of an axis of `length` elements, in runs of (first, count, stride); `name` is what
/// the axis is of.
#[pyfunction]
pub(crate) fn named_indices(
    py: Python<'_>,
    text: &str,
    length: u64,
    name: &str,
) -> PyResult<Vec<(u64, u64, u64)>> {
    let outside =
        |error: &dyn Display| error::new(py, "OutOfRangeError", format!("`{name}`: {error}"));
    let indices: Indices = text.parse().map_err(|error: NoIndices| outside(&error))?;
    let strides = indices.of(length).map_err(|error| outside(&error))?;
    let runs = strides.into_iter();
    Ok(runs.map(|run| (run.first, run.count, run.stride)).collect())
}

/// Puts a file in order whose writer died: its committed steps, whether it was changed, and a sentence.
#[pyfunction]
pub(crate) fn recover(py: Python<'_>, path: PathBuf) -> PyResult<(u64, bool, String)> {
    let found = py
        .detach(|| selvedge_hdf5::recover(path))
        .map_err(error::hdf5)?;
    Ok((found.committed, found.changed, found.to_string()))
}
