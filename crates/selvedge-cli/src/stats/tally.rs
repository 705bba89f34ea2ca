//! One tensor, block by block.

use super::ValueStats;
use super::distribution::Distribution;
use super::sample::Sample;
use crate::facts::TensorFacts;

/// Parts of the steps that are told apart.
const PARTS: u64 = 16;

/// Takes the blocks of a tensor in their order.
pub(super) struct Tally<T> {
    distribution: Distribution<T>,
    /// How often each 16-bit pattern occurs in each part of the steps; empty for other types, and where there
    /// are few values.
    patterns: Vec<Vec<u64>>,
    count: u64,
    /// None for a tensor without steps.
    steps: Option<Steps>,
    /// Bytes of a step; of a tensor without steps of what is at one index of its first axis.
    step_bytes: usize,
}

/// What is told of steps.
struct Steps {
    /// Steps of the whole tensor.
    steps: u64,
    /// Whether a step is one number.
    single: bool,
    /// Steps that were added.
    done: u64,
    /// The bytes of the last of them, at the end of a block.
    before: Vec<u8>,
    /// The first step, and the last that was added.
    ends: [Part; 2],
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
        let leading = tensor.shape.first().copied().filter(|&steps| steps > 1);
        let steps = leading.filter(|_| tensor.has_steps());
        let parts = steps.map_or(1, |steps| usize::try_from(steps.min(PARTS)).unwrap_or(1));
        let elements = tensor.elements();
        // To go through all patterns takes longer than through a few values.
        let many = elements / (1 << 16) >= parts as u64;
        let patterns = if T::PATTERNS && many { parts } else { 0 };
        let step = tensor
            .shape
            .first()
            .map_or(elements, |&steps| elements / steps.max(1));
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        // Few patterns, each with how often it came, whatever the size of the tensor.
        let kept = if patterns > 0 { 0 } else { elements };
        Self {
            distribution: Distribution::new(kept),
            patterns: vec![vec![0; 1 << 16]; patterns],
            count: 0,
            step_bytes: step.saturating_mul(T::SIZE).max(1),
            steps: steps.map(|steps| Steps {
                steps,
                single: tensor.shape[1..].iter().all(|&axis| axis == 1),
                done: 0,
                before: Vec::new(),
                ends: [Part::default(); 2],
                compared: 0,
                same: 0,
                parts: vec![Part::default(); parts],
            }),
        }
    }

    /// Adds the bytes of the next steps.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.count += (bytes.len() / T::SIZE) as u64;
        if self.patterns.is_empty() {
            T::values(bytes).for_each(|value| self.distribution.add(value, 1));
        }
        let mut before = None;
        for now in bytes.chunks_exact(self.step_bytes) {
            let steps = self.steps.as_mut();
            let part = steps.map_or(0, |steps| steps.next::<T>(before, now));
            before = Some(now);
            if let Some(patterns) = self.patterns.get_mut(part) {
                for value in T::values(now) {
                    patterns[usize::from(value.pattern())] += 1;
                }
            } else if let Some(steps) = &mut self.steps {
                steps.parts[part].add(T::values(now).map(|value| (value, 1)), steps.single);
            }
        }
        if let (Some(steps), Some(last)) = (&mut self.steps, before) {
            last.clone_into(&mut steps.before);
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
        let quantiles = self.distribution.quantiles();
        let of = &self.distribution;
        ValueStats {
            count: self.count,
            nan: of.nan,
            infinite: of.infinite,
            zeros: of.zeros,
            min: of.min(),
            max: of.max(),
            mean: of.mean(),
            std: of.std(),
            norm: of.norm(),
            quantiles,
            unchanged: self.steps.as_ref().and_then(Steps::unchanged),
            magnitudes: of.magnitudes(),
            first_step: self.steps.as_ref().and_then(|steps| steps.ends[0].mean()),
            last_step: self.steps.as_ref().and_then(|steps| steps.ends[1].mean()),
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

    /// Takes the next step: counts the values that are what they were a step before, and looks at the
    /// ends. The step before it is `before`, or the last of the block before. Returns the part that the
    /// step belongs to.
    fn next<T: Sample>(&mut self, before: Option<&[u8]>, now: &[u8]) -> usize {
        if self.done > 0 {
            self.same += T::same(before.unwrap_or(&self.before), now);
            self.compared += (now.len() / T::SIZE) as u64;
        }
        let end = usize::from(self.done > 0);
        if end == 0 || self.done == self.steps - 1 {
            let values = T::values(now).map(|value| (value, 1));
            self.ends[end].add(values, self.single);
        }
        let part = self.part(self.done);
        self.done += 1;
        part
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
        let mean = self.sum / self.count as f64;
        mean.is_finite().then_some(mean)
    }
}
