//! Where values lie, for readers of Zarr.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use selvedge_hdf5::{Attribute, Reader, ReferenceCodec, ReferenceOptions, ReferencedPiece};

use crate::error;
use crate::file::to_python;
use crate::object::{Object, Opening};
use crate::ranges::Blocks;

/// References to the values of a file, or of all ranks of a run.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct References(selvedge_hdf5::References);

#[pymethods]
impl References {
    #[new]
    fn new(py: Python<'_>, files: Vec<PathBuf>, piece: u64, skip: bool) -> PyResult<Self> {
        let options = ReferenceOptions::default()
            .piece_bytes(piece)
            .skip_unsupported(skip);
        let found = py.detach(move || {
            Ok::<_, selvedge_hdf5::Error>(match &files[..] {
                [file] => selvedge_hdf5::References::of(&Reader::open(file)?, &options)?,
                ranks => selvedge_hdf5::References::of_ranks(ranks, &options)?,
            })
        });
        found.map(Self).map_err(error::hdf5)
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
        let options = ReferenceOptions::default()
            .piece_bytes(piece)
            .skip_unsupported(skip);
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
                found.map(Self).map_err(error::hdf5)
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
        let options = ReferenceOptions::default()
            .piece_bytes(piece)
            .skip_unsupported(skip);
        let blocks = Arc::new(Blocks::new(size));
        loop {
            let found = fetch.py().detach(|| {
                let reader = Reader::options().open_ranges(name, Arc::clone(&blocks) as _)?;
                let found = selvedge_hdf5::References::of(&reader, &options)?;
                Ok::<_, selvedge_hdf5::Error>(found)
            });
            if !blocks.fetch_missing(fetch)? {
                return found.map(Self).map_err(error::hdf5);
            }
        }
    }

    /// The files that pieces lie in.
    fn files(&self) -> Vec<PathBuf> {
        self.0.files().to_vec()
    }

    fn steps(&self) -> u64 {
        self.0.steps()
    }

    fn left_out(&self) -> Vec<String> {
        self.0.left_out().to_vec()
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        all(py, self.0.attributes())
    }

    fn arrays(&self) -> Vec<ReferencedArray> {
        let arrays = self.0.arrays().iter().cloned();
        arrays.map(ReferencedArray).collect()
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
pub(crate) struct ReferencedArray(selvedge_hdf5::ReferencedArray);

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
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.dtype().name()
    }

    #[getter]
    fn shape(&self) -> Vec<u64> {
        self.0.shape().to_vec()
    }

    #[getter]
    fn chunk_shape(&self) -> Vec<u64> {
        self.0.chunk_shape().to_vec()
    }

    #[getter]
    fn grid_shape(&self) -> Vec<u64> {
        self.0.grid_shape()
    }

    #[getter]
    fn dimension_names(&self) -> Vec<String> {
        self.0.dimension_names().to_vec()
    }

    /// What pieces went through: names of numcodecs, and the bytes of an element where that counts.
    #[getter]
    fn codecs(&self) -> Vec<(&'static str, usize)> {
        let codecs = self.0.codecs().iter();
        codecs
            .map(|codec| match codec {
                ReferenceCodec::Shuffle { element } => ("shuffle", *element),
                ReferenceCodec::Fletcher32 => ("fletcher32", 0),
                _ => ("zlib", 0),
            })
            .collect()
    }

    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        all(py, self.0.attributes())
    }

    /// The pieces from number `first` along the first axis on, in row-major order.
    fn pieces<'py>(&self, py: Python<'py>, first: u64) -> PyResult<Pieces<'py>> {
        let (mut files, mut offsets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut inline = Vec::new();
        let found = py.detach(|| {
            self.0.for_each_piece(first, |_, piece| {
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
