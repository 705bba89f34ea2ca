//! Steps of a recorder, from the values that are given: at once, or in parts and by copies of a device.

use pyo3::intern;
use pyo3::prelude::*;
use selvedge_hdf5::RecordError;

use super::Recorder;
use super::find::Given;
use crate::device::Turn;
use crate::state::{Open, Spec};
use crate::{device, error, wait};

impl Recorder {
    pub(super) fn append_given<'py>(
        &self,
        py: Python<'py>,
        given: &[(usize, Bound<'py, PyAny>)],
    ) -> PyResult<u64> {
        let given = self.find(py, given)?;
        let _turn = self.turn(py, &given)?;
        self.settle(py)?;
        self.check_complete(py, &given)?;
        if given.devices.is_empty() {
            self.before_replacing(py, &given)?;
            let Given {
                sources, owners, ..
            } = given;
            let number = self.attempt(py, |state, timeout| {
                state.append(&self.specs, &sources, timeout)
            })?;
            drop(owners);
            return Ok(number);
        }
        if let Some(planned) = self.lock(py)?.all_planned() {
            return Err(error::hdf5(RecordError::BeyondPlan { planned }));
        }
        self.put_found(py, given)?;
        let mut state = self.lock(py)?;
        let open = state.open.take();
        // Somebody may have finished it meanwhile.
        if state.recorder.is_none() {
            let over = state.over();
            drop((state, open));
            return Err(over);
        }
        let open = open.ok_or_else(|| state.over())?;
        let completed = state.complete(open);
        drop(state);
        completed.inspect_err(|error| self.failed(py, error))
    }

    /// Fails unless all tensors of the step are given or were put.
    fn check_complete(&self, py: Python<'_>, given: &Given<'_>) -> PyResult<()> {
        let sources = given.sources.iter().flatten().count();
        if sources + given.devices.len() >= self.specs.len() {
            return Ok(());
        }
        let state = self.lock(py)?;
        let put = |number: usize| state.open.as_ref().is_some_and(|open| open.put[number]);
        let is_given = |number: usize| {
            given.sources[number].is_some() || given.devices.iter().any(|(of, _)| *of == number)
        };
        let missing = self.specs.iter().enumerate();
        let missing = missing.filter(|(number, _)| !put(*number) && !is_given(*number));
        let names = missing.map(|(_, Spec { spec, .. })| format!("`{}`", spec.name));
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            return Ok(());
        }
        if let Some(planned) = state.all_planned() {
            return Err(error::hdf5(RecordError::BeyondPlan { planned }));
        }
        let text = format!(
            "the step lacks {}; a step has all tensors or is not recorded",
            names.join(", ")
        );
        Err(error::new(py, "DeclarationError", text))
    }

    pub(super) fn put_given<'py>(
        &self,
        py: Python<'py>,
        given: &[(usize, Bound<'py, PyAny>)],
    ) -> PyResult<()> {
        let given = self.find(py, given)?;
        let _turn = self.turn(py, &given)?;
        self.settle(py)?;
        self.put_found(py, given)
    }

    /// Waits for the other threads that fill a step, where a device may copy into it.
    fn turn(&self, py: Python<'_>, given: &Given<'_>) -> PyResult<Option<Turn<'_>>> {
        match given.devices.is_empty() && self.copies.get(py).is_none() {
            true => Ok(None),
            false => self.turns.take(py).map(Some),
        }
    }

    fn put_found(&self, py: Python<'_>, given: Given<'_>) -> PyResult<()> {
        self.before_replacing(py, &given)?;
        let Given {
            sources,
            owners,
            devices,
        } = given;
        self.attempt(py, |state, timeout| {
            state.put(&self.specs, &sources, timeout)
        })?;
        drop(owners);
        if devices.is_empty() {
            return Ok(());
        }
        let copies = self.copies.get_or_try_init(py, || {
            let state = self.lock(py)?;
            let recorder = state.recorder.as_ref().ok_or_else(|| state.over())?;
            let memory = recorder.queue_memory().to_owned();
            drop(state);
            device::copies(py, &memory)
        })?;
        self.with_open(py, |open| {
            open.begin_copies(copies.bind(py), &self.specs, &devices)
        })
    }

    /// Waits for copies of a device of which the host now has other values: what is put last counts.
    fn before_replacing(&self, py: Python<'_>, given: &Given<'_>) -> PyResult<()> {
        if self.copies.get(py).is_none() {
            return Ok(());
        }
        let state = self.lock(py)?;
        let copying = state.open.as_ref().and_then(|open| open.copying.as_ref());
        let sources = given.sources.iter().enumerate();
        let is_replaced = copying.is_some_and(|copying| {
            let mut found = sources.filter(|(_, source)| source.is_some());
            found.any(|(number, _)| copying.is_of(number))
        });
        drop(state);
        match is_replaced {
            true => self.with_open(py, |open| {
                let waited = open.copying.as_ref().map(|copying| copying.wait(py));
                waited.transpose()?;
                open.copying = None;
                Ok(())
            }),
            false => Ok(()),
        }
    }

    /// Works on the step that is open, if there is one. What runs Python does so without the state's lock: a handler of
    /// a signal may come in between, and use the recorder.
    fn with_open(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Open) -> PyResult<()>,
    ) -> PyResult<()> {
        let Some(mut open) = self.lock(py)?.open.take() else {
            return Ok(());
        };
        let done = work(&mut open);
        self.lock(py)?.open = Some(open);
        done
    }

    /// Completes the step before, once the copies of a device are there. One whose device has failed is not recorded.
    pub(super) fn settle(&self, py: Python<'_>) -> PyResult<()> {
        if self.copies.get(py).is_none() {
            return Ok(());
        }
        // It stays where it is while its copies are waited for: others, and handlers of signals, may wait for it, too.
        let copies = {
            let state = self.lock(py)?;
            let copying = state
                .pending
                .as_ref()
                .and_then(|open| open.copying.as_ref());
            copying.map(|copying| copying.copies(py))
        };
        let Some(copies) = copies else {
            return Ok(());
        };
        if let Err(error) = copies.call_method0(py, intern!(py, "wait")) {
            let failed = copies.call_method0(py, intern!(py, "has_failed"));
            if !failed
                .and_then(|failed| failed.is_truthy(py))
                .unwrap_or(true)
            {
                self.interrupted(py, &error);
                return Err(error);
            }
            let mut state = self.lock(py)?;
            if let Some(open) = state.pending.take() {
                let text = format!("step {} was not recorded", open.step.number());
                state.count();
                drop(state);
                drop(open);
                wait::add_note(py, &error, &text);
            }
            return Err(error);
        }
        let Some(open) = self.lock(py)?.pending.take() else {
            return Ok(());
        };
        let finished = open.finish(py);
        self.lock(py)?.count();
        finished.inspect_err(|error| self.failed(py, error))
    }

    /// Lets the memory of the queue go, which was pinned for a device.
    pub(super) fn release(&self, py: Python<'_>) {
        if let Some(copies) = self.copies.get(py) {
            // The copies are made, or their device has failed, which was told.
            let _ = copies.call_method0(py, intern!(py, "release"));
        }
    }
}
