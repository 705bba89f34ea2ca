//! How far the values of a tensor moved, summed up over many.

use crate::ulp::{INFINITY_BITS, MAGNITUDE, place};

/// Values that are worked on side by side.
const LANES: usize = 16;
/// Values of each lane after which its counts are put away: fewer than overflow them.
const RUN: usize = 0xFFFF;

/// How far values moved from one moment to a later one, in units in the last place: what
/// [`ulp_distance`](crate::ulp_distance) says of each pair, summed up at the speed of memory.
///
/// ```
/// use selvedge_bf16::{UlpMoves, bf16, bf16_as_bytes};
/// let before = [1.0, 0.0, -2.0].map(bf16::from_f32);
/// let now = [1.0 + 4.0 / 128.0, -0.0, -2.0].map(bf16::from_f32);
///
/// let mut moves = UlpMoves::default();
/// moves.add(bf16_as_bytes(&before), bf16_as_bytes(&now));
/// assert_eq!(moves.changed, 2);
/// assert_eq!(moves.far, [1, 1, 0]);
/// assert_eq!(moves.sum, 4);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UlpMoves {
    /// Values whose bits are others: a zero of the other sign and another NaN are among them, which are
    /// no distance away.
    pub changed: u64,
    /// Values that are at least so many ULPs away: as many as [`FAR`](Self::FAR) says at the same place.
    pub far: [u64; 3],
    /// The sum of all distances in ULPs. A value that is or was NaN adds nothing.
    pub sum: u64,
}

impl UlpMoves {
    /// The distances in ULPs from which on values are counted.
    pub const FAR: [u16; 3] = [2, 4, 16];

    /// Adds the values of `now`, each of which was the one of `before` at the same place. Both are the
    /// little-endian bytes of bfloat16, at any address.
    ///
    /// # Panics
    ///
    /// Where they are not of the same length, in whole values.
    pub fn add(&mut self, before: &[u8], now: &[u8]) {
        let (before, left) = before.as_chunks::<2>();
        let (now, left_now) = now.as_chunks::<2>();
        assert!(before.len() == now.len() && left.len() + left_now.len() == 0);
        let runs = before.chunks(LANES * RUN).zip(now.chunks(LANES * RUN));
        for (before, now) in runs {
            self.add_run(before, now);
        }
    }

    fn add_run(&mut self, before: &[[u8; 2]], now: &[[u8; 2]]) {
        let mut lanes = Lanes::default();
        let (before, last_before) = before.as_chunks::<LANES>();
        let (now, last_now) = now.as_chunks::<LANES>();
        for (before, now) in before.iter().zip(now) {
            lanes.add(before, now);
        }
        // What is left, beside values that did not move.
        let mut ends = [[[0; 2]; LANES]; 2];
        ends[0][..last_before.len()].copy_from_slice(last_before);
        ends[1][..last_now.len()].copy_from_slice(last_now);
        let mut last = Lanes::default();
        last.add(&ends[0], &ends[1]);
        for lanes in [lanes, last] {
            self.changed += total(lanes.changed);
            for (far, lanes) in self.far.iter_mut().zip(lanes.far) {
                *far += total(lanes);
            }
            self.sum += lanes.sum.into_iter().map(u64::from).sum::<u64>();
        }
    }
}

fn total(lanes: [u16; LANES]) -> u64 {
    lanes.into_iter().map(u64::from).sum()
}

/// The counts of each lane. The largest distance, 65,280, fits 65,535 times into its sum.
#[derive(Default)]
struct Lanes {
    changed: [u16; LANES],
    far: [[u16; LANES]; 3],
    sum: [u32; LANES],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, before: &[[u8; 2]; LANES], now: &[[u8; 2]; LANES]) {
        let mut distances = [0_u16; LANES];
        for lane in 0..LANES {
            let [a, b] = [before[lane], now[lane]].map(u16::from_le_bytes);
            self.changed[lane] += u16::from(a != b);
            let numbers = (a & MAGNITUDE <= INFINITY_BITS) & (b & MAGNITUDE <= INFINITY_BITS);
            let distance = place(a).abs_diff(place(b));
            distances[lane] = if numbers { distance } else { 0 };
        }
        for (far, least) in self.far.iter_mut().zip(UlpMoves::FAR) {
            for lane in 0..LANES {
                far[lane] += u16::from(distances[lane] >= least);
            }
        }
        for (sum, distance) in self.sum.iter_mut().zip(distances) {
            *sum += u32::from(distance);
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use half::bf16;
    use proptest::prelude::*;

    use super::*;
    use crate::{bf16_as_bytes, ulp_distance};

    /// One pair after the other.
    fn naive(before: &[bf16], now: &[bf16]) -> UlpMoves {
        let mut moves = UlpMoves::default();
        for (a, b) in before.iter().zip(now) {
            moves.changed += u64::from(a.to_bits() != b.to_bits());
            let distance = ulp_distance(*a, *b).unwrap_or(0);
            for (far, least) in moves.far.iter_mut().zip(UlpMoves::FAR) {
                *far += u64::from(distance >= least);
            }
            moves.sum += u64::from(distance);
        }
        moves
    }

    fn check(before: &[bf16], now: &[bf16]) {
        let mut moves = UlpMoves::default();
        moves.add(bf16_as_bytes(before), bf16_as_bytes(now));
        assert_eq!(moves, naive(before, now));
    }

    #[test]
    fn every_value_from_some_others() {
        let all: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
        for bits in [0, 0x8000, 1, 0x7F80, 0xFF80, 0x7FC1, 0x3F80, 0xBF7F] {
            check(&vec![bf16::from_bits(bits); all.len()], &all);
        }
    }

    /// As many values as fill every lane's counts, from one infinity to the other.
    #[test]
    fn counts_do_not_overflow() {
        let count = 16 * 0xFFFF + 21;
        let before = vec![bf16::NEG_INFINITY; count];
        check(&before, &vec![bf16::INFINITY; count]);
    }

    proptest! {
        #![proptest_config(crate::test_support::config())]

        #[test]
        fn sums_are_those_of_the_pairs(pairs in prop::collection::vec((any::<u16>(), any::<u16>()), 0..70)) {
            let (before, now): (Vec<bf16>, Vec<bf16>) = pairs
                .into_iter()
                .map(|(a, b)| (bf16::from_bits(a), bf16::from_bits(b)))
                .unzip();
            check(&before, &now);
        }
    }
}
