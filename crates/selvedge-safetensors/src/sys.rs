//! The system calls that the standard library does not have, and their counterparts on macOS.
//!
//! Linux is what this code has run on; the macOS branches are written from its manual pages and
//! have not run yet.

use std::fs::{File, Metadata};
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

/// Bytes that an unprivileged process can still write to the file system of `path`; `None` where it
/// does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    // Some network file systems report no blocks at all.
    (status.f_blocks > 0).then(|| status.f_bavail.saturating_mul(status.f_frsize))
}

/// Takes the blocks of a file that will be `length` bytes long, and makes it as long, where the file
/// system can do that without writing them.
///
/// Writes are faster then: each finds its block. That is all, so no error counts; where room is
/// missing, the write that needs it will say so.
pub(crate) fn preallocate(file: &File, length: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, length);
}

/// Tells the system to write some bytes of a file to the disk now, and does not wait for it.
///
/// That promises nothing, and no error counts: a later `fsync` does all and reports all.
pub(crate) fn start_writeback(file: &File, bytes: Range<u64>) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let offset = bytes.start.cast_signed();
        let length = (bytes.end - bytes.start).cast_signed();
        let flags = libc::SYNC_FILE_RANGE_WRITE;
        // SAFETY: the call takes no memory of ours, and the descriptor is open while `file` lives.
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, bytes);
}

/// Reads what follows `offset` in a file as far as it is in memory already, and returns the number
/// of bytes. It does not wait for the disk, but lets it begin with the rest of `buffer`.
pub(crate) fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Advice, fadvise};
        use rustix::io::{ReadWriteFlags, preadv2};
        let length = buffer.len();
        let mut buffer = [io::IoSliceMut::new(buffer)];
        let read = preadv2(file, &mut buffer, offset, ReadWriteFlags::NOWAIT).unwrap_or(0);
        if let Some(rest) = NonZeroU64::new((length - read) as u64) {
            let _ = fadvise(file, offset + read as u64, Some(rest), Advice::WillNeed);
        }
        read
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, buffer, offset);
        0
    }
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

/// Whether two metadata are those of one file, whatever names it has.
pub(crate) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether an error of `flock` means that the file system has no locks.
pub(crate) fn is_without_locks(error: &io::Error) -> bool {
    // The last two are one number on Linux and two on macOS.
    let known = [Errno::NOSYS, Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP];
    let found = error.raw_os_error().map(Errno::from_raw_os_error);
    found.is_some_and(|found| known.contains(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_read_and_nothing_behind_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, [1, 2, 3, 4]).unwrap();
        let file = file.as_file();
        preallocate(file, 4);
        start_writeback(file, 0..4);
        let mut buffer = [0; 8];
        // A file system may not be able to say what is in memory, and then nothing is.
        let read = read_cached(file, &mut buffer, 1);
        assert!(read == 0 || buffer[..read] == [2, 3, 4]);
        assert_eq!(read_cached(file, &mut buffer, 9), 0);
    }
}
