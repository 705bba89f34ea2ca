//! One tensor, block by block.

use super::ValueStats;
use super::distribution::Distribution;
use super::read::Block;
use super::sample::Sample;
use crate::facts::{Role, Storage, TensorFacts};

/// Parts of the steps that are told apart.
const PARTS: u64 = 16;

/// Takes the blocks of a tensor in their order.
pub(super) struct Tally<T> {
    distribution: Distribution<T>,
    /// How often each 16-bit pattern occurs; empty for other types.
    patterns: Vec<u64>,
    count: u64,
    /// None for a tensor without steps.
    steps: Option<Steps>,
}

/// What is told of steps.
struct Steps {
    /// Of the whole tensor.
    steps: u64,
    /// Whether a step is one number.
    single: bool,
    compared: u64,
    same: u64,
    /// Sum and number of the finite values of each part of the steps.
    parts: Vec<(f64, u64)>,
}

impl<T: Sample> Tally<T> {
    pub(super) fn new(tensor: &TensorFacts) -> Self {
        let chunked = matches!(tensor.storage, Storage::Chunked { .. });
        let leading = tensor.shape.first().copied().filter(|&steps| steps > 1);
        // Of another program's file only chunks tell that the first axis may be steps.
        let steps = leading.filter(|_| match tensor.role {
            Role::Step => true,
            Role::Constant => false,
            Role::Tensor => chunked,
        });
        let patterns = if T::PATTERNS { 1 << 16 } else { 0 };
        Self {
            distribution: Distribution::new(),
            patterns: vec![0; patterns],
            count: 0,
            steps: steps.map(|steps| Steps {
                steps,
                single: tensor.shape[1..].iter().all(|&axis| axis == 1),
                compared: 0,
                same: 0,
                parts: vec![(0.0, 0); usize::try_from(steps.min(PARTS)).unwrap_or(0)],
            }),
        }
    }

    pub(super) fn add(&mut self, block: &Block<'_, T>) {
        self.count += block.values.len() as u64;
        if T::PATTERNS {
            for value in block.values {
                // The bits of such a type are 16.
                self.patterns[usize::try_from(value.bits()).unwrap_or(0)] += 1;
            }
        } else {
            for &value in block.values {
                self.distribution.add(value, 1);
            }
        }
        if let Some(steps) = &mut self.steps {
            steps.add(block);
        }
    }

    pub(super) fn finish(mut self) -> ValueStats {
        for (pattern, &count) in (0..=u16::MAX).zip(&self.patterns) {
            if count > 0 {
                self.distribution.add(T::from_pattern(pattern), count);
            }
        }
        let of = &self.distribution;
        ValueStats {
            count: self.count,
            nan: of.nan,
            infinite: of.infinite,
            zeros: of.zeros,
            min: of.min(),
            max: of.max(),
            mean: of.mean(),
            unchanged: self.steps.as_ref().and_then(Steps::unchanged),
            magnitudes: of.magnitudes(),
            over_steps: self.steps.map_or(Vec::new(), |steps| steps.over()),
        }
    }
}

impl Steps {
    fn add<T: Sample>(&mut self, block: &Block<'_, T>) {
        if block.row_len == 0 {
            return;
        }
        let mut before = block.before;
        for (step, now) in (block.first_row..).zip(block.values.chunks_exact(block.row_len)) {
            if let Some(before) = before {
                let same = before.iter().zip(now).filter(|(a, b)| a.bits() == b.bits());
                self.same += same.count() as u64;
                self.compared += now.len() as u64;
            }
            before = Some(now);
            let (sum, count) = sum(now, self.single);
            let parts = self.parts.len() as u64;
            let part = u128::from(step) * u128::from(parts) / u128::from(self.steps);
            // Within the parts, as the step is within the steps.
            if let Some(part) = self
                .parts
                .get_mut(usize::try_from(part).unwrap_or(usize::MAX))
            {
                part.0 += sum;
                part.1 += count;
            }
        }
    }

    fn unchanged(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.same as f64 / self.compared as f64)
    }

    fn over(&self) -> Vec<Option<f64>> {
        self.parts
            .iter()
            .map(|&(sum, count)| (count > 0).then(|| sum / count as f64))
            .collect()
    }
}

/// Sum and number of the finite values, or of their magnitudes.
fn sum<T: Sample>(values: &[T], signed: bool) -> (f64, u64) {
    let mut sum = 0.0;
    let mut count = 0;
    for value in values {
        let value = value.to_f64();
        let finite = value.is_finite();
        let value = if signed { value } else { value.abs() };
        sum += if finite { value } else { 0.0 };
        count += u64::from(finite);
    }
    (sum, count)
}
