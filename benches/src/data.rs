//! What is recorded, read, saved and encoded: values, the same in every run, and sums that tell whether they came back.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use bytemuck::cast_slice;
use half::bf16;
use selvedge_bf16::bf16_as_bytes;
use selvedge_hdf5::{Dtype, ReadError, Reader, RecordError, Recorder, RecorderBuilder, TensorSpec};
use selvedge_testing::Random;

use crate::Result;

/// Random bytes, the same ones each time.
pub(crate) fn random_bytes(len: usize) -> Vec<u8> {
    let mut random = Random(0);
    let words = (0..len.div_ceil(8)).flat_map(|_| random.draw().to_le_bytes());
    let mut bytes: Vec<u8> = words.collect();
    bytes.truncate(len);
    bytes
}

/// `count` random numbers below `end`, in no order.
pub(crate) fn random_indices(count: usize, end: u64) -> Vec<u64> {
    let mut random = Random(0);
    (0..count).map(|_| random.below(end)).collect()
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

/// Steps of some tensors: a few that differ, which come again and again.
///
/// A training loop writes every step into the same memory, so these few are as warm in the cache as its would be.
pub(crate) struct Steps {
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

    /// With the bytes of `distinct` steps, each of a multiple of 64.
    pub(crate) fn from(tensors: Vec<TensorSpec>, distinct: u64, source: Vec<u8>) -> Result<Self> {
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
    pub(crate) fn of(numbers: &[u64]) -> Result<Self> {
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
        let step = |nth| {
            values
                .iter()
                .filter_map(move |all| all.chunks(STEP_BYTES).nth(nth))
        };
        let source = (0..count).flat_map(step).collect::<Vec<&[u8]>>().concat();
        Self::from(tensors.to_vec(), count as u64, source)
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
        self.placed(step).map(|(_, values)| values)
    }

    /// The same, each with the number of bytes before it.
    pub(crate) fn placed(&self, step: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let (whole, mut end) = (self.whole(step), 0);
        self.sizes.iter().map(move |&size| {
            let begin = end;
            end += size;
            (begin as u64, &whole[begin..end])
        })
    }

    /// A recorder of these tensors.
    pub(crate) fn builder(&self, path: &Path) -> RecorderBuilder {
        let builder = Recorder::create(path).overwrite(true);
        let tensors = self.tensors.iter().cloned();
        tensors.fold(builder, RecorderBuilder::tensor_spec)
    }

    /// Appends step `step`.
    pub(crate) fn append(&self, run: &mut Recorder, step: u64) -> Result<u64, RecordError> {
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
pub(crate) struct Trajectory {
    pub(crate) path: PathBuf,
    pub(crate) steps: u64,
    /// Rows of each step that are taken, in their order.
    pub(crate) rows: Vec<usize>,
    /// Single steps, in no order.
    pub(crate) single: Vec<u64>,
    source: Steps,
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
        let (mut random, mut rows) = (Random(0), BTreeSet::new());
        while rows.len() < TAKEN {
            rows.insert(usize::try_from(random.below(SHAPE[0] as u64))?);
        }
        Ok(Self {
            path,
            steps,
            rows: rows.into_iter().collect(),
            single: random_indices(single, steps),
            source,
        })
    }

    /// What the sum over `steps` has to be, of the words of `part` of each.
    pub(crate) fn expected(
        &self,
        steps: impl IntoIterator<Item = u64>,
        part: impl Fn(&[u8]) -> u64,
    ) -> u64 {
        let sums = steps.into_iter().map(|step| part(self.source.whole(step)));
        sums.fold(0, u64::wrapping_add)
    }

    /// The sum of the words of the rows of a step.
    pub(crate) fn of_rows(&self, step: &[u8]) -> u64 {
        let rows = self
            .rows
            .iter()
            .map(|row| &step[row * ROW_BYTES..][..ROW_BYTES]);
        rows.map(word_sum).fold(0, u64::wrapping_add)
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
    let mut random = Random(0);
    let values = (0..steps * STEP_BYTES / 2).map(|_| bf16::from_f64(random.normal()));
    bf16_as_bytes(&values.collect::<Vec<bf16>>()).to_vec()
}
