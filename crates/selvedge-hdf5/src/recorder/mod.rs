//! The recorder: appends steps from a live training loop.

mod block;
mod builder;
mod constants;
mod durability;
mod open_step;
mod packers;
mod queue;
mod run;
mod start;
mod step;
mod summary;
mod syncer;
mod threads;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use builder::{RecorderBuilder, check_attribute};
pub use constants::ConstantWriter;
pub use durability::Durability;
pub use open_step::OpenStep;
pub use step::Step;
pub use summary::{AppendTimes, Summary};

use selvedge_base::{LockedFile, Partial};

use self::queue::Taken;
use self::run::Run;
use crate::trajectory::check_status;
use crate::{RecordError, RunPlan, TensorSpec};

/// `append` looks whether the file is still there, but not more often than this: a system call takes
/// longer than recording a scalar. The writer looks before each of its writes.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Appends steps to a trajectory file while a training loop runs.
///
/// [`append`](Self::append) copies a step and returns; a writer thread does the rest. The number of
/// *committed* steps is the leading extent of the tensors in the file: what any reader sees, and
/// what a kill cannot lose. A step commits as soon as the writer can, at the latest 100 ms after it
/// could write it (with a [`Durability`], when its turn to be synced comes).
///
/// It belongs to the process that started it. In one that is made by `fork` every call is an error at
/// once ([`FileError::OtherProcess`](crate::FileError::OtherProcess)), and dropping it does nothing: it goes
/// on where it was started.
///
/// Dropping a recorder writes and commits the complete steps, but cannot report an error, and leaves
/// the file marked as one that is being recorded: call [`finish`](Self::finish).
///
/// ```
/// use half::bf16;
/// use selvedge_hdf5::Recorder;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// let mut run = Recorder::create(&path)
///     .steps(3)
///     .tensor::<bf16>("W", [4, 2])
///     .scalar::<f32>("losses")
///     .constant("dead_mask", &[false, true, false, false])
///     .attribute("learning_rate", 1e-3)
///     .start()?;
/// let weights = vec![bf16::from_f32(0.5); 8];
/// for loss in [2.5_f32, 2.0, 1.8] {
///     run.append(|step| step.put("W", &weights)?.put("losses", &loss))?;
/// }
/// let summary = run.finish()?;
/// assert_eq!(summary.steps, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    plan: RunPlan,
    shared: Shared,
    /// The addresses of the queue's blocks.
    memory: Vec<Range<usize>>,
    first: u64,
    started: Instant,
    /// When the file was last looked at.
    checked: Instant,
    times: AppendTimes,
    /// The file on its way, where it gets its name when it is finished.
    partial: Option<Partial>,
}

/// What the recorder shares with its writer thread.
#[derive(Debug)]
struct Shared {
    run: Arc<Run>,
    writer: Option<JoinHandle<()>>,
    /// A descriptor of the file, to look at it; the writer thread has its own.
    watch: Arc<LockedFile>,
    /// Bytes that the file had at the start; it only grows.
    least_bytes: u64,
}

impl Recorder {
    /// Starts to declare a new file at `path`. Missing folders are created, also where the path is a mistyped one;
    /// an existing file is an error, unless [`overwrite`](RecorderBuilder::overwrite) was called.
    pub fn create(path: impl Into<PathBuf>) -> RecorderBuilder {
        RecorderBuilder::new(path.into(), false)
    }

    /// Starts to continue the file at `path`, after its last committed step.
    ///
    /// Declare the same tensors as for the file's creation, and they are checked against the file;
    /// declare none, and the file's are taken.
    pub fn resume(path: impl Into<PathBuf>) -> RecorderBuilder {
        RecorderBuilder::new(path.into(), true)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.run.path
    }

    /// The plan of the run.
    #[must_use]
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// The step tensors, in the order of their declaration.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.shared.run.specs
    }

    /// Appends one step: `fill` puts every tensor into it. Returns its number; the first is 0.
    ///
    /// Waits only while the queue is full. The step is recorded as a whole or not at all.
    ///
    /// # Errors
    ///
    /// The error of `fill`, or [`RecordError::MissingTensors`]: the step is not recorded and the run can go
    /// on. [`RecordError::BeyondPlan`] after the last planned step, [`RecordError::StepOpen`] while there is
    /// an [`OpenStep`]. [`RecordError::Stopped`] when the writer failed, here or earlier; no later step is
    /// recorded. [`RecordError::Storage`] in another process.
    pub fn append<F>(&mut self, fill: F) -> Result<u64, RecordError>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, RecordError>,
    {
        loop {
            let started = Instant::now();
            if let Some((step, waited)) = self.begin(started, Duration::MAX)? {
                return self.fill(step, fill, started, waited);
            }
        }
    }

    /// The same, and does not wait: `None` where the queue is full. Then `fill` was not called, and the step is
    /// not recorded.
    ///
    /// # Errors
    ///
    /// The errors of [`append`](Self::append).
    pub fn try_append<F>(&mut self, fill: F) -> Result<Option<u64>, RecordError>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, RecordError>,
    {
        self.append_timeout(Duration::ZERO, fill)
    }

    /// The same, and waits at most for `timeout` while the queue is full; `None` where it was full all the
    /// time. Then `fill` was not called, and the step is not recorded.
    ///
    /// A caller that has to look after something else while the disk is slow, a signal say, calls this
    /// again and again.
    ///
    /// # Errors
    ///
    /// The errors of [`append`](Self::append).
    pub fn append_timeout<F>(
        &mut self,
        timeout: Duration,
        fill: F,
    ) -> Result<Option<u64>, RecordError>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, RecordError>,
    {
        let started = Instant::now();
        let begun = self.begin(started, timeout)?;
        begun
            .map(|(step, waited)| self.fill(step, fill, started, waited))
            .transpose()
    }

    /// Opens the next step; `None` where there was no room for so long. Also tells how long it waited.
    fn begin(
        &mut self,
        started: Instant,
        timeout: Duration,
    ) -> Result<Option<(OpenStep, Duration)>, RecordError> {
        let run = &self.shared.run;
        run.check_process()?;
        if let Some(planned) = self.plan.steps
            && run.queue.appended() >= planned
        {
            return Err(RecordError::BeyondPlan { planned });
        }
        if started.duration_since(self.checked) >= CHECK_INTERVAL {
            self.check_file()?;
            self.checked = started;
        }
        let taken = run.queue.take(started, timeout);
        let (taken, waited) = taken.map_err(|error| run.stopped(error))?;
        match taken {
            Taken::Slot(filling) => Ok(Some((OpenStep::new(run.clone(), filling), waited))),
            Taken::Full => {
                self.times.gave_up(started.elapsed(), waited);
                Ok(None)
            }
            Taken::StepIsOpen => Err(RecordError::StepOpen {
                step: run.queue.appended(),
            }),
        }
    }

    /// Fills a step and hands it over.
    fn fill<F>(
        &mut self,
        mut step: OpenStep,
        fill: F,
        started: Instant,
        waited: Duration,
    ) -> Result<u64, RecordError>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, RecordError>,
    {
        fill(&mut step.step()?)?;
        let number = step.commit()?;
        self.times.add(started.elapsed(), waited);
        Ok(number)
    }

    /// Opens the next step, to be filled over a longer time or by somebody else: see [`OpenStep`].
    ///
    /// Waits only while the queue is full. There is one open step at a time; one that is open when the
    /// recorder is finished or dropped is not recorded.
    ///
    /// # Errors
    ///
    /// [`RecordError::BeyondPlan`] after the last planned step, [`RecordError::StepOpen`] while the step
    /// before is open, [`RecordError::Stopped`] when the writer failed.
    pub fn open_step(&mut self) -> Result<OpenStep, RecordError> {
        loop {
            if let Some(step) = self.open_step_timeout(Duration::MAX)? {
                return Ok(step);
            }
        }
    }

    /// The same, and waits at most for `timeout` while the queue is full; `None` where it was full all the
    /// time.
    ///
    /// # Errors
    ///
    /// The errors of [`open_step`](Self::open_step).
    pub fn open_step_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<OpenStep>, RecordError> {
        let started = Instant::now();
        let begun = self.begin(started, timeout)?;
        Ok(begun.map(|(step, waited)| {
            self.times.add(started.elapsed(), waited);
            step
        }))
    }

    /// The addresses of the memory that steps are put into, a range for each block of the queue. They stay
    /// the same while the recorder or an [`OpenStep`] of it is there: to be pinned for a device, say.
    #[must_use]
    pub fn queue_memory(&self) -> &[Range<usize>] {
        &self.memory
    }

    /// The number of committed steps: what a kill of this process cannot lose.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.shared.run.queue.committed()
    }

    /// The number of steps in the file and in the queue, without one that is open.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.shared.run.queue.appended()
    }

    /// Waits until every appended step is committed, and returns their number.
    ///
    /// # Errors
    ///
    /// [`RecordError::Stopped`] when the writer failed; [`RecordError::Storage`] in another process.
    pub fn commit(&mut self) -> Result<u64, RecordError> {
        loop {
            if let Some(committed) = self.commit_timeout(Duration::MAX)? {
                return Ok(committed);
            }
        }
    }

    /// The same, and waits at most for `timeout`; `None` where some step was not committed by then. It
    /// will be, without another call.
    ///
    /// # Errors
    ///
    /// The errors of [`commit`](Self::commit).
    pub fn commit_timeout(&mut self, timeout: Duration) -> Result<Option<u64>, RecordError> {
        self.shared.run.check_process()?;
        self.check_file()?;
        let run = &self.shared.run;
        let committed = run.queue.commit(run.queue.appended(), timeout);
        let committed = committed.map_err(|error| run.stopped(error))?;
        Ok(committed.then(|| self.committed()))
    }

    /// Writes what is in the queue, commits it, and closes the file. An [`OpenStep`] is not waited for.
    ///
    /// # Errors
    ///
    /// [`RecordError::Stopped`] when the writer failed, here or earlier; the committed steps are in the
    /// file. [`RecordError::Storage`] where a file that is [`named_when_finished`] cannot get its name;
    /// then there is none; and in another process, where nothing changes.
    ///
    /// [`named_when_finished`]: RecorderBuilder::named_when_finished
    pub fn finish(mut self) -> Result<Summary, RecordError> {
        self.shared.run.check_process()?;
        self.shared.close(true);
        let run = &self.shared.run;
        if let Some(error) = run.queue.stopped() {
            return Err(run.stopped(error));
        }
        if let Some(partial) = &mut self.partial {
            partial.publish(true)?;
        }
        let recorded = self.appended() - self.first;
        Ok(Summary {
            path: self.path().to_owned(),
            steps: self.committed(),
            recorded,
            bytes: recorded * self.plan.step_bytes(),
            elapsed: self.started.elapsed(),
            append: self.times,
        })
    }

    /// Fails if the file was deleted or truncated since the last call.
    fn check_file(&self) -> Result<(), RecordError> {
        let run = &self.shared.run;
        check_status(&run.path, &**self.shared.watch, self.shared.least_bytes)
            .map_err(|error| run.stopped(run.queue.stop(error)))
    }
}

impl Shared {
    fn close(&mut self, finish: bool) {
        self.run.queue.close(finish);
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has stopped the queue, where it is reported.
            let _ = writer.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.run.process.is_current() {
            self.close(false);
        } else {
            // There is no such thread in this process.
            std::mem::forget(self.writer.take());
        }
    }
}
