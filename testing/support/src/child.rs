//! Tests that run in a process of their own, which can be killed, limited and measured.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::str::FromStr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A process that does not outlive the test.
#[derive(Debug)]
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a process that has to come to an end by itself, and returns what it printed.
///
/// # Panics
///
/// Where it has not after `patience`.
#[must_use]
pub fn within(patience: Duration, command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guard(piped.spawn().expect("the child starts"));
    let (sender, ends) = channel();
    let drained = |pipe: Option<Box<dyn Read + Send>>| {
        let (mut pipe, sender) = (pipe.expect("a pipe"), sender.clone());
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("a pipe can be read");
            let _ = sender.send(());
            bytes
        })
    };
    let stdout = drained(child.0.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = drained(child.0.stderr.take().map(|pipe| Box::new(pipe) as _));
    for _ in 0..2 {
        if ends.recv_timeout(patience).is_err() {
            // So that the threads come to an end, too.
            drop(child);
            panic!("no end after {patience:?}: {command:?}");
        }
    }
    Output {
        status: child.0.wait().expect("the child ends"),
        stdout: stdout.join().expect("a thread"),
        stderr: stderr.join().expect("a thread"),
    }
}

/// This test program again, running the one test `name`, with `settings` in its environment.
///
/// That test returns at once where [`is_child`] denies.
///
/// # Panics
///
/// Where this program has no path.
#[must_use]
pub fn again(name: &str, settings: &[(&str, String)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--nocapture"]);
    command.env("SELVEDGE_TEST_CHILD", name);
    for (key, value) in settings {
        command.env(format!("SELVEDGE_TEST_{key}"), value);
    }
    command
}

/// Whether this process is the child that [`again`] started for the test `name`.
#[must_use]
pub fn is_child(name: &str) -> bool {
    std::env::var("SELVEDGE_TEST_CHILD").is_ok_and(|child| child == name)
}

/// A setting of the child, from [`again`].
///
/// # Panics
///
/// Where it is missing, or not a `T`.
#[must_use]
pub fn setting<T: FromStr>(key: &str) -> T {
    let value = std::env::var(format!("SELVEDGE_TEST_{key}")).unwrap_or_default();
    value
        .parse()
        .unwrap_or_else(|_| panic!("setting {key} is `{value}`"))
}

/// Prints a line for the parent. The mark sets it off from what the test harness prints.
///
/// # Panics
///
/// Where nobody listens.
pub fn tell(line: fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    // One write, and so a whole line or nothing.
    stdout
        .write_all(format!("\n@{line}\n").as_bytes())
        .and_then(|()| stdout.flush())
        .expect("the parent listens");
}

/// What [`tell`] wrote in a line of a child's output.
#[must_use]
pub fn told(line: &str) -> Option<&str> {
    line.strip_prefix('@')
}
