//! Where the values of a step lie: quantiles and exponents, at some of the steps.

use selvedge_bf16::bf16;
use serde::Serialize;

use crate::element::Element;
use crate::encode::{Doubles, Shades, Singles};

/// Steps at most whose values are told.
pub(crate) const MOST_STEPS: u64 = 128;
/// Shares of the values that lie at or below a quantile.
pub(crate) const LEVELS: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
/// Values of a step that quantiles are made of, where they are wider than 16 bits.
const MOST_KEPT: u64 = 1 << 16;
/// Rows of a picture of exponents at most.
const MOST_ROWS: usize = 96;
/// Powers of two that an `f64` can have as its exponent field.
const EXPONENTS: usize = 2048;

/// Where the finite values lie at some steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// These steps.
    pub steps: Doubles,
    /// For each of `LEVELS` the quantile at each of them: the least value that such a share of all does
    /// not exceed (`inverted_cdf` of `numpy.quantile`).
    pub quantiles: Vec<Doubles>,
    /// All but the least and the greatest are of every so manyth value.
    pub every: u64,
    /// The power of two of the first row of `exponents`, and how many powers of two a row has.
    pub from_exponent: i32,
    #[allow(missing_docs)]
    pub exponents_each: u64,
    /// Row by row from the least to the greatest, the share of the finite values at each of the steps whose
    /// magnitude is of these powers of two.
    pub exponents: Shades,
    /// The share of zeros.
    pub zeros: Singles,
}

/// Counts the values of one step.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    /// How often each pattern of 16 bits occurs; empty for other types.
    patterns: Vec<u64>,
    /// By the exponent field of the value as an `f64`; empty for types of 16 bits.
    exponents: Vec<u64>,
    zeros: u64,
    finite: u64,
    range: [f64; 2],
    /// Every so manyth value.
    kept: Vec<f64>,
    every: u64,
    next: u64,
}

/// What was counted of one step.
#[derive(Clone, Debug)]
pub struct Column {
    quantiles: [f64; LEVELS.len()],
    /// By the exponent field.
    exponents: Vec<(usize, u64)>,
    zeros: u64,
    finite: u64,
}

impl Counter {
    /// For a step of so many values.
    pub(crate) fn new<T: Element>(values: u64) -> Self {
        let (patterns, exponents) = match T::IS_PATTERN {
            true => (1 << 16, 0),
            false => (0, EXPONENTS),
        };
        Self {
            patterns: vec![0; patterns],
            exponents: vec![0; exponents],
            zeros: 0,
            finite: 0,
            range: [f64::NAN; 2],
            kept: Vec::new(),
            every: every::<T>(values),
            next: 0,
        }
    }

    /// Adds values, which come in their order.
    pub(crate) fn add<T: Element>(&mut self, values: &[T::Raw]) {
        if T::IS_PATTERN {
            for &raw in values {
                self.patterns[usize::from(T::pattern(raw))] += 1;
            }
            return;
        }
        for &raw in values {
            let is_next = self.next == 0;
            self.next = if is_next { self.every } else { self.next } - 1;
            if !T::is_finite(raw) {
                continue;
            }
            let value = T::value(raw);
            self.count(value, 1);
            let [min, max] = self.range;
            self.range = [min.min(value), max.max(value)];
            if is_next {
                self.kept.push(value);
            }
        }
    }

    fn count(&mut self, value: f64, count: u64) {
        self.finite += count;
        if value == 0.0 {
            self.zeros += count;
        } else {
            self.exponents[exponent_field(value)] += count;
        }
    }

    pub(crate) fn finish<T: Element>(mut self) -> Column {
        let quantiles = if T::IS_PATTERN {
            self.exponents = vec![0; EXPONENTS];
            self.of_patterns::<T>()
        } else {
            self.of_kept()
        };
        let exponents = self.exponents.into_iter().enumerate();
        Column {
            quantiles,
            exponents: exponents.filter(|(_, count)| *count > 0).collect(),
            zeros: self.zeros,
            finite: self.finite,
        }
    }

    fn of_patterns<T: Element>(&mut self) -> [f64; LEVELS.len()] {
        let patterns = std::mem::take(&mut self.patterns);
        // From the least value to the greatest, each with the number of those up to it.
        let mut up_to = Vec::new();
        for raw in (0..=u16::MAX).map(T::of_rank) {
            let count = patterns[usize::from(T::pattern(raw))];
            if count > 0 && T::is_finite(raw) {
                self.count(T::value(raw), count);
                up_to.push((T::value(raw), self.finite));
            }
        }
        LEVELS.map(|level| {
            let rank = rank(level, self.finite);
            let at = up_to.partition_point(|(_, up_to)| *up_to <= rank);
            up_to.get(at).map_or(f64::NAN, |(value, _)| *value)
        })
    }

    fn of_kept(&mut self) -> [f64; LEVELS.len()] {
        let mut kept = std::mem::take(&mut self.kept);
        let [min, max] = self.range;
        kept.sort_unstable_by(f64::total_cmp);
        LEVELS.map(|level| match level {
            0.0 => min,
            1.0 => max,
            _ => {
                let rank = usize::try_from(rank(level, kept.len() as u64)).unwrap_or(usize::MAX);
                kept.get(rank).copied().unwrap_or(f64::NAN)
            }
        })
    }
}

/// Every so manyth value of a step is kept, of which it has so many.
pub(crate) fn every<T: Element>(values: u64) -> u64 {
    match T::IS_PATTERN {
        true => 1,
        false => values.div_ceil(MOST_KEPT).max(1),
    }
}

/// The place of a quantile among `count` values, from 0 on.
fn rank(level: f64, count: u64) -> u64 {
    let above = (level * count as f64).ceil();
    // It is not negative, and no larger than `count`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let above = above as u64;
    above.max(1) - 1
}

fn exponent_field(number: f64) -> usize {
    // 11 bits, so nothing is cut off.
    usize::try_from(number.to_bits() >> 52 & 0x7FF).unwrap_or(0)
}

/// A share of the finite values of a step.
#[allow(
    clippy::cast_possible_truncation,
    reason = "rounded: it becomes a colour"
)]
fn share(count: u64, column: &Column) -> f32 {
    (count as f64 / column.finite.max(1) as f64) as f32
}

impl Spread {
    pub(crate) fn without_exponents(self) -> Self {
        let exponents = Shades::default();
        Self { exponents, ..self }
    }

    /// The steps and what was counted of each, in their order.
    pub fn new(columns: &[(u64, Column)], every: u64) -> Self {
        let present = columns.iter().flat_map(|(_, column)| &column.exponents);
        let present = present.map(|(field, _)| *field);
        let range = present.clone().min().zip(present.max());
        let (first, rows, each) = match range {
            None => (0, 0, 1),
            Some((first, last)) => {
                let each = (last - first + 1).div_ceil(MOST_ROWS);
                (first, (last - first) / each + 1, each)
            }
        };
        let mut exponents = vec![bf16::ZERO; rows * columns.len()];
        for (number, (_, column)) in columns.iter().enumerate() {
            let rows = column
                .exponents
                .chunk_by(|a, b| (a.0 - first) / each == (b.0 - first) / each);
            for row in rows {
                let count = row.iter().map(|(_, count)| count).sum();
                let at = (row[0].0 - first) / each * columns.len() + number;
                exponents[at] = bf16::from_f32(share(count, column));
            }
        }
        let quantile = |level: usize| {
            columns
                .iter()
                .map(move |(_, column)| column.quantiles[level])
        };
        Self {
            steps: Doubles(columns.iter().map(|(step, _)| *step as f64).collect()),
            quantiles: (0..LEVELS.len())
                .map(|level| Doubles(quantile(level).collect()))
                .collect(),
            every,
            from_exponent: i32::try_from(first).unwrap_or(0) - 1023,
            exponents_each: each as u64,
            exponents: Shades(exponents),
            zeros: Singles(
                columns
                    .iter()
                    .map(|(_, column)| share(column.zeros, column))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::element::{Bf16, F16};

    fn column<T: Element>(values: &[T::Raw]) -> Column {
        let mut counter = Counter::new::<T>(values.len() as u64);
        let (first, second) = values.split_at(values.len() / 2);
        counter.add::<T>(first);
        counter.add::<T>(second);
        counter.finish::<T>()
    }

    proptest! {
        /// The quantiles of all patterns are those of the sorted values.
        #[test]
        fn quantiles_are_values_of_the_step(bits in prop::collection::vec(any::<u16>(), 1..60)) {
            fn check<T: Element<Raw = [u8; 2]>>(bits: &[u16]) {
                let raw: Vec<[u8; 2]> = bits.iter().map(|bits| bits.to_le_bytes()).collect();
                let finite = raw.iter().filter(|raw| T::is_finite(**raw));
                let mut values: Vec<f64> = finite.map(|raw| T::value(*raw)).collect();
                values.sort_unstable_by(f64::total_cmp);
                let found = column::<T>(&raw);
                let wide: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
                let naive = column::<f64>(&wide);
                assert_eq!(found.finite, values.len() as u64);
                assert_eq!(found.exponents, naive.exponents);
                if !values.is_empty() {
                    assert_eq!(found.quantiles, naive.quantiles);
                    assert_eq!(found.quantiles[4], values[values.len().div_ceil(2) - 1]);
                }
            }
            check::<Bf16>(&bits);
            check::<F16>(&bits);
            check::<i16>(&bits);
        }
    }

    #[test]
    fn every_so_manyth_value_of_a_large_step() {
        let values: Vec<[u8; 4]> = (0..200_000_u32).map(|n| (n as f32).to_le_bytes()).collect();
        let found = column::<f32>(&values);
        assert_eq!((every::<f32>(200_000), found.finite), (4, 200_000));
        assert_eq!(found.quantiles[4], 99_996.0);
        assert_eq!((found.quantiles[0], found.quantiles[8]), (0.0, 199_999.0));
        let spread = Spread::new(&[(7, found)], 4);
        let share = bf16::from_f32(65_536.0 / 200_000.0);
        assert_eq!((spread.from_exponent, spread.exponents.0.len()), (0, 18));
        assert_eq!(spread.exponents.0[16], share);
    }
}
