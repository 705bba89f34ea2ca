//! How far each row moved at each step, as a picture of bounded size.

use std::collections::HashMap;

use selvedge_bf16::bf16;
use serde::Serialize;

use crate::encode::{Counts, Doubles, Shades};
use crate::series::Points;

/// Rows that are named as those that moved most.
const TOP: usize = 12;

/// A mask of the rows, by name.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    /// The name of the constant.
    pub name: String,
    /// A value for each row.
    pub rows: Vec<bool>,
}

/// Rows × steps: the norm of what a row changed by from the step before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Heat {
    /// The number of rows.
    pub rows: u64,
    /// Rows that are one in the pictures and among those that moved most, as those of a single value are.
    pub unit: u64,
    /// The first step of each column.
    pub columns: Doubles,
    /// Rows as they are in the file.
    pub in_order: Picture,
    /// Rows by how far they moved over all steps, those that moved most first; of each class of rows by
    /// itself.
    pub sorted: Picture,
    /// The masks by whose values the classes are told apart: the class of a row has bit N if the mask N does.
    pub masks: Vec<String>,
    /// Those of which rows that are one have both values, which tell none apart.
    pub unsplit: Vec<String>,
    /// The rows that moved most.
    pub top: Vec<u64>,
    /// How far each of these moved over all steps: the sum of its norms.
    pub top_moved: Doubles,
    /// Rows of which no bit ever changed, each by itself whatever the unit: what becomes NaN has moved.
    pub still: u64,
}

/// A picture. Each cell is the largest norm of its rows at its steps; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Picture {
    /// For each row of the picture the row of the tensor that moved most.
    pub best: Counts,
    /// How many rows it stands for.
    pub size: Counts,
    /// Their class.
    pub class: Vec<u8>,
    /// Row by row.
    pub cells: Shades,
}

/// Takes the movements of the rows in.
#[derive(Clone, Debug)]
pub(crate) struct HeatMap {
    rows: u64,
    unit: u64,
    columns: Points,
    /// The group of each unit of rows, and the class of each group.
    group: Vec<u32>,
    class: Vec<u8>,
    /// By group and column.
    cells: Vec<f32>,
    /// How far each unit moved.
    total: Vec<f64>,
    /// A bit for each row, whether it moved.
    moved: Vec<u8>,
    masks: Vec<String>,
    unsplit: Vec<String>,
    /// Rows that are not looked at.
    pub(crate) unread: u64,
}

/// The movements of some units at some steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    first_unit: usize,
    first_column: usize,
    columns: usize,
    cells: Vec<f32>,
    total: Vec<f64>,
    /// Whether each row of each unit moved.
    moved: Vec<bool>,
}

impl Patch {
    /// For these units of `unit` rows, and the columns of these steps.
    pub(crate) fn new(
        units: std::ops::Range<usize>,
        columns: std::ops::RangeInclusive<usize>,
        unit: usize,
    ) -> Self {
        let count = columns.end() - columns.start() + 1;
        Self {
            first_unit: units.start,
            first_column: *columns.start(),
            columns: count,
            cells: vec![f32::NAN; units.len() * count],
            total: vec![0.0; units.len()],
            moved: vec![false; units.len() * unit],
        }
    }

    /// Holds the rows of the unit `unit` of these against what they were, bit by bit.
    pub(crate) fn compare(&mut self, unit: usize, row_bytes: usize, before: &[u8], now: &[u8]) {
        let each = self.moved.len() / self.total.len();
        let rows = before.chunks(row_bytes).zip(now.chunks(row_bytes));
        for (moved, (before, now)) in self.moved[unit * each..].iter_mut().zip(rows) {
            *moved = *moved || before != now;
        }
    }

    /// Adds the norm of what the unit `unit` of these changed by.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rounded: it becomes a colour"
    )]
    pub(crate) fn add(&mut self, unit: usize, column: usize, norm: f64) {
        let cell = &mut self.cells[unit * self.columns + column - self.first_column];
        // Whatever is compared with NaN, the number is taken.
        *cell = cell.max(norm as f32);
        self.total[unit] += norm;
    }
}

impl HeatMap {
    /// For so many rows, `unit` of which are taken for one. About `groups` of these are told apart while the file is
    /// read, and where there are more, some are taken together.
    pub(crate) fn new(
        rows: u64,
        unit: u64,
        groups: usize,
        columns: Points,
        masks: &[Mask],
    ) -> Self {
        let units = usize::try_from(rows.div_ceil(unit)).unwrap_or(usize::MAX);
        let masks = masks.iter().filter(|mask| mask.rows.len() as u64 == rows);
        let each = usize::try_from(unit).unwrap_or(usize::MAX);
        let is_split = |mask: &&Mask| {
            let mut units = mask.rows.chunks(each);
            units.all(|rows| rows.iter().all(|row| *row == rows[0]))
        };
        let (masks, unsplit): (Vec<&Mask>, Vec<&Mask>) = masks.partition(is_split);
        let masks: Vec<&Mask> = masks.into_iter().take(8).collect();
        let class_of = |unit: usize| {
            let masks = masks.iter().enumerate();
            let bits = masks.map(|(bit, mask)| u8::from(mask.rows[unit * each]) << bit);
            bits.fold(0, |class, bit| class | bit)
        };
        // Groups are of one class, and of rows that follow each other in it.
        let each = units.div_ceil(groups.max(1)).max(1);
        let (mut group, mut class) = (Vec::with_capacity(units), Vec::new());
        let mut open: HashMap<u8, (u32, usize)> = HashMap::new();
        for unit in 0..units {
            let of = class_of(unit);
            let open = open.entry(of).or_insert((0, each));
            if open.1 == each {
                *open = (u32::try_from(class.len()).unwrap_or(u32::MAX), 0);
                class.push(of);
            }
            open.1 += 1;
            group.push(open.0);
        }
        Self {
            rows,
            unit,
            columns,
            cells: vec![f32::NAN; class.len() * columns.count()],
            total: vec![0.0; units],
            moved: vec![0; usize::try_from(rows.div_ceil(8)).unwrap_or(usize::MAX)],
            group,
            class,
            masks: masks.iter().map(|mask| mask.name.clone()).collect(),
            unsplit: unsplit.iter().map(|mask| mask.name.clone()).collect(),
            unread: 0,
        }
    }

    pub(crate) fn columns(&self) -> Points {
        self.columns
    }

    /// Takes two columns for one until there is one for the step `number`.
    pub(crate) fn make_room(&mut self, number: u64) {
        let columns = self.columns.count();
        while !self.columns.have(number) {
            self.columns = self.columns.halved();
            for cells in self.cells.chunks_mut(columns) {
                for column in 0..columns {
                    let pair = cells.get(2 * column..2 * column + 2);
                    cells[column] = pair.map_or(f32::NAN, |pair| pair[0].max(pair[1]));
                }
            }
        }
    }

    pub(crate) fn add(&mut self, patch: &Patch) {
        let columns = self.columns.count();
        let first_row = patch.first_unit * usize::try_from(self.unit).unwrap_or(usize::MAX);
        let moved = patch.moved.iter().zip(first_row..);
        for (_, row) in moved.filter(|(moved, _)| **moved) {
            self.moved[row / 8] |= 1 << (row % 8);
        }
        for (number, total) in patch.total.iter().enumerate() {
            let unit = patch.first_unit + number;
            self.total[unit] += total;
            let start = self.group[unit] as usize * columns + patch.first_column;
            let to = &mut self.cells[start..start + patch.columns];
            let from = &patch.cells[number * patch.columns..][..patch.columns];
            for (to, from) in to.iter_mut().zip(from) {
                *to = to.max(*from);
            }
        }
    }

    /// The pictures, of about `most` rows each, and of the first `used` columns.
    pub(crate) fn finish(&self, most: usize, used: usize, steps: impl Fn(u64) -> u64) -> Heat {
        let groups = self.class.len();
        // The unit of each group that moved most, and how many there are.
        let mut best = vec![(0_usize, -1.0); groups];
        let mut size = vec![0_u64; groups];
        for (unit, (&group, &total)) in self.group.iter().zip(&self.total).enumerate() {
            let group = group as usize;
            size[group] += 1;
            if total > best[group].1 {
                best[group] = (unit, total);
            }
        }
        let in_order: Vec<usize> = (0..groups).collect();
        let mut sorted = in_order.clone();
        sorted.sort_by(|&a, &b| {
            let class = self.class[a].cmp(&self.class[b]);
            class.then(best[b].1.total_cmp(&best[a].1)).then(a.cmp(&b))
        });
        let classes = sorted.chunk_by(|&a, &b| self.class[a] == self.class[b]);
        let classes: Vec<&[usize]> = classes.collect();
        let picture = |parts: &[&[usize]]| self.picture(parts, &best, &size, (most, used));
        let mut top: Vec<usize> = (0..self.total.len()).collect();
        let further =
            |&a: &usize, &b: &usize| self.total[b].total_cmp(&self.total[a]).then(a.cmp(&b));
        if top.len() > TOP {
            top.select_nth_unstable_by(TOP, further);
            top.truncate(TOP);
        }
        top.sort_by(further);
        top.retain(|&unit| self.total[unit] > 0.0);
        Heat {
            rows: self.rows,
            unit: self.unit,
            columns: Doubles(
                self.columns
                    .first()
                    .take(used)
                    .map(|number| steps(number) as f64)
                    .collect(),
            ),
            in_order: picture(&[&in_order]),
            sorted: picture(&classes),
            top_moved: Doubles(top.iter().map(|&unit| self.total[unit]).collect()),
            top: top.iter().map(|&unit| unit as u64 * self.unit).collect(),
            still: self.rows
                - self.unread
                - self
                    .moved
                    .iter()
                    .map(|bits| u64::from(bits.count_ones()))
                    .sum::<u64>(),
            masks: self.masks.clone(),
            unsplit: self.unsplit.clone(),
        }
    }

    /// The picture of groups, each part of which has about its share of the rows.
    fn picture(
        &self,
        parts: &[&[usize]],
        best: &[(usize, f64)],
        size: &[u64],
        (most, used): (usize, usize),
    ) -> Picture {
        let groups: usize = parts.iter().map(|part| part.len()).sum();
        let columns = self.columns.count();
        let mut picture = Picture::default();
        for part in parts {
            let rows = (part.len() * most / groups.max(1)).clamp(1, part.len().max(1));
            for row in 0..rows.min(part.len()) {
                let groups = &part[row * part.len() / rows..(row + 1) * part.len() / rows];
                let mut cells = vec![f32::NAN; columns];
                let mut winner = (0, -1.0);
                for &group in groups {
                    if best[group].1 > winner.1 {
                        winner = best[group];
                    }
                    let from = &self.cells[group * columns..][..columns];
                    for (to, from) in cells.iter_mut().zip(from) {
                        *to = to.max(*from);
                    }
                }
                let rows: u64 = groups.iter().map(|&group| size[group]).sum();
                let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                picture.best.0.push(count(winner.0 as u64 * self.unit));
                picture
                    .size
                    .0
                    .push(count((rows * self.unit).min(self.rows)));
                picture.class.push(self.class[groups[0]]);
                picture
                    .cells
                    .0
                    .extend(cells.into_iter().take(used).map(bf16::from_f32));
            }
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 0 and 3 are of the mask; row 4 never moves; each step is a column.
    #[test]
    fn rows_are_sorted_within_their_class() {
        let mask = Mask {
            name: "dead".to_owned(),
            rows: vec![true, false, false, true, false],
        };
        let other = Mask {
            name: "of another tensor".to_owned(),
            rows: vec![true; 3],
        };
        let mut map = HeatMap::new(5, 1, 9, Points::new(2, 10), &[mask, other]);
        let mut patch = Patch::new(0..5, 0..=1, 1);
        for (row, norms) in [[1.0, 2.0], [0.5, 0.0], [8.0, 8.0], [3.0, 3.0], [0.0, 0.0]]
            .iter()
            .enumerate()
        {
            patch.add(row, 0, norms[0]);
            patch.add(row, 1, norms[1]);
            patch.compare(row, 1, &[0], &[u8::from(norms[0] > 0.0)]);
        }
        map.add(&patch);
        let heat = map.finish(10, 2, |step| step + 100);
        assert_eq!(heat.columns.0, [100.0, 101.0]);
        assert_eq!((heat.masks.len(), heat.still), (1, 1));
        assert_eq!(heat.top, [2, 3, 0, 1]);
        assert_eq!(heat.top_moved.0, [16.0, 6.0, 3.0, 0.5]);
        assert_eq!(heat.in_order.best.0, [0, 1, 2, 3, 4]);
        assert_eq!(heat.sorted.best.0, [2, 1, 4, 3, 0]);
        assert_eq!(heat.sorted.class, [0, 0, 0, 1, 1]);
        let cells: Vec<f32> = heat
            .sorted
            .cells
            .0
            .iter()
            .map(|cell| cell.to_f32())
            .collect();
        assert_eq!(cells[..4], [8.0, 8.0, 0.5, 0.0]);
    }

    #[test]
    fn many_rows_are_taken_together_and_spikes_are_kept() {
        let rows = 40_000;
        let mut map = HeatMap::new(rows, 1, 1 << 14, Points::new(3, 3), &[]);
        let mut patch = Patch::new(10_000..10_002, 2..=2, 1);
        patch.add(1, 2, 7.0);
        patch.compare(1, 2, &[0, 0], &[0, 1]);
        map.add(&patch);
        let heat = map.finish(100, 3, |step| step);
        assert_eq!(heat.in_order.size.0.len(), 100);
        assert_eq!(heat.in_order.size.0.iter().sum::<u32>(), 40_000);
        assert_eq!(heat.sorted.best.0[0], 10_001);
        assert_eq!(heat.sorted.cells.0[2].to_f32(), 7.0);
        assert_eq!((heat.still, heat.top.len()), (39_999, 1));
    }

    #[test]
    fn columns_are_taken_together_as_steps_come() {
        let mut map = HeatMap::new(1, 1, 1, Points::growing(4), &[]);
        for step in 1..9_u8 {
            map.make_room(step.into());
            let column = map.columns().of(step.into());
            let mut patch = Patch::new(0..1, column..=column, 1);
            patch.add(0, column, f64::from(step));
            map.add(&patch);
        }
        let heat = map.finish(1, 3, |step| step);
        assert_eq!(heat.columns.0, [0.0, 4.0, 8.0]);
        let cells = heat.in_order.cells.0.iter();
        assert!(cells.map(|cell| cell.to_f32()).eq([3.0, 7.0, 8.0]));
    }

    #[test]
    fn the_last_unit_may_be_smaller() {
        let mask = |name: &str, dead: usize| Mask {
            name: name.to_owned(),
            rows: (0..10).map(|row| row < dead).collect(),
        };
        // A mask whose values change between two units tells them apart.
        let masks = [mask("dead", 8), mask("mixed", 3)];
        let mut map = HeatMap::new(10, 4, 9, Points::new(1, 1), &masks);
        let mut patch = Patch::new(1..3, 0..=0, 4);
        patch.compare(0, 1, &[1, 2, 3, 4], &[1, 0, 3, 0]);
        patch.compare(1, 1, &[1, 2], &[1, 0]);
        map.add(&patch);
        let heat = map.finish(2, 1, |step| step);
        assert_eq!(heat.still, 7);
        assert_eq!(heat.masks, ["dead"]);
        assert_eq!(heat.unsplit, ["mixed"]);
        assert_eq!(heat.sorted.class, [0, 1]);
        assert_eq!((heat.in_order.best.0.len(), heat.unit), (2, 4));
    }
}
