//! The system calls that have no safe counterpart elsewhere, and what is known of macOS.
//!
//! Linux is what this code has run on; the macOS branches are written from its manual pages and
//! have not run yet.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A number that is another one in each process that `fork` makes.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// A number that is another one in each process that `fork` makes, once [`count_forks`] was called.
#[inline]
pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// From now on each `fork` is counted, in the process that it makes.
pub(crate) fn count_forks() {
    /// It is called in the new process, where only what is safe in a signal handler may be done.
    extern "C" fn forked() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    static COUNTED: AtomicBool = AtomicBool::new(false);
    // Two threads may both come here, and then each `fork` counts twice.
    if !COUNTED.load(Ordering::Acquire) {
        // SAFETY: the function is there as long as this program is, and changes one atomic number.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
        COUNTED.store(refused == 0, Ordering::Release);
    }
}

/// Takes the writer's exclusive lock on `file`, without waiting; `WouldBlock` where another writer
/// has it.
///
/// It is an open-file-description lock on one byte far beyond any data. `flock`, which HDF5 uses,
/// does not see it: so one writer excludes the other, while a reader is not hindered. It belongs to
/// the inode, whatever name it is opened by, and goes when the last descriptor is closed, also by a
/// kill; a process that was forked meanwhile has descriptors, too. (On macOS the same call exists;
/// untested there.)
pub(crate) fn lock_for_writing(file: &File) -> io::Result<()> {
    control_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK).map(|_| ())
}

/// Keeps writers from taking the lock of [`lock_for_writing`] on `file`, which need only be open for
/// reading; `WouldBlock` where one has it. Any number of descriptors may do so at a time.
pub(crate) fn lock_against_writing(file: &File) -> io::Result<()> {
    control_lock(file, libc::F_OFD_SETLK, libc::F_RDLCK).map(|_| ())
}

/// Whether a writer holds the lock of [`lock_for_writing`] on `file`, in any process of this machine.
pub(crate) fn is_locked_for_writing(file: &File) -> io::Result<bool> {
    // A lock for reading collides with the writer's, and may be asked for with any descriptor.
    let found = control_lock(file, libc::F_OFD_GETLK, libc::F_RDLCK)?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
}

/// Gives the lock of [`lock_for_writing`] or [`lock_against_writing`] back.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    control_lock(file, libc::F_OFD_SETLK, libc::F_UNLCK).map(|_| ())
}

/// `command` for a lock of `kind` on the writer's byte, and what it leaves in the `flock`.
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

/// Tells the system to write some bytes of a file to the disk now, and does not wait for it.
#[cfg(target_os = "linux")]
pub(crate) fn start_writeback(file: &File, bytes: &Range<u64>) {
    let offset = bytes.start.cast_signed();
    let length = (bytes.end - bytes.start).cast_signed();
    let flags = libc::SYNC_FILE_RANGE_WRITE;
    // SAFETY: the call takes no memory of ours, and the descriptor is open while `file` lives.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
}

/// There is no such call on macOS.
#[cfg(not(target_os = "linux"))]
pub(crate) fn start_writeback(_: &File, _: &Range<u64>) {}

/// Asks for huge pages under memory that was not touched yet, where it has at least `least` bytes.
#[cfg(target_os = "linux")]
pub(crate) fn advise_huge_pages<T>(memory: &mut [T], least: usize) {
    const HUGE: usize = 2 << 20;
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(HUGE);
    if bytes < least || skipped >= bytes {
        return;
    }
    let whole = (bytes - skipped) / HUGE * HUGE;
    let start = start.wrapping_add(skipped).cast();
    // SAFETY: the bytes are `memory`'s, and the advice changes none of them.
    unsafe { libc::madvise(start, whole, libc::MADV_HUGEPAGE) };
}

/// There are none that a program could ask for on macOS. (Untested there.)
#[cfg(not(target_os = "linux"))]
pub(crate) fn advise_huge_pages<T>(_: &mut [T], _: usize) {}
