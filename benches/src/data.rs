//! What is recorded, read, saved and encoded: values, the same in every run, and sums that tell whether they came back.

use std::f64::consts::TAU;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use bytemuck::{cast_slice, pod_collect_to_vec};
use half::bf16;
use selvedge_hdf5::{Dtype, ReadError, Reader, RecordError, Recorder, RecorderBuilder, TensorSpec};

use crate::Result;

/// Random bytes (SplitMix64, by S. Vigna).
pub(crate) fn random_bytes(len: usize) -> Vec<u8> {
    let mut state = 0_u64;
    let words = (0..len.div_ceil(8)).map(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    });
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(len);
    bytes
}

fn random_words(count: usize) -> Vec<u64> {
    pod_collect_to_vec(&random_bytes(8 * count))
}

/// `count` random numbers below `end`, in no order.
pub(crate) fn random_indices(count: usize, end: u64) -> Vec<u64> {
    let words = random_words(count).into_iter();
    words.map(|word| word % end).collect()
}

/// The sum of bytes as words of 64 bits, little-endian, modulo 2^64.
pub(crate) fn word_sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks();
    let words = words.iter().map(|&word| u64::from_le_bytes(word));
    words.fold(0, u64::wrapping_add)
}

/// Holds what was found against what it has to be.
pub(crate) fn same<T: Copy + Display + PartialEq>(what: &str, found: T, expected: T) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found}, not {expected}").into()),
    }
}

/// `four bfloat16 tensors (10000, 64)`.
pub(crate) fn describe(count: usize, shape: &[usize]) -> String {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let (shape, plural) = (shape.join(", ") + comma, if count == 1 { "" } else { "s" });
    let count = match count {
        1 => "one".to_owned(),
        4 => "four".to_owned(),
        _ => count.to_string(),
    };
    format!("{count} bfloat16 tensor{plural} ({shape})")
}

/// Steps of some tensors: a few that differ, which come again and again.
///
/// A training loop writes every step into the same memory, so these few are as warm in the cache as its would be.
#[derive(Debug)]
pub struct Steps {
    pub(crate) tensors: Vec<TensorSpec>,
    /// Bytes of a step of each tensor.
    sizes: Vec<usize>,
    /// Steps that differ.
    pub(crate) distinct: u64,
    /// Their bytes, one step after the other, each from a cache line on.
    source: Vec<u8>,
}

/// Steps that differ: seven divides no round number, so the first, middle and last step of a run do.
const DISTINCT: u64 = 7;
/// The same of steps that are too large for any cache.
const DISTINCT_LARGE: u64 = 3;

/// The tensors of a layer: weights, gradient and both Adam moments.
pub(crate) const LAYER: [&str; 4] = ["W", "grad_W", "momentum_W", "variance_W"];

impl Steps {
    pub(crate) fn new(tensors: Vec<TensorSpec>, distinct: u64) -> Result<Self> {
        let mut steps = Self::from(tensors, distinct, Vec::new())?;
        steps.source = random_bytes(usize::try_from(distinct)? * steps.stride());
        Ok(steps)
    }

    fn from(tensors: Vec<TensorSpec>, distinct: u64, source: Vec<u8>) -> Result<Self> {
        let bytes = |tensor: &TensorSpec| Ok(usize::try_from(tensor.step_bytes()?)?);
        let sizes = tensors.iter().map(bytes).collect::<Result<_>>()?;
        Ok(Self {
            tensors,
            sizes,
            distinct,
            source,
        })
    }

    /// So many tensors of a shape: the four of a layer or none, and the loss; one alone; or the parameters of a model.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn of(numbers: &[u64]) -> Result<Self> {
        let numbers = numbers.iter().map(|&number| Ok(usize::try_from(number)?));
        let numbers = numbers.collect::<Result<Vec<usize>>>()?;
        let (count, shape) = numbers.split_first().ok_or("no number of tensors")?;
        let bf16 = |name: &str| TensorSpec::new(name, Dtype::Bf16, shape);
        let loss = TensorSpec::new("losses", Dtype::F32, []);
        match count {
            0 => Self::new(vec![loss], DISTINCT),
            1 => Self::new(vec![bf16(TENSOR)], DISTINCT_LARGE),
            4 => Self::new([LAYER.map(bf16).to_vec(), vec![loss]].concat(), DISTINCT),
            _ => {
                let names = (0..*count).map(|nth| format!("layer{nth}"));
                Self::new(names.map(|name| bf16(&name)).collect(), DISTINCT)
            }
        }
    }

    /// The last steps of the demo's layer, of the trajectory at `path`.
    pub(crate) fn of_demo(path: &Path, steps: u64) -> Result<Self> {
        let tensors = LAYER.map(|name| TensorSpec::new(name, Dtype::Bf16, SHAPE));
        let values = LAYER.iter().map(|name| demo(path, name, steps));
        let values = values.collect::<Result<Vec<Vec<u8>>>>()?;
        let count = values[0].len() / STEP_BYTES;
        let of = |nth: usize| nth * STEP_BYTES..(nth + 1) * STEP_BYTES;
        let step = |nth: usize| values.iter().map(move |all| &all[of(nth)]);
        let source = (0..count).flat_map(step).collect::<Vec<&[u8]>>().concat();
        Self::from(tensors.to_vec(), count as u64, source)
    }

    /// `four bfloat16 tensors (10000, 64) and a float32 scalar`.
    pub(crate) fn describe(&self) -> String {
        match &self.tensors[..] {
            [_] if self.step_bytes() == 4 => "a float32 scalar".to_owned(),
            [all @ .., last] if last.dtype == Dtype::F32 => {
                describe(all.len(), &all[0].shape) + " and a float32 scalar"
            }
            all => describe(all.len(), &all[0].shape),
        }
    }

    /// Bytes of one step of all tensors.
    pub(crate) fn step_bytes(&self) -> u64 {
        self.sizes.iter().sum::<usize>() as u64
    }

    fn stride(&self) -> usize {
        self.sizes.iter().sum::<usize>().next_multiple_of(64)
    }

    /// The bytes of step `step` in one piece.
    pub(crate) fn whole(&self, step: u64) -> &[u8] {
        // Below the number of those that differ, which is small.
        let at = usize::try_from(step % self.distinct).unwrap_or(0) * self.stride();
        &self.source[at..at + self.sizes.iter().sum::<usize>()]
    }

    /// The same tensor by tensor.
    pub(crate) fn step(&self, step: u64) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.whole(step);
        self.sizes.iter().map(move |&size| {
            let (values, behind) = rest.split_at(size);
            rest = behind;
            values
        })
    }

    /// A recorder of these tensors.
    pub fn builder(&self, path: &Path) -> RecorderBuilder {
        let builder = Recorder::create(path).overwrite(true);
        let tensors = self.tensors.iter().cloned();
        tensors.fold(builder, RecorderBuilder::tensor_spec)
    }

    /// Appends step `step`.
    ///
    /// # Errors
    ///
    /// The errors of the recorder.
    #[inline]
    pub fn append(&self, run: &mut Recorder, step: u64) -> Result<u64, RecordError> {
        run.append(|target| {
            for (tensor, bytes) in self.tensors.iter().zip(self.step(step)) {
                target.put_bytes(&tensor.name, tensor.dtype, bytes)?;
            }
            Ok(target)
        })
    }

    /// Compares steps of the HDF5 file at `path`, of `count` steps, whoever wrote it.
    pub(crate) fn check(
        &self,
        path: &Path,
        count: u64,
        steps: impl IntoIterator<Item = u64>,
    ) -> Result<()> {
        let reader = Reader::open(path)?;
        same("steps", reader.committed_steps(), count)?;
        for step in steps {
            for (tensor, expected) in self.tensors.iter().zip(self.step(step)) {
                let name = &tensor.name;
                let read = || -> Result<Vec<u8>, ReadError> {
                    let tensor = reader.tensor(name)?;
                    // Other files name bfloat16 nowhere: it is read by its bits.
                    Ok(match tensor.dtype()? {
                        Dtype::F32 => cast_slice(&tensor.read_step::<f32>(step)?).to_vec(),
                        _ => cast_slice(&tensor.read_step::<u16>(step)?).to_vec(),
                    })
                };
                if read()? != expected {
                    return Err(format!("other bytes in step {step} of {name}").into());
                }
            }
        }
        Ok(())
    }
}

/// The first, the middle and the last of `steps`: those whose content is checked.
pub(crate) fn checked(steps: u64) -> Vec<u64> {
    let mut checked = vec![0, steps / 2, steps.saturating_sub(1)];
    checked.dedup();
    checked
}

/// The name of the tensor of a file that has one.
pub(crate) const TENSOR: &str = "W";
/// Shape and bytes of a step of it: a row for each token.
pub(crate) const SHAPE: [usize; 2] = [10_000, 64];
pub(crate) const ROW_BYTES: usize = 2 * SHAPE[1];
pub(crate) const STEP_BYTES: usize = SHAPE[0] * ROW_BYTES;
/// Rows of each step that are taken: the tokens that the model never saw.
const TAKEN: usize = 3_699;

/// A trajectory of one tensor that is read, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Trajectory {
    pub(crate) path: PathBuf,
    pub(crate) steps: u64,
    /// Rows of each step that are taken, in their order.
    pub(crate) rows: Vec<usize>,
    /// Single steps, in no order.
    pub(crate) single: Vec<u64>,
    /// For each of the steps that differ: the sum of all words, the sum of those of the rows, and the first word.
    sums: Vec<[u64; 3]>,
}

impl Trajectory {
    /// Records a trajectory of `steps` steps at `path`, of which `single` will be read alone, and waits for the disk:
    /// nothing is left to be written while somebody reads, and what is on the disk can be dropped from the page cache.
    pub(crate) fn record(path: PathBuf, steps: u64, single: usize) -> Result<Self> {
        let source = Steps::new(vec![TensorSpec::new(TENSOR, Dtype::Bf16, SHAPE)], DISTINCT)?;
        let mut run = source.builder(&path).steps(steps).start()?;
        for step in 0..steps {
            source.append(&mut run, step)?;
        }
        run.finish()?;
        std::fs::File::open(&path)?.sync_data()?;
        let rows = random_indices(20 * TAKEN, SHAPE[0] as u64).into_iter();
        let mut rows = rows.map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
        let mut seen = vec![false; SHAPE[0]];
        rows.retain(|&row| !std::mem::replace(&mut seen[row], true));
        rows.truncate(TAKEN);
        rows.sort_unstable();
        let sums = (0..DISTINCT).map(|step| {
            let bytes = source.whole(step);
            let row = |row: &usize| word_sum(&bytes[row * ROW_BYTES..][..ROW_BYTES]);
            let taken = rows.iter().map(row).fold(0, u64::wrapping_add);
            [word_sum(bytes), taken, word_sum(&bytes[..8])]
        });
        let sums = sums.collect();
        let single = random_indices(single, steps);
        Ok(Self {
            path,
            steps,
            rows,
            single,
            sums,
        })
    }

    /// What the sum over `steps` has to be: of all words (0), of those of the rows (1) or of the first words (2).
    pub(crate) fn expected(&self, steps: impl Iterator<Item = u64>, words: usize) -> u64 {
        let sums = steps.map(|step| self.sums[usize::try_from(step % DISTINCT).unwrap_or(0)]);
        sums.map(|sums| sums[words]).fold(0, u64::wrapping_add)
    }
}

/// A tensor of the demo's trajectory: what the groups call it, its name in the file, and what it is.
pub(crate) const DEMO: [(&str, &str, &str); 4] = [
    ("W", LAYER[0], "the weights of the demo's embedding"),
    ("grad", LAYER[1], "their gradient"),
    ("m", LAYER[2], "Adam's first moment"),
    ("v", LAYER[3], "Adam's second moment"),
];

/// The last `steps` steps of a tensor of the demo's trajectory at `path`, or all that there are, as bytes.
pub(crate) fn demo(path: &Path, tensor: &str, steps: u64) -> Result<Vec<u8>> {
    let reader = Reader::open(path)?;
    let end = reader.committed_steps();
    let steps = end.saturating_sub(steps)..end;
    let values: Vec<u16> = reader.tensor(tensor)?.read_steps(steps)?;
    if !(2 * values.len()).is_multiple_of(STEP_BYTES) {
        return Err(format!("{}: {tensor} is not {SHAPE:?}", path.display()).into());
    }
    Ok(cast_slice(&values).to_vec())
}

/// `steps` steps of normally distributed values, as bytes: what no step shares with another, and no value with its
/// neighbour.
pub(crate) fn gaussian(steps: usize) -> Vec<u8> {
    let words = random_words(steps * STEP_BYTES / 2);
    // A number in (0, 1] and one in [0, 1) for each pair of values (Box and Muller).
    let unit = |word: u64| (word >> 11) as f64 / (1_u64 << 53) as f64;
    let (pairs, _) = words.as_chunks::<2>();
    let values = pairs.iter().flat_map(|pair| {
        let radius = (-2.0 * (1.0 - unit(pair[0])).ln()).sqrt();
        let angle = TAU * unit(pair[1]);
        [radius * angle.cos(), radius * angle.sin()]
    });
    let values: Vec<bf16> = values.map(bf16::from_f64).collect();
    pod_collect_to_vec(selvedge_bf16::bf16_as_bytes(&values))
}

#[cfg(test)]
mod tests {
    use selvedge_bf16::bytes_as_bf16;

    use super::{STEP_BYTES, gaussian};

    #[test]
    fn gaussian_values_have_mean_0_and_variance_1() {
        let bytes = gaussian(1);
        assert_eq!(bytes.len(), STEP_BYTES);
        let values = bytes_as_bf16(&bytes).unwrap().iter();
        let values = values.map(|value| value.to_f64());
        let count = values.len() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let square = values.map(|value| value.powi(2)).sum::<f64>() / count;
        assert!(
            mean.abs() < 0.01 && (square - 1.0).abs() < 0.02,
            "{mean} {square}"
        );
    }
}
