//! The recorder: appends steps from a live training loop.

mod block;
mod builder;
mod queue;
mod step;
mod summary;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use builder::RecorderBuilder;
pub use step::Step;
pub use summary::{AppendTimes, Summary};
pub use writer::Durability;

use self::block::{Block, BlockLayout};
use self::queue::Queue;
use crate::lock::LockedFile;
use crate::trajectory::check_status;
use crate::{Error, RunPlan, TensorSpec};

/// `append` looks whether the file is still there, but not more often than this: a system call takes
/// longer than recording a scalar. The writer looks before each of its writes.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Appends steps to a trajectory file while a training loop runs.
///
/// [`append`](Self::append) copies a step and returns; a writer thread does the rest. The number of
/// *committed* steps is the leading extent of the tensors in the file: what any reader sees, and
/// what a kill cannot lose. A step commits as soon as the writer can, at the latest 100 ms after it
/// could write it (with [`Durability::EverySteps`], when its turn to be synced comes).
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
    /// A block that was taken when the caller's closure panicked.
    left: Option<Block>,
    first: u64,
    appended: u64,
    started: Instant,
    /// When the file was last looked at.
    checked: Instant,
    times: AppendTimes,
}

/// What the recorder shares with its writer thread.
struct Shared {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// A descriptor of the file, to look at it; the writer thread has its own.
    watch: LockedFile,
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

    /// Starts to continue the file at `path`, behind its last committed step.
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
    /// go on. [`Error::BeyondPlan`] behind the last planned step. [`Error::Stopped`] when the
    /// writer failed, here or earlier; no later step is recorded.
    pub fn append<F>(&mut self, fill: F) -> Result<u64, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        let number = self.appended;
        if self.plan.steps.is_some_and(|planned| number >= planned) {
            return Err(Error::BeyondPlan { planned: number });
        }
        let started = Instant::now();
        if started.duration_since(self.checked) >= CHECK_INTERVAL {
            self.check_file()?;
            self.checked = started;
        }
        let (block, waited) = match self.left.take() {
            Some(block) => (block, Duration::ZERO),
            None => self
                .shared
                .queue
                .take()
                .map_err(|error| self.stopped(error))?,
        };
        let result = self.fill(number, block, fill);
        let block = match result {
            Ok(block) => block,
            Err(error) => {
                self.give_left();
                return Err(error);
            }
        };
        self.shared.queue.give(block, &self.layout);
        self.appended += 1;
        self.times.add(started.elapsed(), waited);
        Ok(number)
    }

    /// Fills the next slot of `block`. Until that has succeeded the block stays in `self.left`.
    fn fill<F>(&mut self, number: u64, block: Block, fill: F) -> Result<Block, Error>
    where
        F: for<'s, 'r> FnOnce(&'s mut Step<'r>) -> Result<&'s mut Step<'r>, Error>,
    {
        self.filled.fill(false);
        let block = self.left.insert(block);
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
        self.left.take().ok_or(Error::WriterPanicked)
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
        self.give_left();
        self.check_file()?;
        self.shared
            .queue
            .commit(self.appended)
            .map_err(|error| self.stopped(error))?;
        Ok(self.committed())
    }

    /// Writes what is in the queue, commits it, and closes the file.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] when the writer failed, here or earlier; the committed steps are in the
    /// file.
    pub fn finish(mut self) -> Result<Summary, Error> {
        self.give_left();
        self.shared.close(true);
        if let Some(error) = self.shared.queue.stopped() {
            return Err(self.stopped(error));
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

    /// Gives back a block whose last step was not completed.
    fn give_left(&mut self) {
        if let Some(block) = self.left.take() {
            self.shared.queue.give(block, &self.layout);
        }
    }

    /// Fails if the file was deleted or truncated since the last call.
    fn check_file(&self) -> Result<(), Error> {
        check_status(&self.path, &*self.shared.watch, self.shared.least_bytes)
            .map_err(|error| self.stopped(self.shared.queue.stop(error)))
    }

    fn stopped(&self, source: Arc<Error>) -> Error {
        Error::Stopped {
            path: self.path.clone(),
            committed: self.committed(),
            source,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The writer is told to end, and waited for, when `shared` is dropped.
        self.give_left();
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
