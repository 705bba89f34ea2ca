//! The peer of the groups `safetensors`: Python's `safetensors`, in another process.

use std::io::Write;
use std::path::Path;

use selvedge_bf16::bf16_as_bytes;

use super::data::Workload;
use super::load::Sample;
use crate::Result;
use crate::peer::{Python, text};
use crate::scratch::Scratch;

/// A running Python with safetensors, which runs `safetensors_peer.py`; it is ended when this is dropped.
#[derive(Debug)]
pub struct Peer(pub(super) Python);

impl Peer {
    /// Gives Python the tensors of `workload`, and the `rows` that will be asked for.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`], and of writing both to a file.
    pub fn prepare(
        &mut self,
        workload: &Workload,
        rows: &[usize],
        scratch: &Scratch,
    ) -> Result<()> {
        let source = scratch.file("source.bin");
        std::fs::write(&source, bf16_as_bytes(&workload.values))?;
        let indices = scratch.file("rows.bin");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&indices)?);
        for &row in rows {
            file.write_all(&u64::try_from(row)?.to_le_bytes())?;
        }
        file.into_inner()?;
        let [height, width] = workload.shape.map(|axis| axis.to_string());
        let mut command = vec!["prepare", text(&source)?, text(&indices)?, &height, &width];
        command.extend(workload.names.iter().map(String::as_str));
        self.0.call(&command)?;
        scratch.settle(&source)?;
        scratch.settle(&indices)
    }

    /// Saves the tensors, and returns the seconds; with `sync` those until they are on the disk.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`].
    pub fn save(&mut self, path: &Path, sync: bool) -> Result<f64> {
        let sync = if sync { "sync" } else { "" };
        let [seconds] = self.0.numbers(&["save", text(path)?, sync])?;
        Ok(seconds)
    }

    /// Reads a file and compares its tensors.
    ///
    /// # Errors
    ///
    /// Where they differ, and those of [`Python::call`].
    pub fn check(&mut self, path: &Path) -> Result<()> {
        self.0.call(&["check", text(path)?]).map(drop)
    }

    /// Loads a file and sums it; also returns the sum.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`].
    pub fn load(&mut self, path: &Path) -> Result<(Sample, f64)> {
        let [load, sum, total, found] = self.0.numbers(&["load", text(path)?])?;
        Ok((Sample { load, sum, total }, found))
    }

    /// Loads all tensors of a file, and returns the seconds and the sum of all values.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`].
    pub fn load_all(&mut self, path: &Path) -> Result<(f64, f64)> {
        let [seconds, found] = self.0.numbers(&["load_all", text(path)?])?;
        Ok((seconds, found))
    }

    /// Takes the rows out of a file by the command `how`, and compares them.
    ///
    /// # Errors
    ///
    /// Where they differ, and those of [`Python::call`].
    pub fn rows(&mut self, how: &str, path: &Path) -> Result<f64> {
        let [seconds] = self.0.numbers(&[how, text(path)?])?;
        Ok(seconds)
    }
}
