//! Which process a handle belongs to: in a forked child there are none of the threads that it needs.

use std::process;

use pyo3::prelude::*;

use crate::error;

/// The process in which a handle was made.
#[derive(Clone, Copy)]
pub(crate) struct Home(u32);

impl Home {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(process::id())
    }

    /// Whether this is still the process.
    pub(crate) fn is_here(self) -> bool {
        self.0 == process::id()
    }

    /// Fails in another process.
    pub(crate) fn check(self, py: Python<'_>) -> PyResult<()> {
        if self.is_here() {
            return Ok(());
        }
        let (home, here) = (self.0, process::id());
        let text = format!(
            "this recorder belongs to process {home}, and this is process {here}, forked from it: \
             append there, and hand the values over (the run itself is safe)"
        );
        Err(error::new(py, "ProcessError", text))
    }
}
