//! What is encoded: steps of a training that was recorded, and normal values.

use std::path::Path;

use bytemuck::pod_collect_to_vec;
use selvedge_bf16::{bf16, bf16_as_u16};
use selvedge_hdf5::Reader;

use crate::Result;
use crate::compress::data::gaussian;
use crate::table::grouped;

/// Rows of a step, and elements of a row: the token embedding of the demo.
const ROWS: usize = 10_000;
/// Elements of a row.
pub(super) const WIDTH: usize = 64;
/// Steps that lie in one chunk of the temporal form.
pub(super) const STEPS: usize = 16;

/// Some steps of a tensor.
#[derive(Debug)]
pub(super) struct Tensor {
    /// Steps that follow one another, `ROWS` × `WIDTH` elements each: of early in the training, of its middle and of
    /// its end.
    parts: Vec<Vec<u16>>,
    /// Steps of the training.
    training: u64,
}

impl Tensor {
    /// `STEPS` steps from three places of a tensor of the trajectory at `path`.
    pub(super) fn recorded(path: &Path, name: &str) -> Result<Self> {
        let file = Reader::open(path)?;
        let (steps, length) = (file.committed_steps(), STEPS as u64);
        if steps < 3 * length {
            return Err(format!("{}: {steps} steps are too few", path.display()).into());
        }
        let tensor = file.tensor(name)?;
        let mut parts = Vec::new();
        for first in [2, steps / 2, steps - length] {
            let values = tensor.read_steps::<bf16>(first..first + length)?;
            if values.len() != STEPS * ROWS * WIDTH {
                return Err(format!("{}: {name} is not the demo's", path.display()).into());
            }
            parts.push(bf16_as_u16(&values).to_vec());
        }
        Ok(Self {
            parts,
            training: steps,
        })
    }

    pub(super) fn gaussian() -> Self {
        let values = pod_collect_to_vec(&gaussian(STEPS as u64));
        Self {
            parts: vec![values],
            training: 0,
        }
    }

    /// Which steps these are.
    pub(super) fn when(&self) -> String {
        let steps = grouped(self.training);
        format!("early, in the middle and late in {steps} steps of the demo")
    }

    /// Chunks of one step: one of each part.
    pub(super) fn single_steps(&self) -> Vec<Vec<u16>> {
        let firsts = self.parts.iter();
        firsts.map(|part| part[..ROWS * WIDTH].to_vec()).collect()
    }

    /// Chunks of all steps of a part and `rows` rows: as many as make `bytes`, from everywhere.
    pub(super) fn chunks(&self, rows: usize, bytes: usize) -> Vec<Vec<u16>> {
        let step = ROWS * WIDTH;
        let bands = ROWS / rows;
        let of_part = (bytes / self.parts.len() / (2 * STEPS * rows * WIDTH)).clamp(1, bands);
        let mut chunks = Vec::new();
        for part in &self.parts {
            for band in (0..of_part).map(|index| index * bands / of_part) {
                let rows = band * rows * WIDTH..(band + 1) * rows * WIDTH;
                let chunk = part.chunks(step).flat_map(|step| &step[rows.clone()]);
                chunks.push(chunk.copied().collect());
            }
        }
        chunks
    }
}

/// HDF5's shuffle filter for elements of two bytes.
pub(super) fn shuffled(elements: &[u16]) -> Vec<u8> {
    let low = elements.iter().map(|element| element.to_le_bytes()[0]);
    let high = elements.iter().map(|element| element.to_le_bytes()[1]);
    low.chain(high).collect()
}
