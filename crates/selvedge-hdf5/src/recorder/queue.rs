//! The queue between the training loop and the writer thread.
//!
//! A fixed set of blocks goes round: from the free ones to the training loop, which fills one, to
//! the writer, and back. When none is free the training loop waits; memory never grows.
//!
//! Blocks that stay in the processor's cache are written faster. Free blocks are a stack, so that a
//! loop that the writer keeps up with uses the same few. A loop that is faster than the writer for
//! long fills the queue, and then a deep queue serves nothing: whatever its depth, each step waits
//! for the writer, and comes to it cold. So a queue that was full once is used less and less deeply,
//! down to [`SHALLOW`] bytes, until the writer catches up or stalls.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use selvedge_base::{Condvar, Mutex, MutexGuard};

use super::block::{Block, BlockLayout};
use super::packers::Packing;
use crate::Error;

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
    /// Write the steps of a block.
    Write(Block),
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

#[derive(Default)]
struct State {
    /// Full blocks, in order.
    full: VecDeque<Block>,
    /// The block that has steps and room for more, while the training loop does not fill it.
    open: Option<Block>,
    free: Vec<Block>,
    /// How many blocks the writer has.
    writing: usize,
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
    stopped: Option<Arc<Error>>,
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
    /// Blocks that wait for the writer, those it writes included, in a queue that is used
    /// shallowly.
    shallow: usize,
}

impl Queue {
    pub(crate) fn new(blocks: Vec<Block>, block_bytes: u64, committed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                free: blocks,
                ..State::default()
            }),
            work: Condvar::new(),
            progress: Condvar::new(),
            committed: AtomicU64::new(committed),
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

    /// Takes a block with room for a step; waits for one, at most for `limit`. Also tells how long it
    /// waited.
    pub(crate) fn take(&self, limit: Duration) -> Result<(Option<Block>, Duration), Arc<Error>> {
        let mut state = self.lock();
        // Whoever gave up and comes again waits for the same room.
        if state.full_since.is_none() {
            state.settle_depth(self.shallow);
        }
        let mut since = None;
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            let waited = since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
            let deep_enough = state.depth.is_some_and(|depth| state.pending() > depth);
            if !deep_enough && let Some(block) = state.open.take().or_else(|| state.free.pop()) {
                state.loop_sleeps = false;
                state.full_since = None;
                return Ok((Some(block), waited));
            }
            state.note_full();
            if waited >= limit {
                state.loop_sleeps = false;
                return Ok((None, waited));
            }
            since.get_or_insert_with(Instant::now);
            state.loop_sleeps = true;
            let most = STALL.min(limit.saturating_sub(waited));
            self.progress.wait_for(&mut state, most);
        }
    }

    /// Gives a block back: with one more step, or as it was taken. `hand_over` gives it to the
    /// writer although it has room.
    pub(crate) fn give(&self, block: Block, layout: &BlockLayout, hand_over: bool) {
        let mut state = self.lock();
        let wake = if block.len == 0 {
            state.free.push(block);
            false
        } else if hand_over || block.is_full(layout) {
            state.full.push_back(block);
            state.writer_sleeps
        } else {
            state.open = Some(block);
            // A writer that waits for a block to linger will see this one.
            state.writer_idles
        };
        if wake {
            state.writer_sleeps = false;
            state.writer_idles = false;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Waits until the first `steps` steps are committed, at most for `limit`. Returns whether they
    /// are.
    pub(crate) fn commit(&self, steps: u64, limit: Duration) -> Result<bool, Arc<Error>> {
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
    pub(crate) fn stopped(&self) -> Option<Arc<Error>> {
        self.lock().stopped.clone()
    }

    /// Stops the run: every later call gets `error`, or the one that stopped it before.
    pub(crate) fn stop(&self, error: Error) -> Arc<Error> {
        let mut state = self.lock();
        let error = state.stopped.get_or_insert_with(|| Arc::new(error)).clone();
        self.progress.notify_all();
        self.work.notify_one();
        error
    }

    /// The writer's next task; `committing` tells whether a commit is under way.
    pub(super) fn next(&self, progress: &Progress, committing: bool) -> Task {
        let mut state = self.lock();
        loop {
            if state.stopped.is_some() {
                return Task::Close { finish: false };
            }
            if let Some(task) = state.next_completion() {
                return task;
            }
            if let Some(block) = state.full.pop_front() {
                state.writing += 1;
                return Task::Write(block);
            }
            let asked = state.commit_to > self.committed() && !committing;
            let due = state.open.as_ref().map(|block| {
                let urgent = state.closed.is_some() || state.commit_to > progress.taken;
                let age = block
                    .opened
                    .map_or(Duration::ZERO, |opened| opened.elapsed());
                if urgent {
                    Duration::ZERO
                } else {
                    LINGER.saturating_sub(age)
                }
            });
            if due == Some(Duration::ZERO)
                && let Some(block) = state.open.take()
            {
                state.writing += 1;
                return Task::Write(block);
            }
            if asked && state.commit_to <= progress.written {
                return Task::Commit;
            }
            if due.is_none()
                && let Some(finish) = state.closed
            {
                return Task::Close { finish };
            }
            state.writer_sleeps = true;
            state.writer_idles = due.is_none();
            match due {
                Some(due) => {
                    self.work.wait_for(&mut state, due);
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

    /// Takes a written block back.
    pub(crate) fn recycle(&self, mut block: Block) {
        block.clear();
        let mut state = self.lock();
        state.free.push(block);
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
            self.0.stop(Error::WriterPanicked);
        }
    }
}
