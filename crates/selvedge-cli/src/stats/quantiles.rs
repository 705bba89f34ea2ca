//! Quantiles, in memory that does not grow with the tensor.

use super::QuantileStats;

/// What is told: the median, the quartiles, and what all but the ends lies between.
pub(super) const SHARES: [f64; 5] = [0.01, 0.25, 0.5, 0.75, 0.99];

/// So many numbers are kept, each with how often it came, and sorted: quantiles are exact then.
const KEPT: u64 = 1 << 20;
/// Where there are more, those are counted together that have the first so many bits in common: the sign, the exponent and
/// the first 8 bits of the mantissa. So a quantile is off by less than 1 in 256.
const BITS: u32 = 20;

/// Counts finite numbers.
#[derive(Clone, Debug)]
pub(super) enum Quantiles {
    Kept(Vec<(f64, u64)>),
    Counted(Vec<u64>),
}

impl Quantiles {
    /// For `elements` numbers, or so many that differ.
    pub(super) fn new(elements: u64) -> Self {
        match elements {
            0..=KEPT => Self::Kept(Vec::new()),
            _ => Self::Counted(vec![0; 1 << BITS]),
        }
    }

    /// Adds `number` as often as `count` says.
    pub(super) fn add(&mut self, number: f64, count: u64) {
        match self {
            Self::Kept(numbers) => numbers.push((number, count)),
            Self::Counted(counts) => {
                let bin = usize::try_from(ordered(number) >> (64 - BITS)).unwrap_or(0);
                counts[bin] += count;
            }
        }
    }

    /// The quantiles of what was added, of `count` numbers; None where there are none.
    pub(super) fn of(&mut self, count: u64) -> Option<QuantileStats> {
        let last = count.checked_sub(1)?;
        let is_exact = matches!(self, Self::Kept(_));
        let numbers: Vec<(f64, u64)> = match self {
            Self::Kept(numbers) => {
                numbers.sort_unstable_by(|one, two| one.0.total_cmp(&two.0));
                std::mem::take(numbers)
            }
            Self::Counted(counts) => {
                let bins = (0_u64..)
                    .zip(counts.iter())
                    .filter(|(_, count)| **count > 0);
                // The middle of those that are counted together.
                let middle = |bin: u64| from_ordered(bin << (64 - BITS) | 1 << (63 - BITS));
                bins.map(|(bin, &count)| (middle(bin), count)).collect()
            }
        };
        // Between two numbers as `np.quantile` has it.
        let values = SHARES.map(|share| {
            let place = share * last as f64;
            let below = place.floor();
            let [one, two] = [below, below + 1.0].map(|place| nth(&numbers, place));
            one + (two - one) * (place - below)
        });
        Some(QuantileStats {
            shares: SHARES,
            values,
            is_exact,
        })
    }
}

/// The number at a place of all of them, sorted; the last one beyond.
fn nth(numbers: &[(f64, u64)], place: f64) -> f64 {
    let mut before = 0_u64;
    let found = numbers.iter().find(|(_, count)| {
        before += count;
        (before as f64) > place
    });
    found
        .or(numbers.last())
        .map_or(f64::NAN, |(number, _)| *number)
}

/// Bits that are ordered as the numbers are.
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    let sign = bits >> 63;
    // Of negative numbers all bits turn round.
    bits ^ (sign.wrapping_neg() | 1 << 63)
}

fn from_ordered(bits: u64) -> f64 {
    let is_negative = bits >> 63 == 0;
    f64::from_bits(if is_negative { !bits } else { bits ^ 1 << 63 })
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Quantiles, from_ordered, ordered};

    #[test]
    fn order_is_that_of_the_bits() {
        let sorted = [f64::MIN, -1.5, -1e-300, 0.0, 1e-300, 1.0, 1.5, f64::MAX];
        assert!(
            sorted
                .windows(2)
                .all(|pair| ordered(pair[0]) < ordered(pair[1]))
        );
        assert!(
            sorted
                .iter()
                .all(|&number| from_ordered(ordered(number)) == number)
        );
    }

    /// Numbers 0 to 999, in another order, and 0 and 999 with several copies: as `np.quantile` has them.
    #[test]
    fn quantiles_are_those_of_numpy_or_close() {
        for elements in [1000, KEPT + 1] {
            let mut quantiles = Quantiles::new(elements);
            for number in 0..1000_u32 {
                quantiles.add(f64::from(number * 7 % 1000), 1);
            }
            let found = quantiles.of(1000).unwrap();
            assert_eq!(found.is_exact, elements == 1000);
            for (value, expected) in found
                .values
                .into_iter()
                .zip([9.99, 249.75, 499.5, 749.25, 989.01])
            {
                let off = (value - expected).abs() / expected;
                let most = if found.is_exact { 1e-12 } else { 1.0 / 256.0 };
                assert!(off <= most, "{value} for {expected}");
            }
        }
        assert!(Quantiles::new(1).of(0).is_none());
    }
}
