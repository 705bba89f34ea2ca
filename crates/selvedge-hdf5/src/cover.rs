//! Whether parts cover the whole, each element of it once.

use std::ops::Range;

/// Some indices: a range along each axis.
pub(crate) type Region = Vec<Range<usize>>;

/// What is wrong with a cover.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two parts, by their numbers, that have this in common.
    Overlap([usize; 2], Region),
    /// Nobody has this.
    Gap(Region),
}

/// The first fault of `parts`, which lie in a whole of this shape.
pub(crate) fn fault(whole: &[usize], parts: &[Region]) -> Option<Fault> {
    for (second, one) in parts.iter().enumerate() {
        for (first, other) in parts[..second].iter().enumerate() {
            let common = one.iter().zip(other);
            let common: Region = common
                .map(|(one, other)| one.start.max(other.start)..one.end.min(other.end))
                .collect();
            if common.iter().all(|axis| axis.start < axis.end) {
                return Some(Fault::Overlap([first, second], common));
            }
        }
    }
    // Without an overlap they are all of it where they are as large.
    let elements = |part: &Region| part.iter().map(|axis| axis.len() as u128).product::<u128>();
    let covered: u128 = parts.iter().map(elements).sum();
    let all: u128 = whole.iter().map(|&axis| axis as u128).product();
    (covered < all).then(|| Fault::Gap(gap(whole, parts)))
}

/// The first part that nobody has: between the indices at which parts begin and end, an element is as its
/// neighbours.
fn gap(whole: &[usize], parts: &[Region]) -> Region {
    let mut found: Region = Vec::new();
    let mut left: Vec<&Region> = parts.iter().collect();
    for (axis, &length) in whole.iter().enumerate() {
        let mut ends: Vec<usize> = left
            .iter()
            .flat_map(|part| [part[axis].start, part[axis].end])
            .chain([0, length])
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let slabs = ends.windows(2).map(|ends| ends[0]..ends[1]);
        let rest: u128 = whole[axis + 1..].iter().map(|&axis| axis as u128).product();
        let of = |slab: &Range<usize>| -> Vec<&Region> {
            let has = |part: &&Region| part[axis].start <= slab.start && slab.end <= part[axis].end;
            left.iter().copied().filter(has).collect()
        };
        // A slab whose parts are too small for it has a gap.
        let lacks = |slab: &Range<usize>| {
            let sizes = of(slab).into_iter().map(|part| {
                let axes = part[axis + 1..].iter().map(|axis| axis.len() as u128);
                axes.product::<u128>()
            });
            sizes.sum::<u128>() < rest
        };
        let Some(slab) = slabs.into_iter().find(lacks) else {
            break;
        };
        left = of(&slab);
        found.push(slab);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_are_where_they_are() {
        let rows = |ranges: &[Range<usize>]| -> Vec<Region> {
            ranges.iter().map(|rows| vec![rows.clone(), 0..4]).collect()
        };
        assert_eq!(fault(&[10, 4], &rows(&[0..3, 3..6, 6..10])), None);
        let overlap = fault(&[10, 4], &rows(&[0..4, 6..10, 3..6]));
        assert_eq!(overlap, Some(Fault::Overlap([0, 2], vec![3..4, 0..4])));
        let gap = fault(&[10, 4], &rows(&[0..3, 6..10]));
        assert_eq!(gap, Some(Fault::Gap(vec![3..6, 0..4])));
        let corner = [vec![0..2, 0..4], vec![2..4, 0..3]];
        assert_eq!(fault(&[4, 4], &corner), Some(Fault::Gap(vec![2..4, 3..4])));
    }

    proptest! {
        /// Against a look at each element.
        #[test]
        fn a_fault_is_found_where_an_element_is_not_covered_once(
            parts in prop::collection::vec((0..4_usize, 1..4_usize, 0..3_usize, 1..3_usize), 0..6),
        ) {
            let parts: Vec<Region> = parts
                .into_iter()
                .map(|(a, b, c, d)| vec![a..(a + b).min(4), c..(c + d).min(3)])
                .collect();
            let count = |row: usize, column: usize| {
                let has = |part: &&Region| part[0].contains(&row) && part[1].contains(&column);
                parts.iter().filter(has).count()
            };
            let elements = || (0..4).flat_map(|row| (0..3).map(move |column| (row, column)));
            match fault(&[4, 3], &parts) {
                None => prop_assert!(elements().all(|(row, column)| count(row, column) == 1)),
                Some(Fault::Overlap([one, other], common)) => {
                    let is_in = |part: &Region| (0..2).all(|axis| {
                        part[axis].start <= common[axis].start && common[axis].end <= part[axis].end
                    });
                    prop_assert!(is_in(&parts[one]) && is_in(&parts[other]));
                }
                Some(Fault::Gap(gap)) => {
                    let mut inside = elements().filter(|(row, column)| {
                        gap[0].contains(row) && gap[1].contains(column)
                    });
                    prop_assert!(inside.clone().next().is_some());
                    prop_assert!(inside.all(|(row, column)| count(row, column) == 0));
                }
            }
        }
    }
}
