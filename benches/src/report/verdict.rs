//! How sure a ratio is.
//!
//! Contenders take turns, so the rounds give pairs, and each pair a ratio. The interval is one of ranks: of `n` ratios
//! the `k`-th smallest to the `k`-th largest, which has the true median inside with the probability that a binomial
//! distribution of `n` fair coins has for it, whatever the ratios' distribution is. `k` is the largest with a
//! probability of at least [`CERTAINTY`]; of up to seven pairs it is 1, the whole range, and the certainty is what that
//! gives: 93.75 % for five.
//!
//! That alone would be wrong by chance in one of sixteen such rows, and noise comes in spells: five pairs in one of them
//! say the same, each by another amount. So a row is certain only if, besides, Student's t of the logarithms of the
//! ratios is beyond what chance reaches in one of a hundred: the ratios have to be as far from 1 as they are alike.

use std::fmt;

/// What an interval has to be worth, if there are enough pairs for it.
pub(super) const CERTAINTY: f64 = 0.99;

/// Fewer pairs than these decide nothing: of four, all fall on one side in one of eight runs by chance.
pub(super) const FEWEST_PAIRS: usize = 5;

/// A ratio taken pair by pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median of the pairs'.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many pairs there are.
    pub pairs: usize,
    /// Student's t of the logarithms of the pairs' ratios: how far their mean is from 0, in units of its own error.
    pub t: f64,
}

/// What is certain of a contender against the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It is the reference.
    Reference,
    /// The whole interval says that it is faster.
    Faster(Ratio),
    /// The whole interval says that it is slower.
    Slower(Ratio),
    /// Which of both is faster is not certain.
    Noise(Ratio),
    /// There is no pair: it failed.
    Unknown,
}

impl Ratio {
    /// The ratio of all `over[i] / under[i]`; `None` where there is no pair.
    #[must_use]
    pub fn of_pairs(over: &[f64], under: &[f64]) -> Option<Self> {
        let mut ratios: Vec<f64> = over.iter().zip(under).map(|(o, u)| o / u).collect();
        ratios.sort_by(f64::total_cmp);
        let cut = cut(ratios.len());
        Some(Self {
            median: crate::stats::median(&ratios)?,
            low: *ratios.get(cut)?,
            high: *ratios.get(ratios.len() - 1 - cut)?,
            pairs: ratios.len(),
            t: student(&ratios),
        })
    }

    /// Whether the interval leaves no doubt on which side of 1 the ratio is.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.pairs >= FEWEST_PAIRS
            && (self.low > 1.0 || self.high < 1.0)
            && self.t.abs() > critical(self.pairs)
    }

    /// The ratio the other way round.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self {
            median: 1.0 / self.median,
            low: 1.0 / self.high,
            high: 1.0 / self.low,
            pairs: self.pairs,
            t: -self.t,
        }
    }
}

/// Shows a ratio with its interval: `0.91 (0.85 to 0.97)`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = crate::table::factor;
        let Self {
            median, low, high, ..
        } = *self;
        let text = format!("{} ({} to {})", show(median), show(low), show(high));
        f.pad(&text)
    }
}

impl Verdict {
    /// The verdict on a ratio of speeds.
    #[must_use]
    pub fn of(ratio: Ratio) -> Self {
        match ratio {
            _ if !ratio.is_certain() => Self::Noise(ratio),
            _ if ratio.low > 1.0 => Self::Faster(ratio),
            _ => Self::Slower(ratio),
        }
    }

    /// The ratio, where there is one.
    #[must_use]
    pub fn ratio(self) -> Option<Ratio> {
        match self {
            Self::Faster(ratio) | Self::Slower(ratio) | Self::Noise(ratio) => Some(ratio),
            Self::Reference | Self::Unknown => None,
        }
    }

    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Faster(_) => "faster",
            Self::Slower(_) => "slower",
            Self::Noise(_) => "noise",
            Self::Unknown => "failed",
        }
    }
}

/// Student's t of the logarithms; without a spread, infinite on the side of the ratios.
fn student(ratios: &[f64]) -> f64 {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let count = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / count;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    if error > 0.0 {
        mean / error
    } else {
        mean.signum() * f64::INFINITY
    }
}

/// What t does not exceed by chance in 99 of 100 samples of so many pairs, to either side: a table of its distribution.
fn critical(pairs: usize) -> f64 {
    const TABLE: [f64; 11] = [
        4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055, 3.012, 2.977,
    ];
    let index = pairs.saturating_sub(FEWEST_PAIRS).min(TABLE.len() - 1);
    TABLE[index]
}

/// The probability that the median is inside an interval of `pairs` sorted values that leaves out `cut` at each end.
#[must_use]
pub(super) fn certainty(pairs: usize, cut: usize) -> f64 {
    let mut term = 0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX));
    let mut outside = 0.0;
    for left in 0..=cut {
        outside += term;
        term *= (pairs - left) as f64 / (left + 1) as f64;
    }
    1.0 - 2.0 * outside
}

/// How many values at each end the interval leaves out.
fn cut(pairs: usize) -> usize {
    let worth = |cut: &usize| certainty(pairs, *cut) >= CERTAINTY;
    (1..pairs / 2).take_while(worth).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Ratio, Verdict, certainty, cut};

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let ratio = Ratio::of_pairs(&[2.0, 30.0, 4.0], &[1.0, 10.0, 1.0]).unwrap();
        assert_eq!(ratio.to_string(), "3.00 (2.00 to 4.00)");
        assert_eq!(ratio.inverse().inverse(), ratio);
        assert_eq!(Ratio::of_pairs(&[1.0], &[]), None);
    }

    /// From the table of the sign test: of 5 pairs 2/32 are outside, of 12 and one left out 26/4096.
    #[test]
    fn intervals_are_worth_what_coins_say() {
        assert_eq!(certainty(5, 0), 1.0 - 2.0 / 32.0);
        assert!((certainty(12, 1) - (1.0 - 26.0 / 4096.0)).abs() < 1e-12);
        assert_eq!((cut(5), cut(11), cut(12), cut(15)), (0, 0, 1, 2));
    }

    #[test]
    fn a_pair_that_says_otherwise_makes_it_noise() {
        let of = |ratios: &[f64]| {
            Verdict::of(Ratio::of_pairs(ratios, &vec![1.0; ratios.len()]).unwrap())
        };
        assert_eq!(of(&[1.4, 1.5, 1.6, 1.5, 1.2]).word(), "faster");
        assert_eq!(of(&[0.4, 0.5, 0.6, 0.5, 0.7]).word(), "slower");
        assert_eq!(of(&[1.4, 1.5, 1.6, 1.5, 0.9]).word(), "noise");
        // Four pairs are too few, however far off they are.
        assert_eq!(of(&[9.0, 9.0, 9.0, 9.0]).word(), "noise");
        // All on one side, and so unlike each other that the next may be on the other.
        assert_eq!(of(&[0.2, 0.5, 0.87, 0.3, 0.8]).word(), "noise");
        // One of twelve may.
        let mut many = vec![2.0; 11];
        many.push(0.9);
        assert_eq!(of(&many).word(), "faster");
    }
}
