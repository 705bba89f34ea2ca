//! Errors of the crates as exceptions of Python: the one place that decides which is which.
//!
//! The classes are in `python/selvedge/_errors.py`, where they have their documentation and their built-in
//! bases; here each error finds the name of its class.

use std::io;

use pyo3::intern;
use pyo3::prelude::*;
use selvedge_base::Chain;
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
    raise(&error, hdf5_class(&error))
}

/// An error of object stores.
#[cfg(feature = "object-store")]
pub(crate) fn object(error: selvedge_object::ObjectError) -> PyErr {
    use selvedge_object::ObjectError as O;
    let class = match error {
        O::Open(error) => return hdf5(*error),
        O::NotFound { .. } => "NotFoundError",
        O::File(ref error) => file_class(error),
        _ => "FileError",
    };
    raise(&error, class)
}

/// An error of safetensors files.
pub(crate) fn safetensors(error: impl Into<selvedge_safetensors::Error>) -> PyErr {
    let error = error.into();
    raise(&error, safetensors_class(&error))
}

/// Why a recorder has stopped, to be told again. The exception itself is not kept: it has the frames of the loop.
pub(crate) struct Stopped {
    message: String,
    errno: Option<i32>,
}

impl Stopped {
    /// `None` of any other error.
    pub(crate) fn of(py: Python<'_>, error: &PyErr) -> PyResult<Option<Self>> {
        let classes = py.import(intern!(py, "selvedge._errors"))?;
        if !error.is_instance(py, &classes.getattr(intern!(py, "StoppedError"))?) {
            return Ok(None);
        }
        let error = error.value(py);
        Ok(Some(Self {
            message: error.str()?.extract()?,
            errno: error.getattr(intern!(py, "errno"))?.extract()?,
        }))
    }

    pub(crate) fn error(&self, py: Python<'_>) -> PyErr {
        make(py, "StoppedError", self.message.clone(), self.errno).unwrap_or_else(|error| error)
    }
}

fn raise(error: &(dyn std::error::Error + 'static), class: &str) -> PyErr {
    let message = in_python(&Chain(error).to_string());
    let mut sources = std::iter::successors(Some(error), |error| error.source());
    // The number that the system gave the error, where it is of the system.
    let errno = sources.find_map(|error| error.downcast_ref::<io::Error>()?.raw_os_error());
    Python::attach(|py| make(py, class, message, errno).unwrap_or_else(|error| error))
}

/// What the libraries say, with their options as the arguments of Python: "(`overwrite`; `--overwrite`)" is
/// "(`overwrite=True`)" here, and "(`follow_links`; `--follow-links[=DIR]`)" is "(`follow_links=True`, or
/// `follow_links=DIR`)".
pub(crate) fn in_python(text: &str) -> String {
    let text = text.replace("`Recorder::resume`", "`resume=True`");
    let mut said = String::new();
    let mut rest = &*text;
    while let Some((before, flag)) = rest.split_once("`; `--") {
        let sides = (before.rsplit_once("(`"), flag.split_once("`)"));
        let (Some((lead, option)), Some((flag, after))) = sides else {
            break;
        };
        let option = match option.strip_suffix("_inside") {
            Some(option) => format!("{option}=DIR"),
            None if flag.ends_with("[=DIR]") => format!("{option}=True`, or `{option}=DIR"),
            None => format!("{}=True", option.trim_end_matches("(true)")),
        };
        said += &format!("{lead}(`{option}`)");
        rest = after;
    }
    said + rest
}

fn hdf5_class(error: &selvedge_hdf5::Error) -> &'static str {
    use selvedge_hdf5::{
        DeclareError as D, Error as E, ReadError as R, RecordError as A, StorageError as S,
    };
    match error {
        E::Storage(S::File(error)) => file_class(error),
        E::Storage(S::WriterPanicked) | E::Record(A::Stopped { .. }) => "StoppedError",
        E::Read(R::NoSuchTensor { .. })
        | E::Record(A::UnknownTensor { .. })
        | E::Declare(D::UnknownTensor { .. }) => "TensorNotFoundError",
        E::Read(
            R::StepOutOfRange { .. }
            | R::RowOutOfRange { .. }
            | R::NoSteps { .. }
            | R::NoRows { .. },
        ) => "OutOfRangeError",
        E::Read(
            R::DtypeMismatch { .. }
            | R::UnsupportedDtype { .. }
            | R::NotBf16 { .. }
            | R::NotFloat { .. },
        )
        | E::Record(A::DtypeMismatch { .. }) => "DtypeError",
        E::Record(A::LengthMismatch { .. } | A::BytesMismatch { .. })
        | E::Read(R::BufferLength { .. } | R::MaskLength { .. })
        | E::Declare(D::ConstantLength { .. }) => "ShapeError",
        E::Declare(D::MemoryBudget { .. }) | E::Read(R::WorkingMemory { .. }) => "BudgetError",
        E::Declare(D::DiskTooSmall { .. })
        | E::Record(A::StepOpen { .. } | A::StepTooLate { .. }) => "FileError",
        E::Declare(_) | E::Record(_) | E::Join(_) | E::Read(R::ZeroStride { .. }) => {
            "DeclarationError"
        }
        _ => "FileError",
    }
}

fn safetensors_class(error: &selvedge_safetensors::Error) -> &'static str {
    use selvedge_safetensors::{Error as E, ReadError as R, SaveError as A, SizeError};
    match error {
        E::File(error) => file_class(error),
        E::Read(R::NoSuchTensor { .. }) | E::Save(A::UnknownTensor { .. }) => "TensorNotFoundError",
        E::Read(R::DtypeMismatch { .. }) | E::Save(A::DtypeMismatch { .. }) => "DtypeError",
        E::Save(A::SizeMismatch { .. }) | E::Size(SizeError::TooLarge { .. }) => "ShapeError",
        E::Save(A::InvalidName { .. } | A::DuplicateName { .. } | A::HeaderTooLarge { .. }) => {
            "DeclarationError"
        }
        E::Read(R::ReadTensor { source, .. }) => io_class(source),
        _ => "FileError",
    }
}

fn file_class(error: &FileError) -> &'static str {
    match error {
        FileError::AlreadyExists { .. } => "ExistsError",
        FileError::OtherProcess { .. } => "ProcessError",
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
