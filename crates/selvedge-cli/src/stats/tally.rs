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
    /// How often each 16-bit pattern occurs in each part of the steps; empty for other types.
    patterns: Vec<Vec<u64>>,
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
    /// Equal parts of the steps, at least one.
    parts: Vec<Part>,
}

/// Some steps that follow each other.
#[derive(Clone, Copy, Default)]
struct Part {
    sum: f64,
    /// Finite values.
    count: u64,
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
        let parts = steps.map_or(1, |steps| usize::try_from(steps.min(PARTS)).unwrap_or(1));
        let patterns = if T::PATTERNS { parts } else { 0 };
        Self {
            distribution: Distribution::new(),
            patterns: vec![vec![0; 1 << 16]; patterns],
            count: 0,
            steps: steps.map(|steps| Steps {
                steps,
                single: tensor.shape[1..].iter().all(|&axis| axis == 1),
                compared: 0,
                same: 0,
                parts: vec![Part::default(); parts],
            }),
        }
    }

    pub(super) fn add(&mut self, block: &Block<'_, T>) {
        self.count += block.values.len() as u64;
        if !T::PATTERNS {
            for &value in block.values {
                self.distribution.add(value, 1);
            }
        }
        for (step, now) in (block.first_row..).zip(block.values.chunks_exact(block.row_len)) {
            let part = self.steps.as_ref().map_or(0, |steps| steps.part(step));
            if let Some(patterns) = self.patterns.get_mut(part) {
                for value in now {
                    // The bits of such a type are 16.
                    patterns[usize::try_from(value.bits()).unwrap_or(0)] += 1;
                }
            } else if let Some(steps) = &mut self.steps {
                steps.parts[part].add(now.iter().map(|&value| (value, 1)), steps.single);
            }
        }
        if let Some(steps) = &mut self.steps {
            steps.compare(block);
        }
    }

    pub(super) fn finish(mut self) -> ValueStats {
        for (part, patterns) in self.patterns.iter().enumerate() {
            let values = (0..=u16::MAX)
                .zip(patterns)
                .filter(|(_, count)| **count > 0);
            let values = values.map(|(pattern, &count)| (T::from_pattern(pattern), count));
            if let Some(steps) = &mut self.steps {
                steps.parts[part].add(values.clone(), steps.single);
            }
            for (value, count) in values {
                self.distribution.add(value, count);
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
    /// The part that a step belongs to.
    fn part(&self, step: u64) -> usize {
        let parts = self.parts.len();
        let part = u128::from(step) * parts as u128 / u128::from(self.steps);
        usize::try_from(part).unwrap_or(parts).min(parts - 1)
    }

    /// Counts the values that are what they were a step before.
    fn compare<T: Sample>(&mut self, block: &Block<'_, T>) {
        let mut before = block.before;
        for now in block.values.chunks_exact(block.row_len) {
            if let Some(before) = before {
                self.same += T::same(before, now);
                self.compared += now.len() as u64;
            }
            before = Some(now);
        }
    }

    fn unchanged(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.same as f64 / self.compared as f64)
    }

    fn over(&self) -> Vec<Option<f64>> {
        self.parts.iter().map(Part::mean).collect()
    }
}

impl Part {
    /// Adds finite values, or their magnitudes, each as often as the number beside it says.
    fn add<T: Sample>(&mut self, values: impl Iterator<Item = (T, u64)>, signed: bool) {
        for (value, count) in values {
            let value = value.to_f64();
            if value.is_finite() {
                self.sum += (if signed { value } else { value.abs() }) * count as f64;
                self.count += count;
            }
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
