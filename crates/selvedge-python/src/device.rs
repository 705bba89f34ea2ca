//! Copies of CUDA tensors into the memory of a step, which the loop does not wait for. The copies themselves are
//! torch's, which `selvedge._devices.Copies` begins and waits for.

use std::ops::Range;
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;
use selvedge_base::Mutex;

use crate::error;

/// Copies that are under way into the memory of a step. Whoever drops it has waited for them.
pub(crate) struct Copying {
    copies: Py<PyAny>,
    /// For each tensor, whether it is one of them.
    tensors: Vec<bool>,
}

impl Copying {
    /// None that is under way yet, of a step with so many tensors.
    pub(crate) fn new(copies: &Bound<'_, PyAny>, tensors: usize) -> Self {
        Self {
            copies: copies.clone().unbind(),
            tensors: vec![false; tensors],
        }
    }

    /// Begins to copy tensors, each with its number, to addresses. What was begun before an error is waited for, too.
    pub(crate) fn begin(
        &mut self,
        py: Python<'_>,
        tensors: &[(usize, Bound<'_, PyAny>)],
        addresses: &[usize],
    ) -> PyResult<()> {
        for (number, _) in tensors {
            self.tensors[*number] = true;
        }
        let begun = tensors.iter().map(|(_, tensor)| tensor).zip(addresses);
        let begun = PyList::new(py, begun.collect::<Vec<_>>())?;
        self.copies
            .call_method1(py, intern!(py, "start"), (begun,))
            .map(drop)
    }

    /// Whether this tensor is copied.
    pub(crate) fn is_of(&self, tensor: usize) -> bool {
        self.tensors[tensor]
    }

    /// What copies.
    pub(crate) fn copies(&self, py: Python<'_>) -> Py<PyAny> {
        self.copies.clone_ref(py)
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

/// Whose turn it is to fill a step by copies of a device: that takes several calls of Python, between which other threads
/// run.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Option<ThreadId>>);

/// The turn of a thread, until it is dropped.
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for the turn of this thread, without the interpreter's lock.
    ///
    /// # Errors
    ///
    /// That it is this thread's already: a handler of a signal came in between.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<Turn<'_>> {
        let this = thread::current().id();
        loop {
            let mut owner = self.0.lock();
            match *owner {
                None => {
                    *owner = Some(this);
                    return Ok(Turn(self));
                }
                Some(owner) if owner == this => {
                    let text = "a step is being filled by this very thread, into which the handler of a signal came; \
                                let the handler set a flag, and record after it";
                    return Err(error::new(py, "DeclarationError", text));
                }
                Some(_) => drop(owner),
            }
            py.detach(|| thread::sleep(Duration::from_micros(50)));
            py.check_signals()?;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
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
