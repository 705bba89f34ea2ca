//! What the values of a 16-bit tensor say about the dtype that was meant.
//!
//! Both count bit patterns, so that no value is converted, and both add up over the parts of a
//! tensor.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Counts over the values of a `uint16` tensor, read as the bfloat16 that they may be.
///
/// Measured numbers are spread over several powers of two, and then their mantissas follow Benford's law: from
/// 1 to 1.5 are 58.5 % of them. Whole numbers go on evenly from one power of two of bfloat16 to the next, which
/// is 128 further, and so half of them are there. Numbers of both signs have the same exponents on both sides;
/// whole numbers do not, since their sign bit says that they are larger than 32,767.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uint16Evidence {
    /// Values that were looked at.
    pub values: u64,
    /// Zeros of either sign.
    pub zeros: u64,
    /// Infinities, the NaN that calculations give, and the largest number, which stands for infinity in masks.
    pub special: u64,
    /// Values below 2⁻¹²⁶ in magnitude, zeros aside: as whole numbers those below 128.
    pub subnormal: u64,
    /// The exponents of all others that are positive.
    pub positive: Exponents,
    /// The exponents of all others that are negative.
    pub negative: Exponents,
    /// How many of these mantissas lie in each sixteenth of the way from 1 to 2.
    pub mantissas: [u64; 16],
}

/// Sums over exponents as bfloat16 stores them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exponents {
    /// How many they are.
    pub count: u64,
    /// The sum of the exponents.
    pub sum: u64,
    /// The sum of their squares.
    pub squares: u64,
    /// The sum of their cubes.
    pub cubes: u64,
}

impl Exponents {
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    fn variance(&self) -> f64 {
        self.squares as f64 / self.count as f64 - self.mean().powi(2)
    }

    fn skewness(&self) -> f64 {
        let (mean, variance) = (self.mean(), self.variance());
        let third = self.cubes as f64 / self.count as f64 - 3.0 * mean * variance - mean.powi(3);
        third / variance.powf(1.5)
    }
}

impl AddAssign for Exponents {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        self.cubes += other.cubes;
    }
}

impl Uint16Evidence {
    /// Fewer values than these say nothing.
    const FEWEST: u64 = 16;
    const BIAS: f64 = 127.0;

    /// Counts the bits of values.
    #[must_use]
    pub fn of(bits: impl IntoIterator<Item = u16>) -> Self {
        let mut counts = Self::default();
        for bits in bits {
            let exponent = u64::from((bits >> 7) & 0xFF);
            counts.values += 1;
            match bits & 0x7FFF {
                0 => counts.zeros += 1,
                0x7F7F | 0x7F80 | 0x7FC0 => counts.special += 1,
                1..0x80 => counts.subnormal += 1,
                _ => {
                    let side = match bits >> 15 {
                        0 => &mut counts.positive,
                        _ => &mut counts.negative,
                    };
                    *side += Exponents {
                        count: 1,
                        sum: exponent,
                        squares: exponent.pow(2),
                        cubes: exponent.pow(3),
                    };
                    counts.mantissas[usize::from((bits >> 3) & 0xF)] += 1;
                }
            }
        }
        counts
    }

    /// Whether these are numbers of both signs in bfloat16, beyond reasonable doubt.
    pub(crate) fn is_bfloat16(&self) -> bool {
        // Evenly distributed numbers, as weights are before training, do not follow Benford's law, but each
        // power of two has half as many as the next; those of float16 have wider exponents.
        let is_halving = || {
            let all = self.exponents();
            all.variance() <= 9.0 && all.skewness() <= -1.0
        };
        self.has_equal_signs(0.25) && (self.is_measured() || is_halving())
    }

    /// Whether these may be numbers of both signs in bfloat16.
    pub(crate) fn may_be_bfloat16(&self) -> bool {
        let is_narrow = || self.is_wide() && self.exponents().variance() <= 64.0;
        self.is_bfloat16()
            || (self.share_of_negative() >= 0.1 && self.is_measured())
            || (self.has_equal_signs(0.1) && is_narrow())
    }

    /// Whether these are numbers of one sign in bfloat16, such as squares, by all that values can say.
    pub(crate) fn is_squares(&self) -> bool {
        // Whole numbers below 3,456 that become rarer as they grow can look so, and are below 2⁻¹⁰⁰.
        self.may_be_squares() && self.is_measured() && self.exponents().variance() <= 100.0
    }

    /// Whether these are numbers of one sign that may be bfloat16, and may be whole ones.
    pub(crate) fn may_be_squares(&self) -> bool {
        self.share_of_negative() < 0.1 && (self.is_wide() || self.is_measured())
    }

    /// Whether there is enough to tell measured numbers from whole ones by.
    pub(crate) fn is_telling(&self) -> bool {
        self.exponents().count + self.subnormal >= Self::FEWEST
    }

    fn exponents(&self) -> Exponents {
        let mut all = self.positive;
        all += self.negative;
        all
    }

    fn share_of_negative(&self) -> f64 {
        self.negative.count as f64 / self.exponents().count as f64
    }

    /// Whether each sign has `least` of the values, and both have about the same exponents.
    fn has_equal_signs(&self, least: f64) -> bool {
        let apart = (self.positive.mean() - self.negative.mean()).abs();
        self.exponents().count >= Self::FEWEST
            && (least..=1.0 - least).contains(&self.share_of_negative())
            && apart <= 1.0
            && self.exponents().mean() <= Self::BIAS + 20.0
    }

    /// Whether the mantissas follow Benford's law: whole numbers deviate by 6 % and mostly 9 %.
    fn is_measured(&self) -> bool {
        let all = self.exponents();
        let expected = (16..32).map(|at| (f64::from(at + 1) / f64::from(at)).log2());
        let deviations = expected
            .zip(self.mantissas)
            .map(|(expected, found)| (found as f64 / all.count as f64 - expected).abs());
        all.count >= Self::FEWEST
            && all.mean() <= Self::BIAS + 20.0
            && deviations.sum::<f64>() / 2.0 <= 0.05
    }

    /// Whether the mean is such as a network computes with, from 2⁻¹⁰⁰ to 2²⁰, and most values are.
    fn is_wide(&self) -> bool {
        let all = self.exponents();
        let deviation = all.variance().sqrt();
        let sizes = Self::BIAS - 100.0..=Self::BIAS + 20.0;
        all.count >= Self::FEWEST
            && self.subnormal <= all.count / 20
            && sizes.contains(&(all.mean() - deviation))
            && sizes.contains(&(all.mean() + deviation))
    }
}

impl AddAssign for Uint16Evidence {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.zeros += other.zeros;
        self.special += other.special;
        self.subnormal += other.subnormal;
        self.positive += other.positive;
        self.negative += other.negative;
        for (own, other) in self.mantissas.iter_mut().zip(other.mantissas) {
            *own += other;
        }
    }
}

/// Counts over the values of a float16 tensor: whether they were bfloat16 once, and what the
/// conversion did to them.
///
/// bfloat16 has 8 significant bits, float16 has 11 down to 2⁻¹⁴ and one fewer for each halving below.
/// So from 2⁻¹⁷ upwards it holds every bfloat16 number, and values that never need more than 8 bits
/// there were bfloat16; below, most lost some bits on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Float16Evidence {
    /// Values that were looked at.
    pub values: u64,
    /// Zeros of either sign, among them what underflowed.
    pub zeros: u64,
    /// Values below 2⁻¹⁷ in magnitude, zeros aside: float16 holds them with less than 8 bits.
    pub tiny: u64,
    /// Values from 2⁻¹⁷ upwards that bfloat16 holds exactly.
    pub short: u64,
    /// How many of those use all 8 significant bits of bfloat16: half of any measured numbers
    /// do, and hardly any of masks, labels and counts.
    pub full: u64,
    /// Values from 2⁻¹⁷ upwards that bfloat16 does not hold.
    pub long: u64,
    /// Infinities, among them what overflowed: float16 ends at 65,504.
    pub infinite: u64,
    /// NaNs.
    pub nan: u64,
}

impl Float16Evidence {
    /// Counts the bits of values.
    #[must_use]
    pub fn of(bits: impl IntoIterator<Item = u16>) -> Self {
        let mut counts = Self::default();
        for bits in bits {
            counts.values += 1;
            let (exponent, fraction) = ((bits >> 10) & 0x1F, bits & 0x03FF);
            // With the bit that normal numbers do not store.
            let significand = if exponent == 0 {
                fraction
            } else {
                fraction | 0x0400
            };
            // The bits that are beyond the 8 of bfloat16.
            let beyond = (u16::BITS - significand.leading_zeros()).saturating_sub(8);
            let is_short = significand.trailing_zeros() >= beyond;
            let count = match (exponent, fraction) {
                (0, 0) => &mut counts.zeros,
                (0, ..0x80) => &mut counts.tiny,
                (0x1F, 0) => &mut counts.infinite,
                (0x1F, _) => &mut counts.nan,
                _ if is_short => {
                    counts.full += u64::from(significand.trailing_zeros() == beyond);
                    &mut counts.short
                }
                _ => &mut counts.long,
            };
            *count += 1;
        }
        counts
    }

    /// Whether the values were bfloat16 once: of float16's own, seven in eight use the last three
    /// bits. Small whole numbers use neither those nor the last of bfloat16, and so prove nothing.
    pub(crate) fn was_bfloat16(&self) -> bool {
        self.long == 0 && self.full >= 16 && self.full >= self.short / 4
    }

    /// Whether the values are float16's own.
    pub(crate) fn is_float16(&self) -> bool {
        self.long > 0
    }
}

impl AddAssign for Float16Evidence {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.zeros += other.zeros;
        self.tiny += other.tiny;
        self.short += other.short;
        self.full += other.full;
        self.long += other.long;
        self.infinite += other.infinite;
        self.nan += other.nan;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of bfloat16 for numbers that are spread evenly over ten powers of two, from 2⁻⁸ on.
    fn measured(count: u16) -> impl Iterator<Item = u16> {
        (0..count).map(move |at| {
            let number = (f32::from(at) / f32::from(count) * 10.0 - 8.0).exp2();
            (number.to_bits() >> 16) as u16
        })
    }

    fn signed(bits: impl Iterator<Item = u16>) -> impl Iterator<Item = u16> {
        bits.zip([0, 0x8000].into_iter().cycle())
            .map(|(bits, sign)| bits | sign)
    }

    #[test]
    fn measured_numbers_and_whole_ones_are_told_apart() {
        let weights = Uint16Evidence::of(signed(measured(1000)));
        assert!(weights.is_bfloat16() && !weights.may_be_squares());
        let squares = Uint16Evidence::of(measured(1000));
        assert!(squares.is_squares() && !squares.may_be_bfloat16());
        // Evenly distributed weights.
        let even = (1..1000_u16).map(|at| ((f32::from(at) / 16_000.0).to_bits() >> 16) as u16);
        assert!(Uint16Evidence::of(signed(even)).is_bfloat16());
        // A run that diverged, a mask of -inf, and numbers that nearly vanished.
        let rest = [0x7FC0, 0xFF80, 0xFF7F, 0x000B].repeat(300);
        assert!(Uint16Evidence::of(signed(measured(1000)).chain(rest)).is_bfloat16());
        let few = Uint16Evidence::of([0x3F80, 0xBF80]);
        assert!(!few.may_be_bfloat16() && !few.is_telling());
    }

    #[test]
    fn whole_numbers_are_no_measured_ones() {
        // Counts, a camera, a scanned page (dark and light), sound around 32,768, labels, all, and the bits of
        // float16 from 2⁻⁸ to 4.
        let page = (14_700..15_300).chain((47_400..48_600).cycle().take(6000));
        let halves = (0..5000).map(|at| 0x1C00 + at * 2 + ((at % 2) << 15));
        let kinds: [Vec<u16>; 7] = [
            (4000..9000).collect(),
            (15_100..16_900).collect(),
            page.collect(),
            (29_000..36_000).collect(),
            (0..1000).collect(),
            (0..=u16::MAX).collect(),
            halves.collect(),
        ];
        for kind in kinds {
            let first = kind[0];
            let found = Uint16Evidence::of(kind);
            assert!(
                !found.may_be_bfloat16() && !found.is_squares(),
                "{first}: {found:?}"
            );
            assert!(found.is_telling());
        }
    }

    #[test]
    fn values_that_were_bfloat16_are_recognised() {
        let rounded = Float16Evidence::of((0..100).map(|index| 0x3C00 + index * 8).chain([0x7C00]));
        assert!(rounded.was_bfloat16() && !rounded.is_float16());
        assert_eq!((rounded.short, rounded.infinite), (100, 1));
        // A mask, and the whole numbers from 1 to 8.
        let ones = Float16Evidence::of([0x3C00, 0].repeat(100));
        assert!(!ones.was_bfloat16() && !ones.is_float16());
        let small = [
            0x3C00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800,
        ];
        assert!(!Float16Evidence::of(small.repeat(100)).was_bfloat16());
        let own = Float16Evidence::of(0x3C00..0x3C64);
        assert!(!own.was_bfloat16() && own.is_float16());
    }

    #[test]
    fn every_pattern_is_counted_once_and_parts_add_up() {
        let all = Float16Evidence::of(0..=u16::MAX);
        let Float16Evidence {
            values,
            zeros,
            tiny,
            short,
            full,
            long,
            infinite,
            nan,
        } = all;
        assert_eq!(values, 65_536);
        assert_eq!(zeros + tiny + short + long + infinite + nan, values);
        assert_eq!((zeros, infinite, nan), (2, 2, 2046));
        // From 2⁻¹⁷ on, 2 signs × 33 powers of two × the 128 numbers of bfloat16, and half of them.
        assert_eq!((short, full), (8448, 4224));
        let mut sum = Float16Evidence::of(0..1000);
        sum += Float16Evidence::of(1000..=u16::MAX);
        assert_eq!(sum, all);
        let mut sum = Uint16Evidence::of(0..1000);
        sum += Uint16Evidence::of(1000..=u16::MAX);
        assert_eq!(sum, Uint16Evidence::of(0..=u16::MAX));
    }
}
