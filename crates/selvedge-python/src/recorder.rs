//! The recorder: a run's tensors from Python's objects into `selvedge_hdf5::Recorder`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use selvedge_base::{Mutex, MutexGuard};
use selvedge_hdf5::TensorSpec;

use crate::declare::{Declared, Options, builder, plan_of};
use crate::error;
use crate::process::Home;
use crate::values::{self, Piece};
use crate::wait;

/// Steps of fewer bytes are copied with the interpreter's lock held: to let go of it, and to wait for it
/// again, takes longer.
const SMALL_STEP: u64 = 64 << 10;

/// A run that is being recorded.
#[pyclass(subclass, frozen, module = "selvedge._selvedge")]
pub(crate) struct Recorder {
    home: Home,
    specs: Vec<Spec>,
    /// Tensors that other ranks record.
    elsewhere: Vec<String>,
    step_bytes: u64,
    plan: (String, HashMap<&'static str, u64>),
    path: PathBuf,
    state: Mutex<State>,
}

struct Spec {
    name: Py<PyString>,
    spec: TensorSpec,
}

struct State {
    /// `None` when it is finished.
    recorder: Option<selvedge_hdf5::Recorder>,
    committed: u64,
    appended: u64,
    /// Values of the next step that were put before it, for each tensor.
    put: Vec<Option<Vec<u8>>>,
    /// Strided values in row-major order.
    scratch: Vec<u8>,
    /// Whether somebody did not want to wait for the disk any longer.
    interrupted: bool,
}

/// Where the values of one tensor of a step are.
enum Source {
    Given(Piece),
    Put,
}

impl State {
    fn open(&mut self, py: Python<'_>) -> PyResult<&mut selvedge_hdf5::Recorder> {
        self.recorder.as_mut().ok_or_else(|| closed(py))
    }

    /// Appends a step whose values lie at `sources`, in the order of the declaration; `None` where the queue
    /// was full for so long.
    fn append(
        &mut self,
        specs: &[Spec],
        sources: &[Source],
        timeout: Duration,
    ) -> PyResult<Option<u64>> {
        let Self {
            recorder,
            put,
            scratch,
            ..
        } = self;
        let Some(recorder) = recorder else {
            return Err(Python::attach(closed));
        };
        let number = recorder.append_timeout(timeout, |step| {
            for (number, (Spec { spec, .. }, source)) in specs.iter().zip(sources).enumerate() {
                let bytes = match (source, &put[number]) {
                    (Source::Given(piece), _) => piece.bytes(scratch),
                    (Source::Put, Some(bytes)) => bytes,
                    (Source::Put, None) => &[],
                };
                step.put_bytes(&spec.name, spec.dtype, bytes)?;
            }
            Ok(step)
        });
        let number = number.map_err(error::hdf5)?;
        self.committed = recorder.committed();
        self.appended = recorder.appended();
        Ok(number)
    }
}

fn closed(py: Python<'_>) -> PyErr {
    let text =
        "this recorder is finished; start another one, with `resume=True` to go on with its file";
    error::new(py, "ClosedError", text)
}

#[pymethods]
impl Recorder {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        tensors: Vec<Declared>,
        constants: Vec<(String, Bound<'_, PyAny>)>,
        attributes: Vec<(String, Bound<'_, PyAny>)>,
        options: Options,
    ) -> PyResult<Self> {
        let elsewhere = options.elsewhere.clone();
        let builder = builder(py, path, tensors, constants, attributes, options)?;
        let recorder = py.detach(|| builder.start()).map_err(error::hdf5)?;
        let specs = recorder.tensors().iter().map(|spec| Spec {
            name: PyString::intern(py, &spec.name).unbind(),
            spec: spec.clone(),
        });
        let specs: Vec<Spec> = specs.collect();
        Ok(Self {
            home: Home::here(),
            step_bytes: recorder.plan().step_bytes(),
            plan: plan_of(recorder.plan()),
            path: recorder.path().to_owned(),
            state: Mutex::new(State {
                committed: recorder.committed(),
                appended: recorder.appended(),
                put: specs.iter().map(|_| None).collect(),
                scratch: Vec::new(),
                interrupted: false,
                recorder: Some(recorder),
            }),
            specs,
            elsewhere,
        })
    }

    /// Appends one step: a value for each tensor, in a mapping or by name. Returns its number; the first is 0.
    ///
    /// The values are copied before it returns. It waits only while the queue is full, without the interpreter's
    /// lock, and Ctrl-C interrupts the wait; then the step is not recorded. Values of another dtype than the
    /// tensor's are an error, never converted; a float of Python is rounded to the dtype of its scalar.
    ///
    /// Raises:
    ///     DtypeError: values of another dtype, or an object without values.
    ///     ShapeError: values of another shape.
    ///     TensorNotFoundError: a tensor that was not declared.
    ///     DeclarationError: a tensor is missing, or the run has all steps that it was planned for.
    ///     StoppedError: the writer stopped, here or earlier.
    ///     ClosedError: the recorder is finished.
    ///     ProcessError: this process was forked from the one that records.
    #[pyo3(signature = (values=None, /, **tensors))]
    fn append<'py>(
        &self,
        py: Python<'py>,
        values: Option<&Bound<'py, PyAny>>,
        tensors: Option<Bound<'py, PyDict>>,
    ) -> PyResult<u64> {
        self.home.check(py)?;
        let values = merged(py, values, tensors)?;
        let mut owners = Vec::with_capacity(self.specs.len());
        let mut sources = Vec::with_capacity(self.specs.len());
        let mut given = 0;
        let mut missing = Vec::new();
        let put = self
            .lock(py)?
            .put
            .iter()
            .map(Option::is_some)
            .collect::<Vec<_>>();
        for (number, Spec { name, spec }) in self.specs.iter().enumerate() {
            match values.get_item(name)? {
                Some(value) => {
                    given += 1;
                    let (piece, owner) = find(py, &value, spec)?;
                    owners.push(owner);
                    sources.push(Source::Given(piece));
                }
                None if put[number] => sources.push(Source::Put),
                None => missing.push(&*spec.name),
            }
        }
        self.check_known(py, &values, given)?;
        if !missing.is_empty() {
            let names = missing.iter().map(|name| format!("`{name}`"));
            let names: Vec<_> = names.collect();
            let text = format!(
                "the step lacks {}; a step has all tensors or is not recorded",
                names.join(", ")
            );
            return Err(error::new(py, "DeclarationError", text));
        }
        let number = if self.step_bytes < SMALL_STEP {
            self.lock(py)?
                .append(&self.specs, &sources, Duration::ZERO)?
        } else {
            None
        };
        let number = match number {
            Some(number) => number,
            None => wait::until(py, |timeout| {
                self.state.lock().append(&self.specs, &sources, timeout)
            })
            .inspect_err(|error| self.interrupted(py, error))?,
        };
        drop(owners);
        if put.contains(&true) {
            self.lock(py)?.put.fill(None);
        }
        Ok(number)
    }

    /// Copies some tensors of the next step now; `append` completes it.
    ///
    /// For values that are gone or changed when the others are there, such as gradients before the optimizer's
    /// step. Putting a tensor again replaces it. It takes the memory of these tensors of one step.
    #[pyo3(signature = (values=None, /, **tensors))]
    fn put<'py>(
        &self,
        py: Python<'py>,
        values: Option<&Bound<'py, PyAny>>,
        tensors: Option<Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        self.home.check(py)?;
        let values = merged(py, values, tensors)?;
        let mut found = Vec::with_capacity(values.len());
        for (number, Spec { name, spec }) in self.specs.iter().enumerate() {
            if let Some(value) = values.get_item(name)? {
                found.push((number, find(py, &value, spec)?));
            }
        }
        self.check_known(py, &values, found.len())?;
        let mut state = self.lock(py)?;
        state.open(py)?;
        for (number, (piece, _owner)) in &found {
            let bytes = state.put[*number].get_or_insert_default();
            bytes.clear();
            piece.append_to(bytes);
        }
        Ok(())
    }

    /// Waits until every appended step is committed, and returns their number. Ctrl-C interrupts it.
    fn commit(&self, py: Python<'_>) -> PyResult<u64> {
        self.home.check(py)?;
        wait::until(py, |timeout| {
            let mut state = self.state.lock();
            let Some(recorder) = &mut state.recorder else {
                return Err(Python::attach(closed));
            };
            let committed = recorder.commit_timeout(timeout);
            let committed = committed.map_err(error::hdf5)?;
            state.committed = committed.unwrap_or(state.committed);
            Ok(committed)
        })
        .inspect_err(|error| self.interrupted(py, error))
    }

    /// Commits and closes. Returns what there is to tell: the sentence, steps of the file, recorded steps,
    /// bytes, seconds, and how long `append` took, at most took, and waited, with the number of waits.
    #[expect(clippy::type_complexity, reason = "a tuple for the layer above")]
    #[pyo3(name = "_finish")]
    fn finish(
        &self,
        py: Python<'_>,
    ) -> PyResult<(String, u64, u64, u64, f64, (f64, f64, f64, u64))> {
        // All the waiting is done here, where it can be interrupted.
        self.commit(py)?;
        let recorder = self.lock(py)?.recorder.take().ok_or_else(|| closed(py))?;
        let summary = py.detach(|| recorder.finish()).map_err(error::hdf5)?;
        self.lock(py)?.committed = summary.steps;
        let times = summary.append;
        Ok((
            summary.to_string(),
            summary.steps,
            summary.recorded,
            summary.bytes,
            summary.elapsed.as_secs_f64(),
            (
                times.total.as_secs_f64(),
                times.longest.as_secs_f64(),
                times.waited.as_secs_f64(),
                times.waits,
            ),
        ))
    }

    /// Committed steps of the file: what a kill of this process cannot lose.
    #[getter]
    fn committed(&self, py: Python<'_>) -> PyResult<u64> {
        let state = self.lock(py)?;
        let recorder = state.recorder.as_ref();
        Ok(recorder.map_or(state.committed, selvedge_hdf5::Recorder::committed))
    }

    /// Steps of the file and of the queue.
    #[getter]
    fn appended(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.lock(py)?.appended)
    }

    /// Whether it is finished.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.lock(py)?.recorder.is_none())
    }

    /// The file.
    #[getter]
    fn path(&self) -> OsString {
        self.path.clone().into_os_string()
    }

    /// Name, dtype and shape of a step, of each step tensor.
    #[getter]
    fn tensors(&self) -> Vec<(String, &'static str, Vec<usize>)> {
        let specs = self
            .specs
            .iter()
            .map(|Spec { spec, .. }| (spec.name.clone(), spec.dtype.name(), spec.shape.clone()));
        specs.collect()
    }

    #[getter]
    fn plan_text(&self) -> &str {
        &self.plan.0
    }

    #[getter]
    fn plan_numbers(&self) -> HashMap<&'static str, u64> {
        self.plan.1.clone()
    }
}

impl Recorder {
    /// The state. Another thread that waits for the disk has it for no more than a slice of time, and this
    /// one waits for it without the interpreter's lock, so that neither keeps the other.
    fn lock<'a>(&'a self, py: Python<'_>) -> PyResult<MutexGuard<'a, State>> {
        self.home.check(py)?;
        loop {
            if let Some(state) = self.state.try_lock() {
                return Ok(state);
            }
            py.detach(|| drop(self.state.lock()));
        }
    }

    /// Tells an interruption how far the run was, and remembers that nobody wants to wait.
    fn interrupted(&self, py: Python<'_>, error: &PyErr) {
        wait::note(py, error, || {
            let Ok(mut state) = self.lock(py) else {
                return String::new();
            };
            state.interrupted = true;
            let committed = state
                .recorder
                .as_ref()
                .map_or(0, selvedge_hdf5::Recorder::committed);
            format!(
                "{committed} of {} steps are committed to {}",
                state.appended,
                self.path.display()
            )
        });
    }

    /// Fails unless each of the values is one of the `found` ones, or of a tensor of other ranks.
    fn check_known(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyDict>,
        mut found: usize,
    ) -> PyResult<()> {
        if found < values.len() {
            for name in &self.elsewhere {
                found += usize::from(values.contains(name)?);
            }
        }
        match found < values.len() {
            true => Err(self.unknown(py, values)?),
            false => Ok(()),
        }
    }

    fn unknown(&self, py: Python<'_>, values: &Bound<'_, PyDict>) -> PyResult<PyErr> {
        let mut unknown = Vec::new();
        for name in values.keys() {
            let name: String = name.str()?.extract()?;
            let is_known = self.specs.iter().any(|Spec { spec, .. }| spec.name == name)
                || self.elsewhere.contains(&name);
            if !is_known {
                unknown.push(format!("`{name}`"));
            }
        }
        let declared = self
            .specs
            .iter()
            .map(|Spec { spec, .. }| format!("`{}`", spec.name));
        let declared: Vec<_> = declared.take(12).collect();
        let text = format!(
            "no tensor {} was declared; the step tensors are {}{}",
            unknown.join(", "),
            declared.join(", "),
            if self.specs.len() > declared.len() {
                " and more"
            } else {
                ""
            },
        );
        Ok(error::new(py, "TensorNotFoundError", text))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let Some(recorder) = state.recorder.take() else {
            return;
        };
        if !self.home.is_here() {
            // Its writer is a thread of another process, and the file is there.
            std::mem::forget(recorder);
        } else if state.interrupted {
            // Whoever was interrupted does not wait for the disk here either.
            thread::spawn(move || drop(recorder));
        } else {
            Python::attach(|py| py.detach(|| drop(recorder)));
        }
    }
}

/// The values of a declared tensor.
fn find<'py>(
    py: Python<'py>,
    value: &Bound<'py, PyAny>,
    spec: &TensorSpec,
) -> PyResult<(Piece, Option<values::Owner<'py>>)> {
    values::find(value, &spec.name, Some(spec.dtype), &|dtype, shape| {
        let declared = (spec.dtype, &*spec.shape);
        values::check_declared(py, &spec.name, declared, (dtype, shape))
    })
}

/// The values of a step: a mapping, keyword arguments, or both.
fn merged<'py>(
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
    all.update(values.cast()?)?;
    let Some(tensors) = tensors else {
        return Ok(all);
    };
    let count = all.len() + tensors.len();
    all.update(tensors.as_mapping())?;
    if all.len() < count {
        let text = "a tensor was given twice, in the mapping and by its name";
        return Err(error::new(py, "DeclarationError", text));
    }
    Ok(all)
}
