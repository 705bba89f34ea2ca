//! Where the values of a Python object lie: a tensor's, an array's or a number's, without a copy.
//!
//! | what | how |
//! |---|---|
//! | a number of Python | its own bits, as the dtype that is asked for (`number.rs`) |
//! | a tensor of torch 2.10 or later, and others with DLPack's exchange interface | `dlpack.rs`, by a C function of its library |
//! | arrays of NumPy, those of `ml_dtypes` among them, and what else has the buffer protocol | `buffer.rs` |
//! | anything with `__dlpack__`: jax, older torch | `dlpack.rs`, by a capsule |

mod buffer;
mod dlpack;
mod number;
mod piece;

use pyo3::intern;
use pyo3::prelude::*;
use selvedge_hdf5::{Bytes, Dtype, Shape};

pub(crate) use buffer::with_bytes;
pub(crate) use dlpack::{DeviceTensor, Plain, Seen, Tensors, is_distributed};
pub(crate) use piece::Piece;

use crate::error;

/// What keeps the memory of a [`Piece`] where it is.
pub(crate) enum Owner<'py> {
    /// The object itself, or a copy of it.
    Object(#[expect(dead_code, reason = "it is held")] Bound<'py, PyAny>),
    /// A view that its exporter counts.
    Buffer(#[expect(dead_code, reason = "it is held")] buffer::Exported),
}

/// Judges a dtype and a shape, outermost axis first, before the values are looked at.
pub(crate) type Check<'a> = &'a dyn Fn(Dtype, &[i64]) -> PyResult<()>;

/// Where values are.
pub(crate) enum Found<'py> {
    /// In the memory of the host, and what keeps them there.
    Host(Piece, Option<Owner<'py>>),
    /// In that of a device: a tensor whose dtype and shape were judged.
    Device(DeviceTensor<'py>),
}

/// Finds the values of `object`, of which those of a device are copied to the host. `name` is what errors call it; a
/// number of Python becomes one of `wanted`, or of its own dtype.
pub(crate) fn find<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    wanted: Option<Dtype>,
    check: Check<'_>,
) -> PyResult<(Piece, Option<Owner<'py>>)> {
    match locate(object, name, wanted, check)? {
        Found::Host(piece, owner) => Ok((piece, owner)),
        Found::Device(tensor) => find(&tensor.to_host()?, name, wanted, check),
    }
}

/// Finds where the values of `object` are; otherwise as [`find`].
pub(crate) fn locate<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    wanted: Option<Dtype>,
    check: Check<'_>,
) -> PyResult<Found<'py>> {
    let py = object.py();
    if let Some((piece, dtype)) = number::find(object, name, wanted)? {
        check(dtype, &[])?;
        return Ok(Found::Host(piece, None));
    }
    if let Some(found) = dlpack::by_exchange(object, name, check)? {
        return Ok(found);
    }
    if let Some((piece, owner)) = buffer::find(object, name, check)? {
        return Ok(Found::Host(piece, owner));
    }
    if object.hasattr(intern!(py, "__dlpack__"))? {
        return dlpack::by_capsule(object, name, check);
    }
    let class = object.get_type().fully_qualified_name()?;
    let text = format!(
        "`{name}`: expected a tensor, an array (anything with `__dlpack__` or the buffer protocol) or a number, \
         found `{class}`"
    );
    Err(error::dtype(py, text))
}

/// The dtype and the shape of a tensor, an array or a number, as a declaration has them.
#[pyfunction]
pub(crate) fn describe(
    object: &Bound<'_, PyAny>,
    name: &str,
) -> PyResult<(&'static str, Vec<i64>)> {
    let found = std::cell::RefCell::new(None);
    locate(object, name, None, &|dtype, shape| {
        *found.borrow_mut() = Some((dtype.name(), shape.to_vec()));
        Ok(())
    })?;
    found
        .into_inner()
        .ok_or_else(|| error::dtype(object.py(), format!("`{name}` has no dtype")))
}

/// The values of an object in row-major order, with their dtype and shape.
pub(crate) fn copy(
    object: &Bound<'_, PyAny>,
    name: &str,
) -> PyResult<(Dtype, Vec<usize>, Vec<u8>)> {
    let found = std::cell::RefCell::new(None);
    let (piece, owner) = find(object, name, None, &|dtype, shape| {
        let shape: Vec<usize> = shape.iter().map(|&axis| length(axis)).collect();
        *found.borrow_mut() = Some((dtype, shape));
        Ok(())
    })?;
    let mut bytes = Vec::new();
    make_room(&mut bytes, piece.len(), name)?;
    piece.append_to(&mut bytes);
    drop(owner);
    let (dtype, shape) = found
        .into_inner()
        .ok_or_else(|| error::dtype(object.py(), format!("`{name}` has no dtype")))?;
    Ok((dtype, shape, bytes))
}

/// Room for a copy of values, which `bytes` then has without another allocation. A failed allocation would end
/// the process.
pub(crate) fn make_room(bytes: &mut Vec<u8>, count: usize, name: &str) -> PyResult<()> {
    bytes.clear();
    bytes.try_reserve_exact(count).map_err(|_| {
        let size = Bytes(count as u64);
        let text =
            format!("`{name}`: there is no memory for a copy of its values, which takes {size}");
        Python::attach(|py| error::new(py, "BudgetError", text))
    })
}

/// The length of an axis. A negative one is none.
pub(crate) fn length(axis: i64) -> usize {
    usize::try_from(axis).unwrap_or(0)
}

/// Fails unless values are what a tensor was declared as.
pub(crate) fn check_declared(
    py: Python<'_>,
    name: &str,
    (dtype, shape): (Dtype, &[usize]),
    (found_dtype, found_shape): (Dtype, &[i64]),
) -> PyResult<()> {
    if dtype != found_dtype {
        let text = format!(
            "tensor `{name}` holds {dtype}, found {found_dtype}; convert it (`.to(torch.{dtype})`, \
             `.astype`), or declare the tensor as {found_dtype}"
        );
        return Err(error::dtype(py, text));
    }
    let same = shape.len() == found_shape.len()
        && shape
            .iter()
            .zip(found_shape)
            .all(|(&axis, &found)| axis == length(found));
    if same {
        return Ok(());
    }
    let axes = |axes: &mut dyn Iterator<Item = usize>| -> Vec<u64> {
        axes.map(|axis| axis as u64).collect()
    };
    let expected = axes(&mut shape.iter().copied());
    let found = axes(&mut found_shape.iter().map(|&axis| length(axis)));
    let text = format!(
        "tensor `{name}` has steps of shape {}, found {}",
        Shape(&expected),
        Shape(&found)
    );
    Err(error::shape(py, text))
}
