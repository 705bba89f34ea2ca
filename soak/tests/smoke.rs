//! A short soak of each group: a few points of each row. `cargo xtask soak` tries them all.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::process::Command;

/// Runs a group with at most `most` points of each row, of which there are at least `rows`.
#[track_caller]
fn soak(group: &str, most: usize, rows: usize) {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge-soak"))
        .args([
            "--only",
            group,
            "--most",
            &most.to_string(),
            "--minutes",
            "1",
        ])
        .output()
        .expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let found = stdout
        .lines()
        .filter(|line| line.starts_with(group))
        .count();
    assert!(found >= rows, "{found} rows of {rows}:\n{stdout}");
    // What is promised was tried, and not only looked for.
    assert!(!stdout.contains(": 0 of 1"), "{stdout}");
}

#[test]
fn kills() {
    soak("kills", 4, 30);
}

/// A run in a new folder had its file synced, and the file's name, but not the folder's own name in the folder above:
/// after a power cut both could be gone, with the steps that had been reported as synced. The same of
/// `NAME.unfinished`, which `Writer::sync` had not given its name on the disk. Each row here fails where something is
/// reported before the names on the way to it are synced.
#[test]
fn power_cuts() {
    soak("power", 40, 10);
}

#[test]
fn errors() {
    soak("errors", 4, 40);
}

#[test]
fn bad_files() {
    soak("files", 25, 10);
}

#[test]
fn readers_and_writers_at_once() {
    soak("live", 30, 5);
}
