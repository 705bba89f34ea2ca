//! Reads that somebody no longer waits for, and uploads that are under way when a program is ended by a signal: what
//! becomes of each, so that it can be told. Parts without an object are paid for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use selvedge_base::{Condvar, Mutex};
use tokio::time::sleep;

/// How often reads were interrupted.
static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

/// Ends the requests to read objects that this process waits for: each fails within some 10 ms with
/// [`ObjectError::Interrupted`](crate::ObjectError). For a program whose user will not wait until a server has had its
/// time. Requests that begin later go on, also those of a read that then asks for something else: call it until what is
/// to end has ended.
pub fn interrupt_reads() {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// How often reads were interrupted so far.
pub(crate) fn interruptions() -> u64 {
    INTERRUPTIONS.load(Ordering::Relaxed)
}

/// What is being sent by this process.
static UPLOADS: Mutex<Uploads> = Mutex::new(Uploads {
    sent: 0,
    ended: EndedUploads {
        kept: 0,
        read_back: 0,
        aborted: 0,
        left: 0,
    },
    is_ended: false,
});
static FEWER: Condvar = Condvar::new();

/// How often an upload looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

struct Uploads {
    sent: usize,
    /// What became of those that are not sent any more; of those that are, what is to come.
    ended: EndedUploads,
    is_ended: bool,
}

/// What became of the uploads of a process that is being ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedUploads {
    /// Those of which the store keeps the parts that it has: the next [`push`](crate::push) goes on with them, and
    /// [`discard_push`](crate::discard_push) gives them up.
    pub kept: usize,
    /// Those of which the object is there, but was not read back to its end.
    pub read_back: usize,
    /// Those that were aborted, of which the store keeps nothing: what it had could not be written down.
    pub aborted: usize,
    /// Those that were to be aborted, which was not done in time: the store can keep parts of them.
    pub left: usize,
}

/// Ends the uploads of this process, and waits for that, but not longer than `limit`: for a program that is about to
/// be ended by a signal. Those that have a [journal](crate::push) stay in the store as they are; others are aborted.
///
/// Afterwards nothing can be sent in this process: who tries waits for its end.
pub fn end_uploads(limit: Duration) -> EndedUploads {
    let until = Instant::now() + limit;
    let mut uploads = UPLOADS.lock();
    uploads.is_ended = true;
    while uploads.sent > 0 {
        if FEWER.wait_until(&mut uploads, until).timed_out() {
            uploads.ended.left += uploads.sent;
            break;
        }
    }
    uploads.ended
}

/// An upload, which is at an end when this is dropped.
pub(crate) struct Sending {
    stage: Stage,
}

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Parts are sent.
    Sent,
    /// It failed, and the store keeps the parts that it has.
    Kept,
    /// The object is there, and is read back.
    ReadBack,
    /// It failed, and was aborted.
    Aborted,
    /// It failed, and the store did not abort it.
    Left,
}

impl Uploads {
    fn of(&mut self, stage: Stage) -> &mut usize {
        match stage {
            Stage::Sent => &mut self.sent,
            Stage::Kept => &mut self.ended.kept,
            Stage::ReadBack => &mut self.ended.read_back,
            Stage::Aborted => &mut self.ended.aborted,
            Stage::Left => &mut self.ended.left,
        }
    }
}

impl Sending {
    pub(crate) fn begin() -> Self {
        let stage = Stage::Sent;
        *UPLOADS.lock().of(stage) += 1;
        Self { stage }
    }

    /// Once the process is to end, a stage at which nothing is sent any more is the last one.
    pub(crate) fn reach(&mut self, stage: Stage) {
        let mut uploads = UPLOADS.lock();
        *uploads.of(self.stage) -= 1;
        *uploads.of(stage) += 1;
        self.stage = stage;
        FEWER.notify_all();
        if uploads.is_ended {
            drop(uploads);
            wait_for_the_end();
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut uploads = UPLOADS.lock();
        let is_ended = uploads.is_ended;
        // What has become of it is told where the process is to end, but not that it is still sent.
        if !is_ended || self.stage == Stage::Sent {
            *uploads.of(self.stage) -= 1;
            FEWER.notify_all();
        }
        drop(uploads);
        if is_ended {
            wait_for_the_end();
        }
    }
}

/// What would be said now is not wanted: the process ends.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// Waits until uploads are to end.
pub(crate) async fn ended() {
    while !UPLOADS.lock().is_ended {
        sleep(LOOK).await;
    }
}
