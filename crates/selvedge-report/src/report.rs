//! All tensors of a file.

use std::ops::Range;

use crate::element::{Element, element_bytes, for_dtype};
use crate::heat::Mask;
use crate::model::{Kind, TensorReport, kind};
use crate::pass::{self, Measured, NotFinite};
use crate::plan::{Room, Sample, Steps};
use crate::readable::{Lost, Readable, total};
use crate::scalar::Values;
use crate::series::Points;
use crate::values::{Read, Tensor};

/// Elements of a mask at most.
const LONGEST_MASK: u64 = 1 << 24;
/// Masks that are looked at.
const MOST_MASKS: usize = 16;

/// What was measured of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// Its tensors, in their order: of each kind the largest, as many as a page has room for.
    pub tensors: Vec<TensorReport>,
    /// How many others it has.
    pub left_out: u64,
    /// Whether some steps stand for all.
    pub is_sampled: bool,
}

/// Measures the tensors of a file, one of several that share the page.
///
/// One that cannot be read does not stop the others. `progress` is told of the bytes that were read, with the name
/// of their tensor.
pub fn measure(
    tensors: &[Tensor<'_>],
    sample: &Sample,
    files: u64,
    progress: &mut dyn FnMut(&str, u64),
) -> Measurements {
    let kinds: Vec<Kind> = tensors.iter().map(kind).collect();
    let count = |wanted: Kind| kinds.iter().filter(|kind| **kind == wanted).count() as u64;
    let is_measured = chosen(tensors, files);
    let most = Room::tensors(files);
    let room = Room::new(
        count(Kind::Steps).min(most as u64).saturating_mul(files),
        count(Kind::Scalar).min(most as u64).saturating_mul(files),
        1,
    );
    let masks = masks(tensors);
    let bytes = sample_bytes(tensors, &kinds);
    let mut is_sampled = false;
    let measured = tensors.iter().zip(&kinds).zip(&is_measured);
    let measured = measured.filter(|(_, is_measured)| **is_measured);
    let reports = measured.map(|((tensor, &kind), _)| {
        let mut report = TensorReport::of(tensor);
        let steps = sample.of(tensor, kind, bytes);
        is_sampled |= matches!(steps, Steps::Some(_));
        let mut work = Work {
            tensor,
            steps,
            room,
            masks: &masks,
            rows: None,
        };
        let mut progress = |bytes| progress(&tensor.name, bytes);
        if let Err(why) = work.fill(&mut report, &mut progress) {
            // Damage is of some chunks, and the others tell what there is to tell.
            let runs = work.steps.runs().into_iter().map(|(_, steps)| steps);
            let runs: Vec<_> = runs.collect();
            let Readable { steps, rows } = Readable::find(tensor, &runs, (None, true));
            let is_less = rows.is_some() || total(&steps) < total(&runs);
            work.steps = Steps::Some(steps.iter().cloned().flatten().collect());
            work.rows.clone_from(&rows);
            report.measured = work.steps.count();
            let fill = || work.fill(&mut report, &mut |_| {});
            match (is_less && work.steps.count() > 0).then(fill) {
                Some(Ok(())) => {
                    let mut lost = Lost::default();
                    lost.add(&runs, steps, rows, why);
                    lost.tell(&mut report);
                }
                _ => report.not_read(tensor, why),
            }
        }
        report.measured = work.steps.count();
        report
    });
    let reports: Vec<TensorReport> = reports.collect();
    Measurements {
        left_out: (tensors.len() - reports.len()) as u64,
        tensors: reports,
        is_sampled,
    }
}

/// Which tensors are measured: of each kind the largest, as many as a page of so many files has room for.
#[must_use]
pub fn chosen(tensors: &[Tensor<'_>], files: u64) -> Vec<bool> {
    let most = Room::tensors(files);
    let kinds: Vec<Kind> = tensors.iter().map(kind).collect();
    let mut measured = vec![false; tensors.len()];
    for wanted in [Kind::Scalar, Kind::Steps, Kind::Constant] {
        let of_kind = |number: &usize| kinds[*number] == wanted;
        let mut numbers: Vec<usize> = (0..tensors.len()).filter(of_kind).collect();
        numbers.sort_by_key(|&number| std::cmp::Reverse(tensors[number].step_len()));
        for number in numbers.into_iter().take(most) {
            measured[number] = true;
        }
    }
    measured
}

/// The constants that say something of each row.
pub(crate) fn masks(tensors: &[Tensor<'_>]) -> Vec<Mask> {
    let is_mask = |tensor: &&Tensor<'_>| {
        let one_axis = tensor.shape.len() == 1 && tensor.shape[0] <= LONGEST_MASK;
        !tensor.has_steps && tensor.dtype == "bool" && one_axis
    };
    let found = tensors
        .iter()
        .filter(is_mask)
        .take(MOST_MASKS)
        .filter_map(|tensor| {
            let mut bytes = Vec::new();
            // Why it cannot be read is told where it is measured.
            let values = tensor.values.as_ref().ok()?;
            values(0..1, None, &mut bytes).ok()?;
            Some(Mask {
                name: tensor.name.clone(),
                rows: bytes.iter().map(|&byte| byte != 0).collect(),
            })
        });
    found.collect()
}

/// Bytes that are read for one step of a sample, of all tensors.
pub(crate) fn sample_bytes(tensors: &[Tensor<'_>], kinds: &[Kind]) -> u64 {
    let of_steps = tensors
        .iter()
        .zip(kinds)
        .filter(|(_, kind)| **kind == Kind::Steps);
    of_steps.fold(0, |bytes: u64, (tensor, _)| {
        let steps = match tensor.chunk.as_deref() {
            Some([steps, ..]) if tensor.is_packed => (*steps).max(2),
            _ => 2,
        };
        bytes.saturating_add(tensor.step_bytes().saturating_mul(steps))
    })
}

struct Work<'a> {
    tensor: &'a Tensor<'a>,
    steps: Steps,
    room: Room,
    masks: &'a [Mask],
    /// The rows of each step; `None` for all.
    rows: Option<Vec<Range<u64>>>,
}

/// Bytes that are read to measure these tensors.
pub fn bytes(tensors: &[Tensor<'_>], sample: &Sample) -> u64 {
    let kinds: Vec<Kind> = tensors.iter().map(kind).collect();
    let each = sample_bytes(tensors, &kinds);
    tensors.iter().zip(kinds).fold(0, |bytes, (tensor, kind)| {
        let read = sample.of(tensor, kind, each).read();
        bytes.saturating_add(read.saturating_mul(tensor.step_bytes()))
    })
}

impl Work<'_> {
    /// Measures the tensor, or says why that cannot be.
    fn fill(&self, report: &mut TensorReport, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        let values = self.tensor.values.as_ref().map_err(Clone::clone)?;
        let dtype = self.tensor.dtype.as_str();
        let none = || format!("it holds {dtype}, which has no numbers that are measured");
        for_dtype!(dtype, E => self.fill_as::<E>(values, report, progress), Err(none()))
    }

    fn fill_as<T: Element>(
        &self,
        values: &Read<'_>,
        report: &mut TensorReport,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), String> {
        if report.kind == Kind::Scalar {
            let points = Points::new(self.steps.count(), self.room.scalar_points);
            let mut kept = Values::new(points);
            for (number, steps) in self.steps.runs() {
                kept.add::<T>(self.tensor, values, &steps, number, progress)?;
            }
            report.values(&kept, points.count(), |number| self.steps.at(number));
            return Ok(());
        }
        let measured = pass::measure::<T>(
            self.tensor,
            values,
            (&self.steps, self.rows.as_deref()),
            self.room,
            self.masks,
            progress,
        );
        report.measured(measured?);
        Ok(())
    }
}

impl TensorReport {
    /// Nothing of a tensor yet.
    pub(crate) fn of(tensor: &Tensor<'_>) -> Self {
        Self {
            name: tensor.name.clone(),
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
            kind: kind(tensor),
            ..Self::default()
        }
    }

    /// Why its values were not read.
    pub(crate) fn not_read(&mut self, tensor: &Tensor<'_>, why: String) {
        self.is_missing = element_bytes(&tensor.dtype).is_some();
        self.is_unsupported = tensor.values.is_err();
        self.unread = Some(why);
    }

    /// The first `used` points of the values of a tensor of one value a step, where `step` says which step has a
    /// number.
    pub(crate) fn values(&mut self, kept: &Values, used: usize, step: impl Fn(u64) -> u64) {
        let known = kept.curve.known(used);
        self.at = kept.curve.first(&known, step);
        self.values = Some(kept.curve.band(&known));
        self.found(kept.found.clone());
    }

    /// What was measured of any other.
    pub(crate) fn measured(&mut self, measured: Measured) {
        if self.kind == Kind::Steps {
            self.at = measured.at;
            self.curves = Some(measured.curves);
        }
        self.ends = Some(measured.ends);
        self.spread = Some(match self.kind {
            // Nobody draws one step.
            Kind::Constant => measured.spread.without_exponents(),
            _ => measured.spread,
        });
        self.heat = measured.heat;
        self.found(measured.found);
    }

    fn found(&mut self, found: NotFinite) {
        self.nan = found.nan;
        self.infinite = found.infinite;
        self.first_nan = found.first_nan;
        self.first_infinite = found.first_infinite;
    }
}
