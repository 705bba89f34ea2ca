//! What a piece of work costs this process: memory at its peak, and bytes handed to the system.
//!
//! As Linux counts them. Other threads of the process count, too.

use std::fs;

use crate::machine::system_number;

/// What the process had when a piece of work began.
#[derive(Debug)]
pub struct Meter {
    memory: Option<f64>,
    written: Option<f64>,
}

impl Meter {
    /// Begins: the peak of the memory is what there is now.
    #[must_use]
    pub fn start() -> Self {
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self {
            memory: status("VmRSS").filter(|_| reset),
            written: written(),
        }
    }

    /// By how many bytes memory rose at its peak since then; `None` where the system does not tell.
    #[must_use]
    pub fn memory(&self) -> Option<f64> {
        Some((status("VmHWM")? - self.memory?).max(0.0))
    }

    /// Bytes that were given to `write` calls since then, or dirtied pages where those are more: a map has no calls.
    #[must_use]
    pub fn written(&self) -> Option<f64> {
        Some(written()? - self.written?)
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
    let rise = meter.memory().expect("procfs tells the peak");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes of a process"
    )]
    (result, rise as u64)
}

/// A number of `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<f64> {
    system_number("/proc/self/status", key).map(|kib| kib * 1024.0)
}

fn written() -> Option<f64> {
    let [calls, pages] = ["wchar", "write_bytes"].map(|key| system_number("/proc/self/io", key));
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
