//! Long-lived processes that look at one file after another: stock h5py and safetensors in Python, or this program.
//!
//! A file that makes one of them crash, or keeps it busy for ever, costs that process, and is counted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use selvedge_testing::{Guard, python};

use crate::sample::{PYTHON_SAMPLE, Seen, Shape, shape_words};
use crate::victim::SHAPE;

/// How long a look may take before it counts as a hang: far longer than any does, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What was asked for.
    Found(Vec<i64>),
    /// The file was refused, or holds something else.
    Error(String),
    /// The process ended, and this is how, and what it had to say.
    Crash(String),
    Hang,
}

/// A process that answers; a new one is started after a crash or a hang.
pub(crate) struct Peer {
    command: fn() -> Command,
    patience: Duration,
    running: Option<Running>,
}

struct Running {
    process: Guard,
    requests: ChildStdin,
    answers: Receiver<String>,
    stderr: tempfile::NamedTempFile,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let stderr = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.reopen().expect("a temporary file"))
            .spawn()
            .expect("the process starts");
        let requests = process.stdin.take().expect("a pipe");
        let stdout = process.stdout.take().expect("a pipe");
        let (sender, answers) = channel();
        // A read that waits for a time only is a thread that waits.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines();
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            process: Guard(process),
            requests,
            answers,
            stderr,
        }
    }
}

impl Peer {
    pub(crate) fn new(command: fn() -> Command) -> Self {
        Self {
            command,
            patience: PATIENCE,
            running: None,
        }
    }

    /// Waits for an answer for so long only.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a line and waits for the answer: `ok` and numbers, or an error.
    pub(crate) fn ask(&mut self, request: &str) -> Look {
        // One that has to start first needs a while for that, on a busy machine.
        let patience = match self.running {
            Some(_) => self.patience,
            None => PATIENCE + self.patience,
        };
        let running = self
            .running
            .get_or_insert_with(|| Running::start((self.command)()));
        // One that is gone does not answer either.
        let _ = running
            .requests
            .write_all(format!("{request}\n").as_bytes());
        let look = match running.answers.recv_timeout(patience) {
            Ok(answer) => {
                return match answer.strip_prefix("ok") {
                    Some(numbers) => Look::Found(
                        numbers
                            .split_ascii_whitespace()
                            .map(|number| number.parse().expect("answers are numbers"))
                            .collect(),
                    ),
                    None => Look::Error(answer),
                };
            }
            Err(RecvTimeoutError::Timeout) => Look::Hang,
            Err(RecvTimeoutError::Disconnected) => {
                // A tracer of this thread can have taken the status.
                let status = running.process.0.wait();
                let status = status.map_or_else(|_| "gone".to_owned(), |status| status.to_string());
                let said = std::fs::read(running.stderr.path()).unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                let start = said.len().saturating_sub(500);
                let said: String = said.chars().skip(start).collect();
                Look::Crash(format!("{status}: {said}").replace('\n', " "))
            }
        };
        self.running = None;
        look
    }
}

/// Stock h5py and safetensors.
pub(crate) struct Stock(Peer);

impl Default for Stock {
    fn default() -> Self {
        Self(Peer::new(|| {
            let text = format!("{PYTHON_SAMPLE}{}", include_str!("python.py"));
            python::script::<&str>(&text, [])
        }))
    }
}

impl Stock {
    /// Waits for an answer for so long only.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        Self(self.0.patient(patience))
    }

    /// What is in the file at `path`: `what` is a word that the script knows.
    pub(crate) fn look(&mut self, what: &str, path: &Path) -> Look {
        self.look_at(what, path, SHAPE)
    }

    fn look_at(&mut self, what: &str, path: &Path, shape: Shape) -> Look {
        let words = shape_words(shape).join("\t");
        self.0.ask(&format!("{what}\t{}\t{words}", path.display()))
    }

    /// The extents and the state of a trajectory with steps of this shape, all of whose values were looked at.
    pub(crate) fn trajectory(&mut self, path: &Path, shape: Shape) -> Result<Seen, String> {
        match self.look_at("trajectory", path, shape) {
            Look::Found(numbers) => {
                let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                words.join(" ").parse()
            }
            other => Err(format!("{other:?}")),
        }
    }
}
