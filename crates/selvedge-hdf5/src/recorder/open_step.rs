//! A step that is filled over a longer time.

use std::sync::Arc;

use super::queue::Filling;
use super::run::Run;
use super::step::Step;
use crate::element::Values;
use crate::{Dtype, RecordError};

/// A step that is filled over a longer time, by whoever has it: another thread, or a device that copies
/// into the memory of its tensors. [`Recorder::open_step`](crate::Recorder::open_step) opens it.
///
/// [`commit`](Self::commit) hands it over, and from then on it is a step like those of
/// [`append`](crate::Recorder::append). If it is dropped there is no such step, and the next one has its
/// number. While it is open no limit of time holds for it; the steps before it are committed meanwhile.
///
/// ```
/// # use selvedge_hdf5::{Dtype, Recorder};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run_1.h5");
/// let mut run = Recorder::create(&path)
///     .tensor::<f32>("W", [2])
///     .scalar::<f32>("loss")
///     .start()?;
/// let mut step = run.open_step()?;
/// step.put("loss", &2.5_f32)?;
/// let filled = std::thread::spawn(move || {
///     step.place("W", Dtype::F32)?.fill(0);
///     step.commit()
/// });
/// assert_eq!(filled.join().unwrap()?, 0);
/// assert_eq!(run.finish()?.steps, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a step that is dropped is not recorded"]
pub struct OpenStep {
    run: Arc<Run>,
    number: u64,
    /// `None` after it was handed over.
    filling: Option<Filling>,
}

impl OpenStep {
    pub(super) fn new(run: Arc<Run>, filling: Filling) -> Self {
        Self {
            run,
            number: filling.number,
            filling: Some(filling),
        }
    }

    /// The number that the step will have; the first is 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The step as `append` shows it.
    pub(super) fn step(&mut self) -> Result<Step<'_>, RecordError> {
        // The process may have been forked while the step was open.
        self.run.check_process()?;
        let (run, filling) = (&*self.run, self.filling.as_mut());
        let filling = filling.ok_or_else(|| run.too_late(self.number))?;
        Ok(Step { run, filling })
    }

    /// Copies `values` into tensor `name`: a scalar, or all elements of its shape in row-major
    /// order.
    ///
    /// # Errors
    ///
    /// Those of [`Step::put`]; the step stays open, as it was.
    pub fn put<V: Values + ?Sized>(
        &mut self,
        name: &str,
        values: &V,
    ) -> Result<&mut Self, RecordError> {
        self.step()?.put(name, values)?;
        Ok(self)
    }

    /// Copies `bytes`, which are elements of `dtype` in row-major order and little-endian, into
    /// tensor `name`.
    ///
    /// # Errors
    ///
    /// Those of [`Step::put_bytes`]; the step stays open, as it was.
    pub fn put_bytes(
        &mut self,
        name: &str,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, RecordError> {
        self.step()?.put_bytes(name, dtype, bytes)?;
        Ok(self)
    }

    /// As [`put_bytes`](Self::put_bytes), for a tensor that may have been put before: the last values count.
    ///
    /// # Errors
    ///
    /// Those of [`put_bytes`](Self::put_bytes) but [`RecordError::DuplicateTensor`]; the step stays open, as it
    /// was.
    pub fn replace_bytes(
        &mut self,
        name: &str,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, RecordError> {
        let mut step = self.step()?;
        step.replace_nth(step.find(name)?, dtype, bytes)?;
        Ok(self)
    }

    /// The same for the tensor with this number in [`Recorder::tensors`](crate::Recorder::tensors), which need not be
    /// looked for.
    ///
    /// # Errors
    ///
    /// Those of [`replace_bytes`](Self::replace_bytes).
    pub fn replace_nth(
        &mut self,
        tensor: usize,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, RecordError> {
        self.step()?.replace_nth(tensor, dtype, bytes)?;
        Ok(self)
    }

    /// The memory of tensor `name`, for all of its elements of `dtype`, in row-major order and
    /// little-endian. The tensor counts as put, and cannot be put again.
    ///
    /// What is in the memory before it is filled is of other steps. It is where the writer thread reads the
    /// step, a part of [`Recorder::queue_memory`](crate::Recorder::queue_memory), and stays in its place until
    /// the step is committed or dropped: so a device may copy to its address, also while the memory
    /// of other tensors is asked for.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownTensor`], [`RecordError::DtypeMismatch`] or [`RecordError::DuplicateTensor`].
    pub fn place(&mut self, name: &str, dtype: Dtype) -> Result<&mut [u8], RecordError> {
        self.step()?.into_place(name, dtype)
    }

    /// The same for the tensor with this number in [`Recorder::tensors`](crate::Recorder::tensors), which may have been
    /// put before, and can be again: the last values count.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownTensor`] or [`RecordError::DtypeMismatch`].
    pub fn place_nth(&mut self, tensor: usize, dtype: Dtype) -> Result<&mut [u8], RecordError> {
        self.step()?.into_place_nth(tensor, dtype)
    }

    /// Hands the step over, and returns its number. It is recorded as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`RecordError::MissingTensors`]: the step is not recorded, and the run can go on.
    /// [`RecordError::StepTooLate`] where the recorder was finished or dropped meanwhile,
    /// [`RecordError::Stopped`] where the writer failed, [`RecordError::Storage`] in another process.
    pub fn commit(mut self) -> Result<u64, RecordError> {
        self.step()?.check_complete()?;
        match self.filling.take() {
            Some(filling) => self.run.complete(filling),
            None => Err(self.run.too_late(self.number)),
        }
    }
}

impl Drop for OpenStep {
    /// Gives the memory of a step back that is not to be: it was given up, or filling it has panicked.
    fn drop(&mut self) {
        if let Some(filling) = self.filling.take()
            && self.run.process.is_current()
        {
            self.run.queue.put_back(filling);
        }
    }
}
