//! The peak of a process's memory, on Linux.

use std::fs;

/// Runs `work` and returns by how much memory rose at its peak, in bytes.
///
/// Other threads of the process count, too: measure in a child of its own (see [`again`](crate::again)).
///
/// # Panics
///
/// Without Linux's procfs.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    fs::write("/proc/self/clear_refs", "5").expect("the peak is set back");
    let before = status("VmRSS");
    let result = work();
    (result, status("VmHWM").saturating_sub(before))
}

/// A line of `/proc/self/status`, in bytes.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .expect("the line");
    let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    number.parse::<u64>().expect("a number") * 1024
}
