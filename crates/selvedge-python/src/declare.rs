//! Declaring a run: what Python says of it, as `selvedge_hdf5::RecorderBuilder` takes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};
use selvedge_hdf5::{
    Attribute, Compression, Durability, ReadPattern, Reader, RecorderBuilder, RunPlan, Shard,
    TensorSpec,
};

use crate::{error, values};

/// What a declaration says beside tensors and values. The Python layer fills in what was not said.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    steps: Option<u64>,
    notebook: Option<String>,
    read: String,
    chunk_bytes: Option<u64>,
    queue_bytes: Option<u64>,
    memory: Option<u64>,
    sync_every: Option<u64>,
    /// In seconds.
    sync_after: Option<f64>,
    compression: String,
    overwrite: bool,
    resume: bool,
    /// The step to go on at.
    at_step: Option<u64>,
    /// The run, the rank, and the number of ranks.
    shard: Option<(String, u64, u64)>,
    /// Tensors and constants that are parts: the shape of the whole, and where the part begins.
    parts: HashMap<String, (Vec<usize>, Vec<usize>)>,
    /// Tensors that other ranks record, which are ignored in a step.
    pub(crate) elsewhere: Vec<String>,
}

impl Options {
    /// The declaration with what it is a part of.
    fn spec(&mut self, spec: TensorSpec) -> TensorSpec {
        match self.parts.remove(&spec.name) {
            Some((global_shape, offset)) => spec.part_of(global_shape, offset),
            None => spec,
        }
    }
}

/// The run, the rank, the number of ranks and the committed steps of a file of one rank of a run; `None` of
/// any other.
#[pyfunction]
pub(crate) fn rank_of(py: Python<'_>, path: PathBuf) -> PyResult<Option<(String, u64, u64, u64)>> {
    let reader = py.detach(|| Reader::open(path)).map_err(error::hdf5)?;
    let steps = reader.committed_steps();
    Ok(reader
        .shard()
        .map(|shard| (shard.run, shard.rank, shard.world_size, steps)))
}

/// A name for a run that no other has.
#[pyfunction]
pub(crate) fn new_run_id() -> PyResult<String> {
    Ok(selvedge_hdf5::new_run_id()?)
}

/// The steps that all ranks of a run have committed.
#[pyfunction]
pub(crate) fn joined_steps(py: Python<'_>, shards: Vec<PathBuf>) -> PyResult<u64> {
    let steps = py.detach(|| selvedge_hdf5::joined_steps(shards));
    steps.map_err(error::hdf5)
}

/// Name, dtype and shape of a step tensor.
pub(crate) type Declared = (String, String, Vec<usize>);

/// Name and value of an attribute, and whether its floats came as float32.
pub(crate) type GivenAttribute<'py> = (String, Bound<'py, PyAny>, bool);

/// The run that is declared.
pub(crate) fn builder(
    py: Python<'_>,
    path: PathBuf,
    tensors: Vec<Declared>,
    constants: Vec<(String, Bound<'_, PyAny>)>,
    attributes: Vec<GivenAttribute<'_>>,
    mut options: Options,
) -> PyResult<RecorderBuilder> {
    let mut builder = if options.resume {
        selvedge_hdf5::Recorder::resume(path)
    } else {
        selvedge_hdf5::Recorder::create(path).overwrite(options.overwrite)
    };
    for (name, dtype, shape) in tensors {
        let dtype = dtype_named(py, &name, &dtype)?;
        builder = builder.tensor_spec(options.spec(TensorSpec::new(name, dtype, shape)));
    }
    for (name, value) in constants {
        let (dtype, shape, bytes) = values::copy(&value, &name)?;
        let spec = options.spec(TensorSpec::new(name, dtype, shape));
        builder = builder.constant_bytes(spec, bytes);
    }
    if let Some(name) = options.parts.keys().next() {
        let text = format!("parts: no tensor and no constant `{name}` was declared");
        return Err(error::new(py, "DeclarationError", text));
    }
    if let Some((run, rank, world_size)) = options.shard {
        builder = builder.shard(Shard {
            run,
            rank,
            world_size,
        });
    }
    if let Some(step) = options.at_step {
        builder = builder.at_step(step);
    }
    for (name, value, is_float32) in attributes {
        let value = match attribute(&value, &name)? {
            Attribute::Float(_) if is_float32 => value.extract::<f32>()?.into(),
            Attribute::Floats(_) if is_float32 => value.extract::<Vec<f32>>()?.into(),
            other => other,
        };
        builder = builder.attribute(name, value);
    }
    if let Some(steps) = options.steps {
        builder = builder.steps(steps);
    }
    if let Some(notebook) = options.notebook {
        builder = builder.notebook(notebook);
    }
    if let Some(bytes) = options.chunk_bytes {
        builder = builder.chunk_target(bytes);
    }
    if let Some(bytes) = options.queue_bytes {
        builder = builder.queue_bytes(bytes);
    }
    if let Some(bytes) = options.memory {
        builder = builder.memory_budget(bytes);
    }
    let mut durability = options
        .sync_every
        .map_or(Durability::Never, Durability::every);
    if let Some(seconds) = options.sync_after {
        let limit = Duration::try_from_secs_f64(seconds).map_err(|error| {
            let text = format!("sync_every: {seconds:?} seconds: {error}");
            error::new(py, "DeclarationError", text)
        })?;
        durability = durability.or_after(limit);
    }
    builder = builder.durability(durability);
    let unknown = |what: &str, found: &str, expected: &str| {
        let text = format!("{what}='{found}': expected {expected}");
        error::new(py, "DeclarationError", text)
    };
    let pattern = match &*options.read {
        "whole" => ReadPattern::WholeTensor,
        "steps" => ReadPattern::SingleSteps,
        "tokens" => ReadPattern::TokenSubset,
        other => return Err(unknown("read", other, "'whole', 'steps' or 'tokens'")),
    };
    let compression = match &*options.compression {
        "none" => Compression::None,
        "fast" => Compression::Fast,
        other => return Err(unknown("compression", other, "'none' or 'fast'")),
    };
    Ok(builder.read_pattern(pattern).compression(compression))
}

/// The dtype of this name.
fn dtype_named(py: Python<'_>, tensor: &str, name: &str) -> PyResult<selvedge_hdf5::Dtype> {
    selvedge_hdf5::Dtype::from_name(name).ok_or_else(|| {
        let known: Vec<_> = selvedge_hdf5::Dtype::ALL
            .iter()
            .map(|dtype| dtype.name())
            .collect();
        let text = format!(
            "tensor `{tensor}`: no dtype `{name}`; expected one of {}",
            known.join(", ")
        );
        error::dtype(py, text)
    })
}

/// The value of an attribute: a number, a text, a bool, or a list of one of them.
fn attribute(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Attribute> {
    if value.is_instance_of::<PyBool>() {
        return Ok(value.extract::<bool>()?.into());
    }
    if value.is_instance_of::<PyInt>() {
        return match value.extract::<i64>() {
            Ok(value) => Ok(value.into()),
            Err(_) => match value.extract::<u64>() {
                Ok(value) => Ok(value.into()),
                Err(_) => Err(too_long(name, value)),
            },
        };
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(value.extract::<f64>()?.into());
    }
    if let Ok(text) = value.extract::<String>() {
        return Ok(text.into());
    }
    if !value.is_instance_of::<PyBytes>()
        && let Ok(items) = value.extract::<Vec<Bound<'_, PyAny>>>()
    {
        let all = |test: &dyn Fn(&Bound<'_, PyAny>) -> bool| items.iter().all(test);
        if all(&|item| item.is_instance_of::<PyBool>()) {
            return Ok(value.extract::<Vec<bool>>()?.into());
        }
        if all(&|item| item.is_instance_of::<PyInt>()) {
            let integers = value.extract::<Vec<i64>>();
            return integers.map(Into::into).map_err(|_| too_long(name, value));
        }
        if all(&|item| item.is_instance_of::<PyString>()) {
            return Ok(value.extract::<Vec<String>>()?.into());
        }
        if all(&|item| item.is_instance_of::<PyFloat>() || item.is_instance_of::<PyInt>()) {
            let floats = value.extract::<Vec<f64>>()?;
            for (item, &float) in items.iter().zip(&floats) {
                if item.is_instance_of::<PyInt>() && !item.eq(float)? {
                    let text = format!(
                        "attribute `{name}`: a list with floats holds float64, found the integer {item}, which is none \
                         of its values"
                    );
                    return Err(error::dtype(value.py(), text));
                }
            }
            return Ok(floats.into());
        }
    }
    let class = value.get_type().fully_qualified_name()?;
    let text = format!(
        "attribute `{name}`: expected a number, a text, a bool or a list of one of them, found `{class}`"
    );
    Err(error::dtype(value.py(), text))
}

fn too_long(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let text = format!("attribute `{name}`: expected integers of 64 bits, found {value}");
    error::dtype(value.py(), text)
}

/// What a run takes of disk and memory, in words and in bytes.
pub(crate) fn plan_of(plan: &RunPlan) -> (String, HashMap<&'static str, u64>) {
    let numbers = HashMap::from([
        ("step_bytes", plan.step_bytes()),
        ("file_bytes", plan.file_bytes()),
        ("memory_bytes", plan.memory_bytes()),
        (
            "queue_steps",
            plan.queue.blocks * plan.queue.steps_per_block,
        ),
    ]);
    (plan.to_string(), numbers)
}

/// The plan of a run that is not started.
#[pyfunction]
pub(crate) fn plan(
    py: Python<'_>,
    path: PathBuf,
    tensors: Vec<Declared>,
    constants: Vec<(String, Bound<'_, PyAny>)>,
    attributes: Vec<GivenAttribute<'_>>,
    options: Options,
) -> PyResult<(String, HashMap<&'static str, u64>)> {
    let builder = builder(py, path, tensors, constants, attributes, options)?;
    let plan = py.detach(|| builder.plan()).map_err(error::hdf5)?;
    Ok(plan_of(&plan))
}
