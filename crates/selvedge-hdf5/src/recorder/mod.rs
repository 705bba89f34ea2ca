//! The recorder: appends steps from a live training loop.

mod block;
mod builder;
mod constants;
mod durability;
mod packers;
mod queue;
mod start;
mod step;
mod summary;
mod syncer;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use builder::{RecorderBuilder, check_attribute};
pub use constants::ConstantWriter;
pub use durability::Durability;
pub use step::Step;
pub use summary::{AppendTimes, Summary};

use selvedge_base::{LockedFile, Partial};

use self::block::{Block, BlockLayout};
use self::queue::{LINGER, Queue};
use crate::trajectory::check_status;
use crate::{Error, RunPlan, TensorSpec};

/// `append` looks whether the file is still there, but not more often than this: a system call takes
/// longer than recording a scalar. The writer looks before each of its writes.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// A step that takes the loop so long to fill goes to the writer by itself.
const SLOW_STEP: Duration = Duration::from_millis(1);

/// Appends steps to a trajectory file while a training loop runs.
///
/// [`append`](Self::append) copies a step and returns; a writer thread does the rest. The number of
/// *committed* steps is the leading extent of the tensors in the file: what any reader sees, and
/// what a kill cannot lose. A step commits as soon as the writer can, at the latest 100 ms after it
/// could write it (with [`Durability::EverySteps`], when its turn to be synced comes). Small steps
/// share a block of memory, which the writer cannot take while the closure of `append` is at work:
/// do the training outside of it.
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
    path: PathBuf,
    plan: RunPlan,
    specs: Vec<TensorSpec>,
    /// Elements of one step of each tensor.
    lengths: Vec<usize>,
    layout: BlockLayout,
    filled: Vec<bool>,
    shared: Shared,
    /// The block that the step in the making lies in.
    filling: Option<Block>,
    first: u64,
    appended: u64,
    started: Instant,
    /// When the file was last looked at.
    checked: Instant,
    times: AppendTimes,
    /// The file on its way, where it gets its name when it is finished.
    partial: Option<Partial>,
}

/// What the recorder shares with its writer thread.
struct Shared {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// A descriptor of the file, to look at it; the writer thread has its own.
    watch: Arc<LockedFile>,
    /// Bytes that the file had at the start; it only grows.
    least_bytes: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("committed", &self.queue.committed())
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Starts to declare a new file at `path`. Missing folders are created; an existing file is an
    /// error, unless [`overwrite`](RecorderBuilder::overwrite) was called.
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
        &self.path
    }

    /// The plan of the run.
    #[must_use]
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// The step tensors, in the order of their declaration.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Appends one step: `fill` puts every tensor into it. Returns its number; the first is 0.
    ///
    /// Waits only while the queue is full. The step is recorded as a whole or not at all.
    ///
    /// # Errors
    ///
    /// The error of `fill`, or [`Error::MissingTensors`]: the step is not recorded and the run can
    /// go on. [`Error::BeyondPlan`] after the last planned step. [`Error::Stopped`] when the
    /// writer failed, here or earlier; no later step is recorded.
    pub fn append<F>(&mut self, fill: F) -> Result<u64, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        let begun = loop {
            if let Some(begun) = self.begin(Duration::MAX)? {
                break begun;
            }
        };
        self.complete(begun, fill)
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
    pub fn append_timeout<F>(&mut self, timeout: Duration, fill: F) -> Result<Option<u64>, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        let begun = self.begin(timeout)?;
        begun.map(|begun| self.complete(begun, fill)).transpose()
    }

    /// Takes a block for the next step; `None` where there was none for so long.
    fn begin(&mut self, timeout: Duration) -> Result<Option<Begun>, Error> {
        if let Some(planned) = self.plan.steps
            && self.appended >= planned
        {
            return Err(Error::BeyondPlan { planned });
        }
        let started = Instant::now();
        if started.duration_since(self.checked) >= CHECK_INTERVAL {
            self.check_file()?;
            self.checked = started;
        }
        let taken = self.shared.queue.take(timeout);
        let (block, waited) = taken.map_err(|error| self.stopped(error))?;
        let Some(block) = block else {
            self.times.gave_up(started.elapsed(), waited);
            return Ok(None);
        };
        Ok(Some(Begun {
            block,
            started,
            waited,
        }))
    }

    /// Fills the block with a step, and hands it over.
    fn complete<F>(&mut self, begun: Begun, fill: F) -> Result<u64, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        let Begun {
            block,
            started,
            waited,
        } = begun;
        let number = self.appended;
        let block = GiveBack(self).0.fill(number, block, fill)?;
        let finished = Instant::now();
        let took = finished.duration_since(started);
        // While the loop has the block the writer cannot take it. So it is handed over here, if the
        // loop holds it for long at a time, or if a step in it has waited for long.
        let age = block
            .opened
            .map_or(Duration::ZERO, |opened| finished.duration_since(opened));
        let hand_over = took.saturating_sub(waited) >= SLOW_STEP || age >= LINGER;
        self.shared.queue.give(block, &self.layout, hand_over);
        self.appended += 1;
        self.times.add(took, waited);
        Ok(number)
    }

    /// Fills the next slot of `block`. Until that has succeeded the block stays in `self.filling`.
    fn fill<F>(&mut self, number: u64, block: Block, fill: F) -> Result<Block, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        self.filled.fill(false);
        let block = self.filling.insert(block);
        if block.len == 0 {
            block.first = number;
            block.opened = Some(Instant::now());
        }
        let mut step = Step {
            number,
            specs: &self.specs,
            lengths: &self.lengths,
            layout: &self.layout,
            block,
            filled: &mut self.filled,
            next: 0,
        };
        fill(&mut step)?;
        step.check_complete()?;
        block.len += 1;
        self.filling.take().ok_or(Error::WriterPanicked)
    }

    /// The number of committed steps: what a kill of this process cannot lose.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.shared.queue.committed()
    }

    /// The number of steps in the file and in the queue.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Waits until every appended step is committed, and returns their number.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] when the writer failed.
    pub fn commit(&mut self) -> Result<u64, Error> {
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
    pub fn commit_timeout(&mut self, timeout: Duration) -> Result<Option<u64>, Error> {
        self.check_file()?;
        let committed = self.shared.queue.commit(self.appended, timeout);
        let committed = committed.map_err(|error| self.stopped(error))?;
        Ok(committed.then(|| self.committed()))
    }

    /// Writes what is in the queue, commits it, and closes the file.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] when the writer failed, here or earlier; the committed steps are in the
    /// file. [`Error::File`] where a file that is [`named_when_finished`] cannot get its name; then
    /// there is none.
    ///
    /// [`named_when_finished`]: RecorderBuilder::named_when_finished
    pub fn finish(mut self) -> Result<Summary, Error> {
        self.shared.close(true);
        if let Some(error) = self.shared.queue.stopped() {
            return Err(self.stopped(error));
        }
        if let Some(partial) = &mut self.partial {
            partial.publish(true)?;
        }
        Ok(Summary {
            path: self.path.clone(),
            steps: self.committed(),
            recorded: self.appended - self.first,
            bytes: (self.appended - self.first) * self.plan.step_bytes(),
            elapsed: self.started.elapsed(),
            append: self.times,
        })
    }

    /// Fails if the file was deleted or truncated since the last call.
    fn check_file(&self) -> Result<(), Error> {
        check_status(&self.path, &**self.shared.watch, self.shared.least_bytes)
            .map_err(|error| self.stopped(self.shared.queue.stop(error)))
    }

    fn stopped(&self, cause: Arc<Error>) -> Error {
        Error::Stopped {
            path: self.path.clone(),
            committed: self.committed(),
            kept: self.partial.is_none(),
            cause,
        }
    }
}

/// A step that has its block.
struct Begun {
    block: Block,
    started: Instant,
    waited: Duration,
}

/// Gives back the block of a step that was not completed: because of an error or of a panic.
struct GiveBack<'a>(&'a mut Recorder);

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if let Some(block) = self.0.filling.take() {
            self.0.shared.queue.give(block, &self.0.layout, true);
        }
    }
}

impl Shared {
    fn close(&mut self, finish: bool) {
        self.queue.close(finish);
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has stopped the queue, where it is reported.
            let _ = writer.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close(false);
    }
}
