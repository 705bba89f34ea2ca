//! Units in the last place: how far apart `bf16` numbers lie, and how far apart two of them are.

use half::bf16;

/// The bits of a positive infinity; every smaller magnitude is finite, every larger one a NaN.
pub(crate) const INFINITY_BITS: u16 = 0x7F80;
/// All bits but the sign.
pub(crate) const MAGNITUDE: u16 = 0x7FFF;
/// Bits of the significand that are stored: the precision is one more, 8.
const MANTISSA_BITS: u16 = 7;

/// The unit in the last place of `x`: the gap from `x` to the next `bf16` of larger magnitude.
///
/// The result is exact and positive. For 2<sup>e</sup> ≤ |x| < 2<sup>e+1</sup> it is 2<sup>max(e,
/// −126) − 7</sup>; this is Goldberg's definition in J.-M. Muller, "On the definition of ulp(x)"
/// (INRIA RR-5504, 2005), for precision 8 and with −126 as the smallest exponent. The edge cases
/// are those of Java's `Math.ulp` and Python's `math.ulp`:
///
/// | `x` | `ulp(x)` |
/// |---|---|
/// | ±0 and subnormals | 2<sup>−133</sup>, the smallest positive `bf16` |
/// | ±`bf16::MAX` | 2<sup>120</sup>, the gap to the value below: above there is only infinity |
/// | ±infinity | infinity |
/// | NaN | NaN |
///
/// ```
/// use selvedge_bf16::{bf16, ulp};
/// assert_eq!(ulp(bf16::ONE), bf16::EPSILON);
/// assert_eq!(ulp(bf16::from_f32(-300.0)), bf16::from_f32(2.0));
/// assert_eq!(ulp(bf16::ZERO), bf16::MIN_POSITIVE_SUBNORMAL);
/// ```
#[must_use]
pub fn ulp(x: bf16) -> bf16 {
    let magnitude = x.to_bits() & MAGNITUDE;
    let exponent = magnitude >> MANTISSA_BITS;
    bf16::from_bits(match exponent {
        // ±0 and subnormals are spaced as the numbers of the smallest normal exponent are.
        0 => 1,
        // The result is itself subnormal: 2^(exponent − 134) is 2^(exponent − 1) steps of 2^−133.
        1..=MANTISSA_BITS => 1 << (exponent - 1),
        0xFF => magnitude,
        _ => (exponent - MANTISSA_BITS) << MANTISSA_BITS,
    })
}

/// How many representable values `b` is away from `a`, or `None` if either is a NaN.
///
/// Neighbours are 1 apart, across zero and across powers of two as well; −0 and +0 are the same
/// place, so the distance is 0 exactly if `a == b`. Infinity is one step beyond `bf16::MAX`. The
/// largest distance is that of the infinities, 65,280.
///
/// The bits of an IEEE 754 magnitude, read as an integer, grow with the magnitude; giving them the
/// number's sign makes a line of integers on which the distance is a subtraction. Source: B.
/// Dawson, "Comparing Floating Point Numbers" (2012 edition), there for `f32`.
///
/// ```
/// use selvedge_bf16::{bf16, ulp_distance};
/// let next = bf16::from_bits(bf16::ONE.to_bits() + 1);
/// assert_eq!(ulp_distance(bf16::ONE, next), Some(1));
/// assert_eq!(ulp_distance(bf16::ZERO, bf16::NEG_ZERO), Some(0));
/// assert_eq!(ulp_distance(bf16::ONE, bf16::NAN), None);
/// ```
#[must_use]
pub fn ulp_distance(a: bf16, b: bf16) -> Option<u16> {
    if a.is_nan() || b.is_nan() {
        return None;
    }
    Some(place(a.to_bits()).abs_diff(place(b.to_bits())))
}

/// Where the number with these bits lies on the line of representable numbers: 0 for both zeros, ±32,640
/// for the infinities. NaNs have no place there.
pub(crate) fn place(bits: u16) -> i16 {
    let magnitude = (bits & MAGNITUDE).cast_signed();
    // All bits of it are the sign's: so the magnitude is negated, or stays as it is.
    let sign = bits.cast_signed() >> 15;
    (magnitude ^ sign) - sign
}

// Not under Miri, which has no `unsafe` to look at here and would take minutes.
#[cfg(all(test, not(miri)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All `bf16` but NaNs, from −infinity to infinity, each numerical value once, by comparing the
    /// numbers as `f64`.
    fn line_of_numbers() -> Vec<f64> {
        let mut numbers: Vec<f64> = (0..=u16::MAX)
            .map(|bits| bf16::from_bits(bits).to_f64())
            .filter(|x| !x.is_nan())
            .collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup_by(|a, b| a == b);
        numbers
    }

    #[test]
    fn ulp_is_the_gap_to_the_next_larger_magnitude() {
        let numbers = line_of_numbers();
        let mut seen = 0;
        for pair in numbers.windows(2) {
            let [lower, upper] = [pair[0], pair[1]];
            // Of a pair of neighbours, the one nearer to zero owns the gap; the gap below infinity
            // is a special case.
            let owner = if lower >= 0.0 { lower } else { upper };
            if lower.is_finite() && upper.is_finite() {
                assert_eq!(
                    ulp(bf16::from_f64(owner)).to_f64(),
                    upper - lower,
                    "ulp of {owner:e}"
                );
                assert_eq!(
                    ulp(bf16::from_f64(-owner)).to_f64(),
                    upper - lower,
                    "of {:e}",
                    -owner
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 65_278);
    }

    #[test]
    fn ulp_of_the_edges() {
        let smallest = bf16::MIN_POSITIVE_SUBNORMAL;
        assert_eq!(smallest.to_f64(), 2_f64.powi(-133));
        assert_eq!(ulp(bf16::NEG_ZERO), smallest);
        assert_eq!(ulp(bf16::MAX_SUBNORMAL), smallest);
        assert_eq!(ulp(bf16::MIN_POSITIVE), smallest);
        assert_eq!(ulp(bf16::MAX).to_f64(), 2_f64.powi(120));
        assert_eq!(ulp(bf16::MIN).to_f64(), 2_f64.powi(120));
        assert_eq!(ulp(bf16::NEG_INFINITY), bf16::INFINITY);
        for bits in (0x7F81..=0x7FFF).chain(0xFF81..=0xFFFF) {
            assert!(ulp(bf16::from_bits(bits)).is_nan(), "{bits:#06x}");
        }
    }

    #[test]
    fn every_number_is_as_far_from_the_lowest_as_it_is_down_the_line() {
        let numbers = line_of_numbers();
        assert_eq!(numbers.len(), 65_281);
        for (index, &number) in numbers.iter().enumerate() {
            let x = bf16::from_f64(number);
            let expected = Some(u16::try_from(index).unwrap());
            assert_eq!(ulp_distance(bf16::NEG_INFINITY, x), expected, "{number:e}");
            assert_eq!(ulp_distance(x, bf16::NEG_INFINITY), expected, "{number:e}");
        }
    }

    #[test]
    fn a_nan_has_no_distance() {
        for bits in (0x7F81..=0x7FFF).chain(0xFF81..=0xFFFF) {
            let nan = bf16::from_bits(bits);
            assert_eq!(ulp_distance(nan, bf16::ONE), None);
            assert_eq!(ulp_distance(bf16::ONE, nan), None);
            assert_eq!(ulp_distance(nan, nan), None);
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::config())]

        /// The oracle walks the sorted line of numbers.
        #[test]
        fn distance_counts_the_numbers_between(a: u16, b: u16) {
            let line = line_of_numbers();
            let find = |x: bf16| line.iter().position(|&n| n == x.to_f64());
            let (a, b) = (bf16::from_bits(a), bf16::from_bits(b));
            let expected = match (find(a), find(b)) {
                (Some(i), Some(j)) => Some(u16::try_from(i.abs_diff(j)).unwrap()),
                _ => None,
            };
            prop_assert_eq!(ulp_distance(a, b), expected);
            prop_assert_eq!(expected == Some(0), a == b);
        }
    }
}
