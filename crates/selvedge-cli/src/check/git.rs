//! Asking git: without a question to anybody, and no longer than it may take.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Git answers in milliseconds. It waits where one of its own files is a pipe.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether it has ended, once it has closed its output.
const PAUSE: Duration = Duration::from_millis(1);
/// The most that is read of an answer, in bytes.
const LONGEST: u64 = 16 << 20;

/// Git gave no answer in time, and was stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// What git prints of the folder, if it succeeds. Where there is no git, it says nothing.
pub(super) fn ask(folder: &Path, args: &[impl AsRef<OsStr>]) -> Result<Option<Vec<u8>>, NoAnswer> {
    let mut git = Command::new("git");
    git.arg("--no-pager").arg("-C").arg(folder).args(args);
    // It asks nobody for a password, and takes no lock that another git would wait for.
    git.env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C");
    answer(&mut git, PATIENCE)
}

/// The files below the folder that git tracks although it ignores the like, of those that its patterns find.
pub(super) fn tracked_and_ignored(
    folder: &Path,
    patterns: &[&str],
) -> Result<HashSet<PathBuf>, NoAnswer> {
    const LIST: [&str; 6] = ["ls-files", "-z", "-c", "-i", "--exclude-standard", "--"];
    let answer = ask(folder, &[&LIST[..], patterns].concat())?.unwrap_or_default();
    let paths = answer.split(|&byte| byte == 0);
    Ok(paths
        .map(|path| folder.join(OsStr::from_bytes(path)))
        .collect())
}

/// A process that is ended, if it has not, before anybody waits for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answer(command: &mut Command, patience: Duration) -> Result<Option<Vec<u8>>, NoAnswer> {
    let end = Instant::now() + patience;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(started) = command.spawn() else {
        return Ok(None);
    };
    let mut running = Running(started);
    let Some(stdout) = running.0.stdout.take() else {
        return Ok(None);
    };
    let (sender, answer) = channel();
    // A read that waits for a time only is a thread that waits. Its end is that of the process.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LONGEST).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    });
    let left = |end: Instant| end.saturating_duration_since(Instant::now());
    let Ok(read) = answer.recv_timeout(left(end)) else {
        return Err(NoAnswer);
    };
    loop {
        match running.0.try_wait() {
            Ok(Some(status)) => return Ok(read.ok().filter(|_| status.success())),
            Ok(None) if left(end) > Duration::ZERO => thread::sleep(PAUSE),
            _ => return Err(NoAnswer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: Result<Option<&str>, NoAnswer>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let found = answer(&mut command, Duration::from_millis(500));
        assert_eq!(found, expected.map(|text| text.map(Into::into)));
    }

    #[test]
    fn a_process_that_does_not_end_is_stopped() {
        check("printf a", Ok(Some("a")));
        check("printf a; exit 1", Ok(None));
        check("exec sleep 60", Err(NoAnswer));
        // It has said all, and lives on.
        check("printf a; exec >&-; exec sleep 60", Err(NoAnswer));
    }

    #[test]
    fn a_program_that_there_is_not_says_nothing() {
        let mut command = Command::new("no-such-program-of-selvedge");
        assert_eq!(answer(&mut command, PATIENCE), Ok(None));
    }
}
