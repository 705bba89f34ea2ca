//! The peer in another process: h5py, in one long-lived Python that is driven over its pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use selvedge_hdf5::TensorSpec;

use crate::Result;
use crate::contender::Sample;
use crate::scratch::Scratch;
use crate::workload::{DISTINCT, Workload};

/// How h5py is told to make its datasets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Steps that are written.
    pub steps: u64,
    /// Leading extent of every dataset.
    pub extent: u64,
    /// For each tensor the steps of a chunk.
    pub chunks: Vec<u64>,
    /// `never`, or h5py's default, `ifset`, which fills every chunk before its first data.
    pub fill: &'static str,
}

/// A running Python with h5py; it is ended when this is dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `python`.
    ///
    /// # Errors
    ///
    /// Where it cannot be started; where it has no h5py, the first command fails.
    pub fn start(python: &Path) -> Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/h5py_peer.py");
        let mut child = Command::new(python)
            .args(["-u", script])
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

    /// The versions of h5py, HDF5 and Python.
    ///
    /// # Errors
    ///
    /// Where Python ended, or reports an error.
    pub fn version(&mut self) -> Result<String> {
        self.call(&["version"])
    }

    /// Gives Python the bytes of the steps of `workload`.
    ///
    /// # Errors
    ///
    /// Those of [`version`](Self::version), and of writing the bytes to a file.
    pub fn prepare(&mut self, workload: &Workload, scratch: &Scratch) -> Result<()> {
        let source = scratch.file("source.bin");
        std::fs::write(&source, workload.source())?;
        let tensors: Vec<String> = workload.tensors.iter().map(declaration).collect();
        let distinct = DISTINCT.to_string();
        let mut command = vec!["prepare", text(&source)?, &distinct];
        command.extend(tensors.iter().map(String::as_str));
        self.call(&command)?;
        scratch.settle(&source)
    }

    /// Records a file.
    ///
    /// # Errors
    ///
    /// Those of [`version`](Self::version).
    pub fn record(&mut self, path: &Path, settings: &Settings) -> Result<Sample> {
        let chunks: Vec<String> = settings.chunks.iter().map(u64::to_string).collect();
        let answer = self.call(&[
            "record",
            text(path)?,
            &settings.steps.to_string(),
            &settings.extent.to_string(),
            &chunks.join(","),
            settings.fill,
        ])?;
        let times = answer
            .split('\t')
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()?;
        let [create, total, first, longest] = times[..] else {
            return Err(format!("Python answers {answer:?}").into());
        };
        Ok(Sample {
            first: Some(first),
            longest: Some(longest),
            ..Sample::new(create, total, settings.steps)
        })
    }

    /// Reads a file of `steps` steps through h5py, and compares the first, middle and last step.
    ///
    /// # Errors
    ///
    /// Where they differ, and those of [`version`](Self::version).
    pub fn check(&mut self, path: &Path, steps: u64) -> Result<()> {
        let checked = Workload::checked_steps(steps).map(|step| step.to_string());
        let steps = steps.to_string();
        let mut command = vec!["check", text(path)?, &steps];
        command.extend(checked.iter().map(String::as_str));
        self.call(&command).map(drop)
    }

    fn call(&mut self, fields: &[&str]) -> Result<String> {
        let commands = self.commands.as_mut().ok_or("Python has ended")?;
        writeln!(commands, "{}", fields.join("\t"))?;
        commands.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim_end_matches('\n').split_once('\t') {
            Some(("ok", results)) => Ok(results.to_owned()),
            Some((_, error)) => Err(format!("h5py, {}: {error}", fields[0]).into()),
            None => Err(format!("Python ended during {}", fields[0]).into()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // An end of its input ends it.
        self.commands = None;
        let _ = self.child.wait();
    }
}

fn declaration(tensor: &TensorSpec) -> String {
    let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    format!("{}:{}:{}", tensor.name, tensor.dtype, shape.join("x"))
}

fn text(path: &Path) -> Result<&str> {
    let text = path.to_str().filter(|text| !text.contains(['\t', '\n']));
    text.ok_or_else(|| format!("{} cannot be told to Python", path.display()).into())
}
