//! What storing `bf16` values as float16 would have lost.
//!
//! float16 has 11 significant bits, three more than `bf16`, so in its normal range it holds every
//! `bf16` exactly. It has 5 exponent bits in place of 8, and what is lost is lost at the ends of
//! that range:
//!
//! | magnitude of the `bf16` | as float16 |
//! |---|---|
//! | 0 | exact |
//! | up to 2^−25 | zero |
//! | between 2^−25 and 2^−17 | a multiple of 2^−24: rounded, unless the `bf16` is one |
//! | 2^−17 to 65,280 | exact |
//! | 65,536 and above | infinity |
//!
//! The 2^−25 itself is a tie between 0 and 2^−24 and goes to the even one, zero. 65,280 and 65,536
//! are neighbours in `bf16`; float16 ends at 65,504 and would round to infinity from 65,520.

mod tally;
// Not under Miri, which has no `unsafe` to look at here and would take minutes.
#[cfg(all(test, not(miri)))]
mod tests;

use std::fmt;
use std::ops::AddAssign;

use half::bf16;

use self::tally::Tally;

/// Counts of what happens to `bf16` values that are converted to float16 (IEEE 754 binary16,
/// PyTorch's `float16`).
///
/// Every value is counted in `total` and in exactly one of the six counts that follow it. Reports
/// of parts add up to the report of the whole, with `+=`.
///
/// ```
/// use selvedge_bf16::{Float16Loss, bf16};
///
/// let values = [1.0, 7.0e4, 1.0e-6, 1.0e-9].map(bf16::from_f32);
/// let loss = Float16Loss::of(&values);
/// assert_eq!(loss.lost(), 3);
/// assert_eq!(
///     loss.to_string(),
///     "3 of 4 bf16 values (75.00 %) change as float16: \
///      1 becomes infinite (magnitudes reach 7.0e4, float16 ends at 65504), \
///      1 becomes zero (magnitudes go down to 1.0e-9, float16 loses 2^-25 = 3.0e-8 and less), \
///      1 is rounded (float16 has fewer bits below 2^-17 = 7.6e-6)"
/// );
///
/// let mut whole = Float16Loss::of(&values[..1]);
/// whole += Float16Loss::of(&values[1..]);
/// assert_eq!(whole, loss);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Float16Loss {
    /// All values looked at.
    pub total: u64,
    /// Finite values that float16 holds exactly, zeros among them.
    pub exact: u64,
    /// Values that become another finite value, and not zero: they lie in the range of float16's
    /// subnormals.
    pub rounded: u64,
    /// Values, not zero, that become zero.
    pub underflow_to_zero: u64,
    /// Finite values that become infinite.
    pub overflow_to_infinity: u64,
    /// Infinities. They stay infinite.
    pub infinite: u64,
    /// NaNs. They stay NaN, though converting makes signalling ones quiet.
    pub nan: u64,
    /// The largest finite magnitude, if any value is finite.
    pub largest_finite: Option<bf16>,
    /// The smallest magnitude that is not zero, if any value is finite and not zero.
    pub smallest_nonzero: Option<bf16>,
}

impl Float16Loss {
    /// Counts what float16 would lose of `values`.
    #[must_use]
    pub fn of(values: &[bf16]) -> Self {
        let mut loss = Self::default();
        for block in values.chunks(Tally::BLOCK) {
            loss += Tally::of(block).into();
        }
        loss
    }

    /// The number of values that float16 does not hold: rounded, become zero or become infinite.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.rounded + self.underflow_to_zero + self.overflow_to_infinity
    }

    /// Whether float16 holds every value, infinities and NaNs included.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.lost() == 0
    }
}

impl AddAssign for Float16Loss {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.exact += other.exact;
        self.rounded += other.rounded;
        self.underflow_to_zero += other.underflow_to_zero;
        self.overflow_to_infinity += other.overflow_to_infinity;
        self.infinite += other.infinite;
        self.nan += other.nan;
        self.largest_finite = either(self.largest_finite, other.largest_finite, bf16::max);
        self.smallest_nonzero = either(self.smallest_nonzero, other.smallest_nonzero, bf16::min);
    }
}

/// What `choose` makes of two values; if there is but one, that one.
fn either(a: Option<bf16>, b: Option<bf16>, choose: fn(bf16, bf16) -> bf16) -> Option<bf16> {
    match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        _ => a.or(b),
    }
}

impl fmt::Display for Float16Loss {
    /// One sentence, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total;
        if self.is_lossless() {
            return match total {
                0 => write!(f, "no bf16 values, so float16 loses nothing"),
                1 => write!(f, "float16 holds the 1 bf16 value"),
                _ => write!(f, "float16 holds all {total} bf16 values"),
            };
        }
        let lost = self.lost();
        let percent = 100.0 * lost as f64 / total as f64;
        // Never "0.00 %" where something is lost, nor "100.00 %" where something is kept.
        let percent = match percent {
            ..0.01 => "under 0.01 %".to_owned(),
            99.99..100.0 => "over 99.99 %".to_owned(),
            _ => format!("{percent:.2} %"),
        };
        let (values, change) = (
            if total == 1 { "value" } else { "values" },
            plural(lost, "changes", "change"),
        );
        write!(
            f,
            "{lost} of {total} bf16 {values} ({percent}) {change} as float16: "
        )?;

        let mut separator = "";
        if let (count @ 1.., Some(largest)) = (self.overflow_to_infinity, self.largest_finite) {
            let verb = plural(count, "becomes", "become");
            write!(f, "{count} {verb} infinite (magnitudes reach ")?;
            write!(f, "{:.1e}, float16 ends at 65504)", largest.to_f32())?;
            separator = ", ";
        }
        if let (count @ 1.., Some(smallest)) = (self.underflow_to_zero, self.smallest_nonzero) {
            let verb = plural(count, "becomes", "become");
            write!(f, "{separator}{count} {verb} zero (magnitudes go down to ")?;
            write!(
                f,
                "{:.1e}, float16 loses 2^-25 = 3.0e-8 and less)",
                smallest.to_f32()
            )?;
            separator = ", ";
        }
        if let count @ 1.. = self.rounded {
            let verb = plural(count, "is", "are");
            write!(f, "{separator}{count} {verb} rounded ")?;
            write!(f, "(float16 has fewer bits below 2^-17 = 7.6e-6)")?;
        }
        Ok(())
    }
}

/// The verb that goes with a count.
fn plural<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}
