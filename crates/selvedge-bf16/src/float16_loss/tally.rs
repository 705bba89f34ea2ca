//! The counting itself, one block at a time.

use half::bf16;

use super::Float16Loss;

/// All bits of a `bf16` but the sign.
const MAGNITUDE: u16 = 0x7FFF;
/// The bits of an infinity; every larger magnitude is a NaN.
const INFINITY: u16 = 0x7F80;
/// The bits of 65,536, the first `bf16` beyond the range of float16.
const OVERFLOW: u16 = 0x4780;
/// The bits of 2^−25, the largest magnitude that float16 rounds to zero.
const UNDERFLOW: u16 = 0x3300;
/// The bits of 2^−17, from which on float16's spacing is no wider than that of `bf16`.
const FINE_ENOUGH: u16 = 0x3700;

/// Counts for one block of values, as wide as the values, so that the compiler can count in
/// vectors.
///
/// All counts but `rounded` are of the magnitudes from some bound upwards, so each holds the next
/// one.
pub(super) struct Tally {
    values: u16,
    nonzero: u16,
    above_underflow: u16,
    rounded: u16,
    overflow_and_up: u16,
    infinite_and_up: u16,
    nan: u16,
    /// The largest of the magnitudes' bits minus [`INFINITY`], which wraps for the finite ones and
    /// so puts them on top.
    largest: u16,
    /// The smallest of the magnitudes' bits minus 1, which wraps for zeros and so puts them on top.
    smallest: u16,
}

impl Tally {
    /// Values in a block. No count may exceed what a `u16` holds.
    pub(super) const BLOCK: usize = 1 << 14;

    pub(super) fn of(block: &[bf16]) -> Self {
        let values = u16::try_from(block.len()).expect("a block is shorter than 65,536 values");
        let mut tally = Self {
            values,
            nonzero: 0,
            above_underflow: 0,
            rounded: 0,
            overflow_and_up: 0,
            infinite_and_up: 0,
            nan: 0,
            largest: 0,
            smallest: u16::MAX,
        };
        for value in block {
            let magnitude = value.to_bits() & MAGNITUDE;
            tally.nonzero += u16::from(magnitude != 0);
            tally.above_underflow += u16::from(magnitude > UNDERFLOW);
            tally.rounded += u16::from(is_rounded(magnitude));
            tally.overflow_and_up += u16::from(magnitude >= OVERFLOW);
            tally.infinite_and_up += u16::from(magnitude >= INFINITY);
            tally.nan += u16::from(magnitude > INFINITY);
            tally.largest = tally.largest.max(magnitude.wrapping_sub(INFINITY));
            tally.smallest = tally.smallest.min(magnitude.wrapping_sub(1));
        }
        tally
    }
}

impl From<Tally> for Float16Loss {
    fn from(t: Tally) -> Self {
        let [
            values,
            nonzero,
            above_underflow,
            rounded,
            overflow_and_up,
            infinite_and_up,
            nan,
        ] = [
            t.values,
            t.nonzero,
            t.above_underflow,
            t.rounded,
            t.overflow_and_up,
            t.infinite_and_up,
            t.nan,
        ]
        .map(u64::from);
        let zero = values - nonzero;
        Self {
            total: values,
            exact: zero + above_underflow - rounded - overflow_and_up,
            rounded,
            underflow_to_zero: nonzero - above_underflow,
            overflow_to_infinity: overflow_and_up - infinite_and_up,
            infinite: infinite_and_up - nan,
            nan,
            largest_finite: finite(t.largest.wrapping_add(INFINITY)),
            smallest_nonzero: finite(t.smallest.wrapping_add(1))
                .filter(|&least| least != bf16::ZERO),
        }
    }
}

/// The magnitude of these bits, if it is finite.
fn finite(magnitude: u16) -> Option<bf16> {
    (magnitude < INFINITY).then(|| bf16::from_bits(magnitude))
}

/// Whether float16 rounds this magnitude to another one that is not zero.
///
/// Below 2^−17 the multiples of 2^−24 are float16's numbers. The sum with 1/2, whose ulp as an
/// `f32` is 2^−24, is rounded to those multiples; so it is undone by the subtraction exactly if
/// there was nothing to round.
#[inline(always)]
fn is_rounded(magnitude: u16) -> bool {
    let value = f32::from_bits(u32::from(magnitude) << 16);
    (magnitude > UNDERFLOW) & (magnitude < FINE_ENOUGH) & ((value + 0.5) - 0.5 != value)
}
