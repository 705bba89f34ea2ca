//! The peer of `record`: h5py, in another process.

use std::path::Path;

use selvedge_hdf5::TensorSpec;

use crate::Result;
use crate::contender::Sample;
use crate::peer::{Python, text};
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
pub struct Peer(Python);

impl Peer {
    /// Starts `python`.
    ///
    /// # Errors
    ///
    /// Those of [`Python::start`].
    pub fn start(python: &Path) -> Result<Self> {
        Python::start(python, "h5py_peer.py").map(Self)
    }

    /// The versions of h5py, HDF5 and Python.
    ///
    /// # Errors
    ///
    /// Where Python ended, or reports an error.
    pub fn version(&mut self) -> Result<String> {
        self.0.call(&["version"])
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
        self.0.call(&command)?;
        scratch.settle(&source)
    }

    /// Records a file.
    ///
    /// # Errors
    ///
    /// Those of [`version`](Self::version).
    pub fn record(&mut self, path: &Path, settings: &Settings) -> Result<Sample> {
        let chunks: Vec<String> = settings.chunks.iter().map(u64::to_string).collect();
        let [create, total, first, longest] = self.0.numbers(&[
            "record",
            text(path)?,
            &settings.steps.to_string(),
            &settings.extent.to_string(),
            &chunks.join(","),
            settings.fill,
        ])?;
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
        self.0.call(&command).map(drop)
    }
}

fn declaration(tensor: &TensorSpec) -> String {
    let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    format!("{}:{}:{}", tensor.name, tensor.dtype, shape.join("x"))
}
