//! Arrays by the buffer protocol: NumPy's, and what else exports its memory.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::slice;

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::{ffi, intern};
use selvedge_hdf5::Dtype;

use super::{Check, Owner, Piece};
use crate::error;

/// Memory that an object exports, and counts as exported until this is dropped.
///
/// pyo3 has a type for it, which refuses arrays without axes.
pub(crate) struct Exported(Box<ffi::Py_buffer>);

impl Exported {
    fn get(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(MaybeUninit::<ffi::Py_buffer>::uninit());
        // SAFETY: the object lives, and the view has room for what is written.
        let failed = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) };
        if failed != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: it was filled.
        Ok(Self(unsafe { view.assume_init() }))
    }

    /// Lengths of the axes, or the distances in bytes between their elements.
    fn axes(&self, at: *const isize) -> &[isize] {
        match usize::try_from(self.0.ndim) {
            Ok(count) if count > 0 && !at.is_null() => {
                // SAFETY: shape and strides have a number for each axis.
                unsafe { slice::from_raw_parts(at, count) }
            }
            _ => &[],
        }
    }

    /// The format of an element; without one, bytes.
    fn format(&self) -> &CStr {
        if self.0.format.is_null() {
            return c"B";
        }
        // SAFETY: a format is a text that ends with a zero, and lives as long as the view.
        unsafe { CStr::from_ptr(self.0.format) }
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: it was filled by `PyObject_GetBuffer`, and is released once, with the interpreter's lock.
        Python::attach(|_| unsafe { ffi::PyBuffer_Release(&raw mut *self.0) });
    }
}

/// Finds the values of an object that exports its memory; `None` of another.
///
/// The dtypes of `ml_dtypes` have no format in this protocol. Their arrays are looked at as integers of the
/// same size, which costs nothing.
pub(super) fn find<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    check: Check<'_>,
) -> PyResult<Option<(Piece, Option<Owner<'py>>)>> {
    let py = object.py();
    if let Some(filled) = object.getattr_opt(intern!(py, "filled"))?
        && filled.is_callable()
        && object
            .getattr(intern!(py, "mask"))?
            .call_method0(intern!(py, "any"))?
            .is_truthy()?
    {
        let text = format!(
            "`{name}` is a masked array with masked values, which a file does not have; say which they are \
             (`.filled(0)`), and record the mask as a tensor of its own if it is needed"
        );
        return Err(error::dtype(py, text));
    }
    if let Some(dtype) = marked_dtype(object)? {
        let bits = if dtype.size() == 1 { "uint8" } else { "uint16" };
        let bits = object.call_method1(intern!(py, "view"), (bits,))?;
        let Ok(buffer) = Exported::get(&bits, ffi::PyBUF_FULL_RO) else {
            return Ok(None);
        };
        return piece(py, buffer, dtype, check).map(Some);
    }
    let Ok(buffer) = Exported::get(object, ffi::PyBUF_FULL_RO) else {
        // Not all scalars of NumPy export their memory; as an array they do.
        if object.hasattr(intern!(py, "__array_interface__"))? {
            let array = object.call_method0(intern!(py, "__array__"))?;
            if !array.get_type().is(object.get_type()) {
                return find(&array, name, check);
            }
        }
        return Ok(None);
    };
    let size = usize::try_from(buffer.0.itemsize).unwrap_or(0);
    let Some(dtype) = dtype_of(buffer.format(), size) else {
        let format = buffer.format().to_string_lossy().into_owned();
        let text = format!(
            "`{name}` has elements of the format {format:?}, which Selvedge does not record; expected one of \
             its dtypes in this machine's byte order (`.astype`)"
        );
        return Err(error::dtype(py, text));
    };
    piece(py, buffer, dtype, check).map(Some)
}

fn piece<'py>(
    py: Python<'py>,
    buffer: Exported,
    dtype: Dtype,
    check: Check<'_>,
) -> PyResult<(Piece, Option<Owner<'py>>)> {
    if !buffer.0.suboffsets.is_null() {
        return Err(error::dtype(
            py,
            "a buffer of buffers is not recorded; copy it",
        ));
    }
    let shape = buffer.axes(buffer.0.shape).iter();
    let shape: Vec<i64> = shape.map(|&axis| axis as i64).collect();
    check(dtype, &shape)?;
    let data = buffer.0.buf.cast_const().cast();
    let strides = buffer.axes(buffer.0.strides);
    // SAFETY: the exporter promises that all elements of its shape and strides are readable while the buffer
    // is held, and the owner holds it.
    let piece = unsafe { Piece::new(data, dtype.size(), &shape, |axis| strides[axis]) };
    Ok((piece, Some(Owner::Buffer(buffer))))
}

/// The dtype of an array of `ml_dtypes`, and of no other.
fn marked_dtype(object: &Bound<'_, PyAny>) -> PyResult<Option<Dtype>> {
    let py = object.py();
    let Some(dtype) = object.getattr_opt(intern!(py, "dtype"))? else {
        return Ok(None);
    };
    // NumPy calls the kind of foreign dtypes V.
    let Some(kind) = dtype.getattr_opt(intern!(py, "kind"))? else {
        return Ok(None);
    };
    if !kind.eq("V")? && !kind.eq("f")? {
        return Ok(None);
    }
    let name = dtype.getattr(intern!(py, "name"))?;
    let dtype = name.extract().ok().and_then(Dtype::from_name);
    Ok(dtype.filter(|dtype| matches!(dtype, Dtype::Bf16 | Dtype::F8E4M3 | Dtype::F8E5M2)))
}

/// The dtype of a format of the `struct` module, in the byte order of this machine.
fn dtype_of(format: &CStr, size: usize) -> Option<Dtype> {
    let format = format.to_str().ok()?;
    let format = match format.strip_prefix(['@', '=', '<']) {
        Some(rest) => rest,
        None => format,
    };
    let signed = [Dtype::I8, Dtype::I16, Dtype::I32, Dtype::I64];
    let unsigned = [Dtype::U8, Dtype::U16, Dtype::U32, Dtype::U64];
    let of_size = |among: &[Dtype]| among.iter().copied().find(|dtype| dtype.size() == size);
    match format {
        "?" => Some(Dtype::Bool),
        "b" | "h" | "i" | "l" | "q" | "n" => of_size(&signed),
        "B" | "H" | "I" | "L" | "Q" | "N" => of_size(&unsigned),
        "e" => Some(Dtype::F16),
        "f" => Some(Dtype::F32),
        "d" => Some(Dtype::F64),
        "Zf" => Some(Dtype::C64),
        "Zd" => Some(Dtype::C128),
        _ => None,
    }
    .filter(|dtype| dtype.size() == size)
}

/// Lets `fill` write into the memory of a writable, contiguous buffer, without the interpreter's lock.
///
/// # Errors
///
/// `BufferError` for another kind of buffer, and those of `fill`.
pub(crate) fn with_bytes<T: Send>(
    object: &Bound<'_, PyAny>,
    fill: impl FnOnce(&mut [u8]) -> PyResult<T> + Send,
) -> PyResult<T> {
    let py = object.py();
    let buffer = Exported::get(object, ffi::PyBUF_CONTIG)?;
    let len = usize::try_from(buffer.0.len)
        .map_err(|_| PyBufferError::new_err("a buffer of a negative length"))?;
    if len == 0 {
        return py.detach(|| fill(&mut []));
    }
    let data = Writable(buffer.0.buf.cast());
    let result = py.detach(move || {
        let Writable(data) = { data };
        // SAFETY: the exporter promises `len` writable bytes while the buffer is held, which it is to the end
        // of this function. The package makes these buffers itself and hands them out when they are filled.
        fill(unsafe { slice::from_raw_parts_mut(data, len) })
    });
    drop(buffer);
    result
}

struct Writable(*mut u8);

// SAFETY: it is an address, which one thread at a time writes to.
unsafe impl Send for Writable {}
