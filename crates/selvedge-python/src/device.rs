//! Copies of CUDA tensors into the memory of a step, which the loop does not wait for. The copies themselves are
//! torch's, which `selvedge._devices.Copies` begins and waits for.

use std::ops::Range;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;

use crate::error;
use crate::state::{Open, Spec};

/// Copies that are under way into the memory of a step. Whoever drops it has waited for them.
pub(crate) struct Copying {
    copies: Py<PyAny>,
    /// For each tensor, whether it is one of them.
    tensors: Vec<bool>,
}

impl Copying {
    /// Whether this tensor is copied.
    pub(crate) fn is_of(&self, tensor: usize) -> bool {
        self.tensors[tensor]
    }

    /// Waits until the bytes are there.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.copies.call_method0(py, intern!(py, "wait")).map(drop)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        // A device that has failed writes no more, and its error was told by whoever asked for the step.
        let _ = Python::attach(|py| self.wait(py));
    }
}

/// What copies into the memory of a recorder, whose addresses these are.
pub(crate) fn copies(py: Python<'_>, memory: &[Range<usize>]) -> PyResult<Py<PyAny>> {
    static COPIES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let memory = memory.iter();
    let memory = PyList::new(py, memory.map(|range| (range.start, range.len())))?;
    let class = COPIES.import(py, "selvedge._devices", "Copies")?;
    class.call1((memory,)).map(Bound::unbind)
}

/// Begins to copy tensors of a step, each with its number. What was begun before an error stays with the step, too.
pub(crate) fn begin(
    copies: &Bound<'_, PyAny>,
    specs: &[Spec],
    tensors: &[(usize, Bound<'_, PyAny>)],
    open: &mut Open,
) -> PyResult<()> {
    let py = copies.py();
    let mut begun = Vec::with_capacity(tensors.len());
    let copying = open.copying.get_or_insert_with(|| Copying {
        copies: copies.clone().unbind(),
        tensors: vec![false; specs.len()],
    });
    for (number, tensor) in tensors {
        let dtype = specs[*number].spec.dtype;
        let place = open.step.place_nth(*number, dtype).map_err(error::hdf5)?;
        begun.push((tensor, place.as_mut_ptr().addr()));
        copying.tensors[*number] = true;
        open.put[*number] = false;
    }
    copies.call_method1(intern!(py, "start"), (PyList::new(py, begun)?,))?;
    for (number, _) in tensors {
        open.put[*number] = true;
    }
    Ok(())
}
