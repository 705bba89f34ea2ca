//! What is encoded: steps of a training that was recorded, and normal values.

use std::path::{Path, PathBuf};
use std::process::Command;

use selvedge_bf16::{bf16, bf16_as_u16};
use selvedge_hdf5::Reader;

use crate::Result;

/// Rows of a step, and elements of a row: the token embedding of the demo.
pub const ROWS: usize = 10_000;
/// Elements of a row.
pub const WIDTH: usize = 64;
/// Steps that lie in one chunk of the temporal form.
pub const STEPS: usize = 16;

/// Some steps of a tensor.
#[derive(Debug)]
pub struct Tensor {
    /// Its name in the trajectory.
    pub name: String,
    /// Steps that follow one another, `ROWS` × `WIDTH` elements each: of early in the training, of its
    /// middle and of its end.
    pub parts: Vec<Vec<u16>>,
}

impl Tensor {
    /// Normal values of mean 0, of a scale that is the same everywhere, as weights are at first.
    #[must_use]
    pub fn gaussian(steps: usize) -> Self {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        // Box and Muller's transform.
        let values = (0..steps * ROWS * WIDTH).map(|_| {
            let radius = (-2.0 * (1.0 - next()).ln()).sqrt();
            let value = 0.02 * radius * (std::f64::consts::TAU * next()).cos();
            bf16::from_f64(value).to_bits()
        });
        Self {
            name: "gaussian".to_owned(),
            parts: vec![values.collect()],
        }
    }

    /// A step of each part.
    #[must_use]
    pub fn single_steps(&self) -> Vec<&[u16]> {
        let firsts = self.parts.iter();
        firsts.map(|part| &part[..ROWS * WIDTH]).collect()
    }

    /// Chunks of all steps of a part and `rows` rows: as many as make `bytes`, from everywhere.
    #[must_use]
    pub fn chunks(&self, rows: usize, bytes: usize) -> Vec<Vec<u16>> {
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

/// The demo's four tensors, and where they are from: `SELVEDGE_BENCH_TRAJECTORY`, what `cargo xtask
/// demo` left, or a demo of 120 steps that is run now.
///
/// # Errors
///
/// A demo that fails, and a file that is not the demo's.
pub fn trajectory() -> Result<(Vec<Tensor>, String)> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let in_folder = |folder: &str| target.join(folder).join("tensors/Thimble/thimble_1.h5");
    let path = match std::env::var_os("SELVEDGE_BENCH_TRAJECTORY") {
        Some(path) => PathBuf::from(path),
        None => [in_folder("demo"), in_folder("bench/demo")]
            .into_iter()
            .find(|path| path.exists())
            .map_or_else(
                || demo(&target.join("bench/demo"), in_folder("bench/demo")),
                Ok,
            )?,
    };
    let file = Reader::open(&path)?;
    let steps = file.committed_steps();
    let length = STEPS as u64;
    if steps < 3 * length {
        return Err(format!("{}: {steps} steps are too few", path.display()).into());
    }
    let mut tensors = Vec::new();
    for name in ["W", "grad_W", "momentum_W", "variance_W"] {
        let tensor = file.tensor(name)?;
        let mut parts = Vec::new();
        for first in [2, steps / 2, steps - length] {
            let values = tensor.read_steps::<bf16>(first..first + length)?;
            if values.len() != STEPS * ROWS * WIDTH {
                return Err(format!("{}: {name} is not the demo's", path.display()).into());
            }
            parts.push(bf16_as_u16(&values).to_vec());
        }
        tensors.push(Tensor {
            name: name.to_owned(),
            parts,
        });
    }
    Ok((tensors, format!("the demo, {steps} steps")))
}

/// Trains the demo.
fn demo(folder: &Path, file: PathBuf) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--release", "--package", "thimble", "--"])
        .args(["--steps", "120", "--overwrite", "--out"])
        .arg(folder)
        .status()?;
    if !status.success() {
        return Err("the demo failed, and there is no trajectory to encode".into());
    }
    Ok(file)
}
