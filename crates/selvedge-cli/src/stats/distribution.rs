//! Where values lie: counts, least and greatest, sum, magnitudes.

use super::moments::{Deviations, Squares};
use super::quantiles::Quantiles;
use super::sample::Sample;
use super::{Magnitudes, Number, QuantileStats};

/// Powers of two that an `f64` can have as its exponent field.
const EXPONENTS: usize = 2048;
/// Bars of a histogram at most.
const BARS: u32 = 12;

/// Adds values up.
#[derive(Clone, Debug)]
pub(super) struct Distribution<T> {
    pub(super) nan: u64,
    pub(super) infinite: u64,
    pub(super) zeros: u64,
    finite: u64,
    range: Option<(T, T)>,
    sum: f64,
    squares: Squares,
    deviations: Deviations,
    quantiles: Quantiles,
    /// By the exponent field of the value as an `f64`.
    exponents: Vec<u64>,
}

impl<T: Sample> Distribution<T> {
    /// For `elements` values, or so many patterns of them.
    pub(super) fn new(elements: u64) -> Self {
        Self {
            nan: 0,
            infinite: 0,
            zeros: 0,
            finite: 0,
            range: None,
            sum: 0.0,
            squares: Squares::default(),
            deviations: Deviations::default(),
            quantiles: Quantiles::new(elements),
            exponents: vec![0; EXPONENTS],
        }
    }

    /// Adds `value` as often as `count` says.
    pub(super) fn add(&mut self, value: T, count: u64) {
        let number = value.to_f64();
        if !number.is_finite() {
            if number.is_nan() {
                self.nan += count;
            } else {
                self.infinite += count;
            }
            return;
        }
        self.finite += count;
        self.range = Some(match self.range {
            None => (value, value),
            Some((min, max)) => (
                if value < min { value } else { min },
                if value > max { value } else { max },
            ),
        });
        self.deviations.add(number, count);
        self.quantiles.add(number, count);
        if number == 0.0 {
            self.zeros += count;
            return;
        }
        self.sum += number * count as f64;
        self.squares.add(number, count);
        self.exponents[exponent_field(number)] += count;
    }

    pub(super) fn min(&self) -> Option<Number> {
        self.range.map(|(min, _)| min.number())
    }

    pub(super) fn max(&self) -> Option<Number> {
        self.range.map(|(_, max)| max.number())
    }

    /// None also where the sum is beyond `f64`.
    pub(super) fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.finite as f64;
        mean.is_finite().then_some(mean)
    }

    pub(super) fn std(&self) -> Option<f64> {
        self.deviations.std(self.finite)
    }

    pub(super) fn norm(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.squares.root())
    }

    pub(super) fn quantiles(&mut self) -> Option<QuantileStats> {
        self.quantiles.of(self.finite)
    }

    pub(super) fn magnitudes(&self) -> Option<Magnitudes> {
        let first = self.exponents.iter().position(|&count| count > 0)?;
        let last = self.exponents.iter().rposition(|&count| count > 0)?;
        let span = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
        let each = span.div_ceil(BARS);
        let counts = self.exponents[first..=last]
            .chunks(each as usize)
            .map(|exponents| exponents.iter().sum())
            .collect();
        // The bias of the exponent field; both are below 2048.
        let exponent = |field: usize| i32::try_from(field).unwrap_or(0) - 1023;
        Some(Magnitudes {
            from_exponent: exponent(first),
            to_exponent: exponent(last) + 1,
            exponents_each: each,
            counts,
        })
    }
}

fn exponent_field(number: f64) -> usize {
    // 11 bits, so nothing is cut off.
    usize::try_from(number.to_bits() >> 52 & 0x7FF).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Distribution;
    use crate::stats::{Magnitudes, Number};

    #[test]
    fn values_are_added_up() {
        let mut sum = Distribution::<f32>::new(14);
        for value in [0.5, -2.0, 0.0, -0.0, f32::NAN, f32::INFINITY, 0.75] {
            sum.add(value, 2);
        }
        assert_eq!((sum.nan, sum.infinite, sum.zeros), (2, 2, 4));
        assert_eq!(sum.min(), Some(Number::Float(-2.0)));
        assert_eq!(sum.max(), Some(Number::Float(0.75)));
        assert_eq!(sum.mean(), Some(-0.75 / 5.0));
        // `np.std` and `np.linalg.norm` of the ten finite ones.
        let close = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-12;
        assert!(close(sum.std(), 0.969_535_971_483_265_8), "{:?}", sum.std());
        assert!(close(sum.norm(), 3.102_418_411_497_714), "{:?}", sum.norm());
        let expected = Magnitudes {
            from_exponent: -1,
            to_exponent: 2,
            exponents_each: 1,
            counts: vec![4, 0, 2],
        };
        assert_eq!(sum.magnitudes(), Some(expected));
    }

    #[test]
    fn without_a_finite_value_there_is_no_mean() {
        let mut sum = Distribution::<f64>::new(4);
        sum.add(f64::NAN, 1);
        assert_eq!(
            (
                sum.min(),
                sum.mean(),
                sum.magnitudes(),
                sum.std(),
                sum.norm()
            ),
            (None, None, None, None, None)
        );
        sum.add(f64::MAX, 2);
        assert_eq!(sum.mean(), None);
    }

    #[test]
    fn a_wide_range_has_bars_of_several_powers() {
        let mut sum = Distribution::<f64>::new(4);
        sum.add(1e-30, 1);
        sum.add(1e30, 3);
        let magnitudes = sum.magnitudes().unwrap();
        assert!(magnitudes.counts.len() <= 12, "{magnitudes:?}");
        assert_eq!(magnitudes.counts.iter().sum::<u64>(), 4);
        assert_eq!(magnitudes.exponents_each, 17);
    }
}
