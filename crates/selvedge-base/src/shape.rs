//! Shapes: lengths of axes in elements, the outermost axis first, row-major.

use std::fmt;

/// Elements of a shape; `None` where they are more than a `u64` counts. A shape without axes has one.
///
/// The axes are multiplied in their order, as other readers do it: what overflows on the way is too
/// much, whether or not a later axis has the length 0.
#[must_use]
pub fn elements<T: Copy + TryInto<u64>>(shape: &[T]) -> Option<u64> {
    let times = |all: u64, &axis: &T| all.checked_mul(axis.try_into().ok()?);
    shape.iter().try_fold(1, times)
}

/// The same, and the most that fits where they are more: for what a damaged file claims, and is only
/// shown, or compared with what there is.
#[must_use]
pub fn most_elements(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |all, &axis| all.saturating_mul(axis))
}

/// Displays a shape as Python prints it: `(10000, 64)`, `(6,)`, `()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'a>(pub &'a [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.0.iter().map(u64::to_string).collect();
        let comma = if axes.len() == 1 { "," } else { "" };
        f.pad(&format!("({}{comma})", axes.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, elements, most_elements};

    #[test]
    fn shapes_are_counted_and_read_like_those_of_python() {
        assert_eq!(elements::<u64>(&[]), Some(1));
        assert_eq!(elements(&[10_000_usize, 64]), Some(640_000));
        assert_eq!(elements(&[u64::MAX, 0, u64::MAX]), Some(0));
        assert_eq!(elements(&[u64::MAX, 2, 0]), None);
        assert_eq!(most_elements(&[u64::MAX, 2]), u64::MAX);
        assert_eq!(most_elements(&[6, 7]), 42);
        assert_eq!(elements(&[-1_i64, 2]), None);
        assert_eq!(Shape(&[10_000, 64]).to_string(), "(10000, 64)");
        assert_eq!(Shape(&[6]).to_string(), "(6,)");
        assert_eq!(Shape(&[]).to_string(), "()");
    }
}
