//! Whether libhdf5 can be used in this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use selvedge_base::Process;

/// Whether libhdf5 can be used.
///
/// One thread at a time is in libhdf5. A process that was forked while another thread was in it has that
/// thread's lock, and would wait for ever for a thread that it does not have.
pub(crate) fn is_usable() -> bool {
    /// The generation of the process, and whether it cannot be used in the lowest bit.
    static FOUND: AtomicU64 = AtomicU64::new(0);
    let generation = Process::generation() << 1;
    let found = FOUND.load(Ordering::Relaxed);
    if found & !1 == generation {
        return found == generation;
    }
    let usable = is_free();
    FOUND.store(generation | u64::from(!usable), Ordering::Relaxed);
    usable
}

/// As [`is_usable`], with what there is to do.
pub(crate) fn check_usable() -> hdf5::Result<()> {
    match is_usable() {
        true => Ok(()),
        false => Err(
            "another thread was at work with libhdf5 when this process was forked; fork when \
                      nobody reads, or start the process anew (in Python: the start method `spawn`)"
                .into(),
        ),
    }
}

/// Whether libhdf5's lock is free, or soon given back by another thread of this process.
fn is_free() -> bool {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(5);
    (0..TRIES).any(|attempt| {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        hdf5_sys::LOCK.try_lock().is_some()
    })
}
