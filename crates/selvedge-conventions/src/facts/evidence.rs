//! What the values of a 16-bit tensor say about the dtype that was meant.
//!
//! Both count bit patterns, so that no value is converted, and both add up over the parts of a
//! tensor.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Counts over the values of a `uint16` tensor, read as the bfloat16 that they may be.
///
/// Numbers that a network computes with mostly lie between 2⁻⁴⁰ and 2²⁰ and have both signs, and all of
/// them, small gradients and their squares, lie between 2⁻¹⁰⁰ and 2²⁰. Whole numbers are spread
/// otherwise: read as bfloat16, those below 3,456 are smaller than 2⁻¹⁰⁰, and those from 18,816 to
/// 32,767 are larger than 2²⁰.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uint16Evidence {
    /// Values that were looked at.
    pub values: u64,
    /// Zeros of either sign.
    pub zeros: u64,
    /// Values, not zero, whose magnitude as bfloat16 is from 2⁻⁴⁰ to 2²⁰.
    pub moderate: u64,
    /// Values, not zero, whose magnitude as bfloat16 is from 2⁻¹⁰⁰ to 2²⁰.
    pub wide: u64,
    /// Values with the sign bit, zeros aside.
    pub negative: u64,
    /// The exponents that they have as bfloat16, as stored, added up; zeros aside.
    pub exponents: u64,
    /// Their squares, added up.
    pub squared_exponents: u64,
}

impl Uint16Evidence {
    /// Counts the bits of values.
    #[must_use]
    pub fn of(bits: impl IntoIterator<Item = u16>) -> Self {
        const BIAS: u16 = 127;
        let mut counts = Self::default();
        for bits in bits {
            let exponent = (bits >> 7) & 0xFF;
            counts.values += 1;
            if bits & 0x7FFF == 0 {
                counts.zeros += 1;
                continue;
            }
            counts.moderate += u64::from((BIAS - 40..=BIAS + 20).contains(&exponent));
            counts.wide += u64::from((BIAS - 100..=BIAS + 20).contains(&exponent));
            counts.negative += u64::from(bits & 0x8000 != 0);
            counts.exponents += u64::from(exponent);
            counts.squared_exponents += u64::from(exponent).pow(2);
        }
        counts
    }

    /// Whether these are numbers in bfloat16, beyond reasonable doubt.
    pub(crate) fn is_bfloat16(&self) -> bool {
        let nonzero = self.nonzero();
        let is_moderate = self.moderate >= nonzero / 10 * 9;
        nonzero >= 16
            && (is_moderate || self.is_wide())
            && self.negative >= nonzero / 10
            && self.is_narrow()
    }

    /// Whether these are numbers of one sign that may be bfloat16, such as squares, and may be whole
    /// ones: nobody can tell by the values alone.
    pub(crate) fn may_be_squares(&self) -> bool {
        self.nonzero() >= 16 && self.is_wide() && self.negative < self.nonzero() / 10
    }

    /// Whether these are indices, ids or counts, beyond reasonable doubt.
    pub(crate) fn is_integers(&self) -> bool {
        self.nonzero() >= 16 && !self.is_wide() && !self.is_bfloat16()
    }

    /// Whether the exponents deviate from their mean by 8 at most (standard deviation). Those of normal
    /// numbers do by 1.6, of gradients by up to 5. Read as bfloat16, the bits of float16 have three bits of
    /// the mantissa in the exponent, and deviate by 11 and more.
    fn is_narrow(&self) -> bool {
        let mean_of = |sum: u64| sum as f64 / self.nonzero() as f64;
        mean_of(self.squared_exponents) - mean_of(self.exponents).powi(2) <= 64.0
    }

    fn nonzero(&self) -> u64 {
        self.values.saturating_sub(self.zeros)
    }

    /// Whether nearly all values are such as a network computes with.
    fn is_wide(&self) -> bool {
        self.wide >= self.nonzero() / 20 * 19
    }
}

impl AddAssign for Uint16Evidence {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.zeros += other.zeros;
        self.moderate += other.moderate;
        self.wide += other.wide;
        self.negative += other.negative;
        self.exponents += other.exponents;
        self.squared_exponents += other.squared_exponents;
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

    /// The bits of bfloat16 for a few weights, of both signs and usual size.
    fn weights() -> impl Iterator<Item = u16> {
        (0..100).map(|index| 0x3C00 + index * 13 + if index % 2 == 0 { 0x8000 } else { 0 })
    }

    #[test]
    fn weights_and_indices_are_told_apart() {
        let weights = Uint16Evidence::of(weights().chain([0, 0x8000]));
        assert!(weights.is_bfloat16() && !weights.is_integers());
        let indices = Uint16Evidence::of(0..10_000);
        assert!(!indices.is_bfloat16() && indices.is_integers());
        // Neither: second moments are tiny and positive, and so are whole numbers from 3,456 on.
        let moments = Uint16Evidence::of((0..100).map(|index| 0x2700 + index * 7));
        assert!(!moments.is_bfloat16() && !moments.is_integers() && moments.may_be_squares());
        // Gradients of 1e-15, of both signs.
        let tiny = (0..100).map(|index| 0x2600 + index * 7 + ((index % 2) << 15));
        assert!(Uint16Evidence::of(tiny).is_bfloat16());
        // Sound around 32,768, and numbers of all sizes.
        let sound = Uint16Evidence::of((0..1000).map(|index| 0x8000 - 3000 + index * 6));
        assert!(!sound.is_bfloat16() && sound.is_integers());
        assert!(Uint16Evidence::of(0..=u16::MAX).is_integers());
        // The bits of float16: numbers between 2⁻⁸ and 4.
        let halves = (0..5000).map(|index| 0x1C00 + index * 2 + ((index % 2) << 15));
        let halves = Uint16Evidence::of(halves);
        assert!(!halves.is_bfloat16() && !halves.is_integers());
        let few = Uint16Evidence::of([0x3F80, 0xBF80]);
        assert!(!few.is_bfloat16() && !few.is_integers());
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
