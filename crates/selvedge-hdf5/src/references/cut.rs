//! How an array is cut into pieces, each of which is a range of bytes.
//!
//! Zarr wants pieces of one shape, which begin at its multiples. A piece at the end of an axis may reach
//! beyond the array: what it has there is not looked at.

use std::ops::ControlFlow;

/// A part of an array that lies in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Where it begins in the array along each axis.
    pub(super) first: Vec<u64>,
    /// Its shape in elements.
    pub(super) shape: Vec<u64>,
    /// Shape of a chunk of the file; all of it, where there are no chunks.
    pub(super) chunk: Vec<u64>,
}

impl Region {
    fn end(&self, axis: usize) -> u64 {
        self.first[axis] + self.shape[axis]
    }

    /// Whether an element of the array lies in it.
    pub(super) fn holds(&self, origin: &[u64]) -> bool {
        let mut axes = origin.iter().enumerate();
        axes.all(|(axis, at)| (self.first[axis]..self.end(axis)).contains(at))
    }

    /// The first element of the chunk of the file that has this element of the array, and how many elements come
    /// before it in that chunk.
    pub(super) fn locate(&self, origin: &[u64]) -> (Vec<u64>, u64) {
        let mut within = 0;
        let mut chunk = Vec::with_capacity(origin.len());
        for (axis, &extent) in self.chunk.iter().enumerate() {
            let at = origin[axis] - self.first[axis];
            chunk.push(at - at % extent);
            within = within * extent + at % extent;
        }
        (chunk, within)
    }

    /// Whether chunks begin and end where the region does along an axis, or the array ends there.
    fn is_aligned(&self, whole: &[u64], axis: usize) -> bool {
        let (extent, end) = (self.chunk[axis], self.end(axis));
        self.first[axis].is_multiple_of(extent)
            && (end.is_multiple_of(extent) || end == whole[axis])
    }
}

/// The chunks of the file as pieces; `None` where they are of several shapes, or parts begin within one.
pub(super) fn chunks(whole: &[u64], regions: &[&Region]) -> Option<Vec<u64>> {
    let chunk = &regions.first()?.chunk;
    let fits = |region: &&Region| {
        region.chunk == *chunk && (0..whole.len()).all(|axis| region.is_aligned(whole, axis))
    };
    regions.iter().all(fits).then(|| chunk.clone())
}

/// The shape of pieces of about `target` bytes of plain values, each within one chunk of the file: whole steps,
/// where the parts are such. `grows` says whether more comes along the first axis.
pub(super) fn pieces(
    whole: &[u64],
    regions: &[&Region],
    element: u64,
    grows: bool,
    target: u64,
) -> Vec<u64> {
    let Some(chunk) = regions.first().map(|region| &region.chunk) else {
        return whole.iter().map(|&axis| axis.max(1)).collect();
    };
    let is_even = |axis: usize| {
        let is_even =
            |region: &&Region| region.chunk[axis] == chunk[axis] && region.is_aligned(whole, axis);
        regions.iter().all(is_even)
    };
    let even = (1..whole.len()).all(is_even);
    let mut piece: Vec<u64> = (0..whole.len())
        .map(|axis| match even && axis > 0 {
            true => chunk[axis],
            false => grain(whole, regions, axis, grows && axis == 0),
        })
        .collect();
    // A piece is one range of bytes only if it has all of a chunk along the axes after the first that it cuts.
    let differs = |axis: &usize| {
        let mut regions = regions.iter();
        regions.any(|region| region.chunk[*axis] != piece[*axis])
    };
    match (1..whole.len()).rev().find(differs) {
        Some(cut) => piece[..cut].fill(1),
        None => {
            if let Some((steps, step)) = piece.split_first_mut() {
                let step_bytes = step
                    .iter()
                    .fold(element, |bytes, &axis| bytes.saturating_mul(axis));
                *steps = divisor(*steps, target / step_bytes.max(1));
            }
        }
    }
    piece
}

/// The largest length such that parts and chunks begin and end at its multiples along an axis.
fn grain(whole: &[u64], regions: &[&Region], axis: usize, grows: bool) -> u64 {
    let mut grain = 0;
    for region in regions {
        let (extent, end) = (region.chunk[axis], region.end(axis));
        grain = gcd(grain, region.first[axis]);
        if grows || extent < region.shape[axis] {
            grain = gcd(grain, extent);
        }
        if end != whole[axis] {
            grain = gcd(grain, end);
        }
    }
    match grain {
        0 => whole[axis].max(1),
        grain => grain,
    }
}

fn gcd(left: u64, right: u64) -> u64 {
    match right {
        0 => left,
        right => gcd(right, left % right),
    }
}

/// The largest divisor of `number` up to `target`; if that is less than half of it, one of up to twice as
/// much, where there is one.
fn divisor(number: u64, target: u64) -> u64 {
    let most = target.saturating_mul(2).min(number.isqrt()).max(1);
    let mut divisors: Vec<u64> = (1..=most)
        .filter(|small| number.is_multiple_of(*small))
        .flat_map(|small| [small, number / small])
        .collect();
    divisors.sort_unstable();
    let (below, above) = divisors.split_at(divisors.partition_point(|&found| found <= target));
    let below = below.last().copied().unwrap_or(1);
    match above.first() {
        Some(&above) if below < target / 2 && above <= target.saturating_mul(2) => above,
        _ => below,
    }
}

/// Calls `each` with every place of a grid, in row-major order, from number `first` along its first axis on.
pub(super) fn walk<B>(
    grid: &[u64],
    first: u64,
    mut each: impl FnMut(&[u64]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if grid.contains(&0) || grid.first().is_some_and(|&rows| first >= rows) {
        return ControlFlow::Continue(());
    }
    let mut place = vec![0; grid.len()];
    if let Some(row) = place.first_mut() {
        *row = first;
    }
    loop {
        each(&place)?;
        let next = (0..grid.len())
            .rev()
            .find(|&axis| place[axis] + 1 < grid[axis]);
        let Some(next) = next else {
            return ControlFlow::Continue(());
        };
        place[next] += 1;
        place[next + 1..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_have_a_length_that_divides_the_chunk() {
        for (number, target, expected) in [
            (1504, 6, 4),
            (1501, 6, 1),
            (1501, 15, 19),
            (6001, 1 << 40, 6001),
            (12, 0, 1),
            (7, 3, 1),
            (1 << 62, 1000, 512),
            (u64::MAX, 2, 1),
        ] {
            assert_eq!(divisor(number, target), expected, "{number}, {target}");
        }
    }

    /// What lies in a file: chunk after chunk, of the numbers that the elements have in the array.
    fn stored(whole: &[u64], region: &Region) -> Vec<(Vec<u64>, Vec<Option<u64>>)> {
        let grid: Vec<u64> = region
            .shape
            .iter()
            .zip(&region.chunk)
            .map(|(axis, extent)| axis.div_ceil(*extent))
            .collect();
        let mut found = Vec::new();
        let _ = walk(&grid, 0, |place| {
            let start: Vec<u64> = place
                .iter()
                .zip(&region.chunk)
                .map(|(at, len)| at * len)
                .collect();
            let mut values = Vec::new();
            let _ = walk(&region.chunk, 0, |within| {
                let at: Vec<u64> = start
                    .iter()
                    .zip(within)
                    .map(|(start, at)| start + at)
                    .collect();
                let is_there = at.iter().zip(&region.shape).all(|(at, len)| at < len);
                let number = at
                    .iter()
                    .zip(&region.first)
                    .zip(whole)
                    .fold(0, |sum, ((at, first), len)| sum * len + at + first);
                values.push(is_there.then_some(number));
                ControlFlow::<()>::Continue(())
            });
            found.push((start, values));
            ControlFlow::<()>::Continue(())
        });
        found
    }

    proptest! {
        /// Against the elements themselves: each piece is one range of a chunk, in which the elements that the
        /// array has are where a reader of Zarr looks for them.
        #[test]
        fn a_piece_is_where_its_elements_are(
            steps in 1..9_u64,
            rows in prop::collection::vec(1..5_u64, 1..4),
            columns in 1..4_u64,
            chunk in (1..9_u64, 1..5_u64),
            even in any::<bool>(),
            target in 1..200_u64,
        ) {
            let rows = if even { vec![rows[0]; rows.len()] } else { rows };
            let whole = [steps, rows.iter().sum(), columns];
            let mut regions = Vec::new();
            let mut first = 0;
            for &own in &rows {
                regions.push(Region {
                    first: vec![0, first, 0],
                    shape: vec![steps, own, columns],
                    chunk: vec![chunk.0, chunk.1.min(own), columns],
                });
                first += own;
            }
            let borrowed: Vec<&Region> = regions.iter().collect();
            let piece = pieces(&whole, &borrowed, 2, true, target);
            prop_assert!(chunk.0.is_multiple_of(piece[0]), "{:?}", piece);
            let grid: Vec<u64> = whole.iter().zip(&piece).map(|(axis, len)| axis.div_ceil(*len)).collect();
            let mut seen = 0;
            let checked = walk(&grid, 0, |place| {
                let origin: Vec<u64> = place.iter().zip(&piece).map(|(at, len)| at * len).collect();
                let region = regions.iter().find(|region| region.holds(&origin)).unwrap();
                let (start, mut at) = region.locate(&origin);
                let (_, values) = stored(&whole, region).into_iter().find(|(found, _)| *found == start).unwrap();
                walk(&piece, 0, |within| {
                    let element: Vec<u64> = origin.iter().zip(within).map(|(start, at)| start + at).collect();
                    let is_there = element.iter().zip(&whole).all(|(at, len)| at < len);
                    let number = element.iter().zip(&whole).fold(0, |sum, (at, len)| sum * len + at);
                    let found = values.get(usize::try_from(at).unwrap()).copied().flatten();
                    at += 1;
                    seen += u64::from(is_there);
                    match is_there && found != Some(number) {
                        true => ControlFlow::Break((number, found)),
                        false => ControlFlow::Continue(()),
                    }
                })
            });
            prop_assert_eq!(checked, ControlFlow::Continue(()), "{:?}", piece);
            prop_assert_eq!(seen, whole.iter().product::<u64>());
        }
    }
}
