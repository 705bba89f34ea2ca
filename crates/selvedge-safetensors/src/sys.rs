//! The system calls that the standard library does not have, and their counterparts on macOS.
//!
//! Linux is what this code has run on; the macOS branches are written from its manual pages and
//! have not run yet.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Bytes that an unprivileged process can still write to the file system of `path`; `None` where it
/// does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    // Some network file systems report no blocks at all.
    (status.f_blocks > 0).then(|| status.f_bavail.saturating_mul(status.f_frsize))
}

/// Renames `from` to `to`, and fails with `AlreadyExists` where `to` exists.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag: the check and the rename are then two calls.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// Whether this process may write to the file at `path`; `true` where there is none.
pub(crate) fn may_write(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    !matches!(
        access(path, Access::WRITE_OK),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS)
    )
}

/// Whether an error of `flock` means that the file system has no locks.
pub(crate) fn is_without_locks(error: &io::Error) -> bool {
    // The last two are one number on Linux and two on macOS.
    let known = [Errno::NOSYS, Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP];
    let found = error.raw_os_error().map(Errno::from_raw_os_error);
    found.is_some_and(|found| known.contains(&found))
}
