//! A process whose calls on the files of one folder are counted, and one of them made to go wrong.
//!
//! It is ptrace, and not a preloaded library, because rustix makes its system calls without libc. The product is not
//! changed for it, and h5py runs under it as well.

mod call;

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub(crate) use self::call::{Call, Kind};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed before it.
    Kill,
    /// It writes so many bytes, and then the process is killed.
    Tear(usize),
    /// It fails, and does nothing.
    Fail(Errno),
    /// It fails, and so does every later one that takes room, until the process prints `freed`.
    FailOn(Errno),
    /// It writes so many bytes, and says so.
    Short(usize),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By the fault.
    Killed,
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that nobody here sent.
    Crashed(Signal),
    /// It was stopped, because it did not come to an end.
    Hung,
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) calls: Vec<Call>,
    /// Lines that it printed.
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
    pub(crate) end: End,
    /// Whether the fault came to pass.
    pub(crate) hit: bool,
}

impl Outcome {
    /// The number in the last line `WORD NUMBER`, of the first `lines` lines.
    pub(crate) fn last(&self, word: &str, lines: usize) -> Option<u64> {
        let lines = &self.lines[..lines.min(self.lines.len())];
        let number = |line: &String| line.strip_prefix(word)?.trim().parse().ok();
        lines.iter().rev().find_map(number)
    }
}

/// Runs `command` with `fault` at its call number `at` on a file below `folder`. `keep` tells whether the bytes that
/// it writes are wanted.
///
/// # Errors
///
/// Where it cannot be started or traced, or makes calls that this module does not know.
pub(crate) fn run(
    command: &mut Command,
    folder: &Path,
    fault: Option<(usize, Fault)>,
    keep: bool,
    patience: Duration,
) -> io::Result<Outcome> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: the closure runs in the child between `fork` and `exec`, where only what is safe in a signal handler may
    // be called: `ptrace` is a bare system call, and a number becomes an error without an allocation.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let stdout = child.stdout.take().ok_or_else(broken_pipe)?;
    fcntl(&stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;

    let (alive, gone) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let hung = gone.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
        if hung {
            let _ = kill(pid, Signal::SIGKILL);
        }
        hung
    });
    let mut tracer = Tracer {
        pid,
        folder,
        fault,
        keep,
        stdout,
        said: Vec::new(),
        calls: Vec::new(),
        threads: HashMap::new(),
        failing: None,
        hit: false,
        killed: false,
    };
    let status = tracer.follow();
    if status.is_err() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    drop(alive);
    let hung = watch.join().map_err(|_| broken_pipe())?;
    tracer.listen();
    let mut stderr = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut stderr)?;
    }
    let end = match status? {
        _ if tracer.killed => End::Killed,
        _ if hung => End::Hung,
        WaitStatus::Exited(_, code) => End::Exited(code),
        WaitStatus::Signaled(_, signal, _) => End::Crashed(signal),
        other => return Err(io::Error::other(format!("it ended with {other:?}"))),
    };
    Ok(Outcome {
        lines: tracer.lines(),
        calls: tracer.calls,
        stderr,
        end,
        hit: tracer.hit,
    })
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// What a thread's call is to come to.
#[derive(Clone, Copy)]
enum Awaited {
    /// Whatever the system says, to a call that is none of those that count.
    Nothing,
    /// Whatever the system says to the call of this number.
    Result(usize),
    /// This is what the call of this number returns.
    Return(usize, i64),
    /// The process ends with it.
    Kill,
}

struct Tracer<'a> {
    pid: Pid,
    folder: &'a Path,
    fault: Option<(usize, Fault)>,
    keep: bool,
    stdout: ChildStdout,
    said: Vec<u8>,
    calls: Vec<Call>,
    /// The threads that were seen, and the call that each is in.
    threads: HashMap<Pid, Option<Awaited>>,
    /// What calls that take room fail with.
    failing: Option<Errno>,
    hit: bool,
    killed: bool,
}

impl Tracer<'_> {
    /// Goes with the process from stop to stop, until all of its threads are gone.
    fn follow(&mut self) -> io::Result<WaitStatus> {
        // The stop after `exec`.
        waitpid(self.pid, None)?;
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.pid, options)?;
        self.threads.insert(self.pid, None);
        go_on(self.pid, None);
        // Only what this thread has started: there are other tracers in the process.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let status = match waitpid(Pid::from_raw(-1), Some(flags)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            match status {
                WaitStatus::PtraceSyscall(thread) => self.stopped_at_call(thread)?,
                WaitStatus::Stopped(thread, signal) => {
                    // A new thread begins with a stop of its own.
                    let new = self.threads.insert(thread, None).is_none();
                    let own = new && signal == Signal::SIGSTOP;
                    go_on(thread, (!own).then_some(signal));
                }
                WaitStatus::PtraceEvent(thread, _, _) => go_on(thread, None),
                WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, _, _) => {
                    self.threads.remove(&thread);
                    // The first thread is the last to be reported.
                    if thread == self.pid {
                        return Ok(status);
                    }
                }
                _ => {}
            }
        }
    }

    fn stopped_at_call(&mut self, thread: Pid) -> io::Result<()> {
        let inside = self.threads.entry(thread).or_default().take();
        let Some(awaited) = inside else {
            match self.before(thread) {
                Ok(awaited) => {
                    self.threads.insert(thread, Some(awaited));
                    go_on(thread, None);
                }
                // It can be killed at any moment by the watch.
                Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
                Err(error) => return Err(error),
            }
            return Ok(());
        };
        match awaited {
            Awaited::Nothing => {}
            Awaited::Result(number) => {
                let result = ptrace::getregs(thread)?.rax.cast_signed();
                self.calls[number].failed = result < 0;
            }
            Awaited::Return(number, value) => {
                let mut regs = ptrace::getregs(thread)?;
                regs.rax = value.cast_unsigned();
                ptrace::setregs(thread, regs)?;
                self.calls[number].failed = value < 0;
            }
            Awaited::Kill => return self.kill(),
        }
        go_on(thread, None);
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        self.killed = true;
        Ok(kill(self.pid, Signal::SIGKILL)?)
    }

    /// A thread is about to make a call.
    fn before(&mut self, thread: Pid) -> io::Result<Awaited> {
        let mut regs = ptrace::getregs(thread)?;
        if self.killed {
            return Ok(Awaited::Nothing);
        }
        let call = call::decode(thread, &regs, self.folder).map_err(io::Error::other)?;
        let Some(mut call) = call else {
            return Ok(Awaited::Nothing);
        };
        self.listen();
        call.told = self.lines().len();
        if self.failing.is_some() && self.lines().iter().any(|line| line == "freed") {
            self.failing = None;
        }
        if self.keep && call.kind == Kind::Write {
            call.data = call::data(thread, &regs);
        }
        let number = self.calls.len();
        self.calls.push(call.clone());

        let fault = match self.fault {
            Some((at, fault)) if at == number => Some(fault),
            _ if call.kind.takes_room() => self.failing.map(Fault::Fail),
            _ => None,
        };
        let Some(fault) = fault else {
            return Ok(Awaited::Result(number));
        };
        self.hit = true;
        let writes = call.kind == Kind::Write;
        match fault {
            Fault::Tear(bytes) | Fault::Short(bytes) if writes && bytes < call.len => {
                let after = if matches!(fault, Fault::Tear(_)) {
                    Awaited::Kill
                } else {
                    Awaited::Return(number, bytes as i64)
                };
                if call.plain {
                    regs.rdx = bytes as u64;
                } else {
                    self.write_for(thread, &call, &call::data(thread, &regs)[..bytes])?;
                    regs.orig_rax = u64::MAX;
                }
                ptrace::setregs(thread, regs)?;
                Ok(after)
            }
            Fault::Short(_) => {
                self.hit = false;
                Ok(Awaited::Result(number))
            }
            Fault::Kill | Fault::Tear(_) => {
                self.kill()?;
                Ok(Awaited::Nothing)
            }
            Fault::Fail(errno) | Fault::FailOn(errno) => {
                if matches!(fault, Fault::FailOn(_)) {
                    self.failing = Some(errno);
                }
                regs.orig_rax = u64::MAX;
                ptrace::setregs(thread, regs)?;
                Ok(Awaited::Return(number, -i64::from(errno as i32)))
            }
        }
    }

    /// Writes in the place of the process, whose call cannot be cut short by a register.
    fn write_for(&self, thread: Pid, call: &Call, bytes: &[u8]) -> io::Result<()> {
        let fd = call.fd.unwrap_or(u64::MAX);
        let file = OpenOptions::new()
            .write(true)
            .open(format!("/proc/{thread}/fd/{fd}"))?;
        file.write_all_at(bytes, call.offset)
    }

    /// Takes in what the process has printed so far.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = self.stdout.read(&mut buffer) {
            self.said.extend(&buffer[..read]);
        }
    }

    /// The whole lines of it.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.said);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }
}

/// Lets a thread run to its next call. One that was killed meanwhile does not.
fn go_on(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}

#[cfg(test)]
mod tests;
