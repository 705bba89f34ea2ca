//! The system calls that the standard library does not have, and their counterparts on macOS.
//!
//! Linux is what this code has run on; the macOS branches are written from its manual pages and
//! have not run yet.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Puts the file's data, and the metadata needed to read it back, on the medium.
///
/// On macOS the standard library's `sync_data` is `fcntl(F_FULLFSYNC)`, which empties the drive's
/// cache too, as `fdatasync` does on Linux. (Untested there.)
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Writes `parts` one behind the other at `offset`, by one call where the system has one.
pub(crate) fn write_gathered_at(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<()> {
    let mut offset = offset;
    for parts in parts.chunks(1024) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut written = gathered(file, parts, offset)?;
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

/// Writes a beginning of `parts`, and returns its length in bytes.
#[cfg(target_os = "linux")]
fn gathered(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<usize> {
    let slices: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
    match rustix::io::pwritev(file, &slices, offset) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

/// There is no such call in the oldest versions of macOS. (Untested there.)
#[cfg(not(target_os = "linux"))]
fn gathered(_: &File, _: &[&[u8]], _: u64) -> io::Result<usize> {
    Ok(0)
}

/// Says that `len` bytes at `offset` will be read soon: what is not in memory is fetched meanwhile.
#[cfg(target_os = "linux")]
pub(crate) fn will_read(file: &File, offset: u64, len: u64) {
    use rustix::fs::{Advice, fadvise};
    if let Some(len) = std::num::NonZeroU64::new(len) {
        // Advice: where it cannot be taken, reading only takes longer.
        let _ = fadvise(file, offset, Some(len), Advice::WillNeed);
    }
}

/// macOS has another call for it, which is not used. (Untested there.)
#[cfg(not(target_os = "linux"))]
pub(crate) fn will_read(_: &File, _: u64, _: u64) {}

/// Asks for huge pages under memory that was not touched yet, where it is large: of 4 KB each page takes a
/// fault, and these together longer than what is read into them.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_huge_pages<T>(memory: &mut [T]) {
    const LEAST: usize = 4 << 20;
    const HUGE: usize = 2 << 20;
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(HUGE);
    if bytes < LEAST || skipped >= bytes {
        return;
    }
    let whole = (bytes - skipped) / HUGE * HUGE;
    let start = start.wrapping_add(skipped).cast();
    // SAFETY: the bytes are `memory`'s, and the advice changes none of them.
    unsafe { libc::madvise(start, whole, libc::MADV_HUGEPAGE) };
}

/// There are none that a program could ask for on macOS. (Untested there.)
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge_pages<T>(_: &mut [T]) {}

/// Asks the file system for blocks under the `len` bytes at `offset`. The length of the file stays.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, len)
}

/// Gives the blocks under the `len` bytes at `offset` back, which are zeros then. The length stays.
#[cfg(target_os = "linux")]
pub(crate) fn release(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
    fallocate(file, flags, offset, len)
}

#[cfg(target_os = "linux")]
fn fallocate(
    file: &File,
    flags: rustix::fs::FallocateFlags,
    offset: u64,
    len: u64,
) -> io::Result<()> {
    match rustix::fs::fallocate(file, flags, offset, len) {
        // It was only a wish.
        Err(rustix::io::Errno::INTR) => Ok(()),
        other => Ok(other?),
    }
}

/// There is no such call for a part of a file on macOS.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing was reserved.
#[cfg(not(target_os = "linux"))]
pub(crate) fn release(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Puts a directory's entries on the medium, so that a new name survives a power cut.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Bytes that an unprivileged process can still write to the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Renames `from` to `to`, and fails with `AlreadyExists` where `to` exists.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag: the check and the rename are then two calls.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// Takes the recorder's exclusive lock on `file`, without waiting; `WouldBlock` where another
/// recorder has it.
///
/// It is an open-file-description lock on one byte far behind any data. `flock`, which HDF5 uses,
/// does not see it: so one recorder excludes the other, while a reader is not hindered. It belongs
/// to the inode, whatever name it is opened by, and goes when the last descriptor is closed, also
/// by a kill; a process that was forked meanwhile has descriptors, too. (On macOS the same call exists; untested there.)
pub(crate) fn lock_for_recording(file: &File) -> io::Result<()> {
    set_lock(file, libc::F_WRLCK)
}

/// Whether a recorder holds the lock of [`lock_for_recording`] on `file`, in any process of this
/// machine.
pub(crate) fn is_locked_for_recording(file: &File) -> io::Result<bool> {
    // A lock for reading collides with the recorder's, and may be asked for with any descriptor.
    let found = control_lock(file, libc::F_OFD_GETLK, libc::F_RDLCK)?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
}

/// Whether a program of this machine has the file open for writing; `None` where the system does not tell.
/// `file` is open for reading, and nobody else in this process has it open for writing.
///
/// A lease for reading is given only if nobody writes, and is given back at once.
#[cfg(target_os = "linux")]
pub(crate) fn is_open_for_writing(file: &File) -> Option<bool> {
    // By default who opens the file for writing meanwhile has a signal sent that ends this process;
    // this one is ignored by default.
    const F_SETSIG: libc::c_int = 10;
    let descriptor = file.as_raw_fd();
    // SAFETY: the descriptor is open for as long as `file` lives, and the command takes a number.
    if unsafe { libc::fcntl(descriptor, F_SETSIG, libc::SIGURG) } != 0 {
        return None;
    }
    // SAFETY: as above.
    if unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_RDLCK) } == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_UNLCK) };
        return Some(false);
    }
    (io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)).then_some(true)
}

/// macOS has no such call. (Untested there.)
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_open_for_writing(_: &File) -> Option<bool> {
    None
}

/// Gives the lock of [`lock_for_recording`] back.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    set_lock(file, libc::F_UNLCK)
}

fn set_lock(file: &File, kind: libc::c_int) -> io::Result<()> {
    control_lock(file, libc::F_OFD_SETLK, kind).map(|_| ())
}

/// `command` for a lock of `kind` on the recorder's byte, and what it leaves in the `flock`.
fn control_lock(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::flock> {
    // SAFETY: `flock` is a plain C struct of integers, for which all zeros is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    // The constants are `int`s, and the fields they are made for are `short`s.
    #[allow(clippy::cast_possible_truncation)]
    {
        lock.l_type = kind as _;
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock.l_start = 1 << 62;
    lock.l_len = 1;
    // SAFETY: the descriptor is open for as long as `file` lives, and both commands on locks read a
    // `flock` from the pointer and may write one, for which it is valid during the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == 0 {
        return Ok(lock);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EAGAIN) => Err(io::ErrorKind::WouldBlock.into()),
        _ => Err(error),
    }
}

/// The name under which `path` is built until it is complete: `.NAME.partial` in the same folder.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}
