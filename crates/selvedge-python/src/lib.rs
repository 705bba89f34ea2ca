//! The module `_selvedge` under the Python package `selvedge`.
//!
//! It has what is slow or impossible in Python: where a tensor's bytes lie (`values`), and the recorder and
//! the readers with the interpreter's lock let go. Everything goes through the public interface of the crates
//! below; there is no second recorder. What a user sees, with types and documentation, is the layer in
//! `python/selvedge`.

mod declare;
mod device;
mod error;
mod file;
mod given;
mod object;
mod program;
mod ranges;
mod recorder;
mod references;
mod safetensors;
mod state;
mod values;
mod wait;

use pyo3::prelude::*;

/// What the package `selvedge` stands on. Not for use by others: it changes as the package needs it.
#[pymodule]
mod _selvedge {
    #[pymodule_export]
    use super::declare::{joined_steps, new_run_id, plan, rank_of};
    #[pymodule_export]
    use super::file::{File, Tensor, named_indices, recover};
    #[pymodule_export]
    use super::given::Columns;
    #[pymodule_export]
    use super::program::run_program;
    #[pymodule_export]
    use super::recorder::Recorder;
    #[pymodule_export]
    use super::references::{ReferencedArray, References};
    #[pymodule_export]
    use super::safetensors::{SafetensorsFile, save_safetensors};
    #[pymodule_export]
    use super::values::describe;

    #[pymodule_init]
    fn init(module: &super::Bound<'_, super::PyModule>) -> super::PyResult<()> {
        use super::PyModuleMethods as _;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("OBJECT_STORES", super::object::Object::IS_KNOWN)
    }
}
