//! Errors of the crates as exceptions of Python: the one place that decides which is which.
//!
//! The classes are in `python/selvedge/_errors.py`, where they have their documentation and their built-in
//! bases; here each error finds the name of its class.

use std::io;

use pyo3::intern;
use pyo3::prelude::*;
use selvedge_hdf5::FileError;

/// A class of `selvedge._errors`, with a message.
pub(crate) fn new(py: Python<'_>, class: &str, message: impl Into<String>) -> PyErr {
    make(py, class, message.into(), None).unwrap_or_else(|error| error)
}

/// The same, with the number that the system gave its error.
fn make(py: Python<'_>, class: &str, message: String, errno: Option<i32>) -> PyResult<PyErr> {
    let classes = py.import(intern!(py, "selvedge._errors"))?;
    let error = classes.getattr(class)?.call1((message,))?;
    if let Some(errno) = errno {
        error.setattr(intern!(py, "errno"), errno)?;
    }
    Ok(PyErr::from_value(error))
}

/// A tensor that was given is not what was declared.
pub(crate) fn dtype(py: Python<'_>, message: impl Into<String>) -> PyErr {
    new(py, "DtypeError", message)
}

/// The same of its shape.
pub(crate) fn shape(py: Python<'_>, message: impl Into<String>) -> PyErr {
    new(py, "ShapeError", message)
}

/// An error of the trajectory store.
pub(crate) fn hdf5(error: impl Into<selvedge_hdf5::Error>) -> PyErr {
    let error = error.into();
    let cause = match &error {
        // Its cause is a part of its message, and so no source of it.
        selvedge_hdf5::Error::Stopped { cause, .. } => number(&**cause),
        error => number(error),
    };
    raise(&error, hdf5_class(&error), cause)
}

/// An error of safetensors files.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
pub(crate) fn safetensors(error: selvedge_safetensors::Error) -> PyErr {
    raise(&error, safetensors_class(&error), number(&error))
}

/// The number that the system gave an error.
fn number(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    sources(error).find_map(|error| error.downcast_ref::<io::Error>()?.raw_os_error())
}

fn raise(error: &(dyn std::error::Error + 'static), class: &str, errno: Option<i32>) -> PyErr {
    // An error that is a part of its cause's message is not repeated.
    let mut message = String::new();
    for error in sources(error) {
        let text = error.to_string();
        if message.is_empty() {
            message = text;
        } else if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
    }
    Python::attach(|py| make(py, class, message, errno).unwrap_or_else(|error| error))
}

/// The error and its causes.
fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn hdf5_class(error: &selvedge_hdf5::Error) -> &'static str {
    use selvedge_hdf5::Error as E;
    match error {
        E::File(error) => file_class(error),
        E::Io { source, .. } => io_class(source),
        E::Stopped { .. } | E::WriterPanicked => "StoppedError",
        E::NoSuchTensor { .. } | E::UnknownTensor { .. } => "TensorNotFoundError",
        E::StepOutOfRange { .. }
        | E::RowOutOfRange { .. }
        | E::NoSteps { .. }
        | E::NoRows { .. } => "OutOfRangeError",
        E::DtypeMismatch { .. } | E::UnsupportedDtype { .. } | E::NotFloat { .. } => "DtypeError",
        E::LengthMismatch { .. }
        | E::BytesMismatch { .. }
        | E::BufferLength { .. }
        | E::MaskLength { .. }
        | E::ConstantLength { .. } => "ShapeError",
        E::MemoryBudget { .. } | E::WorkingMemory { .. } => "BudgetError",
        E::InvalidName { .. }
        | E::DuplicateName { .. }
        | E::DuplicateTensor { .. }
        | E::InvalidTensor { .. }
        | E::NoPlannedSteps
        | E::NoTensors
        | E::AttributeTooLarge { .. }
        | E::MissingTensors { .. }
        | E::BeyondPlan { .. }
        | E::ResumeMismatch { .. }
        | E::ResumeArchive { .. }
        | E::NotForRecording { .. }
        | E::ZeroStride { .. } => "DeclarationError",
        _ => "FileError",
    }
}

fn safetensors_class(error: &selvedge_safetensors::Error) -> &'static str {
    use selvedge_safetensors::Error as E;
    match error {
        E::File(error) => file_class(error),
        E::Io { source, .. } => io_class(source),
        E::NoSuchTensor { .. } | E::UnknownTensor { .. } => "TensorNotFoundError",
        E::DtypeMismatch { .. } => "DtypeError",
        E::SizeMismatch { .. } | E::TooLarge { .. } => "ShapeError",
        E::InvalidName { .. } | E::DuplicateName { .. } | E::HeaderTooLarge { .. } => {
            "DeclarationError"
        }
        _ => "FileError",
    }
}

fn file_class(error: &FileError) -> &'static str {
    match error {
        FileError::AlreadyExists { .. } => "ExistsError",
        FileError::Io { source, .. } => io_class(source),
        _ => "FileError",
    }
}

fn io_class(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "NotFoundError",
        io::ErrorKind::OutOfMemory => "BudgetError",
        _ => "FileError",
    }
}
