//! How the elements of a tensor are spread over its chunks.
//!
//! A chunk `(c, k0, k1, …)` is `c` steps of a *piece* of the step: of a box of `k0 × k1 × …` elements in
//! row-major order. Within a chunk, the piece of each of its steps follows that of the step before.
//!
//! The recorder cuts a step along one axis, where the axes before it have chunk extent 1 and those
//! after it are whole: then a piece is a contiguous run of the step's bytes, and where a step is one
//! piece, neighbouring steps are neighbours in the file. [`Grid::new`] takes only such chunks,
//! [`Grid::any`] also those of other programs, whose pieces lie scattered over the step.

use std::ops::Range;

use selvedge_base::Stride;
use selvedge_base::shape::elements;

/// Bytes of some steps that lie one after the other in one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first step that it belongs to.
    pub(crate) step: u64,
    /// Where they are among the bytes of all the steps asked for.
    pub(crate) bytes: Range<usize>,
    /// The chunk, counted in the order of the chunk index.
    pub(crate) chunk: usize,
    /// Where they are in the chunk, in bytes.
    pub(crate) within: u64,
}

/// The chunks of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Shape of a step in elements.
    step_shape: Vec<u64>,
    /// Chunk shape in elements, the steps first.
    chunk: Vec<u64>,
    /// The first of them. It is asked for with each write, and lies beside the other numbers.
    steps: u64,
    /// Chunks along each axis of a step.
    along: Vec<u64>,
    /// The last axis of the step that is cut; the last pieces along it may be shorter.
    cut: usize,
    /// Elements from one index along `cut` to the next.
    row: u64,
    /// Number of pieces of a step.
    pieces: u64,
    element_bytes: u64,
    step_bytes: u64,
    chunk_bytes: u64,
}

/// A number of bytes or elements as an index. One that does not fit is none that can be reached.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Grid {
    /// The grid of a tensor with this shape of a step and this chunk shape (the steps first);
    /// `None` where the chunk does not cut a step into contiguous pieces, or a size overflows.
    pub(crate) fn new(step_shape: &[u64], chunk: &[u64], element_bytes: u64) -> Option<Self> {
        Self::any(step_shape, chunk, element_bytes).filter(Self::is_contiguous)
    }

    /// The same for chunks of any shape.
    pub(crate) fn any(step_shape: &[u64], chunk: &[u64], element_bytes: u64) -> Option<Self> {
        let inner = chunk.get(1..)?;
        if inner.len() != step_shape.len() || chunk.contains(&0) || step_shape.contains(&0) {
            return None;
        }
        // After this axis all axes are whole.
        let cut = (0..inner.len())
            .rev()
            .find(|&axis| inner[axis] != step_shape[axis])
            .unwrap_or(0);
        let along: Vec<u64> = step_shape
            .iter()
            .zip(inner)
            .map(|(axis, extent)| axis.div_ceil(*extent))
            .collect();
        // Sizes come from files, too: none may overflow, here or in the methods.
        Some(Self {
            cut,
            row: elements(step_shape.get(cut + 1..).unwrap_or_default())?,
            pieces: elements(&along)?,
            step_bytes: elements(step_shape)?.checked_mul(element_bytes)?,
            chunk_bytes: elements(chunk)?.checked_mul(element_bytes)?,
            along,
            step_shape: step_shape.to_vec(),
            steps: chunk[0],
            chunk: chunk.to_vec(),
            element_bytes,
        })
    }

    /// Whether each piece is one run of the step's bytes.
    fn is_contiguous(&self) -> bool {
        self.chunk[1..]
            .iter()
            .take(self.cut)
            .all(|&extent| extent == 1)
    }

    /// Steps in a chunk.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Elements of a row: what a chunk has of the last axis.
    pub(crate) fn row_elements(&self) -> u64 {
        self.chunk.last().copied().unwrap_or(1)
    }

    /// Pieces of a step, and so chunks side by side.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Size of a chunk in bytes.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// Number of axes of the tensor.
    pub(crate) fn rank(&self) -> usize {
        self.chunk.len()
    }

    /// The number of chunks that hold `steps` steps.
    pub(crate) fn chunks_of(&self, steps: u64) -> Option<u64> {
        steps.div_ceil(self.steps()).checked_mul(self.pieces)
    }

    /// Bytes from one step to the next within a chunk.
    pub(crate) fn stride(&self) -> u64 {
        self.chunk_bytes / self.steps
    }

    /// Whether whole steps follow one another up to the end of their chunk: not where a chunk is larger
    /// than the step, and so has a gap after each.
    pub(crate) fn holds_whole_steps(&self) -> bool {
        self.pieces == 1 && self.stride() == self.step_bytes
    }

    /// Pieces along the axis that is cut.
    fn cut_pieces(&self) -> u64 {
        self.along.get(self.cut).copied().unwrap_or(1)
    }

    /// The bytes of a step that are its piece `piece`, of a grid of contiguous pieces.
    pub(crate) fn piece(&self, piece: u64) -> Range<u64> {
        let (outer, along) = (piece / self.cut_pieces(), piece % self.cut_pieces());
        let (axis, extent) = match self.step_shape.get(self.cut) {
            Some(&axis) => (axis, self.chunk[self.cut + 1]),
            None => (1, 1),
        };
        let first = along * extent;
        let start = (outer * axis + first) * self.row;
        let len = extent.min(axis - first) * self.row;
        start * self.element_bytes..(start + len) * self.element_bytes
    }

    /// The chunk, counted in the order of the chunk index, that holds `piece` of `step`, and the
    /// byte within it where the piece starts.
    fn locate(&self, step: u64, piece: u64) -> (usize, u64) {
        let chunk = step / self.steps() * self.pieces + piece;
        (to_usize(chunk), step % self.steps() * self.stride())
    }

    /// The runs that `steps` consist of, in the order of their bytes, of a grid of contiguous pieces.
    pub(crate) fn runs(&self, steps: Range<u64>) -> impl Iterator<Item = Run> + '_ {
        let (whole, step_bytes) = (self.holds_whole_steps(), self.step_bytes);
        let first = steps.start;
        let (mut step, mut piece) = (first, 0);
        std::iter::from_fn(move || {
            if step >= steps.end {
                return None;
            }
            let (chunk, within) = self.locate(step, piece);
            let here = step;
            let bytes = if whole {
                let run = (self.steps() - step % self.steps()).min(steps.end - step);
                step += run;
                0..run * step_bytes
            } else {
                let bytes = self.piece(piece);
                piece = (piece + 1) % self.pieces;
                step += u64::from(piece == 0);
                bytes
            };
            let start = (here - first) * step_bytes;
            let bytes = to_usize(start + bytes.start)..to_usize(start + bytes.end);
            Some(Run {
                step: here,
                bytes,
                chunk,
                within,
            })
        })
    }

    /// The runs that the bytes `bytes` of step `step` consist of, in their order, of a grid of
    /// contiguous pieces. Their places are among these bytes.
    pub(crate) fn runs_within(
        &self,
        step: u64,
        bytes: Range<usize>,
    ) -> impl Iterator<Item = Run> + '_ {
        let (start, end) = (bytes.start as u64, bytes.end as u64);
        let mut piece = self.piece_at(start);
        std::iter::from_fn(move || {
            let whole = (piece < self.pieces).then(|| self.piece(piece))?;
            let part = whole.start.max(start)..whole.end.min(end);
            if part.is_empty() {
                return None;
            }
            let (chunk, within) = self.locate(step, piece);
            piece += 1;
            Some(Run {
                step,
                bytes: to_usize(part.start - start)..to_usize(part.end - start),
                chunk,
                within: within + (part.start - whole.start),
            })
        })
    }

    /// The piece that holds a byte of a step, of a grid of contiguous pieces.
    fn piece_at(&self, byte: u64) -> u64 {
        let row = self.row * self.element_bytes;
        let Some(&axis) = self.step_shape.get(self.cut) else {
            return 0;
        };
        let index = byte / row;
        let along = index % axis / self.chunk[self.cut + 1];
        index / axis * self.cut_pieces() + along
    }

    /// Whether no chunk has more than one of the [runs](Self::runs) of these steps, or, where there are
    /// gaps between them, of each of them.
    pub(crate) fn is_run_per_chunk(&self, steps: Stride) -> bool {
        let each_has_its_own = match steps.stride {
            1 => self.steps() == 1 || self.holds_whole_steps(),
            stride => stride >= self.steps(),
        };
        self.is_contiguous() && (each_has_its_own || steps.count <= 1)
    }

    /// Calls `run` with each run of bytes that is contiguous in a step and in the chunk that is its
    /// piece number `piece`: where it begins in the step, where in a step of the chunk, its length.
    pub(crate) fn runs_of_piece(&self, piece: u64, mut run: impl FnMut(usize, usize, usize)) {
        let (rank, inner) = (self.step_shape.len(), self.cut);
        let extents = &self.chunk[1..];
        let first = &self.offset(piece)[1..];
        let held =
            |axis: usize| extents[axis].min(self.step_shape[axis].saturating_sub(first[axis]));
        let row = self.row * self.element_bytes;
        let len = if rank == 0 { row } else { held(inner) * row };
        let outer: u64 = (0..inner).map(held).product();
        for nth in 0..outer {
            let (mut rest, mut step_at, mut chunk_at) = (nth, 0, 0);
            let (mut step_stride, mut chunk_stride) = (row, row);
            for axis in (0..rank.min(inner + 1)).rev() {
                let within = match axis == inner {
                    true => 0,
                    false => {
                        let within = rest % held(axis);
                        rest /= held(axis);
                        within
                    }
                };
                step_at += (first[axis] + within) * step_stride;
                chunk_at += within * chunk_stride;
                step_stride *= self.step_shape[axis];
                chunk_stride *= extents[axis];
            }
            run(to_usize(step_at), to_usize(chunk_at), to_usize(len));
        }
    }

    /// The chunk whose first element is at `offset`, counted in the order of the chunk index; `None`
    /// where no chunk starts there. Offsets come from files, and can be anything.
    pub(crate) fn index(&self, offset: &[u64]) -> Option<u64> {
        if offset.len() != self.chunk.len() {
            return None;
        }
        let mut index = 0_u64;
        for (axis, (&at, &extent)) in offset.iter().zip(&self.chunk).enumerate() {
            let nth = (at % extent == 0).then_some(at / extent)?;
            index = match axis.checked_sub(1).map(|axis| self.along[axis]) {
                None => nth,
                Some(along) if nth < along => index.checked_mul(along)?.checked_add(nth)?,
                Some(_) => return None,
            };
        }
        Some(index)
    }

    /// The offset of the first element of a chunk along each axis, the steps first.
    pub(crate) fn offset(&self, chunk: u64) -> Vec<u64> {
        let mut offset = vec![0; self.chunk.len()];
        offset[0] = chunk / self.pieces * self.steps();
        let mut rest = chunk % self.pieces;
        for (axis, &along) in self.along.iter().enumerate().rev() {
            offset[axis + 1] = rest % along * self.chunk[axis + 1];
            rest /= along;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use selvedge_base::Stride;

    use super::Grid;

    #[test]
    fn a_chunk_of_whole_steps_is_one_piece() {
        let grid = Grid::new(&[10_000, 64], &[1501, 10_000, 64], 2).unwrap();
        assert_eq!((grid.pieces(), grid.stride()), (1, 1_280_000));
        assert_eq!(grid.locate(1502, 0), (1, 1_280_000));
        assert_eq!(grid.piece(0), 0..1_280_000);
        assert_eq!(grid.offset(3), [4503, 0, 0]);
    }

    #[test]
    fn a_scalar_is_one_piece() {
        let grid = Grid::new(&[], &[100], 4).unwrap();
        assert_eq!((grid.pieces(), grid.stride(), grid.piece(0)), (1, 4, 0..4));
        assert_eq!(grid.locate(250, 0), (2, 200));
    }

    #[test]
    fn a_chunk_that_scatters_a_step_is_refused() {
        assert_eq!(Grid::new(&[4, 4], &[1, 2, 2], 2), None);
        assert!(Grid::new(&[4, 4], &[1, 1, 2], 2).is_some());
    }

    #[test]
    fn where_no_chunk_starts_there_is_no_index() {
        let grid = Grid::new(&[4, 5], &[2, 1, 3], 2).unwrap();
        assert_eq!(grid.index(&[2, 3, 3]), Some(15));
        for offset in [
            &[][..],
            &[2, 3],
            &[2, 3, 3, 0],
            &[1, 3, 3],
            &[2, 4, 0],
            &[2, 3, 2],
            &[2, 3, 6],
            &[u64::MAX, 3, 3],
            &[2, u64::MAX, 3],
            &[2, 3, u64::MAX],
            &[u64::MAX; 3],
        ] {
            assert_eq!(grid.index(offset), None, "{offset:?}");
        }
    }

    /// A chunk shape that cuts the step along one axis.
    fn shapes() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
        (
            prop::collection::vec(1..5_u64, 0..4),
            any::<prop::sample::Index>(),
            1..5_u64,
            1..4_u64,
        )
            .prop_map(|(shape, cut, extent, steps)| {
                let mut chunk = vec![steps];
                chunk.extend(&shape);
                if !shape.is_empty() {
                    let cut = cut.index(shape.len());
                    chunk[1..=cut].fill(1);
                    chunk[cut + 1] = extent.min(shape[cut]);
                }
                (shape, chunk)
            })
    }

    #[test]
    fn a_chunk_larger_than_the_step_leaves_gaps() {
        let grid = Grid::new(&[3, 2], &[4, 5, 2], 1).unwrap();
        let runs: Vec<_> = grid
            .runs(3..6)
            .map(|run| (run.bytes, run.chunk, run.within))
            .collect();
        assert_eq!(runs, [(0..6, 0, 30), (6..12, 1, 0), (12..18, 1, 10)]);
    }

    /// Any chunk shape, also one that is larger than the step.
    fn any_shapes() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
        let axes = prop::collection::vec((1..6_u64, 1..8_u64), 0..4);
        (axes, 1..4_u64).prop_map(|(axes, steps)| {
            let (shape, inner): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
            (shape, [vec![steps], inner].concat())
        })
    }

    proptest! {
        /// The runs of the pieces cover each element of a step once, and each is where the definition of a
        /// chunked layout has it: element `(i, j, …)` in the chunk at `(i / k0, j / k1, …)`, at the row-major
        /// position of the remainders.
        #[test]
        fn pieces_of_any_shape_are_the_step((shape, chunk) in any_shapes()) {
            let grid = Grid::any(&shape, &chunk, 2).unwrap();
            let elements = usize::try_from(shape.iter().product::<u64>()).unwrap();
            let mut found = vec![None; elements];
            for piece in 0..grid.pieces() {
                grid.runs_of_piece(piece, |at, within, len| {
                    assert!(len > 0 && [at, within, len].iter().all(|bytes| bytes % 2 == 0));
                    for nth in 0..len / 2 {
                        let element = &mut found[at / 2 + nth];
                        assert_eq!(element.replace((piece, within / 2 + nth)), None);
                    }
                });
            }
            for (element, found) in found.into_iter().enumerate() {
                let (mut at, mut rest) = (vec![0], element as u64);
                for &axis in shape.iter().rev() {
                    at.insert(1, rest % axis);
                    rest /= axis;
                }
                let offset: Vec<u64> = at.iter().zip(&chunk).map(|(at, chunk)| at / chunk * chunk).collect();
                let position = at.iter().zip(&chunk).fold(0, |sum, (at, chunk)| sum * chunk + at % chunk);
                let piece = grid.index(&offset).unwrap();
                prop_assert_eq!(found, Some((piece, usize::try_from(position).unwrap())));
                prop_assert_eq!(grid.offset(piece), offset);
            }
        }

        /// Where a piece is one run, it is the run that the recorder writes.
        #[test]
        fn contiguous_pieces_are_single_runs((shape, chunk) in shapes()) {
            let grid = Grid::new(&shape, &chunk, 2).unwrap();
            for piece in 0..grid.pieces() {
                let mut runs = Vec::new();
                grid.runs_of_piece(piece, |at, within, len| runs.push((at as u64, within, len as u64)));
                let bytes = grid.piece(piece);
                let total: u64 = runs.iter().map(|(_, _, len)| len).sum();
                prop_assert_eq!((runs[0].0, runs[0].1, total), (bytes.start, 0, bytes.end - bytes.start));
                let follow = runs.windows(2).all(|two| two[0].0 + two[0].2 == two[1].0);
                prop_assert!(follow);
            }
        }

        /// A chunk of which only one run is wanted is decoded to where that goes, and no chunk twice.
        #[test]
        fn no_chunk_has_two_of_the_runs_that_are_one_per_chunk(
            (shape, chunk) in shapes(),
            first in 0..9_u64,
            count in 0..9_u64,
            stride in 1..5_u64,
        ) {
            let grid = Grid::new(&shape, &chunk, 2).unwrap();
            let steps = Stride { first, count, stride };
            let mut chunks: Vec<usize> = match stride {
                1 => grid.runs(first..first + count).map(|run| run.chunk).collect(),
                _ => {
                    let each = (0..count).map(|nth| steps.at(nth));
                    each.flat_map(|step| grid.runs(step..step + 1)).map(|run| run.chunk).collect()
                }
            };
            let runs = chunks.len();
            chunks.dedup();
            let is_one_each = chunks.len() == runs && chunks.is_sorted();
            prop_assert!(is_one_each || !grid.is_run_per_chunk(steps));
        }

        /// Runs cover each byte once, in order, and are where `locate` says.
        #[test]
        fn runs_are_the_steps((shape, chunk) in shapes(), first in 0..9_u64, steps in 0..9_u64) {
            let grid = Grid::new(&shape, &chunk, 2).unwrap();
            let mut runs = grid.runs(first..first + steps);
            let mut now = runs.next();
            let mut taken = 0;
            for step in first..first + steps {
                for piece in 0..grid.pieces() {
                    let run = now.clone().unwrap();
                    let (chunk, within) = grid.locate(step, piece);
                    let len = grid.piece(piece).count();
                    prop_assert_eq!((run.chunk, run.within + taken as u64), (chunk, within));
                    taken += len;
                    if taken == run.bytes.len() {
                        let end = run.bytes.end;
                        now = runs.next();
                        taken = 0;
                        prop_assert!(now.as_ref().is_none_or(|next| next.bytes.start == end));
                    }
                }
            }
            prop_assert_eq!((now, taken), (None, 0));
        }

        /// A part of a step is that part of the runs of the whole step.
        #[test]
        fn runs_within_a_step_are_parts_of_it(
            (shape, chunk) in shapes(),
            step in 0..9_u64,
            cut in any::<[prop::sample::Index; 2]>(),
        ) {
            let grid = Grid::new(&shape, &chunk, 2).unwrap();
            let total = 2 * usize::try_from(shape.iter().product::<u64>()).unwrap();
            let mut cut = cut.map(|cut| cut.index(total + 1));
            cut.sort_unstable();
            let place = |byte: usize| {
                let run = grid.runs(step..step + 1).find(|run| run.bytes.contains(&byte));
                run.map(|run| (run.chunk, run.within + (byte - run.bytes.start) as u64))
            };
            let mut covered = 0;
            for run in grid.runs_within(step, cut[0]..cut[1]) {
                prop_assert_eq!(run.bytes.start, covered);
                for (nth, byte) in run.bytes.clone().enumerate() {
                    prop_assert_eq!(place(cut[0] + byte), Some((run.chunk, run.within + nth as u64)));
                }
                covered = run.bytes.end;
            }
            prop_assert_eq!(covered, cut[1] - cut[0]);
        }

        /// Against the definition of a chunked layout: element `(s, i, j, …)` lies in the chunk at
        /// `(s / c0, i / c1, …)`, at the row-major position of the remainders.
        #[test]
        fn agrees_with_the_definition_of_a_chunk((shape, chunk) in shapes(), step in 0..9_u64) {
            let grid = Grid::new(&shape, &chunk, 2).unwrap();
            let mut covered = 0;
            for piece in 0..grid.pieces() {
                let (index, within) = grid.locate(step, piece);
                let bytes = grid.piece(piece);
                for (nth, element) in (bytes.start / 2..bytes.end / 2).enumerate() {
                    prop_assert_eq!(element, covered);
                    covered += 1;
                    let mut at = vec![step];
                    let mut rest = element;
                    for &axis in shape.iter().rev() {
                        at.insert(1, rest % axis);
                        rest /= axis;
                    }
                    let expected: Vec<u64> =
                        at.iter().zip(&chunk).map(|(at, chunk)| at / chunk * chunk).collect();
                    prop_assert_eq!(grid.index(&expected), Some(index as u64));
                    prop_assert_eq!(grid.offset(index as u64), expected);
                    let position =
                        at.iter().zip(&chunk).fold(0, |sum, (at, chunk)| sum * chunk + at % chunk);
                    prop_assert_eq!(within / 2 + nth as u64, position);
                }
            }
            prop_assert_eq!(covered, shape.iter().product::<u64>());
        }
    }
}
