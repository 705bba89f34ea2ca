//! Reading HDF5 files in processes of their own.
//!
//! libhdf5 has one lock for the whole process, and a damaged file can make it crash or loop. So each
//! thread that checks has a child, this program again, which reads one file after another; one that
//! dies or is silent for too long costs the file that it read, and is replaced.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use selvedge_base::limit_memory;
use selvedge_conventions::{Damage, Hdf5Facts};
use selvedge_hdf5::Bytes;
use serde::{Deserialize, Serialize};

use super::artifact;
use super::reading::{self, Reading};

/// The word on the command line that makes this program a child.
pub(crate) const WORD: &str = "read-hdf5-for-check";
/// Headers are read in milliseconds, over a slow network in seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The most that is taken of an answer, in bytes: the facts of a million tensors.
const LONGEST_ANSWER: u64 = 512 << 20;
/// The most memory of a child, in bytes. Headers and samples take some megabytes; where all values are
/// read, a filtered chunk is unpacked whole, and can have 2 GB.
const MEMORY: u64 = 2_000_000_000;
const MEMORY_FOR_VALUES: u64 = 8_000_000_000;
/// Bytes of what a child says that are kept, and how long they are waited for when it has ended.
const FIRST_WORDS: u64 = 4096;
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// How the standard library, libhdf5 and the system say that there is no memory.
const NO_MEMORY: [&str; 4] = ["alloc", "out of memory", "no memory", "cannot get memory"];

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

/// The most memory of a child that reads so, in bytes.
fn memory(reading: &Reading) -> u64 {
    match reading.float16 {
        true => MEMORY_FOR_VALUES,
        false => MEMORY,
    }
}

/// The damage that it is to want too much memory, if that is what `said` tells.
fn too_large(said: &str, reading: &Reading) -> Option<Damage> {
    let said = said.to_lowercase();
    let is_it = NO_MEMORY.iter().any(|words| said.contains(words));
    is_it.then(|| {
        let most = Bytes(memory(reading));
        artifact::reason(&format!(
            "to read it takes more than the {most} of memory that there are for it"
        ))
    })
}

/// Answers requests, a line each, until there are no more.
pub(crate) fn serve() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut is_limited = false;
    for line in io::stdin().lock().lines() {
        let Request { path, reading } = serde_json::from_str(&line?)?;
        if !is_limited {
            limit_memory(memory(&reading))?;
            is_limited = true;
        }
        let path = PathBuf::from(OsString::from_vec(path));
        let answer = match reading::hdf5(&path, &reading) {
            Ok(mut facts) => {
                if let Some(Damage::Unreadable { reason }) = &facts.damage
                    && let Some(damage) = too_large(reason, &reading)
                {
                    facts.damage = Some(damage);
                }
                Answer::Facts(facts)
            }
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
    /// What it says beside its answers, when it has ended.
    said: Receiver<String>,
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
                Err(_) => artifact::reason(
                    "what is read of it is no answer, or a longer one than is taken",
                ),
            },
            Err(RecvTimeoutError::Timeout) => artifact::reason(&format!(
                "libhdf5 does not come to an end with it in {patience:?}"
            )),
            Err(RecvTimeoutError::Disconnected) => {
                // One that has died already is left with how it died; any other must not be waited for.
                let _ = running.child.kill();
                let crash = match running.child.wait() {
                    Ok(status) => format!("libhdf5 crashes on it ({status})"),
                    Err(_) => "libhdf5 crashes on it".to_owned(),
                };
                let said = running.said.recv_timeout(LAST_PATIENCE);
                too_large(&said.unwrap_or_default(), reading)
                    .unwrap_or_else(|| artifact::reason(&crash))
            }
        };
        self.running = None;
        Ok(Hdf5Facts {
            damage: Some(damage),
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
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a process that reads HDF5 files")?;
        let mut stdin = child.stdin.take().context("its input is a pipe")?;
        let stdout = child.stdout.take().context("its output is a pipe")?;
        let stderr = child.stderr.take().context("its errors are a pipe")?;
        let (requests, requested) = channel::<Vec<u8>>();
        let (answered, answers) = channel();
        let (saying, said) = channel();
        // What waits for the child are threads, so that this one does for a time only. They end with it.
        thread::spawn(move || saying.send(first_words(stderr)));
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
            said,
        })
    }
}

/// The beginning of what a child says. The rest is read, too, so that it never waits for somebody to listen.
fn first_words(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    // What cannot be read is not said.
    let _ = stderr.by_ref().take(FIRST_WORDS).read_to_end(&mut said);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&said).into_owned()
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
    fn too_little_memory_is_damage_of_one_file() {
        const SCRIPT: &str =
            "read request; echo 'memory allocation of 5000000000 bytes failed' >&2; kill -ABRT $$";
        check(SCRIPT, "more than the 2.00 GB of memory");
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
