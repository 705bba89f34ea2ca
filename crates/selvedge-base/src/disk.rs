//! Calls on open files and file systems that the standard library does not have. None of them is
//! needed for a right result: they make reading and writing faster, or tell what is free.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::sys;

/// Bytes that an unprivileged process can still write to the file system of `path`, a file in it or a
/// folder that need not be there yet; `None` where the file system does not say.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    // The parent of a bare name is the empty path, which is no folder and stands for this one.
    let existing = path.ancestors().find(|folder| folder.is_dir());
    let status = rustix::fs::statvfs(existing.unwrap_or(Path::new("."))).ok()?;
    // Some network file systems report no blocks at all.
    (status.f_blocks > 0).then(|| status.f_bavail.saturating_mul(status.f_frsize))
}

/// Whether two metadata are those of one file, whatever names it has.
#[must_use]
pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// A path that leads to this open file, whatever becomes of its names; `None` where the system has none.
/// It does so as long as the file is open here, and in this process.
#[must_use]
pub fn path_of(file: impl AsFd) -> Option<PathBuf> {
    // What is opened by the second, on macOS, shares its position and its `flock` with `file`. (Untested
    // there.)
    let folder = match cfg!(target_os = "linux") {
        true => "/proc/self/fd",
        false => "/dev/fd",
    };
    let file = file.as_fd();
    let path = Path::new(folder).join(file.as_raw_fd().to_string());
    let own = rustix::fs::fstat(file).ok()?;
    let found = rustix::fs::stat(&path).ok()?;
    ((own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)).then_some(path)
}

/// Whether an error of locking a file means that its file system has no locks: NFS and Lustre can be
/// mounted so.
#[must_use]
pub fn is_without_locks(error: &io::Error) -> bool {
    // The last two are one number on Linux and two on macOS.
    let known = [Errno::NOSYS, Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP];
    let found = error.raw_os_error().map(Errno::from_raw_os_error);
    found.is_some_and(|found| known.contains(&found))
}

/// Whether this process may write to the file at `path`; `true` where there is none.
#[must_use]
pub fn may_write(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    !matches!(
        access(path, Access::WRITE_OK),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS)
    )
}

/// Whether a program of this machine has the file open for writing; `None` where the system does not tell.
///
/// `file` is open for reading, and nobody in this process has it open for writing.
#[must_use]
pub fn is_open_for_writing(file: &File) -> Option<bool> {
    sys::is_open_for_writing(file)
}

/// Whether a program of this machine keeps the file open for writing, as [`is_open_for_writing`], asked for
/// up to a second.
///
/// A process that is being started has all open files of the one that starts it, until its own program
/// begins: so a file that was written and closed a moment ago can look as if it still had a writer. On a busy
/// machine that moment takes longer than a tenth of a second.
#[must_use]
pub fn stays_open_for_writing(file: &File) -> Option<bool> {
    const TRIES: u32 = 200;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match is_open_for_writing(file) {
            Some(true) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    is_open_for_writing(file)
}

/// Takes a shared `flock` on the file, which HDF5 programs take as well; `false` while one of them has it open
/// for writing, asked for up to a fifth of a second: a process that is being started has the locks of the one
/// that starts it, too. A file system without locks gives all of them.
#[must_use]
pub fn share(file: &File) -> bool {
    const TRIES: u32 = 40;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            _ => return true,
        }
    }
    !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Takes the blocks of a file that will be `length` bytes long, and makes it as long, where the file
/// system can do that without writing them.
///
/// Writes are faster then: each finds its block. That is all, so no error counts; where room is
/// missing, the write that needs it will say so.
pub fn preallocate(file: &File, length: u64) {
    #[cfg(target_os = "linux")]
    let _ = fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, length);
}

/// Asks the file system for blocks under the `length` bytes at `offset`. The length of the file stays.
///
/// # Errors
///
/// Where the file system cannot do that, or has no room.
pub fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, length);
    // There is no such call for a part of a file on macOS.
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, offset, length);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Gives the blocks under the `length` bytes at `offset` back, which are zeros then. The length of the
/// file stays.
///
/// # Errors
///
/// Where the file system cannot do that.
pub fn release(file: &File, offset: u64, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::FallocateFlags;
        let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
        fallocate(file, flags, offset, length)
    }
    // Where nothing can be reserved, nothing was.
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, offset, length);
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn fallocate(
    file: &File,
    flags: rustix::fs::FallocateFlags,
    offset: u64,
    length: u64,
) -> io::Result<()> {
    match rustix::fs::fallocate(file, flags, offset, length) {
        // It was only a wish.
        Err(Errno::INTR) => Ok(()),
        other => Ok(other?),
    }
}

/// Tells the system to write some bytes of a file to the disk now, and does not wait for it.
///
/// That promises nothing, and no error counts: a later `fsync` does all and reports all.
pub fn start_writeback(file: &File, bytes: &Range<u64>) {
    sys::start_writeback(file, bytes);
}

/// Reads what follows `offset` in a file as far as it is in memory already, and returns the number
/// of bytes. It does not wait for the disk, but lets it begin with the rest of `buffer`.
#[must_use]
pub fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{ReadWriteFlags, preadv2};
        let length = buffer.len();
        let mut buffer = [io::IoSliceMut::new(buffer)];
        let read = preadv2(file, &mut buffer, offset, ReadWriteFlags::NOWAIT).unwrap_or(0);
        will_read(file, offset + read as u64, (length - read) as u64);
        read
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, buffer, offset);
        0
    }
}

/// Says that `length` bytes at `offset` will be read soon: what is not in memory is fetched meanwhile.
pub fn will_read(file: &File, offset: u64, length: u64) {
    #[cfg(target_os = "linux")]
    if let Some(length) = NonZeroU64::new(length) {
        use rustix::fs::{Advice, fadvise};
        // Advice: where it cannot be taken, reading only takes longer.
        let _ = fadvise(file, offset, Some(length), Advice::WillNeed);
    }
    // macOS has another call for it, which is not used.
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, length);
}

/// Writes `parts` one after the other at `offset`, by one call where the system has one.
///
/// # Errors
///
/// The errors of writing.
pub fn write_gathered_at(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<()> {
    /// Parts that one call takes, on every system.
    const MOST_PARTS: usize = 1024;
    let mut offset = offset;
    for parts in parts.chunks(MOST_PARTS) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut written = write_some(file, parts, offset)?;
        // A call can end early: the rest goes part by part.
        let mut at = 0;
        for part in parts {
            let done = written.saturating_sub(at).min(part.len());
            if done < part.len() {
                FileExt::write_all_at(file, &part[done..], offset + (at + done) as u64)?;
                written = written.max(at + part.len());
            }
            at += part.len();
        }
        offset += bytes as u64;
    }
    Ok(())
}

/// Writes the first bytes of `parts`, and returns how many.
#[cfg(target_os = "linux")]
fn write_some(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<usize> {
    let slices: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
    match rustix::io::pwritev(file, &slices, offset) {
        Err(Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

/// There is no such call in the oldest versions of macOS. (Untested there.)
#[cfg(not(target_os = "linux"))]
fn write_some(_: &File, _: &[&[u8]], _: u64) -> io::Result<usize> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_read_and_nothing_after_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, [1, 2, 3, 4]).unwrap();
        let file = file.as_file();
        preallocate(file, 4);
        start_writeback(file, &(0..4));
        let mut buffer = [0; 8];
        // A file system may not be able to say what is in memory, and then nothing is.
        let read = read_cached(file, &mut buffer, 1);
        assert!(read == 0 || buffer[..read] == [2, 3, 4]);
        assert_eq!(read_cached(file, &mut buffer, 9), 0);
    }

    #[test]
    fn many_parts_are_written_one_after_the_other() {
        let file = tempfile::tempfile().unwrap();
        let parts: Vec<Vec<u8>> = (0..3000_u16)
            .map(|part| vec![part.to_le_bytes()[0]; usize::from(part) % 5])
            .collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        write_gathered_at(&file, &slices, 7).unwrap();
        let mut found = vec![0; parts.concat().len()];
        file.read_exact_at(&mut found, 7).unwrap();
        assert_eq!(found, parts.concat());
        assert_eq!(file.metadata().unwrap().len(), 7 + found.len() as u64);
    }

    #[test]
    fn free_space_is_that_of_the_next_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let here = free_bytes(folder.path());
        let below = free_bytes(&folder.path().join("not/there/yet.h5"));
        assert_eq!(here.is_some(), below.is_some());
        assert!(free_bytes(Path::new("bare_name")).is_some() || here.is_none());
    }
}
