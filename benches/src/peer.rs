//! A peer in another process: one long-lived Python that is driven over its pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;
use crate::report::Sample;

/// A running Python; it is ended when this is dropped.
#[derive(Debug)]
pub struct Python {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// Starts `python` with a script of `benches/python` and its arguments.
    ///
    /// # Errors
    ///
    /// Where it cannot be started; where it lacks a package, the first command fails.
    pub fn start(python: &Path, script: &str, args: &[&str]) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut child = Command::new(python)
            .arg("-u")
            .arg(folder.join(script))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("start {}: {error}", python.display()))?;
        let commands = child.stdin.take();
        let answers = child.stdout.take().ok_or("no pipe from Python")?;
        Ok(Self {
            child,
            commands,
            answers: BufReader::new(answers),
        })
    }

    /// Sends a command with its fields, and returns the results.
    ///
    /// # Errors
    ///
    /// Where Python ended, or reports an error.
    pub fn call(&mut self, fields: &[&str]) -> Result<String> {
        let commands = self.commands.as_mut().ok_or("Python has ended")?;
        writeln!(commands, "{}", fields.join("\t"))?;
        commands.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim_end_matches('\n').split_once('\t') {
            Some(("ok", results)) => Ok(results.to_owned()),
            Some((_, error)) => Err(format!("Python, {}: {error}", fields[0]).into()),
            None => Err(format!("Python ended during {}", fields[0]).into()),
        }
    }

    /// The same for a command whose result is the figures of a sample.
    ///
    /// # Errors
    ///
    /// The errors of [`call`](Self::call), and other results.
    pub fn sample(&mut self, fields: &[&str]) -> Result<Sample> {
        Ok(serde_json::from_str(&self.call(fields)?)?)
    }

    /// The same for a command whose results are `N` numbers.
    ///
    /// # Errors
    ///
    /// The errors of [`call`](Self::call), and other results.
    pub fn numbers<const N: usize>(&mut self, fields: &[&str]) -> Result<[f64; N]> {
        let answer = self.call(fields)?;
        let numbers = answer
            .split('\t')
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()?;
        let numbers = numbers.try_into();
        numbers.map_err(|_| format!("Python answers {answer:?}").into())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // An end of its input ends it.
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// A path as a field of a command.
///
/// # Errors
///
/// Where it is no text, or holds what separates fields and commands.
pub fn text(path: &Path) -> Result<&str> {
    let text = path.to_str().filter(|text| !text.contains(['\t', '\n']));
    text.ok_or_else(|| format!("{} cannot be told to Python", path.display()).into())
}
