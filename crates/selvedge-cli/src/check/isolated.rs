//! Reading HDF5 files in processes of their own.
//!
//! libhdf5 has one lock for the whole process, and a damaged file can make it crash or loop. So each
//! thread that checks has a child, this program again, which reads one file after another; one that
//! dies or is silent for too long costs the file that it read, and is replaced.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use selvedge_conventions::Hdf5Facts;
use serde::{Deserialize, Serialize};

use super::artifact;
use super::reading::{self, Reading};

/// The word on the command line that makes this program a child.
pub(crate) const WORD: &str = "read-hdf5-for-check";
/// Headers are read in milliseconds, over a slow network in seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The most that is taken of an answer, in bytes: the facts of a million tensors.
const LONGEST_ANSWER: u64 = 512 << 20;

/// How this program is started once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    file: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// A file to start, with the arguments that come before those of the command line.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>, arguments: Vec<OsString>) -> Self {
        Self {
            file: file.into(),
            arguments,
        }
    }

    /// The file that this process was started from.
    #[must_use]
    pub fn current() -> Self {
        // A system that does not tell finds the program by its name.
        let file = std::env::current_exe().unwrap_or_else(|_| "selvedge".into());
        Self::new(file, Vec::new())
    }
}

#[derive(Serialize, Deserialize)]
struct Request {
    /// The bytes of the path, which need not be Unicode.
    path: Vec<u8>,
    reading: Reading,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Facts(Hdf5Facts),
    /// What the file is not to blame for.
    Failed(String),
}

/// Answers requests, a line each, until there are no more.
pub(crate) fn serve() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Request { path, reading } = serde_json::from_str(&line?)?;
        let path = PathBuf::from(OsString::from_vec(path));
        let answer = match reading::hdf5(&path, &reading) {
            Ok(facts) => Answer::Facts(facts),
            Err(error) => Answer::Failed(format!("{:#}", anyhow::Error::from(error))),
        };
        let mut answer = serde_json::to_vec(&answer)?;
        answer.push(b'\n');
        stdout.write_all(&answer)?;
        stdout.flush()?;
    }
    Ok(())
}

/// A child to be, started with the first file.
pub(super) struct Worker {
    command: Box<dyn Fn() -> Command + Send>,
    patience: Duration,
    running: Option<Running>,
}

struct Running {
    child: Child,
    requests: Sender<Vec<u8>>,
    answers: Receiver<Vec<u8>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be in the middle of a file. Nothing that it does has to be finished.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    pub(super) fn new(program: Program) -> Self {
        let command = move || {
            let mut command = Command::new(&program.file);
            command.args(&program.arguments).arg(WORD);
            command
        };
        Self {
            command: Box::new(command),
            patience: PATIENCE,
            running: None,
        }
    }

    /// The facts of an HDF5 file of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// What the file is not to blame for.
    pub(super) fn read(
        &mut self,
        path: &Path,
        bytes: u64,
        reading: &Reading,
    ) -> anyhow::Result<Hdf5Facts> {
        let request = serde_json::to_vec(&Request {
            path: path.as_os_str().as_bytes().to_vec(),
            reading: *reading,
        })?;
        let running = match &mut self.running {
            Some(running) => running,
            None => self.running.insert(Running::start(&(self.command)())?),
        };
        // Where all values are read, a slow disk has its time, at 10 MB/s.
        let patience = if reading.float16 {
            self.patience + Duration::from_secs(bytes / 10_000_000)
        } else {
            self.patience
        };
        // A child that is gone does not answer.
        let _ = running.requests.send([&request[..], b"\n"].concat());
        let damage = match running.answers.recv_timeout(patience) {
            Ok(line) => match serde_json::from_slice(&line) {
                Ok(Answer::Facts(facts)) => return Ok(facts),
                Ok(Answer::Failed(message)) => anyhow::bail!(message),
                // It is in the middle of a line, and no more can be asked.
                Err(_) => {
                    "what is read of it is no answer, or a longer one than is taken".to_owned()
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                format!("libhdf5 does not come to an end with it in {patience:?}")
            }
            Err(RecvTimeoutError::Disconnected) => {
                // One that has died already is left with how it died; any other must not be waited for.
                let _ = running.child.kill();
                match running.child.wait() {
                    Ok(status) => format!("libhdf5 crashes on it ({status})"),
                    Err(_) => "libhdf5 crashes on it".to_owned(),
                }
            }
        };
        self.running = None;
        Ok(Hdf5Facts {
            damage: Some(artifact::reason(&damage)),
            ..Hdf5Facts::default()
        })
    }
}

impl Running {
    fn start(command: &Command) -> anyhow::Result<Self> {
        let mut started = Command::new(command.get_program());
        let mut child = started
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a crash has to say is in the finding.
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a process that reads HDF5 files")?;
        let mut stdin = child.stdin.take().context("its input is a pipe")?;
        let stdout = child.stdout.take().context("its output is a pipe")?;
        let (requests, requested) = channel::<Vec<u8>>();
        let (answered, answers) = channel();
        // What waits for the child are threads, so that this one does for a time only. They end with it.
        thread::spawn(move || {
            for request in requested {
                if stdin.write_all(&request).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                let mut some = stdout.by_ref().take(LONGEST_ANSWER);
                match some.read_until(b'\n', &mut line) {
                    Ok(1..) if answered.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        Ok(Self {
            child,
            requests,
            answers,
        })
    }
}

#[cfg(test)]
mod tests {
    use selvedge_conventions::{Damage, ReadPattern};

    use super::*;

    fn reading() -> Reading {
        Reading {
            pattern: ReadPattern::WholeTensors,
            chunk_size: 2_000_000_000,
            samples: true,
            float16: false,
        }
    }

    /// A child that is a line of shell, and the damage that it leads to, twice.
    #[track_caller]
    fn check(script: &'static str, expected: &str) {
        let command = move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let mut worker = Worker {
            command: Box::new(command),
            patience: Duration::from_millis(200),
            running: None,
        };
        for _ in 0..2 {
            let facts = worker.read(Path::new("a.h5"), 1, &reading()).unwrap();
            let Some(Damage::Unreadable { reason }) = facts.damage else {
                panic!("no damage: {facts:?}");
            };
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn a_crash_is_damage_of_one_file() {
        check("read request; kill -SEGV $$", "signal: 11");
        check("exit 101", "exit status: 101");
    }

    #[test]
    fn silence_is_damage_of_one_file() {
        check("read request; exec sleep 60", "in 200ms");
    }

    /// A child that has closed its output and lives on was waited for without an end, and one that
    /// answered in bytes that are no text, too: it waited for its next file.
    #[test]
    fn a_child_that_says_nothing_more_is_not_waited_for() {
        check("read request; exec >&-; exec sleep 60", "signal: 9");
        check("read request; printf '\\374\\n'; read request", "no answer");
        check("read request; echo; read request", "no answer");
    }

    /// A child that does not read what it is asked was written to without an end, once the pipe was full.
    #[test]
    fn a_child_that_does_not_read_is_not_waited_for() {
        let command = || {
            let mut command = Command::new("sh");
            command.args(["-c", "exec sleep 60"]);
            command
        };
        let mut worker = Worker {
            command: Box::new(command),
            patience: Duration::from_millis(200),
            running: None,
        };
        // More than any pipe holds.
        let path = PathBuf::from("a".repeat(4 << 20));
        let facts = worker.read(&path, 1, &reading()).unwrap();
        let Some(Damage::Unreadable { reason }) = facts.damage else {
            panic!("no damage: {facts:?}");
        };
        assert!(reason.contains("in 200ms"), "{reason}");
    }
}
