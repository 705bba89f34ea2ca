//! The values of a step, as Python gives them: by name, or as a list for columns.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::error;

/// Tensors of a recorder whose values come as a list, in the order of these; none where other ranks record one.
#[pyclass(frozen, module = "selvedge._selvedge")]
pub(crate) struct Columns(pub(crate) Vec<Option<usize>>);

/// The values of `columns`, with the numbers of their tensors.
pub(crate) fn pairs<'py>(
    columns: &Bound<'py, Columns>,
    values: &Bound<'py, PyList>,
) -> Vec<(usize, Bound<'py, PyAny>)> {
    let pairs = columns.get().0.iter().zip(values);
    pairs
        .filter_map(|(number, value)| Some(((*number)?, value)))
        .collect()
}

pub(crate) fn given_twice(py: Python<'_>) -> PyErr {
    let text = "a tensor was given twice, in the mapping and by its name";
    error::new(py, "DeclarationError", text)
}

/// The values of a step: a mapping, keyword arguments, or both.
pub(crate) fn merged<'py>(
    py: Python<'py>,
    values: Option<&Bound<'py, PyAny>>,
    tensors: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let Some(values) = values else {
        return Ok(tensors.unwrap_or_else(|| PyDict::new(py)));
    };
    if tensors.is_none()
        && let Ok(values) = values.cast::<PyDict>()
    {
        return Ok(values.clone());
    }
    let all = PyDict::new(py);
    let Ok(mapping) = values.cast() else {
        let class = values.get_type().fully_qualified_name()?;
        let text = format!(
            "expected the tensors of a step by their names, as in `append(W=weights)` or `append({{'W': weights}})`, \
             found `{class}`"
        );
        return Err(error::new(py, "DeclarationError", text));
    };
    all.update(mapping)?;
    let Some(tensors) = tensors else {
        return Ok(all);
    };
    let count = all.len() + tensors.len();
    all.update(tensors.as_mapping())?;
    if all.len() < count {
        return Err(given_twice(py));
    }
    Ok(all)
}
