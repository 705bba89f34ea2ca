//! What is recorded: tensors, a number of steps, and the bytes of each step.

use std::ops::Range;

use selvedge_hdf5::{Dtype, TensorSpec};

use crate::Result;

/// Different steps that there are; step `n` has the bytes of step `n % DISTINCT`.
///
/// A training loop writes every step into the same memory, so these few are as warm in the cache as
/// its would be. Seven divides no round number, so the first, middle and last step differ.
pub const DISTINCT: u64 = 7;

/// The same number for steps of 64 MB, which are too large for any cache.
const DISTINCT_WIDE: u64 = 3;

/// Each tensor of a source step starts at a multiple of this many bytes: a cache line.
const ALIGNMENT: usize = 64;

/// A run to record, with its bytes.
#[derive(Debug)]
pub struct Workload {
    /// The end of its groups' names.
    pub name: &'static str,
    /// The title of its table.
    pub title: &'static str,
    /// What a step holds, in words.
    pub what: String,
    /// The step tensors, in the order in which they are recorded.
    pub tensors: Vec<TensorSpec>,
    /// Steps of a sample.
    pub steps: u64,
    /// Bytes of one step of all tensors.
    pub step_bytes: u64,
    /// Different steps that there are.
    pub distinct: u64,
    source: Vec<u8>,
    /// For each distinct step and tensor: where its bytes are.
    places: Vec<Range<usize>>,
}

impl Workload {
    /// Steps as a small language model has them: weights, gradient and both Adam moments of 10,000
    /// tokens by 64 dimensions, and the loss.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn large(steps: u64) -> Result<Self> {
        let what = "four bfloat16 tensors (10000, 64) and a float32 scalar";
        Self::new("large", ("Large steps", what), &[10_000, 64], steps)
    }

    /// The same for a layer of 2,048 elements.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn small(steps: u64) -> Result<Self> {
        let what = "four bfloat16 tensors (2048,) and a float32 scalar";
        Self::new("small", ("Small steps", what), &[2048], steps)
    }

    /// One tensor of `rows` rows of 2 kB: 64 MB where there are 32,000.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn wide(steps: u64, rows: usize) -> Result<Self> {
        let spec = TensorSpec::new("W", Dtype::Bf16, [rows, 1000]);
        let what = format!("one bfloat16 tensor ({rows}, 1000)");
        Self::of(
            "wide",
            ("Steps of one large tensor", what),
            vec![spec],
            DISTINCT_WIDE,
            steps,
        )
    }

    /// The loss alone.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn scalars(steps: u64) -> Result<Self> {
        Self::new("scalars", ("Scalars alone", "a float32 scalar"), &[], steps)
    }

    /// The parameters of a model of `tensors` layers: a tensor of `elements` elements for each.
    ///
    /// # Errors
    ///
    /// The errors of [`TensorSpec::step_bytes`].
    pub fn many(name: &'static str, tensors: usize, elements: usize, steps: u64) -> Result<Self> {
        let spec = |nth| TensorSpec::new(format!("layer{nth}"), Dtype::Bf16, [elements]);
        let what = format!("{tensors} bfloat16 tensors ({elements},)");
        let all = (0..tensors).map(spec).collect();
        Self::of(name, ("Steps of many tensors", what), all, DISTINCT, steps)
    }

    fn new(
        name: &'static str,
        (title, what): (&'static str, &'static str),
        shape: &[usize],
        steps: u64,
    ) -> Result<Self> {
        let mut tensors = Vec::new();
        if !shape.is_empty() {
            let names = ["W", "grad_W", "momentum_W", "variance_W"];
            tensors.extend(names.map(|name| TensorSpec::new(name, Dtype::Bf16, shape)));
        }
        tensors.push(TensorSpec::new("losses", Dtype::F32, []));
        Self::of(name, (title, what.to_owned()), tensors, DISTINCT, steps)
    }

    fn of(
        name: &'static str,
        (title, what): (&'static str, String),
        tensors: Vec<TensorSpec>,
        distinct: u64,
        steps: u64,
    ) -> Result<Self> {
        let mut places = Vec::new();
        let (mut end, mut step_bytes) = (0_usize, 0);
        for step in 0..distinct {
            for tensor in &tensors {
                let bytes = tensor.step_bytes()?;
                let start = end.next_multiple_of(ALIGNMENT);
                end = start + usize::try_from(bytes)?;
                places.push(start..end);
                step_bytes += if step == 0 { bytes } else { 0 };
            }
        }
        Ok(Self {
            name,
            title,
            what,
            tensors,
            steps,
            step_bytes,
            distinct,
            source: random_bytes(end),
            places,
        })
    }

    /// The bytes of step `step`, tensor by tensor.
    pub fn step(&self, step: u64) -> impl Iterator<Item = &[u8]> {
        let places = self.places_of(step).iter();
        places.map(|place| &self.source[place.clone()])
    }

    /// The bytes of step `step` in one piece; `None` where there are gaps between its tensors.
    #[must_use]
    pub fn whole_step(&self, step: u64) -> Option<&[u8]> {
        let places = self.places_of(step);
        let whole = places.first()?.start..places.last()?.end;
        (whole.len() as u64 == self.step_bytes).then(|| &self.source[whole])
    }

    fn places_of(&self, step: u64) -> &[Range<usize>] {
        let count = self.tensors.len();
        // Below 7 times the number of tensors.
        let first = usize::try_from(step % self.distinct).unwrap_or(0) * count;
        &self.places[first..first + count]
    }

    /// The distinct steps, one after the other and without gaps, for a peer in another process.
    #[must_use]
    pub fn source(&self) -> Vec<u8> {
        (0..self.distinct)
            .flat_map(|step| self.step(step))
            .flatten()
            .copied()
            .collect()
    }

    /// Whether there are so many tensors that they are not to be written one by one.
    #[must_use]
    pub fn is_many(&self) -> bool {
        self.tensors.len() > 100
    }

    /// Bytes of a sample's tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.steps * self.step_bytes
    }

    /// Steps whose content is checked: the first, the middle and the last of `steps`.
    #[must_use]
    pub fn checked_steps(steps: u64) -> Vec<u64> {
        let mut checked = vec![0, steps / 2, steps.saturating_sub(1)];
        checked.dedup();
        checked
    }
}

/// Random bytes, the same in every run (SplitMix64, by S. Vigna).
pub fn random_bytes(len: usize) -> Vec<u8> {
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
