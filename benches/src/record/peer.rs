//! The peers of `record`: h5py, numpy and zarr, in another process.

use std::path::Path;

use selvedge_hdf5::TensorSpec;

use super::contender::Medium;
use super::workload::Workload;
use crate::Result;
use crate::peer::{Python, text};
use crate::report::Sample;
use crate::scratch::Scratch;

/// What Python writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Datasets with the chunks that it is told, without fill values.
    H5pyTuned,
    /// Datasets of one chunk, with h5py's default fill time.
    H5pySeed,
    /// `tofile`.
    ToFile,
    /// `memmap`.
    Memmap,
    /// Zarr arrays.
    Zarr,
}

impl Layout {
    /// Its method in `record_peer.py`.
    fn method(self) -> &'static str {
        match self {
            Self::H5pyTuned => "h5py_tuned",
            Self::H5pySeed => "h5py_seed",
            Self::ToFile => "tofile",
            Self::Memmap => "memmap",
            Self::Zarr => "zarr",
        }
    }
}

/// A running Python, which runs `record_peer.py`; it is ended when this is dropped.
#[derive(Debug)]
pub struct Peer(pub(super) Python);

impl Peer {
    /// Gives Python the bytes of the steps of `workload`.
    ///
    /// # Errors
    ///
    /// Where Python ended or reports an error, and those of writing the bytes to a file.
    pub fn prepare(&mut self, workload: &Workload, scratch: &Scratch) -> Result<()> {
        let source = scratch.file("source.bin");
        std::fs::write(&source, workload.source())?;
        let tensors: Vec<String> = workload.tensors.iter().map(declaration).collect();
        let distinct = workload.distinct.to_string();
        let mut command = vec!["prepare", text(&source)?, &distinct];
        command.extend(tensors.iter().map(String::as_str));
        self.0.call(&command)?;
        scratch.settle(&source)
    }

    /// Records `steps` steps, with `chunks` steps in a chunk of each tensor where the layout has a choice.
    ///
    /// # Errors
    ///
    /// Where Python ended, or reports an error.
    pub fn record(
        &mut self,
        layout: Layout,
        path: &Path,
        steps: u64,
        chunks: &[u64],
        medium: Medium,
    ) -> Result<Sample> {
        let chunks: Vec<String> = chunks.iter().map(u64::to_string).collect();
        let sync = if medium == Medium::Disk { "sync" } else { "" };
        self.0.sample(&[
            "record",
            layout.method(),
            text(path)?,
            &steps.to_string(),
            &chunks.join(","),
            sync,
        ])
    }

    /// Reads `steps` steps back, and compares the first, middle and last.
    ///
    /// # Errors
    ///
    /// Where they differ, and those of [`record`](Self::record).
    pub fn check(&mut self, layout: Layout, path: &Path, steps: u64) -> Result<()> {
        let checked = Workload::checked_steps(steps);
        let checked: Vec<String> = checked.iter().map(u64::to_string).collect();
        let steps = steps.to_string();
        let mut command = vec!["check", layout.method(), text(path)?, &steps];
        command.extend(checked.iter().map(String::as_str));
        self.0.call(&command).map(drop)
    }

    /// The same for an HDF5 file, whoever wrote it.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn check_hdf5(&mut self, path: &Path, steps: u64) -> Result<()> {
        let checked = Workload::checked_steps(steps);
        let checked: Vec<String> = checked.iter().map(u64::to_string).collect();
        let steps = steps.to_string();
        let mut command = vec!["check_h5py", text(path)?, &steps];
        command.extend(checked.iter().map(String::as_str));
        self.0.call(&command).map(drop)
    }
}

fn declaration(tensor: &TensorSpec) -> String {
    let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    format!("{}:{}:{}", tensor.name, tensor.dtype, shape.join("x"))
}
