//! One tensor, from its first step to its last: everything is summed up while a step and the one before it
//! are in the cache.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::thread;

use selvedge_base::{Stride, pool};

use crate::element::Element;
use crate::encode::Doubles;
use crate::heat::{Heat, HeatMap, Mask, Patch};
use crate::model::{Curves, Ends, Place};
use crate::plan::{Block, Plan, Room, Steps};
use crate::readable::total;
use crate::series::{Curve, Points};
use crate::spread::{self, Column, Counter, Spread};
use crate::sums::{RowSums, Run, StepSums, all_finite, any_row, finite_row};
use crate::values::{Read, Tensor};

/// Bytes of a step that a thread works on, with those of the step before: both fit into its cache.
const PART: u64 = 64 << 10;
/// Bytes that it works on before it takes the next part.
const TASK: u64 = 1 << 20;

/// What came out of a tensor.
pub(crate) struct Measured {
    pub at: Doubles,
    pub curves: Curves,
    pub ends: Ends,
    pub spread: Spread,
    pub heat: Option<Heat>,
    pub found: NotFinite,
}

/// Values that are no finite numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotFinite {
    pub nan: u64,
    pub infinite: u64,
    pub first_nan: Option<Place>,
    pub first_infinite: Option<Place>,
}

/// Measures these steps of a tensor of type `T`, and of each these rows, or all.
///
/// # Errors
///
/// The errors of reading.
pub(crate) fn measure<T: Element>(
    tensor: &Tensor<'_>,
    values: &Read<'_>,
    (steps, rows): (&Steps, Option<&[Range<u64>]>),
    room: Room,
    masks: &[Mask],
    progress: &mut dyn FnMut(u64),
) -> Result<Measured, String> {
    let mut plan = Plan::new(tensor, tensor.steps(), size_of::<T::Raw>() as u64);
    if let Some(rows) = rows {
        plan = plan.only(rows);
    }
    let points = |most| Points::new(steps.count(), most);
    let mut pass = Pass::<T>::new(tensor, steps.clone(), &plan, room, masks, points);
    let last = steps.count().saturating_sub(1);
    let count = points(room.spread).count() as u64;
    // The first and the last are among them.
    pass.told = (0..count)
        .map(|nth| nth * last / (count - 1).max(1))
        .collect();
    pass.prepare(0..steps.count());
    pass.go_through(&plan, &plan.blocks(steps), values, progress)?;
    Ok(pass.measured(steps.count()))
}

impl<T: Element> Pass<T> {
    /// Goes through the steps of some blocks, whose sums are [prepared](Self::prepare).
    pub(crate) fn go_through(
        &mut self,
        plan: &Plan,
        blocks: &[Block],
        values: &Read<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), String> {
        let all = 0..self.step_shape.first().copied().unwrap_or(1);
        for (number, rows) in plan.rows.iter().enumerate() {
            self.begin_rows(rows.clone(), number + 1 == plan.rows.len());
            let asked = [Stride::of(rows.clone())];
            let asked = (*rows != all).then_some(&asked[..]);
            let read =
                &|block: &Block, bytes: &mut Vec<u8>| values(block.steps.clone(), asked, bytes);
            let (mut now, mut later) = (Vec::new(), Vec::new());
            if let Some(first) = blocks.first() {
                read(first, &mut now)?;
            }
            for (number, block) in blocks.iter().enumerate() {
                let next = blocks.get(number + 1);
                // The next block is read while this one is worked on.
                let was_read = thread::scope(|scope| {
                    let reading = next.map(|next| {
                        let later = &mut later;
                        thread::Builder::new().spawn_scoped(scope, move || read(next, later))
                    });
                    self.add(block, &now);
                    match reading {
                        Some(Ok(reading)) => {
                            let result = reading.join();
                            Some(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                        }
                        // The system has no thread to give.
                        Some(Err(_)) | None => None,
                    }
                });
                progress(now.len() as u64);
                match (was_read, next) {
                    (Some(result), _) => result?,
                    (None, Some(next)) => read(next, &mut later)?,
                    (None, None) => {}
                }
                std::mem::swap(&mut now, &mut later);
            }
        }
        Ok(())
    }
}

/// What is kept of a tensor while its values go by.
#[derive(Clone)]
pub(crate) struct Pass<T> {
    pub(crate) steps: Steps,
    step_shape: Vec<u64>,
    row_bytes: usize,
    unit: usize,
    /// Elements of a step that are looked at.
    step_len: u64,
    /// The rows that are gone through, and whether there are none after them.
    rows: Range<u64>,
    is_last: bool,
    is_only: bool,
    /// The last step of the block before.
    before: Vec<u8>,
    /// The sums of the steps that are not complete; the first is that of the step with this number.
    sums: Vec<StepSums>,
    sums_from: u64,
    norm: Curve,
    update: Curve,
    changed: Curve,
    far: [Curve; 3],
    ulps: Curve,
    largest: Curve,
    ends: Ends,
    changes: (u64, u64),
    heat: Option<HeatMap>,
    heat_rows: usize,
    /// The steps whose values are told, by their numbers; what was counted of them.
    pub(crate) told: Vec<u64>,
    counters: BTreeMap<u64, Counter>,
    pub(crate) columns: Vec<(u64, Column)>,
    found: NotFinite,
    firsts: [Option<(u64, u64)>; 2],
    element: std::marker::PhantomData<T>,
}

/// Some units of rows at some steps of a block.
struct Task {
    units: Range<usize>,
    steps: Range<usize>,
    sums: Vec<StepSums>,
    patch: Option<Patch>,
    /// The first NaN and the first infinity: the number of the step, and the index within the step.
    firsts: [Option<(u64, u64)>; 2],
}

impl<T: Element> Pass<T> {
    /// Where `points` makes so many points at most of all steps.
    pub(crate) fn new(
        tensor: &Tensor<'_>,
        steps: Steps,
        plan: &Plan,
        room: Room,
        masks: &[Mask],
        points: impl Fn(u64) -> Points,
    ) -> Self {
        let curve = || Curve::new(points(room.points));
        let step_shape = tensor.step_shape().to_vec();
        let rows = step_shape.first().copied().unwrap_or(1);
        let has_heat = tensor.has_steps && plan.unit > 0 && rows > 0;
        let columns = points(room.picture.1);
        let looked_at = total(&plan.rows);
        let mut heat = has_heat.then(|| HeatMap::new(rows, plan.unit, room.groups, columns, masks));
        if let Some(heat) = &mut heat {
            heat.unread = rows - looked_at;
        }
        Self {
            steps,
            row_bytes: usize::try_from(plan.row_bytes).unwrap_or(usize::MAX),
            unit: usize::try_from(plan.unit.max(1)).unwrap_or(usize::MAX),
            step_len: tensor.step_len() / rows.max(1) * looked_at,
            rows: 0..0,
            is_last: false,
            is_only: plan.rows.len() == 1,
            before: Vec::new(),
            sums: Vec::new(),
            sums_from: 0,
            norm: curve(),
            update: curve(),
            changed: curve(),
            far: [curve(), curve(), curve()],
            ulps: curve(),
            largest: curve(),
            ends: Ends {
                norm: Doubles(vec![f64::NAN; 2]),
                update: Doubles(vec![f64::NAN; 2]),
                changed: f64::NAN,
            },
            changes: (0, 0),
            heat,
            heat_rows: usize::try_from(room.picture.0).unwrap_or(usize::MAX),
            told: Vec::new(),
            counters: BTreeMap::new(),
            columns: Vec::new(),
            found: NotFinite::default(),
            firsts: [None; 2],
            step_shape,
            element: std::marker::PhantomData,
        }
    }

    /// Makes room for the sums of these steps, by their numbers, where their rows come one part after the other.
    pub(crate) fn prepare(&mut self, numbers: Range<u64>) {
        let count = usize::try_from(numbers.end - numbers.start).unwrap_or(usize::MAX);
        self.sums_from = numbers.start;
        self.sums.clear();
        self.sums
            .resize(if self.is_only { 0 } else { count }, StepSums::default());
    }

    /// Makes room for the step `number` in what grows.
    pub(crate) fn make_room(&mut self, number: u64) {
        let curves = [&mut self.norm, &mut self.update, &mut self.changed];
        let others = [&mut self.ulps, &mut self.largest];
        let curves = curves.into_iter().chain(others).chain(&mut self.far);
        curves.for_each(|curve| curve.make_room(number));
        if let Some(heat) = &mut self.heat {
            heat.make_room(number);
        }
    }

    fn begin_rows(&mut self, rows: Range<u64>, is_last: bool) {
        self.rows = rows;
        self.is_last = is_last;
        self.before.clear();
    }

    /// Bytes of the rows of a step.
    fn step_bytes(&self) -> usize {
        let rows = usize::try_from(self.rows.end - self.rows.start).unwrap_or(usize::MAX);
        rows.saturating_mul(self.row_bytes)
    }

    fn add(&mut self, block: &Block, bytes: &[u8]) {
        let step_bytes = self.step_bytes();
        if step_bytes == 0 {
            return;
        }
        let before = std::mem::take(&mut self.before);
        let (first_before, bytes) = if block.starts_before {
            let (before, bytes) = bytes.split_at(step_bytes);
            (Some(before), bytes)
        } else {
            (Some(&before[..]).filter(|before| !before.is_empty()), bytes)
        };
        let count = bytes.len() / step_bytes;
        if self.is_only {
            self.sums.clear();
            self.sums.resize(count, StepSums::default());
            self.sums_from = block.number;
        }
        self.add_sums(block.number, first_before, bytes, count);
        self.add_values(block.number, bytes, count);
        if self.is_last {
            (0..count as u64).for_each(|step| self.complete(block.number + step));
        }
        let mut before = before;
        before.clear();
        if count > 0 {
            before.extend_from_slice(&bytes[(count - 1) * step_bytes..]);
        }
        self.before = before;
    }

    fn add_sums(&mut self, number: u64, before: Option<&[u8]>, bytes: &[u8], count: usize) {
        let mut tasks = self.tasks(number, count);
        let this = &*self;
        let work = |task: &mut Task| {
            this.work(task, number, before, bytes);
            Ok::<_, Infallible>(())
        };
        let threads = pool::threads_for(tasks.len(), usize::MAX);
        let Ok(()) = pool::each(threads, tasks.iter_mut(), work);
        for task in tasks {
            let first = usize::try_from(number - self.sums_from).unwrap_or(usize::MAX);
            let sums = &mut self.sums[first + task.steps.start..first + task.steps.end];
            for (sum, part) in sums.iter_mut().zip(&task.sums) {
                sum.add(part);
            }
            if let (Some(heat), Some(patch)) = (&mut self.heat, &task.patch) {
                heat.add(patch);
            }
            for (first, found) in self.firsts.iter_mut().zip(task.firsts) {
                *first = first.iter().copied().chain(found).min();
            }
        }
    }

    /// The tasks of a block, in the order in which their sums are added up.
    fn tasks(&self, number: u64, count: usize) -> Vec<Task> {
        let rows = usize::try_from(self.rows.end - self.rows.start).unwrap_or(usize::MAX);
        let units = rows.div_ceil(self.unit);
        let unit_bytes = (self.row_bytes * self.unit) as u64;
        let size = |bytes: u64, of: u64| usize::try_from((bytes / of.max(1)).max(1)).unwrap_or(1);
        let each = size(PART, unit_bytes).min(units);
        let steps_each = size(TASK, unit_bytes * each as u64);
        let mut tasks = Vec::new();
        for first in (0..count).step_by(steps_each) {
            let steps = first..(first + steps_each).min(count);
            for unit in (0..units).step_by(each) {
                let units = unit..(unit + each).min(units);
                let patch = self.heat.as_ref().map(|heat| {
                    let at = |step: usize| heat.columns().of(number + step as u64);
                    let first = usize::try_from(self.rows.start).unwrap_or(usize::MAX) / self.unit;
                    Patch::new(
                        first + units.start..first + units.end,
                        at(steps.start)..=at(steps.end - 1),
                        self.unit,
                    )
                });
                tasks.push(Task {
                    sums: vec![StepSums::default(); steps.len()],
                    firsts: [None; 2],
                    patch,
                    units,
                    steps: steps.clone(),
                });
            }
        }
        tasks
    }

    fn work(&self, task: &mut Task, number: u64, first_before: Option<&[u8]>, bytes: &[u8]) {
        let step_bytes = self.step_bytes();
        let unit_bytes = self.row_bytes * self.unit;
        let part = task.units.start * unit_bytes..(task.units.end * unit_bytes).min(step_bytes);
        let at = |step: usize| &bytes[step * step_bytes..][part.clone()];
        let mut rows = vec![RowSums::default(); task.units.len()];
        let mut run = Run::new();
        let mut before = match task.steps.start.checked_sub(1) {
            Some(before) => Some(at(before)),
            None => first_before.map(|before| &before[part.clone()]),
        };
        let mut before_finite = before.is_none_or(|before| all_finite::<T>(T::raw(before)));
        let first_element = (self.rows.start * self.row_bytes as u64 + part.start as u64)
            / size_of::<T::Raw>() as u64;
        let mut is_first = true;
        for (step, sums) in task.steps.clone().zip(&mut task.sums) {
            let now = at(step);
            let number = number + step as u64;
            let finite = all_finite::<T>(T::raw(now));
            let moved = before.is_some_and(|before| before != now);
            let befores = before.map(|before| before.chunks(unit_bytes));
            let mut befores = befores.into_iter().flatten();
            let column = self.heat.as_ref().map(|heat| heat.columns().of(number));
            for (unit, (row, row_sums)) in now.chunks(unit_bytes).zip(&mut rows).enumerate() {
                let before = befores.next();
                let is_same = before.is_some() && (!moved || before == Some(row));
                if let (Some(before), false, Some(patch)) = (before, is_same, &mut task.patch) {
                    patch.compare(unit, self.row_bytes, before, row);
                }
                // What is as it was has the sums that it had.
                if !is_first && is_same {
                    row_sums.squared_changes = 0.0;
                    row_sums.has_change = row_sums.has_value;
                } else {
                    let (row, before) = (T::raw(row), before.map(T::raw));
                    let fast = (finite && before_finite)
                        || (all_finite::<T>(row) && before.is_none_or(all_finite::<T>));
                    *row_sums = if fast {
                        finite_row::<T>(&mut run, before, row)
                    } else {
                        any_row::<T>(before, row)
                    };
                }
                sums.squares += row_sums.squares;
                sums.squared_changes += row_sums.squared_changes;
                sums.has_change |= row_sums.has_change;
                sums.largest = sums.largest.max(row_sums.largest);
                if let (Some(_), Some(patch), Some(column)) = (before, &mut task.patch, column) {
                    patch.add(unit, column, row_sums.squared_changes.sqrt());
                }
            }
            if let Some(before) = before.filter(|_| moved) {
                T::add_moves(&mut sums.moves, T::raw(before), T::raw(now));
            }
            if !finite {
                for (&raw, index) in T::raw(now).iter().zip(first_element..) {
                    let kind = match (T::is_finite(raw), T::is_nan(raw)) {
                        (true, _) => continue,
                        (_, true) => 0,
                        (_, false) => 1,
                    };
                    *[&mut sums.nan, &mut sums.infinite][kind] += 1;
                    task.firsts[kind].get_or_insert((number, index));
                }
            }
            before = Some(now);
            before_finite = finite;
            is_first = false;
        }
    }

    /// Counts the values of those steps of the block that are told.
    fn add_values(&mut self, number: u64, bytes: &[u8], count: usize) {
        let step_bytes = self.step_bytes();
        let range = number..number + count as u64;
        let told: Vec<u64> = self
            .told
            .iter()
            .copied()
            .filter(|told| range.contains(told))
            .collect();
        for &told in &told {
            let new = || Counter::new::<T>(self.step_len);
            self.counters.entry(told).or_insert_with(new);
        }
        let counters = self.counters.range_mut(range);
        let work = |(&told, counter): (&u64, &mut Counter)| {
            let step = usize::try_from(told - number).unwrap_or(usize::MAX);
            counter.add::<T>(T::raw(&bytes[step * step_bytes..][..step_bytes]));
            Ok::<_, Infallible>(())
        };
        let threads = pool::threads_for(told.len(), usize::MAX);
        let Ok(()) = pool::each(threads, counters, work);
        if self.is_last {
            for told in told {
                if let Some(counter) = self.counters.remove(&told) {
                    self.columns
                        .push((self.steps.at(told), counter.finish::<T>()));
                }
            }
        }
    }

    /// All rows of the step were added.
    fn complete(&mut self, number: u64) {
        let index = usize::try_from(number - self.sums_from).unwrap_or(usize::MAX);
        let sums = self.sums[index];
        // Where no value is finite there is no number.
        let of = |number: f64, is_there: bool| if is_there { number } else { f64::NAN };
        let has_value = sums.nan + sums.infinite < self.step_len;
        let norm = of(sums.squares.sqrt(), has_value);
        self.norm.add(number, norm);
        self.largest.add(number, of(sums.largest, has_value));
        self.found.nan += sums.nan;
        self.found.infinite += sums.infinite;
        if number == 0 {
            self.ends.norm.0[0] = norm;
        }
        self.ends.norm.0[1] = norm;
        if self.steps.at(number) == 0 {
            return;
        }
        let share = |count: u64| count as f64 / self.step_len as f64;
        let update = of(sums.squared_changes.sqrt(), sums.has_change);
        self.update.add(number, update);
        self.changed.add(number, share(sums.moves.changed));
        self.ulps.add(number, sums.moves.sum / self.step_len as f64);
        let far = sums.moves.far.map(share);
        for (curve, far) in self.far.iter_mut().zip(far) {
            curve.add(number, far);
        }
        if self.changes.1 == 0 {
            self.ends.update.0[0] = update;
        }
        self.ends.update.0[1] = update;
        self.changes.0 += sums.moves.changed;
        self.changes.1 += self.step_len;
    }

    fn place(&self, first: Option<(u64, u64)>) -> Option<Place> {
        let (number, mut left) = first?;
        let mut index = Vec::new();
        for &axis in self.step_shape.iter().rev() {
            index.push(left % axis.max(1));
            left /= axis.max(1);
        }
        index.reverse();
        let step = self.steps.at(number);
        Some(Place { step, index })
    }

    /// What came out so far, of all steps before the number `end`.
    pub(crate) fn measured(&self, end: u64) -> Measured {
        let [first_nan, first_infinite] = self.firsts.map(|first| self.place(first));
        let steps = &self.steps;
        let points = self.norm.points();
        let used = |points: Points| match end.checked_sub(1) {
            Some(last) => points.of(last) + 1,
            None => 0,
        };
        let known = self.norm.known(used(points));
        let curve = |curve: &Curve| curve.band(&known);
        Measured {
            at: self.norm.first(&known, |number| steps.at(number)),
            ends: Ends {
                changed: self.changes.0 as f64 / self.changes.1 as f64,
                ..self.ends.clone()
            },
            spread: Spread::new(&self.columns, spread::every::<T>(self.step_len)),
            heat: self.heat.as_ref().map(|heat| {
                let columns = used(heat.columns());
                heat.finish(self.heat_rows, columns, |number| steps.at(number))
            }),
            found: NotFinite {
                first_nan,
                first_infinite,
                ..self.found.clone()
            },
            curves: Curves {
                norm: curve(&self.norm),
                update: curve(&self.update),
                changed: curve(&self.changed),
                far: match T::IS_FLOAT {
                    true => self.far.iter().map(curve).collect(),
                    false => Vec::new(),
                },
                ulps: T::IS_FLOAT.then(|| curve(&self.ulps)),
                largest: curve(&self.largest),
            },
        }
    }
}
