//! A tensor that gets more steps while it is measured: each is read once, when it is there.

use std::ops::Range;
use std::sync::Arc;

use crate::element::{Element, for_dtype};
use crate::heat::Mask;
use crate::model::{Kind, TensorReport, kind};
use crate::pass::Pass;
use crate::plan::{Plan, QUICK, Room, Sample, Steps, within};
use crate::readable::{Lost, Readable, total};
use crate::report::{chosen, masks, sample_bytes};
use crate::scalar::Values;
use crate::series::Points;
use crate::values::{Read, Tensor};

/// Bytes that are read for new steps at a time, and no more, whatever the speed of the run.
const AT_A_TIME: u64 = 64 << 20;

/// What is measured of a tensor, as far as its steps have been added.
pub struct Growing {
    so_far: TensorReport,
    /// All steps before this one have been added, or left out.
    end: u64,
    kept: Option<Box<dyn Keep>>,
    is_sampled: bool,
    lost: Lost,
}

/// The measures of a tensor of some element type.
trait Keep: Send {
    /// Adds these steps. If it fails, nothing is added.
    fn add(
        &mut self,
        tensor: &Tensor<'_>,
        values: &Read<'_>,
        steps: &Range<u64>,
    ) -> Result<(), String>;

    /// Begins anew, and leaves out all rows but these.
    fn only(&mut self, tensor: &Tensor<'_>, rows: &[Range<u64>]);

    fn fill(&self, report: &mut TensorReport, end: u64);
}

/// Starts to measure the tensors of a file, one of `files` that share a page; `None` for those that the page has
/// no room for.
#[must_use]
pub fn growing(tensors: &[Tensor<'_>], files: u64) -> Vec<Option<Growing>> {
    let chosen = chosen(tensors, files);
    let of = |wanted: Kind| {
        let taken = tensors.iter().zip(&chosen);
        let taken = taken.filter(|(tensor, is_chosen)| **is_chosen && kind(tensor) == wanted);
        (taken.count() as u64).saturating_mul(files)
    };
    let steps = of(Kind::Steps);
    let room = Room::new(steps, of(Kind::Scalar), steps);
    let masks: Arc<[Mask]> = masks(tensors).into();
    let each = tensors.iter().zip(chosen);
    each.map(|(tensor, is_chosen)| is_chosen.then(|| Growing::new(tensor, room, &masks)))
        .collect()
}

impl Growing {
    fn new(tensor: &Tensor<'_>, room: Room, masks: &Arc<[Mask]>) -> Self {
        let kept: Option<Box<dyn Keep>> = for_dtype!(tensor.dtype.as_str(), E => Some(match kind(tensor) {
            Kind::Scalar => Box::new(Scalar::<E>::new(room)),
            _ => Box::new(Several::<E>::new(tensor, room, masks)),
        }), None);
        let mut so_far = TensorReport::of(tensor);
        match (&tensor.values, &kept) {
            (Err(why), _) => so_far.not_read(tensor, why.clone()),
            (Ok(_), None) => {
                let dtype = &tensor.dtype;
                let why = format!("it holds {dtype}, which has no numbers that are measured");
                so_far.not_read(tensor, why);
            }
            (Ok(_), Some(_)) => {}
        }
        Self {
            so_far,
            end: 0,
            kept,
            is_sampled: false,
            lost: Lost::default(),
        }
    }

    /// All steps before this one have been added, or left out; of a constant it is 1 when that has been read.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether steps were left out.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Whether nothing is read of it any more: it cannot be.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.so_far.unread.is_some()
    }

    /// Adds these steps, which come after those before them, each held against the one before it in the file. What
    /// cannot be read of them is told in the report.
    pub fn add(&mut self, tensor: &Tensor<'_>, steps: Range<u64>) {
        self.so_far.shape.clone_from(&tensor.shape);
        let (Some(kept), false) = (&mut self.kept, self.so_far.unread.is_some()) else {
            self.end = steps.end;
            return;
        };
        self.is_sampled |= steps.start > self.end;
        self.end = steps.end;
        let values = match &tensor.values {
            Ok(values) => values,
            Err(why) => return self.so_far.not_read(tensor, why.clone()),
        };
        let mut added = vec![steps.clone()];
        if let Err(why) = kept.add(tensor, values, &steps) {
            let is_first = self.so_far.measured == 0;
            let left = Readable::find(tensor, &added, (self.lost.left_rows(), is_first));
            if is_first && let Some(rows) = &left.rows {
                kept.only(tensor, rows);
            }
            added = left.steps;
            // What was read a moment ago may be gone.
            added.retain(|steps| kept.add(tensor, values, steps).is_ok());
            self.lost.add(&[steps], added.clone(), left.rows, why);
        }
        self.so_far.measured += total(&added);
    }

    /// What was measured so far.
    #[must_use]
    pub fn report(&self) -> TensorReport {
        let mut report = self.so_far.clone();
        if let (Some(kept), true) = (&self.kept, report.measured > 0 && report.unread.is_none()) {
            kept.fill(&mut report, self.end);
        }
        self.lost.tell(&mut report);
        report
    }
}

/// What is to be added next to each of these tensors of a file: all new steps, or those that are wanted of them. For a
/// quick look some of them, the last one among them, where all are more than is read at a time. The first time more is
/// read.
#[must_use]
pub fn next(
    tensors: &[Tensor<'_>],
    so_far: &[Option<u64>],
    sample: &Sample,
) -> Vec<Vec<Range<u64>>> {
    let kinds: Vec<Kind> = tensors.iter().map(kind).collect();
    let bytes = sample_bytes(tensors, &kinds).max(1);
    let new = tensors.iter().zip(so_far).map(|(tensor, from)| {
        let end = tensor.steps();
        from.map_or(end..end, |from| from.min(end)..end)
    });
    let new: Vec<_> = new.collect();
    let longest = new.iter().zip(&kinds);
    let longest = longest.filter(|(_, kind)| **kind == Kind::Steps);
    let longest = longest.map(|(new, _)| new.end - new.start).max();
    let is_first = so_far.iter().flatten().all(|from| *from == 0);
    let most = if is_first { QUICK } else { AT_A_TIME };
    let count = (most / bytes).max(1);
    let is_few = longest.unwrap_or(0).saturating_mul(bytes / 2) <= most;
    let each = new.into_iter().zip(kinds).map(|(new, kind)| {
        let steps = new.end - new.start;
        if let (Sample::Steps(indices), Kind::Steps | Kind::Scalar, 1..) = (sample, kind, steps) {
            let runs = Steps::Some(within(indices, &new)).runs();
            return runs.into_iter().map(|(_, steps)| steps).collect();
        }
        if *sample != Sample::Quick || is_few || kind != Kind::Steps || steps <= count {
            return Some(new)
                .filter(|new| !new.is_empty())
                .into_iter()
                .collect();
        }
        let far = |nth: u64| new.start + (nth + 1) * steps / count - 1;
        let some = (0..count).map(|nth| far(nth)..far(nth) + 1);
        some.collect()
    });
    each.collect()
}

/// A tensor of one value a step.
struct Scalar<T> {
    values: Values,
    /// The first step that was added.
    first: Option<u64>,
    element: std::marker::PhantomData<T>,
}

impl<T> Scalar<T> {
    fn new(room: Room) -> Self {
        Self {
            values: Values::new(Points::growing(room.scalar_points)),
            first: None,
            element: std::marker::PhantomData,
        }
    }
}

impl<T: Element> Keep for Scalar<T> {
    fn add(
        &mut self,
        tensor: &Tensor<'_>,
        values: &Read<'_>,
        steps: &Range<u64>,
    ) -> Result<(), String> {
        let first = self.first.unwrap_or(steps.start);
        let number = steps.start - first;
        let last = number + (steps.end - steps.start).saturating_sub(1);
        let mut sums = self.values.clone();
        sums.curve.make_room(last);
        sums.add::<T>(tensor, values, steps, number, &mut |_| {})?;
        (self.values, self.first) = (sums, Some(first));
        Ok(())
    }

    /// A single value has one row.
    fn only(&mut self, _: &Tensor<'_>, _: &[Range<u64>]) {}

    fn fill(&self, report: &mut TensorReport, end: u64) {
        let first = self.first.unwrap_or(0);
        let last = end.saturating_sub(1).saturating_sub(first);
        let used = self.values.curve.points().of(last) + 1;
        report.values(&self.values, used, |number| first + number);
    }
}

/// A tensor of several values.
#[derive(Clone)]
struct Several<T> {
    plan: Plan,
    pass: Pass<T>,
    room: Room,
    masks: Arc<[Mask]>,
    /// The first step that was added, which has the number 0.
    first: Option<u64>,
    /// The next step whose values are told, how many steps are between two of them, and of how many that is kept.
    next_told: u64,
    apart: u64,
    most_told: usize,
}

impl<T: Element> Several<T> {
    fn new(tensor: &Tensor<'_>, room: Room, masks: &Arc<[Mask]>) -> Self {
        let plan = Plan::new(tensor, Steps::From(0).count(), size_of::<T::Raw>() as u64);
        Self::planned(tensor, plan, room, Arc::clone(masks))
    }

    fn planned(tensor: &Tensor<'_>, plan: Plan, room: Room, masks: Arc<[Mask]>) -> Self {
        // However many steps it gets.
        let steps = Steps::From(0);
        let pass = Pass::new(tensor, steps, &plan, room, &masks, Points::growing);
        Self {
            plan,
            pass,
            room,
            masks,
            first: None,
            next_told: 0,
            apart: 1,
            most_told: usize::try_from(room.spread).unwrap_or(usize::MAX).max(2),
        }
    }

    /// Which steps of these, by their numbers, have their values told, and that there are not too many of them.
    fn tell(&mut self, numbers: &Range<u64>) {
        self.pass.told.clear();
        self.next_told = self.next_told.max(numbers.start);
        while self.next_told < numbers.end {
            self.pass.told.push(self.next_told);
            self.next_told += self.apart;
            if self.pass.columns.len() + self.pass.told.len() > self.most_told {
                let mut nth = 0;
                let mut is_kept = || {
                    nth += 1;
                    nth % 2 == 1
                };
                self.pass.columns.retain(|_| is_kept());
                self.pass.told.retain(|_| is_kept());
                self.apart = self.apart.saturating_mul(2);
                let last = self.pass.told.last().copied().unwrap_or(numbers.start);
                self.next_told = last.saturating_add(self.apart);
            }
        }
    }
}

impl<T: Element> Keep for Several<T> {
    fn add(
        &mut self,
        tensor: &Tensor<'_>,
        values: &Read<'_>,
        steps: &Range<u64>,
    ) -> Result<(), String> {
        if steps.is_empty() {
            return Ok(());
        }
        let first = self.first.unwrap_or(steps.start);
        self.pass.steps = Steps::From(first);
        let numbers = steps.start - first..steps.end - first;
        // A step of no bytes has no values.
        if tensor.step_len() > 0 {
            self.tell(&numbers);
        }
        self.pass.make_room(numbers.end - 1);
        self.pass.prepare(numbers.clone());
        let blocks = self.plan.blocks_of(steps, numbers.start);
        // A single read that fails has added nothing.
        let several = self.plan.rows.len() * blocks.len() > 1;
        let before = several.then(|| self.pass.clone());
        let mut progress = |_| {};
        let added = self
            .pass
            .go_through(&self.plan, &blocks, values, &mut progress);
        match (&added, before) {
            (Ok(()), _) => self.first = Some(first),
            (Err(_), Some(before)) => self.pass = before,
            (Err(_), None) => {}
        }
        added
    }

    fn only(&mut self, tensor: &Tensor<'_>, rows: &[Range<u64>]) {
        let plan = self.plan.clone().only(rows);
        *self = Self::planned(tensor, plan, self.room, Arc::clone(&self.masks));
    }

    fn fill(&self, report: &mut TensorReport, end: u64) {
        let end = end.saturating_sub(self.first.unwrap_or(0));
        report.measured(self.pass.measured(end));
    }
}
