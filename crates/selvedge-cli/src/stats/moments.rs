//! Sums of squares: from zero, and from the mean.

/// The root of a sum of squares, which may be larger or smaller than a `f64` can be, though the root is not
/// (Blue, "A Portable Fortran Program to Find the Euclidean Norm of a Vector", 1978).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Squares {
    /// The sums over small numbers, those between, and large ones; the first and last are [scaled](SCALE).
    sums: [f64; 3],
}

/// Numbers beyond it, and below its inverse, have squares that are not summed as they are.
const SCALE: f64 = f64::from_bits((1023 + 500) << 52);

impl Squares {
    /// Adds `number` as often as `count` says.
    pub(super) fn add(&mut self, number: f64, count: u64) {
        let magnitude = number.abs();
        let (sum, factor) = if magnitude > SCALE {
            (&mut self.sums[2], 1.0 / SCALE)
        } else if magnitude < 1.0 / SCALE {
            (&mut self.sums[0], SCALE)
        } else {
            (&mut self.sums[1], 1.0)
        };
        let scaled = magnitude * factor;
        *sum += scaled * scaled * count as f64;
    }

    pub(super) fn root(self) -> f64 {
        let [small, middle, large] = self.sums.map(f64::sqrt);
        if large > 0.0 {
            large.hypot(middle / SCALE) * SCALE
        } else {
            middle.hypot(small / SCALE)
        }
    }
}

/// The spread of numbers around their mean: sums of what they are beyond the first of them, so that numbers
/// close to each other and far from zero keep their digits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deviations {
    first: Option<f64>,
    sum: f64,
    squares: f64,
}

impl Deviations {
    /// Adds `number` as often as `count` says.
    pub(super) fn add(&mut self, number: f64, count: u64) {
        let beyond = number - *self.first.get_or_insert(number);
        let sum = beyond * count as f64;
        self.sum += sum;
        self.squares += beyond * sum;
    }

    /// The standard deviation of `count` numbers that are all there are, as `np.std` has it. None where there
    /// are none, or squares of them are beyond `f64`.
    pub(super) fn std(self, count: u64) -> Option<f64> {
        let count = count as f64;
        let variance = (self.squares - self.sum * self.sum / count) / count;
        let std = variance.max(0.0).sqrt();
        (count > 0.0 && variance.is_finite()).then_some(std)
    }
}

#[cfg(test)]
mod tests {
    use super::{Deviations, Squares};

    #[test]
    fn roots_are_found_beyond_the_squares() {
        for scale in [1e-300, 1e-160, 1.0, 1e200, 1e300] {
            let mut squares = Squares::default();
            squares.add(3.0 * scale, 1);
            squares.add(-2.0 * scale, 4);
            let root = squares.root() / scale;
            assert!((root - 5.0).abs() < 1e-12, "{scale}: {root}");
        }
        assert_eq!(Squares::default().root(), 0.0);
    }

    #[test]
    fn deviations_keep_their_digits_far_from_zero() {
        let mut deviations = Deviations::default();
        for number in [1e9, 1e9 + 1.0, 1e9 + 2.0] {
            deviations.add(number, 5);
        }
        let std = deviations.std(15).unwrap();
        assert!((std - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{std}");
        assert_eq!(Deviations::default().std(0), None);
    }
}
