//! Which system calls a piece of work makes, and which files it opens, on Linux: by ptrace, because rustix
//! makes its calls without libc.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid};

/// Processes that no system has: a call that asks for one's group marks the start and the end of a
/// piece of work, and does nothing.
const START: i32 = 0x7E1F_ED60;
const END: i32 = START + 1;

/// Runs a piece of work whose system calls the parent counts with [`system_calls`].
pub fn traced<T>(work: impl FnOnce() -> T) -> T {
    let _ = getpgid(Some(Pid::from_raw(START)));
    let result = work();
    let _ = getpgid(Some(Pid::from_raw(END)));
    result
}

/// Runs `child`, a test of its own (see [`again`](crate::again)), and returns the numbers of the
/// system calls that it makes in each piece of work that it runs by [`traced`]: those of all its
/// threads.
///
/// # Panics
///
/// Where the child cannot be traced, or fails.
#[must_use]
pub fn system_calls(child: &mut Command) -> Vec<Vec<i64>> {
    trace(child, |_, call| Some(call.number))
}

/// As [`system_calls`], and returns the paths that the child opens, or asks to open, in each piece of
/// work.
///
/// # Panics
///
/// As [`system_calls`].
#[must_use]
pub fn opened_files(child: &mut Command) -> Vec<Vec<PathBuf>> {
    trace(child, |pid, call| {
        let path = match call.number {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open | libc::SYS_creat => call.arguments[0],
            libc::SYS_openat | libc::SYS_openat2 => call.arguments[1],
            _ => return None,
        };
        Some(text_at(pid, path))
    })
}

/// A system call that is about to be made.
struct Call {
    number: i64,
    arguments: [u64; 6],
}

/// The path at an address of another process.
fn text_at(pid: Pid, address: u64) -> PathBuf {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory of the child");
    let mut bytes = vec![0; 4096];
    // What follows the text may be no memory.
    let read = memory.read_at(&mut bytes, address).expect("a path");
    bytes.truncate(read);
    let end = bytes.iter().position(|&byte| byte == 0);
    bytes.truncate(end.expect("a path ends"));
    OsString::from_vec(bytes).into()
}

/// Runs `child` and returns what `look` makes of its system calls, of each piece of work.
#[expect(
    clippy::zombie_processes,
    reason = "it is waited for as a process that is traced"
)]
fn trace<T>(child: &mut Command, look: impl Fn(Pid, &Call) -> Option<T>) -> Vec<Vec<T>> {
    child.stdin(Stdio::null()).stdout(Stdio::null());
    // SAFETY: the closure runs in the child between `fork` and `exec`, where only what is safe in a
    // signal handler may be called: `ptrace` is a bare system call, and a number becomes an error
    // without an allocation.
    unsafe { child.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
    let process = child.spawn().expect("the child starts");
    let first = Pid::from_raw(i32::try_from(process.id()).expect("a process id"));
    // Only the children of this thread: other tests wait for theirs.
    let wait = || waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD));
    wait().expect("the child stops where its program begins");
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, options).expect("the child is traced");
    ptrace::syscall(first, None).expect("the child goes on");

    let (mut pieces, mut counts) = (Vec::new(), false);
    loop {
        let (pid, signal) = match wait().expect("the child is traced until it ends") {
            WaitStatus::Exited(pid, code) if pid == first => {
                assert_eq!(code, 0, "the child fails");
                return pieces;
            }
            WaitStatus::Signaled(pid, signal, _) if pid == first => {
                panic!("{signal} ends the child")
            }
            WaitStatus::PtraceSyscall(pid) => {
                if let Some(call) = entered(pid) {
                    match (call.number, call.arguments[0]) {
                        (libc::SYS_getpgid, marker) if marker == START.cast_unsigned().into() => {
                            pieces.push(Vec::new());
                            counts = true;
                        }
                        (libc::SYS_getpgid, marker) if marker == END.cast_unsigned().into() => {
                            counts = false;
                        }
                        _ if counts => {
                            pieces.last_mut().expect("a piece").extend(look(pid, &call));
                        }
                        _ => {}
                    }
                }
                (pid, None)
            }
            // A new thread begins with a stop, and the one that made it has another.
            WaitStatus::Stopped(pid, Signal::SIGSTOP) | WaitStatus::PtraceEvent(pid, ..) => {
                (pid, None)
            }
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        // A thread may have ended in the meantime.
        let _ = ptrace::syscall(pid, signal);
    }
}

/// A system call that the thread is about to make; `None` where it comes back from one.
fn entered(pid: Pid) -> Option<Call> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: the kernel says that it has filled this one of the union's members.
    let entry = unsafe { info.u.entry };
    Some(Call {
        number: entry.nr.cast_signed(),
        arguments: entry.args,
    })
}
