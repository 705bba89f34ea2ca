//! The next step of a run: filled in one go or in parts, and handed over.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyString;
use selvedge_hdf5::{OpenStep, Recorder, TensorSpec};

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
    /// The next step, where tensors of it were put before it, and which they are.
    pub(crate) open: Option<Open>,
    pub(crate) committed: u64,
    pub(crate) appended: u64,
    /// Strided values in row-major order.
    pub(crate) scratch: Vec<u8>,
    /// Whether somebody did not want to wait for the disk any longer.
    pub(crate) interrupted: bool,
}

/// A step that is filled in parts, and which of its tensors were put.
type Open = (OpenStep, Vec<bool>);

impl State {
    /// Gives a recorder up that has stopped, so that its file can be gone on with. It is to be dropped without the
    /// interpreter's lock.
    pub(crate) fn give_up(&mut self, stopped: Stopped) -> Option<Recorder> {
        self.open = None;
        self.stopped = Some(stopped);
        let recorder = self.recorder.take()?;
        self.committed = recorder.committed();
        Some(recorder)
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
            Some((mut step, _)) => given
                .try_for_each(|(number, spec, piece)| {
                    step.replace_nth(number, spec.dtype, piece.bytes(scratch))
                        .map(drop)
                })
                .and_then(|()| step.commit())
                .map(Some),
            None => recorder.append_timeout(timeout, |step| {
                for (number, spec, piece) in given {
                    step.put_nth(number, spec.dtype, piece.bytes(scratch))?;
                }
                Ok(step)
            }),
        };
        let number = number.map_err(error::hdf5)?;
        let (committed, appended) = (recorder.committed(), recorder.appended());
        (self.committed, self.appended) = (committed, appended);
        Ok(number)
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
            *open = step.map(|step| (step, vec![false; specs.len()]));
        }
        let Some((step, put)) = open else {
            return Ok(None);
        };
        make_room_for_each(specs, sources, scratch)?;
        for (number, spec, piece) in of_each(specs, sources) {
            step.replace_nth(number, spec.dtype, piece.bytes(scratch))
                .map_err(error::hdf5)?;
            put[number] = true;
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
