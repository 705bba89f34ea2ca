//! Copies of a test's process, as `fork` makes them: with all that it has open, and one thread.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How a copy ends when its work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At once, as Python's `os._exit` does.
    AtOnce,
    /// As a program that returns from `main`: with all that is to be done then.
    Normally,
}

/// What [`fork`] returns, which returns twice.
#[derive(Debug)]
pub enum Forked {
    /// In the process that called it.
    Parent(Copied),
    /// In its copy.
    Copy(Voice),
}

/// A copy of this process.
#[derive(Debug)]
pub struct Copied {
    process: libc::pid_t,
    out: PipeReader,
}

/// What a copy says to the process that made it.
#[derive(Debug)]
pub struct Voice(PipeWriter);

/// Makes a copy of this process, with one thread: this one.
///
/// # Panics
///
/// Where the system makes none.
#[must_use]
pub fn fork() -> Forked {
    let (out, into) = pipe().expect("a pipe");
    // SAFETY: what the copy calls takes no lock that another thread of this process can have at this
    // moment, but for those of the C library's memory, which `fork` hands over in order. That it is so is
    // what is tested.
    match unsafe { libc::fork() } {
        0 => Forked::Copy(Voice(into)),
        process if process > 0 => Forked::Parent(Copied { process, out }),
        _ => panic!("no copy: {}", std::io::Error::last_os_error()),
    }
}

/// Runs `work` in a copy of this process, and returns what it says there; of a panic, its message.
///
/// # Panics
///
/// Where the copy cannot be made, ends without a word, or says nothing for half a minute.
pub fn in_fork(end: End, work: impl FnOnce() -> String) -> String {
    match fork() {
        Forked::Parent(copy) => copy.said(),
        Forked::Copy(voice) => {
            let said = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<&str>().map(ToString::to_string);
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                format!("panic: {}", text.unwrap_or_default())
            });
            voice.say(&said, end)
        }
    }
}

impl Voice {
    /// Says something and ends the process.
    pub fn say(mut self, text: &str, end: End) -> ! {
        // Other copies can have the pipe open: so the end of the text is told.
        let _ = self.0.write_all(format!("{text}\0").as_bytes());
        match end {
            // SAFETY: the call ends the process, and nothing is left to be done.
            End::AtOnce => unsafe { libc::_exit(0) },
            End::Normally => std::process::exit(0),
        }
    }
}

impl Copied {
    /// What the copy says, when it has ended.
    ///
    /// # Panics
    ///
    /// Where it ends without a word, or says nothing for half a minute.
    #[must_use]
    pub fn said(self) -> String {
        const PATIENCE: Duration = Duration::from_secs(30);
        let Self { process, out } = self;
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = BufReader::new(out).read_until(0, &mut said);
            let _ = sender.send(said);
        });
        let said = receiver.recv_timeout(PATIENCE).unwrap_or_default();
        if !said.ends_with(b"\0") {
            // SAFETY: the call takes numbers, and the process is waited for below: so it is still this one.
            unsafe { libc::kill(process, libc::SIGKILL) };
        }
        // SAFETY: the call takes numbers, and a pointer that may be null.
        unsafe { libc::waitpid(process, std::ptr::null_mut(), 0) };
        let text = said.strip_suffix(b"\0");
        String::from_utf8_lossy(text.expect("the copy says something in time")).into_owned()
    }
}
