//! No objects: a package that was built without them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;
use selvedge_hdf5::Reader;

use super::Opening;
use crate::error;

/// There is none.
pub(crate) enum Object {}

impl Object {
    /// Whether objects can be opened.
    pub(crate) const IS_KNOWN: bool = false;

    pub(crate) fn open(_: &Opening<'_>) -> PyResult<(Arc<Self>, Reader)> {
        let text = "this package was built without object stores";
        Err(Python::attach(|py| error::new(py, "FileError", text)))
    }

    pub(crate) fn version(&self) -> String {
        match *self {}
    }

    pub(crate) fn check_unchanged(&self) -> PyResult<()> {
        match *self {}
    }

    pub(crate) fn ask<T: Send>(
        &self,
        _: &AtomicBool,
        _: impl FnMut() -> PyResult<T> + Send,
    ) -> PyResult<T> {
        match *self {}
    }

    pub(crate) fn interrupt() {}
}
