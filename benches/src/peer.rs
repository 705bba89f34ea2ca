//! A peer in another process: one long-lived Python that is driven over its pipes, as `benches/python/commands.py` says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use selvedge_testing::Meter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Result;

/// A running Python; it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Python {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// Starts `python` with a script of `benches/python` and its arguments. Where it lacks a package, the first call fails.
    pub(crate) fn start(python: &Path, script: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut words = script.split(' ');
        let mut child = Command::new(python)
            .arg("-u")
            .args(words.next().map(|script| folder.join(script)))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("start {}: {error}", python.display()))?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe from Python")?);
        Ok(Self {
            child,
            commands,
            answers,
        })
    }

    /// Begins to measure what it costs.
    pub(crate) fn meter(&self) -> Meter {
        Meter::of(self.child.id())
    }

    /// Calls a method of the peer with `args`, a tuple, and returns what it returns.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        args: impl Serialize,
    ) -> Result<T> {
        let args = serde_json::to_value(args)?;
        let commands = self.commands.as_mut().ok_or("Python has ended")?;
        writeln!(commands, "{}", serde_json::json!([method, args]))?;
        commands.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(format!("Python ended during {method}").into());
        }
        let answer: Result<Value, String> = serde_json::from_str(&answer)?;
        let found = answer.map_err(|error| format!("Python, {method}: {error}"))?;
        Ok(serde_json::from_value(found)?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // An end of its input ends it.
        self.commands = None;
        let _ = self.child.wait();
    }
}
