//! Waiting without the interpreter's lock, and with an ear for Ctrl-C.

use std::ops::Deref;
use std::time::Duration;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;

/// How long a wait lasts before Python is asked for signals.
pub(crate) const SLICE: Duration = Duration::from_millis(20);

/// Calls `attempt` without the interpreter's lock until it returns a value. Each call waits as long as it is
/// told at most, and between them signals are looked after.
pub(crate) fn until<T: Send>(
    py: Python<'_>,
    mut attempt: impl FnMut(Duration) -> PyResult<Option<T>> + Send,
) -> PyResult<T> {
    loop {
        if let Some(value) = py.detach(|| attempt(SLICE))? {
            return Ok(value);
        }
        py.check_signals()?;
    }
}

/// What is dropped without the interpreter's lock: a file that is closed takes libhdf5's, and who has that can wait for a
/// server.
pub(crate) struct Apart<T: Send>(Option<T>);

impl<T: Send> Apart<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Some(inner))
    }
}

impl<T: Send> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send> Drop for Apart<T> {
    fn drop(&mut self) {
        let mut inner = self.0.take();
        // At the end of Python there is no lock to let go.
        Python::try_attach(|py| py.detach(|| drop(inner.take())));
    }
}

/// Adds a sentence to an interruption, so that its traceback tells how far the run was.
pub(crate) fn note(py: Python<'_>, error: &PyErr, text: impl FnOnce() -> String) {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        add_note(py, error, &text());
    }
}

/// Adds a sentence to an error of Python.
pub(crate) fn add_note(py: Python<'_>, error: &PyErr, text: &str) {
    // A note is a courtesy: without it the error is the same.
    let _ = error
        .value(py)
        .call_method1(intern!(py, "add_note"), (text,));
}
