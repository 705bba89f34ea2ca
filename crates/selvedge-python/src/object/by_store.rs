//! Objects, by `selvedge-object`.
//!
//! A server can take as long as it likes, and Python hears of Ctrl-C only where somebody asks. Nothing of Python is
//! called while an object is read: that may be under libhdf5's lock, for which another thread can wait that has the
//! interpreter's. So another thread reads, and this one asks. What it interrupts are all reads of the process, for any
//! of them may have the lock that its own waits for; those that nobody wanted to end begin again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use selvedge_hdf5::Reader;
use selvedge_object::{ObjectFile, ObjectOptions, interrupt_reads};

use super::Opening;
use crate::error;
use crate::wait::SLICE;

/// How often reads of this process were interrupted.
static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

/// An object that is open.
pub(crate) struct Object(Arc<ObjectFile>);

impl Object {
    /// Whether objects can be opened.
    pub(crate) const IS_KNOWN: bool = true;

    /// Opens one, and its file.
    pub(crate) fn open(opening: &Opening<'_>) -> PyResult<(Arc<Self>, Reader)> {
        let timeout = Duration::try_from_secs_f64(opening.timeout);
        let timeout = timeout.ok().filter(|timeout| !timeout.is_zero());
        let timeout = timeout.ok_or_else(|| {
            let text = format!("timeout={}: expected seconds, such as 30", opening.timeout);
            Python::attach(|py| error::new(py, "DeclarationError", text))
        })?;
        let mut options = ObjectOptions::default().timeout(timeout);
        if let Some(version) = &opening.version {
            options = options.version(version);
        }
        let reading = match opening.plugins {
            true => Reader::options().load_plugins(),
            false => Reader::options(),
        };
        ask(&AtomicBool::new(false), || {
            let file = ObjectFile::open(opening.url, &options).map_err(error::object)?;
            let reader = reading.open_ranges(file.name(), Arc::clone(&file) as _);
            Ok((Arc::new(Self(file)), reader.map_err(error::hdf5)?))
        })
    }

    /// Which object it is, in words.
    pub(crate) fn version(&self) -> String {
        self.0.version()
    }

    /// Fails if the store has another object of this name by now.
    pub(crate) fn check_unchanged(&self) -> PyResult<()> {
        self.ask(&AtomicBool::new(false), || {
            self.0.check_unchanged().map_err(error::object)
        })
    }

    /// Does `work`, for which the store may be asked, until Ctrl-C, or until it is `given_up` and
    /// [interrupted](Self::interrupt). It has no interpreter's lock, and may be begun several times.
    pub(crate) fn ask<T: Send>(
        &self,
        given_up: &AtomicBool,
        work: impl FnMut() -> PyResult<T> + Send,
    ) -> PyResult<T> {
        ask(given_up, work)
    }

    /// Ends what was given up.
    pub(crate) fn interrupt() {
        INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
        interrupt_reads();
    }
}

fn ask<T: Send>(
    given_up: &AtomicBool,
    mut work: impl FnMut() -> PyResult<T> + Send,
) -> PyResult<T> {
    // Whether this work was to end.
    let is_ended = &AtomicBool::new(false);
    let is_wanted = &|| !is_ended.load(Ordering::Relaxed) && !given_up.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let (done, result) = mpsc::sync_channel(1);
        let reading = move || {
            loop {
                let before = INTERRUPTIONS.load(Ordering::Relaxed);
                let found = work();
                let is_interrupted = before != INTERRUPTIONS.load(Ordering::Relaxed);
                if found.is_ok() || !is_interrupted || !is_wanted() {
                    // Somebody waits for it.
                    let _ = done.send(found);
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("selvedge-read".to_owned());
        let thread = thread.spawn_scoped(scope, reading).map_err(|error| {
            let text = format!("there is no thread to read with: {error}");
            Python::attach(|py| error::new(py, "FileError", text))
        })?;
        let mut interruption = None;
        loop {
            match result.recv_timeout(SLICE) {
                Ok(found) => return interruption.map_or(found, Err),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interruption.is_none() {
                #[expect(
                    clippy::redundant_closure_for_method_calls,
                    reason = "the method is of one lifetime"
                )]
                let signals = Python::attach(|py| py.check_signals());
                interruption = signals.err();
            }
            if interruption.is_some() {
                is_ended.store(true, Ordering::Relaxed);
            }
            // Again and again, for it can ask for several things one after the other.
            if !is_wanted() {
                Object::interrupt();
            }
        }
        match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends what it found, or panics"),
        }
    })
}
