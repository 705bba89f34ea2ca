//! In which pieces a tensor is read, and what there is room for in the page.

use std::ops::Range;

use selvedge_base::Indices;

use crate::model::Kind;
use crate::values::Tensor;

/// Bytes that are read at a time, where steps and chunks are smaller.
const BLOCK: u64 = 16 << 20;
/// Bytes of a block at most, where a chunk is no larger.
const MOST: u64 = 40 << 20;
/// Steps of a block at most, where a chunk has no more: what is summed up of each takes memory, too.
const MOST_STEPS: u64 = 1 << 16;
/// Rows with fewer values are taken together, in a tensor that has many.
const LEAST_ROW: u64 = 32;
/// Values of a step up to which rows are never taken together.
const FEW: u64 = 1 << 16;
/// Rows, or groups of them, that have a picture.
const MOST_UNITS: u64 = 4 << 20;
/// Bytes that `--quick` reads, about.
pub(crate) const QUICK: u64 = 512 << 20;
/// Steps that it looks at.
const QUICK_STEPS: u64 = 200;

/// Which steps are measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sample {
    /// All.
    #[default]
    All,
    /// As many as are read in some seconds, or while they come, each with the one before it. Of a tensor of one
    /// value a step all.
    Quick,
    /// These, each with the one before it; of a tensor that has others, none.
    Steps(Indices),
}

impl Sample {
    /// The steps of a tensor, where one of each tensor takes so many bytes with the one before.
    pub(crate) fn of(&self, tensor: &Tensor<'_>, kind: Kind, bytes: u64) -> Steps {
        let steps = tensor.steps();
        match (self, kind) {
            (Self::Quick, Kind::Steps) => Steps::sampled(steps, bytes),
            (Self::Steps(indices), Kind::Steps | Kind::Scalar) if !indices.is_all() => {
                Steps::Some(within(indices, &(0..steps)))
            }
            _ => Steps::All(steps),
        }
    }
}

/// Those of the indices that are in a range, in rising order, where the axis ends with it.
pub(crate) fn within(indices: &Indices, range: &Range<u64>) -> Vec<u64> {
    let strides = indices.of(range.end).unwrap_or_default();
    let left = strides.iter().map(|stride| {
        let before = range
            .start
            .saturating_sub(stride.first)
            .div_ceil(stride.stride.max(1));
        let before = before.min(stride.count);
        stride.part(before, stride.count - before)
    });
    let mut steps: Vec<u64> = left.flat_map(|stride| stride.iter()).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// The steps that are measured of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    /// So many, which are all.
    All(u64),
    /// All that come, from this one on.
    From(u64),
    /// These, each against the one before it.
    Some(Vec<u64>),
}

impl Steps {
    /// How many.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::All(steps) => *steps,
            Self::From(first) => (u64::MAX >> 1) - first,
            Self::Some(steps) => steps.len() as u64,
        }
    }

    /// The step that is the `number`th to be measured.
    pub(crate) fn at(&self, number: u64) -> u64 {
        match self {
            Self::All(_) => number,
            Self::From(first) => first + number,
            Self::Some(steps) => {
                let at = usize::try_from(number).unwrap_or(usize::MAX);
                steps.get(at).copied().unwrap_or(0)
            }
        }
    }

    /// Ranges of steps without gaps, each with the number of its first.
    pub(crate) fn runs(&self) -> Vec<(u64, Range<u64>)> {
        match self {
            Self::All(count) => vec![(0, 0..*count)],
            Self::From(first) => vec![(0, *first..u64::MAX >> 1)],
            Self::Some(steps) => {
                let mut number = 0;
                let runs = steps.chunk_by(|one, next| one + 1 == *next).map(|run| {
                    let first = number;
                    number += run.len() as u64;
                    (first, run[0]..run[0] + run.len() as u64)
                });
                runs.collect()
            }
        }
    }

    /// How many are read: the one before each run, too.
    pub(crate) fn read(&self) -> u64 {
        let runs = self.runs();
        let before = runs.iter().filter(|(_, steps)| steps.start > 0).count();
        self.count() + before as u64
    }

    /// Steps that are far apart, of `steps`: as many as can be read in some seconds where each takes `bytes`
    /// with the one before. All, where those are no more.
    pub(crate) fn sampled(steps: u64, bytes: u64) -> Self {
        let count = (QUICK / bytes.max(1)).clamp(2, QUICK_STEPS);
        if steps <= 2 * count {
            return Self::All(steps);
        }
        let far = |number: u64| 1 + number * (steps - 2) / (count - 1);
        Self::Some((0..count).map(far).collect())
    }
}

/// What is read at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// These steps.
    pub steps: Range<u64>,
    /// The number of the first that is measured.
    pub number: u64,
    /// Whether the first step is read only because the next is held against it.
    pub starts_before: bool,
}

/// How a tensor is gone through: each range of rows from the first step to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Ranges of rows; the whole where there is one.
    pub rows: Vec<Range<u64>>,
    /// Steps that are read at a time.
    pub block_steps: u64,
    /// Rows that are taken for one; 0 where they are too many for a picture.
    pub unit: u64,
    /// Bytes of a row.
    pub row_bytes: u64,
}

impl Plan {
    /// For so many steps, of elements of so many bytes.
    pub(crate) fn new(tensor: &Tensor<'_>, steps: u64, element: u64) -> Self {
        let (rows, width) = match tensor.step_shape() {
            [] => (1, 1),
            [rows, rest @ ..] => (
                *rows,
                rest.iter()
                    .fold(1, |product: u64, axis| product.saturating_mul(*axis)),
            ),
        };
        let row_bytes = width.saturating_mul(element).max(1);
        let step_bytes = rows.saturating_mul(row_bytes);
        let axis = |axis: usize, most: u64| {
            let along = tensor
                .chunk
                .as_ref()
                .and_then(|chunk| chunk.get(axis).copied());
            along.map_or(1, |along| along.clamp(1, most.max(1)))
        };
        let (chunk_steps, chunk_rows) = match tensor.has_steps {
            true => (axis(0, steps), axis(1, rows)),
            false => (1, axis(0, rows)),
        };
        let chunks_bytes = chunk_steps.saturating_mul(step_bytes);
        let (tile, block_steps) = if chunks_bytes <= MOST {
            let chunks = (BLOCK / chunks_bytes.max(1))
                .min(MOST_STEPS / chunk_steps)
                .max(1);
            (rows, chunk_steps.saturating_mul(chunks))
        } else if tensor.is_packed {
            // Chunks are unpacked as a whole, and once: some of those beside each other at a time.
            let each = chunk_steps
                .saturating_mul(chunk_rows)
                .saturating_mul(row_bytes);
            let chunks = (MOST / each.max(1)).max(1);
            (chunk_rows.saturating_mul(chunks), chunk_steps)
        } else {
            let each = chunk_steps
                .saturating_mul(chunk_rows)
                .saturating_mul(row_bytes);
            let tile = match MOST / each.max(1) {
                // Plain bytes need not be read chunk by chunk.
                0 => MOST / row_bytes,
                chunks => chunk_rows.saturating_mul(chunks),
            };
            let tile = tile.clamp(1, rows.max(1));
            let fitting = (MOST / tile.saturating_mul(row_bytes).max(1)).max(1);
            (tile, fitting.min(chunk_steps))
        };
        let tile = tile.clamp(1, rows.max(1));
        let tiles =
            (0..rows.div_ceil(tile)).map(|number| number * tile..((number + 1) * tile).min(rows));
        let tiles: Vec<_> = tiles.collect();
        let few = rows.saturating_mul(width) <= FEW || width >= LEAST_ROW;
        let wanted = if few {
            1
        } else {
            LEAST_ROW.div_ceil(width).next_power_of_two()
        };
        // No unit lies on both sides of a boundary.
        let unit = if tiles.len() > 1 {
            gcd(wanted, tile)
        } else {
            wanted
        };
        Self {
            rows: tiles,
            block_steps: block_steps.clamp(1, steps.max(1)),
            unit: of_picture(unit, rows),
            row_bytes,
        }
    }

    /// The same of these rows alone, which are in rising order.
    pub(crate) fn only(mut self, rows: &[Range<u64>]) -> Self {
        let all = self.rows.last().map_or(0, |last| last.end);
        let within = |tile: &Range<u64>| {
            let part = |rows: &Range<u64>| rows.start.max(tile.start)..rows.end.min(tile.end);
            let parts: Vec<_> = rows
                .iter()
                .map(part)
                .filter(|part| !part.is_empty())
                .collect();
            parts
        };
        self.rows = self.rows.iter().flat_map(within).collect();
        let ends = self.rows.iter().flat_map(|rows| [rows.start, rows.end]);
        let ends = ends.filter(|end| *end < all);
        // No unit lies on both sides of a boundary, here as well.
        let unit = (self.unit > 0).then(|| ends.fold(self.unit, gcd));
        self.unit = of_picture(unit.unwrap_or(0), all);
        self
    }

    /// The blocks of these steps, the first of which has this number and is held against the one before it.
    pub(crate) fn blocks_of(&self, steps: &Range<u64>, number: u64) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut first = steps.start;
        while first < steps.end {
            // Blocks end where chunks do.
            let end = (first / self.block_steps + 1).saturating_mul(self.block_steps);
            let starts_before = first == steps.start && first > 0;
            blocks.push(Block {
                steps: first - u64::from(starts_before)..end.min(steps.end),
                number: number + first - steps.start,
                starts_before,
            });
            first = end;
        }
        blocks
    }

    /// The blocks of each range of rows.
    pub(crate) fn blocks(&self, steps: &Steps) -> Vec<Block> {
        let runs = steps.runs().into_iter();
        runs.flat_map(|(number, run)| self.blocks_of(&run, number))
            .collect()
    }
}

/// The unit of rows, or 0 where there are too many of them for a picture.
fn of_picture(unit: u64, rows: u64) -> u64 {
    match unit {
        1.. if rows.div_ceil(unit) <= MOST_UNITS => unit,
        _ => 0,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What each tensor has room for in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Points of a curve.
    pub points: u64,
    /// Points of the curve of a tensor of one value a step.
    pub scalar_points: u64,
    /// Rows and columns of a picture.
    pub picture: (u64, u64),
    /// Steps whose values are told.
    pub spread: u64,
    /// Rows that are told apart while the values are read.
    pub groups: usize,
}

/// Cells of pictures that are kept while values are read, of all tensors that are measured at a time.
const CELLS: u64 = 1 << 23;

impl Room {
    /// Tensors of each kind that a page of so many files tells of each.
    pub(crate) fn tensors(files: u64) -> usize {
        usize::try_from(200 / files.max(1))
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// For a page of so many tensors of several values and of one value a step, of the first of which so many are
    /// measured at a time.
    pub(crate) fn new(tensors: u64, scalars: u64, at_a_time: u64) -> Self {
        let (tensors, scalars) = (tensors.max(1), scalars.max(1));
        // In base64 a double takes 10.7 bytes and a cell 2.7; a tensor has two pictures, and eight curves of three
        // numbers each.
        let cells = 750_000 / (2 * tensors);
        let columns = (cells * 3 / 2).isqrt().clamp(16, 512);
        Self {
            points: (950_000 / (tensors * 8 * 3 * 11)).clamp(16, 2000),
            scalar_points: (400_000 / (scalars * 3 * 11)).clamp(16, 2000),
            picture: ((cells / columns).clamp(16, 512), columns),
            groups: usize::try_from(CELLS / columns / at_a_time.max(1))
                .unwrap_or(usize::MAX)
                .clamp(512, 1 << 14),
            spread: (600_000 / (tensors * 360)).clamp(6, crate::spread::MOST_STEPS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shape: &[u64], chunk: Option<&[u64]>, is_packed: bool) -> Plan {
        let tensor = Tensor {
            name: String::new(),
            dtype: String::new(),
            shape: shape.to_vec(),
            has_steps: true,
            chunk: chunk.map(<[u64]>::to_vec),
            is_packed,
            values: Err(String::new()),
        };
        Plan::new(&tensor, shape[0], 2)
    }

    /// No block has a part of a chunk, so none is unpacked twice.
    #[test]
    fn blocks_are_whole_chunks() {
        let small = plan(&[6001, 10_000, 64], Some(&[13, 10_000, 64]), true);
        assert_eq!(
            (small.rows.len(), small.block_steps % 13, small.unit),
            (1, 0, 1)
        );
        let blocks = small.blocks(&Steps::All(6001));
        assert_eq!(blocks[0].steps, 0..13);
        assert_eq!(blocks.last().unwrap().steps.end, 6001);
        // Chunks of a few rows over all steps.
        let tokens = plan(&[6001, 10_000, 64], Some(&[6001, 8, 64]), true);
        assert_eq!((tokens.block_steps, tokens.rows[0].clone()), (6001, 0..48));
        assert_eq!(tokens.rows.len(), 209);
        // Many small steps.
        assert_eq!(
            plan(&[1 << 30, 3], Some(&[1000, 3]), true).block_steps,
            65_000
        );
        // A step of 2 GB, without chunks, and in a chunk as large.
        for chunk in [None, Some(&[1, 1 << 20, 1024][..])] {
            let large = plan(&[10, 1 << 20, 1024], chunk, false);
            assert_eq!(large.block_steps, 1);
            assert!(large.rows[0].end * large.row_bytes <= MOST);
        }
    }

    #[test]
    fn narrow_rows_are_taken_together_where_they_are_many() {
        assert_eq!(plan(&[100, 4096], None, false).unit, 1);
        assert_eq!(plan(&[100, 1 << 20], None, false).unit, 32);
        assert_eq!(plan(&[100, 1 << 30], None, false).unit, 0);
    }

    #[test]
    fn a_sample_has_both_ends() {
        let Steps::Some(steps) = Steps::sampled(6001, 10 << 20) else {
            panic!("there are more");
        };
        assert_eq!(
            (steps[0], *steps.last().unwrap(), steps.len()),
            (1, 6000, 51)
        );
        assert!(steps.is_sorted_by(|a, b| a < b));
        assert_eq!(Steps::sampled(50, 10 << 20), Steps::All(50));
    }

    #[test]
    fn chosen_steps_are_read_in_runs_each_with_the_one_before() {
        let indices = "70, 3..6, 0, -30, 4".parse().unwrap();
        let steps = Steps::Some(within(&indices, &(0..100)));
        assert_eq!(steps.runs(), [(0, 0..1), (1, 3..6), (4, 70..71)]);
        assert_eq!((steps.count(), steps.read()), (5, 7));
        let blocks = plan(&[100, 8], None, false).blocks(&steps);
        let read: Vec<_> = blocks
            .iter()
            .map(|block| (block.steps.clone(), block.number, block.starts_before))
            .collect();
        assert_eq!(read, [(0..1, 0, false), (2..6, 1, true), (69..71, 4, true)]);
        let tenth = "..:10".parse().unwrap();
        assert_eq!(within(&tenth, &(71..95)), [80, 90]);
        assert!(within(&"..9".parse().unwrap(), &(71..95)).is_empty());
    }
}
