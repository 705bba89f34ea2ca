//! Reads that somebody no longer waits for, and uploads that a program would leave behind when it is ended: parts
//! without an object are paid for.

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
    is_ended: false,
});
static FEWER: Condvar = Condvar::new();

/// How often an upload looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

struct Uploads {
    sent: usize,
    is_ended: bool,
}

/// Aborts the uploads of this process, and waits until that is done, but not longer than `limit`: for a program that
/// is about to be ended by a signal. Returns whether it is done; `None` where nothing was being sent.
///
/// Afterwards nothing can be sent in this process: who tries waits for its end.
pub fn abort_uploads(limit: Duration) -> Option<bool> {
    let until = Instant::now() + limit;
    let mut uploads = UPLOADS.lock();
    uploads.is_ended = true;
    if uploads.sent == 0 {
        return None;
    }
    while uploads.sent > 0 {
        if FEWER.wait_until(&mut uploads, until).timed_out() {
            return Some(false);
        }
    }
    Some(true)
}

/// An upload, which is at an end when this is dropped.
pub(crate) struct Sending;

impl Sending {
    pub(crate) fn begin() -> Self {
        UPLOADS.lock().sent += 1;
        Self
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut uploads = UPLOADS.lock();
        uploads.sent -= 1;
        FEWER.notify_all();
        if uploads.is_ended {
            drop(uploads);
            // What would be said now is not wanted: the process ends.
            loop {
                thread::park();
            }
        }
    }
}

/// Waits until uploads are to end.
pub(crate) async fn ended() {
    while !UPLOADS.lock().is_ended {
        sleep(LOOK).await;
    }
}
