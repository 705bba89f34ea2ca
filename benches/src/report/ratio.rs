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

use super::Report;
use crate::numbers::{factor, median};

/// What an interval has to be worth, if there are enough pairs for it.
const CERTAINTY: f64 = 0.99;
/// Fewer pairs than these decide nothing: of four, all fall on one side in one of eight runs by chance.
const FEWEST_PAIRS: usize = 5;
/// A ratio beyond this, either way, is a claim: two runs on the same machine have to agree on its side.
const CLAIM: f64 = 1.3;

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

impl Ratio {
    /// The ratio of all `over[i] / under[i]`; `None` where there is no pair.
    pub fn of_pairs(over: &[f64], under: &[f64]) -> Option<Self> {
        let mut ratios: Vec<f64> = over.iter().zip(under).map(|(o, u)| o / u).collect();
        ratios.sort_by(f64::total_cmp);
        let cut = cut(ratios.len());
        Some(Self {
            median: median(&ratios)?,
            low: *ratios.get(cut)?,
            high: *ratios.get(ratios.len() - 1 - cut)?,
            pairs: ratios.len(),
            t: student(&ratios),
        })
    }

    /// Whether it is certainly above 1, `true`, or below; `None` where this run does not tell.
    pub fn side(&self) -> Option<bool> {
        let is_certain = self.pairs >= FEWEST_PAIRS
            && (self.low > 1.0 || self.high < 1.0)
            && self.t.abs() > critical(self.pairs);
        is_certain.then_some(self.low > 1.0)
    }

    /// What is said of it in a word.
    pub fn word(&self) -> &'static str {
        match self.side() {
            Some(true) => "faster",
            Some(false) => "slower",
            None => "noise",
        }
    }

    fn is_claim(&self) -> bool {
        self.side().is_some() && !(1.0 / CLAIM..=CLAIM).contains(&self.median)
    }
}

/// Shows a ratio with its interval: `0.91 (0.85 to 0.97)`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, low, high] = [self.median, self.low, self.high].map(factor);
        f.pad(&format!("{median} ({low} to {high})"))
    }
}

/// What [`Pair::verdict`] calls reports that are sure of opposites.
pub const CONTRADICTION: &str = "CONTRADICTION";

/// What two reports say of one row.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Group and contender.
    pub row: String,
    /// What the first says, and the second.
    pub ratios: [Ratio; 2],
}

impl Pair {
    /// What becomes of a claim that one of them makes: the other agrees, calls it noise, or is as sure of the opposite.
    /// `None` where neither makes one.
    pub fn verdict(&self) -> Option<&'static str> {
        self.ratios.iter().find(|ratio| ratio.is_claim())?;
        Some(match self.ratios.map(|ratio| ratio.side()) {
            [Some(a), Some(b)] if a != b => CONTRADICTION,
            [Some(_), Some(_)] => "agreed",
            _ => "doubt",
        })
    }
}

/// Every row that both reports have, but references and those that failed in either.
pub fn compare(a: &Report, b: &Report) -> Vec<Pair> {
    let groups = a.groups.iter();
    let groups = groups.filter_map(|first| Some((first, b.group(&first.name)?)));
    let rows = groups.flat_map(|(first, second)| {
        first.rows.iter().filter_map(|row| {
            let other = second.verdict(second.row(&row.name)?)?;
            Some(Pair {
                row: format!("{}, {}", first.name, row.name),
                ratios: [first.verdict(row)?, other],
            })
        })
    });
    rows.collect()
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
    use super::{CONTRADICTION, Pair, Ratio, certainty, cut};

    fn of(ratios: &[f64]) -> Ratio {
        Ratio::of_pairs(ratios, &vec![1.0; ratios.len()]).unwrap()
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let ratio = Ratio::of_pairs(&[2.0, 30.0, 4.0], &[1.0, 10.0, 1.0]).unwrap();
        assert_eq!(ratio.to_string(), "3.00 (2.00 to 4.00)");
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

    #[test]
    fn a_claim_is_contradicted_only_by_certainty() {
        let pair = |a: [f64; 3], b: [f64; 3]| Pair {
            row: String::new(),
            ratios: [a, b].map(|[low, median, high]| Ratio {
                median,
                low,
                high,
                pairs: 9,
                t: 9.0,
            }),
        };
        let verdict = |a, b| pair(a, b).verdict();
        let (faster, slower) = ([1.2, 1.5, 1.6], [0.6, 0.9, 0.95]);
        assert_eq!(verdict(faster, slower), Some(CONTRADICTION));
        assert_eq!(verdict(slower, faster), Some(CONTRADICTION));
        // What calls itself noise contradicts nothing, and is told as doubt.
        assert_eq!(verdict(faster, [0.6, 0.7, 1.1]), Some("doubt"));
        // Both certain, and neither beyond 1.3: no claim.
        assert_eq!(verdict([1.01, 1.1, 1.2], [0.8, 0.9, 0.95]), None);
        assert_eq!(verdict(faster, [1.01, 1.05, 1.1]), Some("agreed"));
    }
}
