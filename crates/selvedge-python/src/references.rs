//! Where values lie, for readers of Zarr.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use selvedge_base::Mutex;
use selvedge_hdf5::{Attribute, Reader, ReferenceCodec, ReferenceOptions, ReferencedPiece};

use crate::error;
use crate::file::{Links, to_python};
use crate::object::{Object, Opening};
use crate::ranges::Blocks;

/// References to the values of a file, or of all ranks of a run. They hold the files open and against writers until
/// they are closed: frames of Python, which an error or a library keeps, may hold on to them for long.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct References(Arc<Open>);

/// References until they are closed.
struct Open(Mutex<Option<Arc<selvedge_hdf5::References>>>);

impl Open {
    fn new(found: selvedge_hdf5::References) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Arc::new(found)))))
    }

    fn get(&self, py: Python<'_>) -> PyResult<Arc<selvedge_hdf5::References>> {
        let found = self.0.lock().clone();
        found.ok_or_else(|| error::new(py, "ClosedError", "the references were closed"))
    }
}

/// How large pieces are, and whether tensors without references are left out.
fn options(piece: u64, skip: bool) -> ReferenceOptions {
    ReferenceOptions::default()
        .piece_bytes(piece)
        .skip_unsupported(skip)
}

#[pymethods]
impl References {
    /// `links` say of a single file which others are read, as of a `File`.
    #[new]
    fn new(
        py: Python<'_>,
        files: Vec<PathBuf>,
        links: Links,
        piece: u64,
        skip: bool,
    ) -> PyResult<Self> {
        let options = options(piece, skip);
        let found = py.detach(move || {
            Ok::<_, selvedge_hdf5::Error>(match &files[..] {
                [file] => selvedge_hdf5::References::of(&links.options().open(file)?, &options)?,
                ranks => selvedge_hdf5::References::of_ranks(ranks, &options)?,
            })
        });
        found
            .map(|found| Self(Open::new(found)))
            .map_err(error::hdf5)
    }

    /// Those to the values of the file that is the object at `url`.
    #[staticmethod]
    fn of_object(
        py: Python<'_>,
        url: &str,
        timeout: f64,
        piece: u64,
        skip: bool,
    ) -> PyResult<Self> {
        let options = options(piece, skip);
        let opening = Opening {
            url,
            version: None,
            timeout,
            plugins: false,
        };
        py.detach(|| {
            let (object, reader) = Object::open(&opening)?;
            object.ask(&AtomicBool::new(false), || {
                let found = selvedge_hdf5::References::of(&reader, &options);
                let found = found.map(|found| Self(Open::new(found)));
                found.map_err(error::hdf5)
            })
        })
    }

    /// Those to the values of a file of `size` bytes that lies elsewhere and goes by `name`, of which
    /// `fetch(offset, length)` has the bytes.
    #[staticmethod]
    fn of_ranges(
        name: &str,
        size: u64,
        fetch: &Bound<'_, PyAny>,
        piece: u64,
        skip: bool,
    ) -> PyResult<Self> {
        let options = options(piece, skip);
        let blocks = Arc::new(Blocks::new(size));
        loop {
            let found = fetch.py().detach(|| {
                let reader = Reader::options().open_ranges(name, Arc::clone(&blocks) as _)?;
                let found = selvedge_hdf5::References::of(&reader, &options)?;
                Ok::<_, selvedge_hdf5::Error>(found)
            });
            if !blocks.fetch_missing(fetch)? {
                return found
                    .map(|found| Self(Open::new(found)))
                    .map_err(error::hdf5);
            }
        }
    }

    /// Closes the files. Nothing is known of the arrays any more.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.0.0.lock().take()));
    }

    /// The files that pieces lie in.
    fn files(&self, py: Python<'_>) -> PyResult<Vec<PathBuf>> {
        Ok(self.0.get(py)?.files().to_vec())
    }

    fn steps(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.0.get(py)?.steps())
    }

    fn left_out(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.0.get(py)?.left_out().to_vec())
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        all(py, self.0.get(py)?.attributes())
    }

    fn arrays(&self, py: Python<'_>) -> PyResult<Vec<ReferencedArray>> {
        let count = self.0.get(py)?.arrays().len();
        let array = |number| ReferencedArray {
            of: Arc::clone(&self.0),
            number,
        };
        Ok((0..count).map(array).collect())
    }
}

fn all<'py>(
    py: Python<'py>,
    attributes: &[(String, Attribute)],
) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let attributes = attributes.iter();
    attributes
        .map(|(name, value)| Ok((name.clone(), to_python(py, value.clone())?)))
        .collect()
}

/// A tensor as an array of Zarr.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct ReferencedArray {
    of: Arc<Open>,
    number: usize,
}

impl ReferencedArray {
    fn with<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&selvedge_hdf5::ReferencedArray) -> T,
    ) -> PyResult<T> {
        Ok(work(&self.of.get(py)?.arrays()[self.number]))
    }
}

/// The pieces of an array: numbers of files as uint32, offsets and lengths as uint64, little-endian; and those that
/// are no range of a file, by their numbers.
type Pieces<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<(usize, Bound<'py, PyBytes>)>,
);

#[pymethods]
impl ReferencedArray {
    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |array| array.name().to_owned())
    }

    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.with(py, |array| array.dtype().name())
    }

    #[getter]
    fn shape(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.with(py, |array| array.shape().to_vec())
    }

    #[getter]
    fn chunk_shape(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.with(py, |array| array.chunk_shape().to_vec())
    }

    #[getter]
    fn grid_shape(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.with(py, selvedge_hdf5::ReferencedArray::grid_shape)
    }

    #[getter]
    fn dimension_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |array| array.dimension_names().to_vec())
    }

    /// What pieces went through: names of numcodecs, and the bytes of an element where that counts.
    #[getter]
    fn codecs(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, usize)>> {
        let named = |codec: &ReferenceCodec| match codec {
            ReferenceCodec::Shuffle { element } => ("shuffle", *element),
            ReferenceCodec::Fletcher32 => ("fletcher32", 0),
            _ => ("zlib", 0),
        };
        self.with(py, |array| array.codecs().iter().map(named).collect())
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        self.with(py, |array| all(py, array.attributes()))?
    }

    /// The pieces from number `first` along the first axis on, in row-major order.
    fn pieces<'py>(&self, py: Python<'py>, first: u64) -> PyResult<Pieces<'py>> {
        let (mut files, mut offsets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut inline = Vec::new();
        let of = self.of.get(py)?;
        let found = py.detach(|| {
            of.arrays()[self.number].for_each_piece(first, |_, piece| {
                let (file, offset, length) = match piece {
                    ReferencedPiece::Range {
                        file,
                        offset,
                        length,
                    } => (file, offset, length),
                    ReferencedPiece::Inline(bytes) => {
                        inline.push((files.len() / size_of::<u32>(), bytes.to_vec()));
                        (0, 0, bytes.len() as u64)
                    }
                };
                files.extend(u32::try_from(file).unwrap_or(u32::MAX).to_le_bytes());
                offsets.extend(offset.to_le_bytes());
                lengths.extend(length.to_le_bytes());
                Ok::<_, selvedge_hdf5::Error>(())
            })
        });
        found.map_err(error::hdf5)?;
        let inline = inline.iter();
        let inline = inline.map(|(number, bytes)| (*number, PyBytes::new(py, bytes)));
        Ok((
            PyBytes::new(py, &files),
            PyBytes::new(py, &offsets),
            PyBytes::new(py, &lengths),
            inline.collect(),
        ))
    }
}
