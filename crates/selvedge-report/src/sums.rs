//! What is summed up of each step, and of each row of it.

use crate::element::{Element, Moves};

/// Values that are worked on side by side: sums of floats are taken in one order, so the compiler keeps to
/// it.
const LANES: usize = 8;
/// Values that are summed up while their floats are in the nearest cache.
const RUN: usize = 128;

/// The sums of one step, or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StepSums {
    /// The sum of the squares of the finite values.
    pub squares: f64,
    /// The sum of the squares of what finite values changed by.
    pub squared_changes: f64,
    /// Whether a value is finite, and was so the step before.
    pub has_change: bool,
    /// The largest finite magnitude.
    pub largest: f64,
    /// How far values moved.
    pub moves: Moves,
    /// Values that are NaN.
    pub nan: u64,
    /// Values that are an infinity.
    pub infinite: u64,
}

impl StepSums {
    /// Adds the sums of another part of the step.
    pub(crate) fn add(&mut self, other: &Self) {
        self.squares += other.squares;
        self.squared_changes += other.squared_changes;
        self.has_change |= other.has_change;
        self.largest = self.largest.max(other.largest);
        self.moves.add(&other.moves);
        self.nan += other.nan;
        self.infinite += other.infinite;
    }
}

/// The sums of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowSums {
    /// The sum of the squares of the finite values.
    pub squares: f64,
    /// The sum of the squares of what finite values changed by.
    pub squared_changes: f64,
    /// The largest finite magnitude.
    pub largest: f64,
    /// Whether a value is finite.
    pub has_value: bool,
    /// Whether a value is finite, and was so the step before.
    pub has_change: bool,
}

/// Whether all values are finite.
pub(crate) fn all_finite<T: Element>(values: &[T::Raw]) -> bool {
    // Without a way out, which would keep values from being looked at side by side.
    values
        .iter()
        .fold(true, |finite, &raw| finite & T::is_finite(raw))
}

/// The values of a part of a row and of the row before, as they are summed up.
pub(crate) struct Run {
    now: [f64; RUN],
    before: [f64; RUN],
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            now: [0.0; RUN],
            before: [0.0; RUN],
        }
    }
}

/// The sums of a row of finite values, all of which were finite values `before`.
pub(crate) fn finite_row<T: Element>(
    run: &mut Run,
    before: Option<&[T::Raw]>,
    now: &[T::Raw],
) -> RowSums {
    let mut sums = RowSums {
        has_value: !now.is_empty(),
        has_change: before.is_some() && !now.is_empty(),
        ..RowSums::default()
    };
    let mut before = before.map(|before| before.chunks(RUN));
    for part in now.chunks(RUN) {
        let now = decode::<T>(part, &mut run.now);
        sums.squares += squares(now);
        sums.largest = sums.largest.max(largest(now));
        if let Some(part) = before.as_mut().and_then(Iterator::next) {
            let before = decode::<T>(part, &mut run.before);
            sums.squared_changes += squared_changes(before, now);
        }
    }
    sums
}

// Each of these is one loop that the compiler turns into vector instructions; inlined into one another they
// become instructions for single values.

#[inline(never)]
fn decode<'a, T: Element>(values: &[T::Raw], into: &'a mut [f64; RUN]) -> &'a [f64] {
    let into = &mut into[..values.len()];
    for (into, &raw) in into.iter_mut().zip(values) {
        *into = T::value(raw);
    }
    into
}

#[inline(never)]
fn squares(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane] * chunk[lane];
        }
    }
    total(lanes) + rest.iter().map(|value| value * value).sum::<f64>()
}

#[inline(never)]
fn squared_changes(before: &[f64], now: &[f64]) -> f64 {
    let (chunks_before, rest_before) = before.as_chunks::<LANES>();
    let (chunks, rest) = now.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (before, now) in chunks_before.iter().zip(chunks) {
        for lane in 0..LANES {
            let change = now[lane] - before[lane];
            lanes[lane] += change * change;
        }
    }
    let rest = rest_before.iter().zip(rest);
    let squares = rest.map(|(before, now)| (now - before).powi(2));
    total(lanes) + squares.sum::<f64>()
}

#[inline(never)]
fn largest(values: &[f64]) -> f64 {
    let larger = |largest: f64, value: f64| {
        let magnitude = value.abs();
        if magnitude > largest {
            magnitude
        } else {
            largest
        }
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    lanes.iter().chain(rest).fold(0.0, |a, &b| larger(a, b))
}

/// Halves of the lanes are added to each other, so that no sum waits for all the others.
fn total([a, b, c, d, e, f, g, h]: [f64; LANES]) -> f64 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The sums of a row of any values; what is not finite adds nothing.
pub(crate) fn any_row<T: Element>(before: Option<&[T::Raw]>, now: &[T::Raw]) -> RowSums {
    let mut sums = RowSums::default();
    for (at, &now) in now.iter().enumerate() {
        if !T::is_finite(now) {
            continue;
        }
        let value = T::value(now);
        sums.squares += value * value;
        sums.largest = sums.largest.max(value.abs());
        sums.has_value = true;
        if let Some(before) = before.map(|before| before[at])
            && T::is_finite(before)
        {
            let change = value - T::value(before);
            sums.squared_changes += change * change;
            sums.has_change = true;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::element::Bf16;

    proptest! {
        /// Both ways come to the same but for the order of the sums.
        #[test]
        fn lanes_sum_as_one_value_after_the_other(pairs in prop::collection::vec((0..0x7F80_u16, 0..0x7F80_u16), 0..400)) {
            let (before, now): (Vec<_>, Vec<_>) = pairs
                .into_iter()
                .map(|(a, b)| (a.to_le_bytes(), b.to_le_bytes()))
                .unzip();
            for before in [None, Some(&before[..])] {
                let fast = finite_row::<Bf16>(&mut Run::new(), before, &now);
                let slow = any_row::<Bf16>(before, &now);
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-14 * a.abs().max(b.abs());
                prop_assert!(close(fast.squares, slow.squares));
                prop_assert!(close(fast.squared_changes, slow.squared_changes));
                let of = |sums: RowSums| (sums.largest, sums.has_value, sums.has_change);
                prop_assert_eq!(of(fast), of(slow));
            }
        }
    }

    #[test]
    fn what_is_not_finite_adds_nothing() {
        let raw = |values: [f32; 4]| values.map(f32::to_le_bytes);
        let before = raw([1.0, f32::INFINITY, 2.0, 3.0]);
        let now = raw([f32::NAN, 1.0, 4.0, f32::NEG_INFINITY]);
        let sums = any_row::<f32>(Some(&before), &now);
        assert_eq!(
            (sums.squares, sums.squared_changes, sums.largest),
            (17.0, 4.0, 4.0)
        );
        assert!(!all_finite::<f32>(&now) && all_finite::<f32>(&now[1..3]));
    }
}
