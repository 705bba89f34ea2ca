//! What can be read of a tensor that is damaged: some of its steps, or some of its rows.

use std::ops::Range;

use selvedge_base::Stride;
use selvedge_base::units::Grouped;

use crate::element::element_bytes;
use crate::model::{Kind, TensorReport, kind};
use crate::plan::Plan;
use crate::values::Tensor;

/// Ranges that are named in a text, of more.
const MOST_NAMED: usize = 4;
/// Ranges of steps that a page marks.
const MOST_MARKED: usize = 1000;

/// What is left of some steps of a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readable {
    /// These steps, each with the one before it where it is held against that.
    pub steps: Vec<Range<u64>>,
    /// The rows of each step; `None` for all.
    pub rows: Option<Vec<Range<u64>>>,
}

impl Readable {
    /// Goes through the values of some ranges of steps, or of these rows of them. Where less is left without the steps
    /// that are damaged than without the rows, rows are left out, if they may be.
    pub(crate) fn find(
        tensor: &Tensor<'_>,
        steps: &[Range<u64>],
        (rows, may_lose_rows): (Option<&[Range<u64>]>, bool),
    ) -> Self {
        let damaged = damaged(tensor, steps, rows);
        let is_held = kind(tensor) == Kind::Steps;
        let lost = damaged.iter().map(|(steps, _)| {
            let end = steps.end.saturating_add(u64::from(is_held));
            steps.start..end
        });
        let left_steps = without(steps, lost.collect());
        let all = 0..tensor.rows();
        let all_rows = match may_lose_rows {
            false => &[],
            true => rows.unwrap_or(std::slice::from_ref(&all)),
        };
        let lost = damaged.into_iter().map(|(_, rows)| rows).collect();
        let left_rows = without(all_rows, lost);
        let by_steps = u128::from(total(&left_steps)) * u128::from(total(all_rows));
        let by_rows = u128::from(total(&left_rows)) * u128::from(total(steps));
        match by_rows > by_steps {
            true => Self {
                steps: steps.to_vec(),
                rows: Some(left_rows),
            },
            false => Self {
                steps: left_steps,
                rows: rows.map(<[_]>::to_vec),
            },
        }
    }
}

/// How many there are in some ranges.
pub(crate) fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// What is left of ranges in rising order without some others.
pub(crate) fn without(ranges: &[Range<u64>], mut lost: Vec<Range<u64>>) -> Vec<Range<u64>> {
    lost.sort_unstable_by_key(|lost| lost.start);
    let (mut left, mut lost) = (Vec::new(), lost.into_iter().peekable());
    // All before this is lost, or gone through.
    let mut first = 0;
    for range in ranges {
        first = range.start.max(first);
        while let Some(next) = lost.next_if(|lost| lost.start < range.end) {
            if first < next.start {
                left.push(first..next.start);
            }
            first = first.max(next.end);
        }
        if first < range.end {
            left.push(first..range.end);
        }
    }
    left
}

/// What cannot be read of some steps: these rows of these steps.
pub(crate) fn damaged(
    tensor: &Tensor<'_>,
    steps: &[Range<u64>],
    rows: Option<&[Range<u64>]>,
) -> Vec<(Range<u64>, Range<u64>)> {
    let mut found = Vec::new();
    let Ok(values) = &tensor.values else {
        return found;
    };
    let element = element_bytes(&tensor.dtype).unwrap_or(1);
    let mut plan = Plan::new(tensor, tensor.steps(), element);
    if let Some(rows) = rows {
        plan = plan.only(rows);
    }
    let mut bytes = Vec::new();
    let mut is_read = |steps: &Range<u64>, rows: &Range<u64>| {
        let asked = [Stride::of(rows.clone())];
        let asked = (*rows != (0..tensor.rows())).then_some(&asked[..]);
        values(steps.clone(), asked, &mut bytes).is_ok()
    };
    // A chunk that is unpacked as a whole can be read, or none of it; plain bytes have other ends.
    let chunk = tensor.chunk.as_deref().filter(|_| tensor.is_packed);
    let axis = |axis: usize| chunk.and_then(|chunk| chunk.get(axis)).copied();
    let (each_steps, each_rows) = match tensor.has_steps {
        true => (axis(0).unwrap_or(1), axis(1)),
        false => (1, axis(0)),
    };
    for run in steps {
        for block in plan.blocks_of(run, 0) {
            for rows in &plan.rows {
                if is_read(&block.steps, rows) {
                    continue;
                }
                for steps in pieces(&block.steps, each_steps) {
                    for rows in pieces(rows, each_rows.unwrap_or(u64::MAX)) {
                        if !is_read(&steps, &rows) {
                            found.push((steps.clone(), rows));
                        }
                    }
                }
            }
        }
    }
    found
}

/// A range in pieces that end at multiples of `each`.
pub(crate) fn pieces(range: &Range<u64>, each: u64) -> impl Iterator<Item = Range<u64>> {
    let (mut first, end, each) = (range.start, range.end, each.max(1));
    std::iter::from_fn(move || {
        let piece = first..(first / each + 1).saturating_mul(each).min(end);
        first = piece.end;
        (piece.start < end).then_some(piece)
    })
}

/// What was not measured of a tensor, since it cannot be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    steps: Vec<Range<u64>>,
    /// The rows that are left of all steps.
    rows: Option<Vec<Range<u64>>>,
    /// Why the first of it cannot be read.
    why: Option<String>,
}

impl Lost {
    /// Only these of some steps, and only these rows of all steps, can be read.
    pub(crate) fn add(
        &mut self,
        steps: &[Range<u64>],
        left: Vec<Range<u64>>,
        rows: Option<Vec<Range<u64>>>,
        why: String,
    ) {
        for next in without(steps, left) {
            match self.steps.last_mut() {
                Some(last) if last.end == next.start => last.end = next.end,
                _ => self.steps.push(next),
            }
        }
        self.rows = rows;
        self.why.get_or_insert(why);
    }

    /// The rows that are left; `None` for all.
    pub(crate) fn left_rows(&self) -> Option<&[Range<u64>]> {
        self.rows.as_deref()
    }

    /// Tells it where the rest was measured, or why nothing was.
    pub(crate) fn tell(&self, report: &mut TensorReport) {
        let Some(why) = &self.why else {
            return;
        };
        if report.measured == 0 {
            (report.unread, report.is_missing) = (Some(why.clone()), true);
            return;
        }
        let axis = usize::from(report.kind != Kind::Constant);
        let rows = report.shape.get(axis).copied().unwrap_or(1);
        let left_rows = self.rows.clone();
        let left_rows = left_rows.map(|left| without(std::slice::from_ref(&(0..rows)), left));
        let they = match report.kind {
            Kind::Steps => "they or those before them",
            _ => "they",
        };
        let steps = report.measured + total(&self.steps);
        let lost = [
            told(&left_rows.unwrap_or_default(), rows, "rows", "they"),
            told(&self.steps, steps, "steps", they),
        ];
        let lost = lost.into_iter().flatten().collect::<Vec<_>>().join("; ");
        report.partly = Some(format!("{lost}: {why}"));
        let marked = self.steps.iter().take(MOST_MARKED);
        report.unread_steps = marked.map(|lost| [lost.start, lost.end - 1]).collect();
    }
}

/// That some of all steps, or rows, were not measured.
fn told(lost: &[Range<u64>], all: u64, what: &str, they: &str) -> Option<String> {
    let (count, all, named) = (Grouped(total(lost)), Grouped(all), named(lost));
    let told = || {
        format!("{count} of {all} {what} were not measured ({named}), since {they} cannot be read")
    };
    (!lost.is_empty()).then(told)
}

/// Some ranges, in words.
pub(crate) fn named(ranges: &[Range<u64>]) -> String {
    let one = |range: &Range<u64>| match range.end - range.start {
        1 => Grouped(range.start).to_string(),
        _ => format!("{} to {}", Grouped(range.start), Grouped(range.end - 1)),
    };
    let some = ranges.iter().take(MOST_NAMED).map(one);
    let mut named = some.collect::<Vec<_>>().join(", ");
    if ranges.len() > MOST_NAMED {
        named.push_str(", …");
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_left_out() {
        let left = without(&[0..10, 20..30], vec![28..40, 3..5, 4..6, 9..21]);
        assert_eq!(left, [0..3, 6..9, 21..28]);
        assert_eq!(named(&left), "0 to 2, 6 to 8, 21 to 27");
        assert_eq!(without(&[0..3, 4..5], vec![0..9, 1..2]), []);
        assert!(pieces(&(3..11), 4).eq([3..4, 4..8, 8..11]));
        assert_eq!(pieces(&(3..11), u64::MAX).last(), Some(3..11));
        assert_eq!(pieces(&(3..3), 4).count(), 0);
    }
}
