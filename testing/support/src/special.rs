//! Files that are no regular ones.

use std::path::Path;
use std::process::Command;

/// Makes a named pipe, which waits for ever for whoever opens its other end.
///
/// # Panics
///
/// Where there is no `mkfifo`, or a file of the name.
pub fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success(), "{path:?}");
}
