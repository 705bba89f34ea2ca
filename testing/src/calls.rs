//! Which system calls a piece of work makes, on Linux: by ptrace, because rustix makes its calls
//! without libc.

use std::os::unix::process::CommandExt as _;
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
#[expect(
    clippy::zombie_processes,
    reason = "it is waited for as a process that is traced"
)]
pub fn system_calls(child: &mut Command) -> Vec<Vec<i64>> {
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
                if let Some((number, argument)) = entered(pid) {
                    match (number, argument) {
                        (libc::SYS_getpgid, marker) if marker == START.cast_unsigned().into() => {
                            pieces.push(Vec::new());
                            counts = true;
                        }
                        (libc::SYS_getpgid, marker) if marker == END.cast_unsigned().into() => {
                            counts = false;
                        }
                        _ if counts => pieces.last_mut().expect("a piece").push(number),
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

/// The number and the first argument of a system call that the thread is about to make; `None` where
/// it comes back from one.
fn entered(pid: Pid) -> Option<(i64, u64)> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: the kernel says that it has filled this one of the union's members.
    let entry = unsafe { info.u.entry };
    Some((entry.nr.cast_signed(), entry.args[0]))
}
