//! The peer of the groups `read`: h5py, in another process.

use std::path::Path;

use super::data::Data;
use crate::Result;
use crate::peer::{Python, text};
use crate::report::Sample;
use crate::scratch::Scratch;

/// A running Python with h5py, which runs `read_peer.py`; it is ended when this is dropped.
#[derive(Debug)]
pub struct Peer(pub(super) Python);

impl Peer {
    /// Tells Python what will be asked of the file at `path`.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`], and of writing it to files.
    pub fn prepare(&mut self, path: &Path, data: &Data, scratch: &Scratch) -> Result<()> {
        let (rows, steps) = (scratch.file("rows.bin"), scratch.file("steps.bin"));
        let bytes = |values: &[u64]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let taken: Vec<u64> = data.rows.iter().map(|&row| row as u64).collect();
        std::fs::write(&rows, bytes(&taken))?;
        std::fs::write(&steps, bytes(&data.single))?;
        self.0
            .call(&["prepare", text(path)?, text(&rows)?, text(&steps)?])?;
        Ok(())
    }

    /// Reads by the method `how`, by some from step `first` on, and returns the figures and the sum.
    ///
    /// # Errors
    ///
    /// The errors of [`Python::call`].
    pub fn read(&mut self, how: &str, path: &Path, first: u64) -> Result<(Sample, u64)> {
        let answer = self
            .0
            .call(&["read", how, text(path)?, &first.to_string()])?;
        let (figures, sum) = answer.split_once('\t').ok_or("no sum")?;
        Ok((serde_json::from_str(figures)?, sum.parse()?))
    }
}
