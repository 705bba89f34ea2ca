//! The queue between the training loop and the writer thread.
//!
//! A fixed set of blocks goes round: from the free ones to the training loop, which fills one, to
//! the writer, and back. When none is free the training loop waits; memory never grows. A block is
//! filled slot by slot, and the writer takes the steps that are complete.
//!
//! Blocks that stay in the processor's cache are written faster. Free blocks are a stack, so that a
//! loop that the writer keeps up with uses the same few. A loop that is faster than the writer for
//! long fills the queue, and then a deep queue serves nothing: whatever its depth, each step waits
//! for the writer, and comes to it cold. So a queue that was full once is used less and less deeply,
//! down to [`SHALLOW`] bytes, until the writer catches up or stalls.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::block::{Block, OpenBlock, Slot, Steps};
use super::packers::Packing;
use super::threads::{AtomicU64, Condvar, Instant, Mutex, MutexGuard, Ordering};
use crate::StorageError;

/// A step in a block that is not full waits at most this long for company. With the writing itself
/// it stays well under the 100 ms that the recorder promises.
pub(crate) const LINGER: Duration = Duration::from_millis(20);

/// Bytes that wait for the writer in a queue that is used shallowly; a block in any case.
const SHALLOW: u64 = 4 << 20;
/// A writer that finishes no block for so long has stalled, and the depth of the queue is there for
/// that.
const STALL: Duration = Duration::from_millis(10);

/// A wait without a limit looks once in so long a time whether it is over.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the writer does next.
pub(crate) enum Task {
    /// Write steps of a block.
    Write(Steps),
    /// Take a block whose chunks are in the file.
    Packed(Packing),
    /// Go on with the commit that waited for this.
    Synced(io::Result<()>),
    /// Commit the steps written so far: somebody waits for it.
    Commit,
    /// Nothing more will come; `finish` tells whether the run was ended by `finish`.
    Close { finish: bool },
}

/// How far the writer is, in steps.
pub(super) struct Progress {
    /// Taken from the queue.
    pub(super) taken: u64,
    /// Written: all of their bytes are in the file.
    pub(super) written: u64,
}

impl Progress {
    /// The progress of a run that begins after `steps` steps.
    pub(super) fn at(steps: u64) -> Self {
        Self {
            taken: steps,
            written: steps,
        }
    }
}

/// A step in the making.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) number: u64,
    pub(super) slot: Slot,
    /// For each tensor, whether it is there.
    pub(super) filled: Vec<bool>,
    /// Where the next name is looked for first: tensors mostly come in the declared order.
    pub(super) next: usize,
    began: Instant,
}

/// What became of the wish for a slot.
pub(super) enum Taken {
    Slot(Filling),
    /// There was no room in time.
    Full,
    /// The step before is not complete.
    StepIsOpen,
}

/// Why a step was not taken.
pub(super) enum Refused {
    Stopped(Arc<StorageError>),
    Closed,
}

#[derive(Default)]
struct State {
    /// The steps of full blocks, in order.
    full: VecDeque<Steps>,
    /// The block that has room for more steps.
    open: Option<OpenBlock>,
    free: Vec<Block>,
    /// How many blocks, or parts of one, the writer has.
    writing: usize,
    /// The list of a step in the making, while there is none.
    filled: Vec<bool>,
    /// Whether a step is in the making.
    is_filling: bool,
    /// Blocks whose chunks are in the file.
    packed: Vec<Packing>,
    /// The result of a sync.
    synced: Option<io::Result<()>>,
    /// The most blocks that may wait for the writer; `None` for all.
    depth: Option<usize>,
    /// Steps below this number are to be committed now.
    commit_to: u64,
    /// The queue is closed, by `finish` or else by a drop.
    closed: Option<bool>,
    /// Why the writer stopped.
    stopped: Option<Arc<StorageError>>,
    /// Whether the writer sleeps until it is woken or its block has lingered long enough.
    writer_sleeps: bool,
    /// Whether it sleeps without an end, for want of any step.
    writer_idles: bool,
    /// Whether the training loop sleeps.
    loop_sleeps: bool,
    /// Since when the training loop finds no room, also where it gave up and came again.
    full_since: Option<Full>,
}

/// A queue that was found full.
struct Full {
    /// Blocks that waited for the writer then.
    pending: usize,
    /// When they were so many for the first time.
    since: Instant,
}

impl State {
    /// Blocks that wait for the writer, those it writes included.
    fn pending(&self) -> usize {
        self.full.len() + self.writing
    }

    /// What others have done for the writer.
    fn next_completion(&mut self) -> Option<Task> {
        let synced = self.synced.take().map(Task::Synced);
        synced.or_else(|| self.packed.pop().map(Task::Packed))
    }

    /// Chooses how deeply the queue is used for the next step.
    fn settle_depth(&mut self, shallow: usize) {
        let pending = self.pending();
        self.depth = match self.depth {
            None if self.open.is_none() && self.free.is_empty() => Some(pending.max(shallow)),
            // The writer has caught up.
            Some(_) if pending == 0 => None,
            // One block less each time: each step then waits for two blocks, and none for all.
            Some(depth) => Some(depth.saturating_sub(1).max(shallow)),
            None => None,
        };
    }

    /// The slot of the step `number`, if there is room.
    fn lend(&mut self, number: u64) -> Option<Slot> {
        if self.open.is_none() {
            let block = self.free.pop()?;
            self.open = Some(OpenBlock::new(block, number));
        }
        let slot = self.open.as_mut()?.lend()?;
        self.is_filling = true;
        Some(slot)
    }

    fn put_back(&mut self, filling: Filling) {
        if let Some(open) = &mut self.open {
            open.take_back(filling.slot);
        }
        self.filled = filling.filled;
        self.is_filling = false;
    }

    /// Takes note that there is no room: a writer that has stalled opens the depth of the queue.
    fn note_full(&mut self) {
        let pending = self.pending();
        match &self.full_since {
            Some(full) if full.pending == pending => {
                if full.since.elapsed() >= STALL {
                    self.depth = None;
                }
            }
            _ => {
                let since = Instant::now();
                self.full_since = Some(Full { pending, since });
            }
        }
    }
}

/// The queue; shared by the recorder and its writer thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
    committed: AtomicU64,
    /// Number of complete steps. It changes under the lock.
    appended: AtomicU64,
    /// Blocks that wait for the writer, those it writes included, in a queue that is used
    /// shallowly.
    shallow: usize,
}

impl Queue {
    /// The queue of a run of `tensors` tensors, which has `committed` steps.
    pub(crate) fn new(
        blocks: Vec<Block>,
        block_bytes: u64,
        tensors: usize,
        committed: u64,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                free: blocks,
                filled: vec![false; tensors],
                ..State::default()
            }),
            work: Condvar::new(),
            progress: Condvar::new(),
            committed: AtomicU64::new(committed),
            appended: AtomicU64::new(committed),
            shallow: usize::try_from(SHALLOW / block_bytes.max(1))
                .unwrap_or(usize::MAX)
                .max(1),
        }
    }

    /// A panic elsewhere leaves the state whole: each change of it is complete.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The number of committed steps.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// The number of complete steps.
    pub(super) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// Takes the slot of the next step; waits for one from `now` on, at most for `limit`. Also tells how
    /// long it waited.
    pub(super) fn take(
        &self,
        now: Instant,
        limit: Duration,
    ) -> Result<(Taken, Duration), Arc<StorageError>> {
        let mut state = self.lock();
        if state.is_filling {
            return Ok((Taken::StepIsOpen, Duration::ZERO));
        }
        // Whoever gave up and comes again waits for the same room.
        if state.full_since.is_none() {
            state.settle_depth(self.shallow);
        }
        let mut waited = Duration::ZERO;
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            let deep_enough = state.depth.is_some_and(|depth| state.pending() > depth);
            let number = self.appended();
            if !deep_enough && let Some(slot) = state.lend(number) {
                state.loop_sleeps = false;
                state.full_since = None;
                let mut filled = std::mem::take(&mut state.filled);
                filled.fill(false);
                let filling = Filling {
                    number,
                    slot,
                    filled,
                    next: 0,
                    began: now + waited,
                };
                return Ok((Taken::Slot(filling), waited));
            }
            state.note_full();
            if waited >= limit {
                state.loop_sleeps = false;
                return Ok((Taken::Full, waited));
            }
            state.loop_sleeps = true;
            let most = STALL.min(limit.saturating_sub(waited));
            self.progress.wait_for(&mut state, most);
            waited = now.elapsed();
        }
    }

    /// Takes a step that is complete. Returns its number.
    pub(super) fn complete(&self, filling: Filling) -> Result<u64, Refused> {
        let mut state = self.lock();
        if let Some(error) = &state.stopped {
            let error = error.clone();
            state.put_back(filling);
            return Err(Refused::Stopped(error));
        }
        if state.closed.is_some() {
            state.put_back(filling);
            return Err(Refused::Closed);
        }
        let Filling {
            number,
            slot,
            filled,
            began,
            ..
        } = filling;
        state.filled = filled;
        state.is_filling = false;
        self.appended.store(number + 1, Ordering::Release);
        let wake = match &mut state.open {
            Some(open) => {
                open.complete(slot, began);
                match open.is_full() {
                    true => {
                        let steps = open.take();
                        state.full.extend(steps);
                        state.open = None;
                        state.writer_sleeps
                    }
                    // A writer that waits for a step to linger will see this one.
                    false => state.writer_idles,
                }
            }
            // The block of a slot stays open.
            None => false,
        };
        if wake {
            state.writer_sleeps = false;
            state.writer_idles = false;
            drop(state);
            self.work.notify_one();
        }
        Ok(number)
    }

    /// Takes a step back that is not to be.
    pub(super) fn put_back(&self, filling: Filling) {
        self.lock().put_back(filling);
    }

    /// Waits until the first `steps` steps are committed, at most for `limit`. Returns whether they
    /// are.
    pub(crate) fn commit(&self, steps: u64, limit: Duration) -> Result<bool, Arc<StorageError>> {
        let mut state = self.lock();
        state.commit_to = state.commit_to.max(steps);
        self.work.notify_one();
        let since = Instant::now();
        loop {
            let committed = self.committed() >= steps;
            let waited = since.elapsed();
            if committed || waited >= limit {
                state.loop_sleeps = false;
                return Ok(committed);
            }
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            state.loop_sleeps = true;
            // No wait ends at a time that the system cannot tell.
            let most = limit.saturating_sub(waited).min(LONGEST_WAIT);
            self.progress.wait_for(&mut state, most);
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&self, finish: bool) {
        self.lock().closed = Some(finish);
        self.work.notify_one();
    }

    /// Why the writer stopped, if it did.
    pub(crate) fn stopped(&self) -> Option<Arc<StorageError>> {
        self.lock().stopped.clone()
    }

    /// Stops the run: every later call gets `error`, or the one that stopped it before.
    pub(crate) fn stop(&self, error: StorageError) -> Arc<StorageError> {
        let mut state = self.lock();
        let error = state.stopped.get_or_insert_with(|| Arc::new(error)).clone();
        self.progress.notify_all();
        self.work.notify_one();
        error
    }

    /// The writer's next task; `committing` tells whether a commit is under way, and `late` since when a step
    /// waits for one and how long it does at most.
    pub(super) fn next(
        &self,
        progress: &Progress,
        committing: bool,
        late: Option<(Instant, Duration)>,
    ) -> Task {
        let mut state = self.lock();
        loop {
            if state.stopped.is_some() {
                return Task::Close { finish: false };
            }
            if let Some(task) = state.next_completion() {
                return task;
            }
            if let Some(steps) = state.full.pop_front() {
                state.writing += 1;
                return Task::Write(steps);
            }
            let asked = state.commit_to > self.committed() && !committing;
            let urgent = state.closed.is_some() || state.commit_to > progress.taken;
            let oldest = state.open.as_ref().and_then(OpenBlock::since);
            let due = oldest.map(|since| match urgent {
                true => Duration::ZERO,
                false => LINGER.saturating_sub(since.elapsed()),
            });
            if due == Some(Duration::ZERO)
                && let Some(steps) = state.open.as_mut().and_then(OpenBlock::take)
            {
                state.writing += 1;
                return Task::Write(steps);
            }
            let late = late.map(|(since, limit)| limit.saturating_sub(since.elapsed()));
            if (asked && state.commit_to <= progress.written) || late == Some(Duration::ZERO) {
                return Task::Commit;
            }
            if due.is_none()
                && let Some(finish) = state.closed
            {
                return Task::Close { finish };
            }
            state.writer_sleeps = true;
            state.writer_idles = due.is_none();
            match [due, late].into_iter().flatten().min() {
                Some(most) => {
                    self.work.wait_for(&mut state, most.min(LONGEST_WAIT));
                }
                None => self.work.wait(&mut state),
            }
            state.writer_sleeps = false;
            state.writer_idles = false;
        }
    }

    /// Waits until others have done something for the writer; `None` if the run was stopped.
    pub(super) fn next_completion(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped.is_some() {
                return None;
            }
            if let Some(task) = state.next_completion() {
                return Some(task);
            }
            self.work.wait(&mut state);
        }
    }

    /// Tells the writer that the chunks of a block are in the file.
    pub(super) fn packed(&self, packing: Packing) {
        self.lock().packed.push(packing);
        self.work.notify_one();
    }

    /// Tells the writer the result of a sync.
    pub(super) fn synced(&self, result: io::Result<()>) {
        self.lock().synced = Some(result);
        self.work.notify_one();
    }

    /// Takes written steps back. When nobody has a part of their block any more it is free.
    pub(super) fn recycle(&self, steps: Steps) {
        let mut state = self.lock();
        state.free.extend(steps.into_block());
        state.writing -= 1;
        if state.loop_sleeps {
            self.progress.notify_all();
        }
    }

    /// Tells that the first `steps` steps are committed.
    pub(crate) fn set_committed(&self, steps: u64) {
        self.committed.store(steps, Ordering::Release);
        // The lock orders this with a caller that has just looked and goes to sleep.
        if self.lock().loop_sleeps {
            self.progress.notify_all();
        }
    }
}

/// Stops the queue if its thread unwinds.
pub(super) struct StopOnPanic(pub(super) Arc<Queue>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(StorageError::WriterPanicked);
        }
    }
}
