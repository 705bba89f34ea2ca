//! What a piece of work costs a process: memory at its peak, and bytes handed to the system.
//!
//! As Linux counts them. Other threads of the process count, too.

use std::fmt;
use std::fs;

use crate::machine::system_number;

/// What a process had when a piece of work began.
#[derive(Debug)]
pub struct Meter {
    /// Its folder of Linux's procfs.
    process: String,
    memory: Option<f64>,
    written: Option<f64>,
}

impl Meter {
    /// Begins: the peak of this process's memory is what there is now.
    #[must_use]
    pub fn start() -> Self {
        Self::of("self")
    }

    /// The same of the process with this number, which is one of this user.
    #[must_use]
    pub fn of(process: impl fmt::Display) -> Self {
        let process = format!("/proc/{process}");
        let reset = fs::write(format!("{process}/clear_refs"), "5").is_ok();
        Self {
            memory: status(&process, "VmRSS").filter(|_| reset),
            written: written(&process),
            process,
        }
    }

    /// By how many bytes memory rose at its peak since then; `None` where the system does not tell.
    #[must_use]
    pub fn memory(&self) -> Option<f64> {
        Some((status(&self.process, "VmHWM")? - self.memory?).max(0.0))
    }

    /// Bytes that were given to `write` calls since then, or dirtied pages where those are more: a map has no calls.
    #[must_use]
    pub fn written(&self) -> Option<f64> {
        Some(written(&self.process)? - self.written?)
    }
}

/// Runs `work` and returns by how much memory rose at its peak, in bytes: measure in a child of its own (see
/// [`again`](crate::again)).
///
/// # Panics
///
/// Without Linux's procfs.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let meter = Meter::start();
    let result = work();
    (
        result,
        bytes(meter.memory().expect("procfs tells the peak")),
    )
}

/// Runs `work` and returns how many bytes this process read in it, by whatever call of which thread: measure in a child of its
/// own (see [`again`](crate::again)).
///
/// # Panics
///
/// Without Linux's procfs.
pub fn bytes_read<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let so_far = || system_number("/proc/self/io", "rchar").expect("procfs tells what was read");
    let before = so_far();
    let result = work();
    (result, bytes(so_far() - before))
}

/// What Linux says of the memory of a process, by its number or `self`, in bytes: `VmRSS` is resident now, `VmHWM` was
/// resident at most. 0 where the system does not tell.
pub fn resident(process: impl fmt::Display, key: &str) -> u64 {
    bytes(status(&format!("/proc/{process}"), key).unwrap_or(0.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a process"
)]
fn bytes(number: f64) -> u64 {
    number as u64
}

/// A number of the `status` of a process, in bytes.
fn status(process: &str, key: &str) -> Option<f64> {
    system_number(&format!("{process}/status"), key).map(|kib| kib * 1024.0)
}

fn written(process: &str) -> Option<f64> {
    let [calls, pages] =
        ["wchar", "write_bytes"].map(|key| system_number(&format!("{process}/io"), key));
    Some(calls?.max(pages?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Meter;

    #[test]
    fn memory_and_bytes_are_those_of_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Meter::start();
        let bytes = vec![1_u8; 64 << 20];
        std::fs::write(folder.path().join("file"), &bytes).unwrap();
        drop(bytes);
        let size = f64::from(64 << 20);
        // Other tests of this process have their memory and their files, too.
        assert!(meter.memory().unwrap() > 0.9 * size, "{meter:?}");
        assert!(meter.written().unwrap() >= size, "{meter:?}");
    }
}
