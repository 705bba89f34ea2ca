//! The program `selvedge`, as the package's console script and `python -m selvedge`.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;
use selvedge_cli::Program;

/// Runs the program `selvedge` with the arguments of its command line, its own name first, and returns its
/// exit code. `again` starts it once more: a program, and the arguments that come first.
#[pyfunction]
pub(crate) fn run_program(
    py: Python<'_>,
    arguments: Vec<OsString>,
    again: (PathBuf, Vec<OsString>),
) -> u8 {
    let program = Program::new(again.0, again.1);
    py.detach(move || selvedge_cli::run(&arguments, &program))
}
