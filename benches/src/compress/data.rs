//! What is compressed: steps of (10000, 64) bfloat16 of a real training, and normal ones.

use std::f64::consts::TAU;
use std::path::Path;

use half::bf16;
use selvedge_bf16::bf16_as_bytes;
use selvedge_hdf5::Reader;

use crate::Result;
use crate::record::workload::random_bytes;

/// A tensor of the demo's trajectory.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// What the groups call it.
    pub(crate) short: &'static str,
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
}

const fn of(short: &'static str, name: &'static str, what: &'static str) -> Recorded {
    Recorded { short, name, what }
}

/// All tensors of the demo that are compressed.
pub(crate) const TENSORS: [Recorded; 4] = [
    of("W", "W", "the weights of the demo's embedding"),
    of("grad", "grad_W", "their gradient"),
    of("m", "momentum_W", "Adam's first moment"),
    of("v", "variance_W", "Adam's second moment"),
];

/// Shape of a step.
pub(super) const SHAPE: [usize; 2] = [10_000, 64];
/// Bytes of a step.
pub(super) const STEP_BYTES: usize = 2 * SHAPE[0] * SHAPE[1];

/// The last `steps` steps of a tensor of the trajectory at `path`, or all that there are, as bytes.
///
/// # Errors
///
/// The errors of the reader, and a tensor of another shape.
pub(super) fn recorded(path: &Path, tensor: &str, steps: u64) -> Result<Vec<u8>> {
    let reader = Reader::open(path)?;
    let end = reader.committed_steps();
    let tensor = reader.tensor(tensor)?;
    let mut bytes = Vec::new();
    for step in end.saturating_sub(steps)..end {
        let values: Vec<bf16> = tensor.read_step(step)?;
        if values.len() * 2 != STEP_BYTES {
            let (found, name) = (values.len(), tensor.name());
            return Err(format!(
                "{}: a step of {name} has {found} values, not {SHAPE:?}",
                path.display()
            )
            .into());
        }
        bytes.extend_from_slice(bf16_as_bytes(&values));
    }
    Ok(bytes)
}

/// `steps` steps of normally distributed values: what no step shares with another, and no value with its neighbour.
#[must_use]
pub(crate) fn gaussian(steps: u64) -> Vec<u8> {
    let count = usize::try_from(steps).unwrap_or(0) * STEP_BYTES / 2;
    let words = random_bytes(8 * count);
    let (words, _) = words.as_chunks::<8>();
    // A number in (0, 1] and one in [0, 1) for each pair of values (Box and Muller).
    let unit = |word: &[u8; 8]| (u64::from_le_bytes(*word) >> 11) as f64 / (1_u64 << 53) as f64;
    let values: Vec<bf16> = words
        .chunks(2)
        .flat_map(|pair| {
            let radius = (-2.0 * (1.0 - unit(&pair[0])).ln()).sqrt();
            let angle = TAU * pair.get(1).map_or(0.0, unit);
            [
                bf16::from_f64(radius * angle.cos()),
                bf16::from_f64(radius * angle.sin()),
            ]
        })
        .collect();
    bf16_as_bytes(&values).to_vec()
}

#[cfg(test)]
mod tests {
    use selvedge_bf16::bytes_as_bf16;

    use super::{STEP_BYTES, gaussian};

    #[test]
    fn gaussian_values_have_mean_0_and_variance_1() {
        let bytes = gaussian(1);
        assert_eq!(bytes.len(), STEP_BYTES);
        let values = bytes_as_bf16(&bytes).unwrap();
        let count = values.len() as f64;
        let mean = values.iter().map(|value| value.to_f64()).sum::<f64>() / count;
        let square = values
            .iter()
            .map(|value| value.to_f64().powi(2))
            .sum::<f64>()
            / count;
        assert!(
            mean.abs() < 0.01 && (square - 1.0).abs() < 0.02,
            "{mean} {square}"
        );
    }
}
