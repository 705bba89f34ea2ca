//! The recorder: a run's tensors from Python's objects into `selvedge_hdf5::Recorder`.

mod find;
mod steps;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use selvedge_base::{Mutex, MutexGuard, Process};

use crate::declare::{Declared, GivenAttribute, Options, builder, plan_of};
use crate::device::Turns;
use crate::error::{self, Stopped};
use crate::given::{Columns, merged, pairs};
use crate::state::{Spec, State};
use crate::values::{Plain, Seen};
use crate::wait;

/// Steps of fewer bytes are copied with the interpreter's lock held: to let go of it, and to wait for it
/// again, takes longer.
const SMALL_STEP: u64 = 64 << 10;

/// A run that is being recorded.
#[pyclass(subclass, frozen, module = "selvedge._selvedge")]
pub(crate) struct Recorder {
    process: Process,
    specs: Vec<Spec>,
    /// The number of each tensor, by its name; none of those that other ranks record.
    numbers: Py<PyDict>,
    step_bytes: u64,
    plan: (String, HashMap<&'static str, u64>),
    path: PathBuf,
    state: Mutex<State>,
    /// For each tensor, which one of torch's was found to have no lazy sign.
    seen: Mutex<Vec<Option<Seen>>>,
    /// For each tensor, mesh, placements and shape of a distributed one whose part here was found to be that of the file.
    placed: Mutex<Vec<Option<Py<PyTuple>>>>,
    /// What copies tensors of CUDA devices, once there was one, and whose turn it is then.
    copies: PyOnceLock<Py<PyAny>>,
    turns: Turns,
}

#[pymethods]
impl Recorder {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        tensors: Vec<Declared>,
        constants: Vec<(String, Bound<'_, PyAny>)>,
        attributes: Vec<GivenAttribute<'_>>,
        options: Options,
    ) -> PyResult<Self> {
        let elsewhere = options.elsewhere.clone();
        let builder = builder(py, path, tensors, constants, attributes, options)?;
        let recorder = py.detach(|| builder.start()).map_err(error::hdf5)?;
        let specs = recorder.tensors().iter().map(|spec| Spec {
            name: PyString::intern(py, &spec.name).unbind(),
            spec: spec.clone(),
            plain: Plain::of(spec),
        });
        let specs: Vec<Spec> = specs.collect();
        let numbers = PyDict::new(py);
        for name in elsewhere {
            numbers.set_item(name, py.None())?;
        }
        for (number, Spec { name, .. }) in specs.iter().enumerate() {
            numbers.set_item(name, number)?;
        }
        Ok(Self {
            numbers: numbers.unbind(),
            process: Process::current(),
            step_bytes: recorder.plan().step_bytes(),
            plan: plan_of(recorder.plan()),
            path: recorder.path().to_owned(),
            state: Mutex::new(State {
                committed: recorder.committed(),
                appended: recorder.appended(),
                open: None,
                pending: None,
                scratch: Vec::new(),
                interrupted: false,
                recorder: Some(recorder),
                stopped: None,
            }),
            seen: Mutex::new(vec![None; specs.len()]),
            placed: Mutex::new(specs.iter().map(|_| None).collect()),
            copies: PyOnceLock::new(),
            turns: Turns::default(),
            specs,
        })
    }

    /// Appends one step: a value for each tensor, in a mapping or by name. Returns its number; the first is 0.
    ///
    /// The values are copied before it returns; those of a CUDA tensor of torch on its device, from where they reach
    /// the queue while the loop goes on: the next call waits for that. It waits otherwise only while the queue is full,
    /// without the interpreter's lock, and Ctrl-C interrupts the wait; then the step is not recorded. Values of another
    /// dtype than the tensor's are an error, never converted; a float of Python is rounded to the dtype of its scalar.
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
        self.check_process()?;
        let values = merged(py, values, tensors)?;
        let mut given = Vec::with_capacity(values.len());
        self.add_named(py, &values, &mut given)?;
        self.append_given(py, &given)
    }

    /// Copies some tensors of the next step now; `append` completes it.
    ///
    /// For values that are gone or changed when the others are there, such as gradients before the optimizer's
    /// step. Putting a tensor again replaces it. It waits as `append` does while the queue is full. After the last
    /// planned step it does nothing.
    #[pyo3(signature = (values=None, /, **tensors))]
    fn put<'py>(
        &self,
        py: Python<'py>,
        values: Option<&Bound<'py, PyAny>>,
        tensors: Option<Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        self.check_process()?;
        let values = merged(py, values, tensors)?;
        let mut given = Vec::with_capacity(values.len());
        self.add_named(py, &values, &mut given)?;
        self.put_given(py, &given)
    }

    /// The tensors of these names, for `_append` and `_put`.
    #[pyo3(name = "_columns")]
    fn columns(&self, py: Python<'_>, names: &Bound<'_, PyList>) -> PyResult<Columns> {
        let numbers = names.iter().zip(0..).map(|(name, hint)| {
            let number = self.number(py, &name, hint)?;
            number.ok_or_else(|| self.unknown([name]).unwrap_or_else(|error| error))
        });
        numbers.collect::<PyResult<_>>().map(Columns)
    }

    /// As `append`, with a value for each of `columns` and the others by name.
    #[pyo3(name = "_append")]
    fn append_columns<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, Columns>,
        values: &Bound<'py, PyList>,
        others: &Bound<'py, PyDict>,
    ) -> PyResult<u64> {
        self.check_process()?;
        let mut given = pairs(columns, values);
        self.add_named(py, others, &mut given)?;
        self.append_given(py, &given)
    }

    /// As `put`, with a value for each of `columns`.
    #[pyo3(name = "_put")]
    fn put_columns<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, Columns>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<()> {
        self.check_process()?;
        self.put_given(py, &pairs(columns, values))
    }

    /// Waits until every appended step is committed, and returns their number. Ctrl-C interrupts it.
    fn commit(&self, py: Python<'_>) -> PyResult<u64> {
        self.check_process()?;
        self.settle(py)?;
        wait::until(py, |timeout| {
            let mut state = self.state.lock();
            let Some(recorder) = &mut state.recorder else {
                return Err(state.over());
            };
            let committed = recorder.commit_timeout(timeout);
            let committed = committed.map_err(error::hdf5)?;
            state.committed = committed.unwrap_or(state.committed);
            Ok(committed)
        })
        .inspect_err(|error| self.failed(py, error))
    }

    /// Waits for the last steps of a recorder that nobody finishes, so that an error of them is told. Not where
    /// somebody did not want to wait for the disk, or in another process.
    #[pyo3(name = "_leave")]
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        let waits = self.check_process().is_ok() && {
            let state = self.lock(py)?;
            state.recorder.is_some() && !state.interrupted
        };
        if waits {
            self.commit(py)?;
        }
        Ok(())
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
        let (recorder, open) = {
            let mut state = self.lock(py)?;
            let recorder = state.recorder.take().ok_or_else(|| state.over())?;
            (recorder, state.open.take())
        };
        drop(open);
        self.release(py);
        let summary = py.detach(|| recorder.finish()).map_err(error::hdf5);
        let summary = summary.inspect_err(|error| self.failed(py, error))?;
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

    /// Whether it is finished, or has stopped.
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
    /// Fails in a process that was forked from the one that records.
    fn check_process(&self) -> PyResult<()> {
        let checked = self.process.check("this recorder", &self.path);
        checked.map_err(error::hdf5)
    }

    /// The number of the tensor of this name, which is probably `hint`; none of one that other ranks record.
    fn number(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        hint: usize,
    ) -> PyResult<Option<Option<usize>>> {
        if self.specs.get(hint).is_some_and(|spec| spec.name.is(name)) {
            return Ok(Some(Some(hint)));
        }
        let number = self.numbers.bind(py).get_item(name)?;
        number.map(|number| number.extract()).transpose()
    }

    /// Adds the values of a dictionary to those that are given, by the numbers of their tensors.
    fn add_named<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyDict>,
        given: &mut Vec<(usize, Bound<'py, PyAny>)>,
    ) -> PyResult<()> {
        let mut unknown = Vec::new();
        let mut next = 0;
        for (name, value) in values {
            match self.number(py, &name, next)? {
                Some(Some(number)) => {
                    next = number + 1;
                    given.push((number, value));
                }
                Some(None) => {}
                None => unknown.push(name),
            }
        }
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(self.unknown(unknown)?),
        }
    }

    /// Works on the state, without the interpreter's lock where that takes long, again and again until it is
    /// done.
    fn attempt<T: Send>(
        &self,
        py: Python<'_>,
        work: impl Fn(&mut State, Duration) -> PyResult<Option<T>> + Sync,
    ) -> PyResult<T> {
        let done = match self.step_bytes < SMALL_STEP {
            true => {
                let mut state = self.lock(py)?;
                work(&mut state, Duration::ZERO)
            }
            false => Ok(None),
        };
        let done = done.and_then(|done| match done {
            Some(done) => Ok(done),
            None => wait::until(py, |timeout| work(&mut self.state.lock(), timeout)),
        });
        done.inspect_err(|error| self.failed(py, error))
    }

    /// What an error leaves behind: a recorder that has stopped is given up.
    fn failed(&self, py: Python<'_>, error: &PyErr) {
        self.interrupted(py, error);
        // The error itself is told in any case.
        let Ok(Some(stopped)) = Stopped::of(py, error) else {
            return;
        };
        let Ok(mut state) = self.lock(py) else {
            return;
        };
        let (recorder, steps) = state.give_up(stopped);
        drop(state);
        drop(steps);
        self.release(py);
        py.detach(|| drop(recorder));
    }

    /// The state. Another thread that waits for the disk has it for no more than a slice of time, and this
    /// one waits for it without the interpreter's lock, so that neither keeps the other.
    fn lock<'a>(&'a self, py: Python<'_>) -> PyResult<MutexGuard<'a, State>> {
        self.check_process()?;
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

    /// That there are no tensors of these names.
    fn unknown<'py>(&self, names: impl IntoIterator<Item = Bound<'py, PyAny>>) -> PyResult<PyErr> {
        let names = names
            .into_iter()
            .map(|name| Ok(format!("`{}`", name.str()?)));
        let unknown: Vec<String> = names.collect::<PyResult<_>>()?;
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
        Ok(Python::attach(|py| {
            error::new(py, "TensorNotFoundError", text)
        }))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let (pending, open) = (state.pending.take(), state.open.take());
        let (recorder, interrupted) = (state.recorder.take(), state.interrupted);
        let Some(recorder) = recorder else {
            return;
        };
        if self.process.is_current() {
            Python::attach(|py| {
                // Nobody is there to be told of a step that cannot be whole.
                let _ = pending.map(|pending| pending.finish(py));
                drop(open);
                self.release(py);
            });
        }
        if interrupted {
            // Whoever was interrupted does not wait for the disk here either.
            thread::spawn(move || drop(recorder));
        } else {
            Python::attach(|py| py.detach(|| drop(recorder)));
        }
    }
}
