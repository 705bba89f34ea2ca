//! A short soak of each group: a few points of each row. `cargo xtask soak` tries them all.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::process::Command;

/// Runs a group with at most `most` points of each row, of which there are at least `rows`. Returns what it printed.
#[track_caller]
fn soak(group: &str, most: usize, rows: usize) -> String {
    let most = most.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge-soak"))
        // The points are the bound; the time is for machines that are busy with other things.
        .args(["--only", group, "--most", &most, "--minutes", "5"])
        .output()
        .expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let found: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with(group))
        .collect();
    assert!(found.len() >= rows, "{} rows:\n{stdout}", found.len());
    // What there is to try was tried.
    for row in found {
        let none = row.contains(": 0 of ") && !row.contains(": 0 of 0 tried");
        assert!(!none, "{row}");
    }
    stdout.into_owned()
}

/// What is lost where nothing is promised shows that a loss would be seen.
#[track_caller]
fn check_loses(printed: &str, row: &str) {
    let line = printed.lines().find(|line| line.contains(row));
    let line = line.unwrap_or_else(|| panic!("no row `{row}`:\n{printed}"));
    assert!(!line.contains(" 0 lost"), "{line}");
}

#[test]
fn kills() {
    let printed = soak("kills", 4, 30);
    check_loses(&printed, "plain h5py, killed before a call");
}

/// A run in a new folder had its file synced, and the file's name, but not the folder's own name in the folder above:
/// after a power cut both could be gone, with the steps that had been reported as synced. The same of
/// `NAME.unfinished`, which `Writer::sync` had not given its name on the disk; and a resumed run told of the steps of the
/// run before, which nobody had synced. Each row here fails where something is reported before it, and the names on the
/// way to it, are synced.
#[test]
fn power_cuts() {
    let printed = soak("power", 40, 10);
    check_loses(&printed, "run of known length, any sectors");
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
