//! The next step of a run: filled in one go or in parts, and handed over.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyString;
use selvedge_hdf5::{OpenStep, Recorder, TensorSpec};

use crate::device::Copying;
use crate::error::{self, Stopped};
use crate::values::{Piece, Plain, make_room};

/// A step tensor.
pub(crate) struct Spec {
    pub(crate) name: Py<PyString>,
    pub(crate) spec: TensorSpec,
    pub(crate) plain: Plain,
}

/// What changes while a run is recorded.
pub(crate) struct State {
    /// `None` when it is finished, or has stopped.
    pub(crate) recorder: Option<Recorder>,
    /// Why it has stopped.
    pub(crate) stopped: Option<Stopped>,
    /// The next step, where tensors of it were put before it.
    pub(crate) open: Option<Open>,
    /// The step before it, which is whole but for copies of a device that are under way.
    pub(crate) pending: Option<Open>,
    pub(crate) committed: u64,
    pub(crate) appended: u64,
    /// Strided values in row-major order.
    pub(crate) scratch: Vec<u8>,
    /// Whether somebody did not want to wait for the disk any longer.
    pub(crate) interrupted: bool,
}

/// A step that is filled in parts.
pub(crate) struct Open {
    /// Copies of a device into its memory. They are waited for before it is anybody else's: a step that is dropped is
    /// dropped after them.
    pub(crate) copying: Option<Copying>,
    pub(crate) step: OpenStep,
    /// Which of its tensors were put.
    pub(crate) put: Vec<bool>,
}

impl Open {
    /// Puts values that lie in the memory of the host.
    fn put(&mut self, number: usize, spec: &TensorSpec, bytes: &[u8]) -> PyResult<()> {
        self.step
            .replace_nth(number, spec.dtype, bytes)
            .map_err(error::hdf5)?;
        self.put[number] = true;
        Ok(())
    }

    /// Begins to copy tensors of a device, each with its number.
    pub(crate) fn begin_copies(
        &mut self,
        copies: &Bound<'_, PyAny>,
        specs: &[Spec],
        tensors: &[(usize, Bound<'_, PyAny>)],
    ) -> PyResult<()> {
        let mut addresses = Vec::with_capacity(tensors.len());
        for (number, _) in tensors {
            let dtype = specs[*number].spec.dtype;
            let place = self.step.place_nth(*number, dtype).map_err(error::hdf5)?;
            addresses.push(place.as_ptr().addr());
            self.put[*number] = false;
        }
        let new = || Copying::new(copies, specs.len());
        let copying = self.copying.get_or_insert_with(new);
        copying.begin(copies.py(), tensors, &addresses)?;
        for (number, _) in tensors {
            self.put[*number] = true;
        }
        Ok(())
    }

    /// Hands the step over, of which all tensors were put, once the copies of a device are there.
    pub(crate) fn finish(self, py: Python<'_>) -> PyResult<()> {
        let copied = self.copying.as_ref().map(|copying| copying.wait(py));
        // Where that fails the step is dropped, as always after its copies.
        copied.transpose()?;
        self.step.commit().map(drop).map_err(error::hdf5)
    }
}

impl State {
    /// Gives a recorder up that has stopped, so that its file can be gone on with. It is to be dropped without the
    /// interpreter's lock, and after the steps, which wait for copies with it.
    pub(crate) fn give_up(&mut self, stopped: Stopped) -> (Option<Recorder>, [Option<Open>; 2]) {
        self.stopped = Some(stopped);
        let recorder = self.recorder.take();
        self.committed = match &recorder {
            Some(recorder) => recorder.committed(),
            None => self.committed,
        };
        (recorder, [self.pending.take(), self.open.take()])
    }

    /// That nothing more can be recorded, and why.
    pub(crate) fn over(&self) -> PyErr {
        over(self.stopped.as_ref())
    }

    /// The number of steps that the run was planned for, where it has them all.
    pub(crate) fn all_planned(&self) -> Option<u64> {
        let recorder = self.recorder.as_ref()?;
        let planned = recorder.plan().steps;
        planned.filter(|&planned| recorder.appended() >= planned)
    }

    /// What a step goes through, unless the recorder is finished.
    fn parts(&mut self) -> PyResult<(&mut Recorder, &mut Option<Open>, &mut Vec<u8>)> {
        match &mut self.recorder {
            Some(recorder) => Ok((recorder, &mut self.open, &mut self.scratch)),
            None => Err(over(self.stopped.as_ref())),
        }
    }

    /// Appends a step whose values lie at `sources`, in the order of the declaration; those of `None` were
    /// put before. `None` where the queue was full for so long.
    pub(crate) fn append(
        &mut self,
        specs: &[Spec],
        sources: &[Option<Piece>],
        timeout: Duration,
    ) -> PyResult<Option<u64>> {
        let (recorder, open, scratch) = self.parts()?;
        make_room_for_each(specs, sources, scratch)?;
        let mut given = of_each(specs, sources);
        let number = match open.take() {
            Some(mut open) => {
                given.try_for_each(|(number, spec, piece)| {
                    open.put(number, spec, piece.bytes(scratch))
                })?;
                return self.complete(open).map(Some);
            }
            None => recorder.append_timeout(timeout, |step| {
                for (number, spec, piece) in given {
                    step.put_nth(number, spec.dtype, piece.bytes(scratch))?;
                }
                Ok(step)
            }),
        };
        let number = number.map_err(error::hdf5)?;
        self.count();
        Ok(number)
    }

    /// Completes a step of which all tensors were put, at once or, where a device copies into it, later. Returns its
    /// number.
    pub(crate) fn complete(&mut self, open: Open) -> PyResult<u64> {
        let number = open.step.number();
        if open.copying.is_some() {
            self.pending = Some(open);
        } else {
            open.step.commit().map_err(error::hdf5)?;
        }
        self.count();
        Ok(number)
    }

    /// Takes note of how far the recorder is.
    pub(crate) fn count(&mut self) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        self.committed = recorder.committed();
        self.appended = recorder.appended() + u64::from(self.pending.is_some());
    }

    /// Puts the tensors of the next step that are at `sources` into its place in the queue. `None` where there
    /// was none for so long.
    pub(crate) fn put(
        &mut self,
        specs: &[Spec],
        sources: &[Option<Piece>],
        timeout: Duration,
    ) -> PyResult<Option<()>> {
        if self.open.is_none() && self.all_planned().is_some() {
            // There is no such step, as `append` says; a model may still be evaluated.
            return Ok(Some(()));
        }
        let (recorder, open, scratch) = self.parts()?;
        if open.is_none() {
            let step = recorder.open_step_timeout(timeout).map_err(error::hdf5)?;
            *open = step.map(|step| Open {
                copying: None,
                step,
                put: vec![false; specs.len()],
            });
        }
        let Some(open) = open else {
            return Ok(None);
        };
        make_room_for_each(specs, sources, scratch)?;
        for (number, spec, piece) in of_each(specs, sources) {
            open.put(number, spec, piece.bytes(scratch))?;
        }
        Ok(Some(()))
    }
}

/// The values that are given: number and declaration of each tensor, and where they lie.
fn of_each<'a>(
    specs: &'a [Spec],
    sources: &'a [Option<Piece>],
) -> impl Iterator<Item = (usize, &'a TensorSpec, &'a Piece)> {
    let all = specs.iter().zip(sources).enumerate();
    all.filter_map(|(number, (Spec { spec, .. }, source))| Some((number, spec, source.as_ref()?)))
}

/// Room in `scratch` for each of the values that lie strided.
fn make_room_for_each(
    specs: &[Spec],
    sources: &[Option<Piece>],
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    of_each(specs, sources)
        .filter(|(.., piece)| piece.gathered() > 0)
        .try_for_each(|(_, spec, piece)| make_room(scratch, piece.gathered(), &spec.name))
}

fn over(stopped: Option<&Stopped>) -> PyErr {
    let text =
        "this recorder is finished; start another one, with `resume=True` to go on with its file";
    Python::attach(|py| match stopped {
        Some(stopped) => stopped.error(py),
        None => error::new(py, "ClosedError", text),
    })
}
