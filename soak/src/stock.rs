//! A long-lived Python process with stock h5py and safetensors, which looks at one file after another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use selvedge_testing::{Guard, python};

use crate::sample::{PYTHON_SAMPLE, Seen, shape_words};
use crate::victim::SHAPE;

/// Longer than any look takes, and short enough to count a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What was asked for.
    Found(Vec<i64>),
    /// The file was refused, or holds something else.
    Error(String),
    Crash(String),
    Hang,
}

/// The process; a new one is started after a crash or a hang.
#[derive(Default)]
pub(crate) struct Stock(Option<Running>);

struct Running {
    process: Guard,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Running {
    fn start() -> Self {
        let text = format!("{PYTHON_SAMPLE}{}", include_str!("python.py"));
        let mut process = python::script::<&str>(&text, [])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let requests = process.stdin.take().expect("a pipe");
        let stdout = process.stdout.take().expect("a pipe");
        let (sender, answers) = channel();
        // A read that waits for a time only is a thread that waits.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines();
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self {
            process: Guard(process),
            requests,
            answers,
        }
    }
}

impl Stock {
    /// What is in the file at `path`: `what` is a word that the script knows.
    pub(crate) fn look(&mut self, what: &str, path: &Path) -> Look {
        let running = self.0.get_or_insert_with(Running::start);
        let words = shape_words(SHAPE).join("\t");
        let request = format!("{what}\t{}\t{words}\n", path.display());
        // One that is gone does not answer either.
        let _ = running.requests.write_all(request.as_bytes());
        match running.answers.recv_timeout(PATIENCE) {
            Ok(answer) => match answer.strip_prefix("ok") {
                Some(numbers) => Look::Found(
                    numbers
                        .split_ascii_whitespace()
                        .map(|number| number.parse().expect("python answers with numbers"))
                        .collect(),
                ),
                None => Look::Error(answer),
            },
            Err(RecvTimeoutError::Timeout) => {
                self.0 = None;
                Look::Hang
            }
            Err(RecvTimeoutError::Disconnected) => {
                // A tracer of this thread can have taken the status.
                let status = running.process.0.wait();
                self.0 = None;
                Look::Crash(status.map_or_else(|_| "crashed".to_owned(), |status| status.to_string()))
            }
        }
    }

    /// The extents and the state of a trajectory, all of whose values were looked at.
    pub(crate) fn trajectory(&mut self, path: &Path) -> Result<Seen, String> {
        match self.look("trajectory", path) {
            Look::Found(numbers) => {
                let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                words.join(" ").parse()
            }
            other => Err(format!("{other:?}")),
        }
    }
}
