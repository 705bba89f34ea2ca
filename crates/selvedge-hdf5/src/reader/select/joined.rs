//! Filling the output of a selection from the parts of a joined tensor, each as if it were read by itself.

use selvedge_base::Mutex;

use super::engine::{Convert, Job, MOST_THREADS, TASK};
use super::rows::{self, Span};
use crate::chunks::to_usize;
use crate::reader::view::{RankPart, RowRun};
use crate::{ReadError, bulk};

impl Job<'_> {
    pub(super) fn run_joined(&self, parts: &[RankPart], bytes: &mut [u8]) -> Result<(), ReadError> {
        let (whole, length) = (self.tensor.shape(), bytes.len());
        let is_one = self.steps.count == 1 && self.spans.is_none();
        let runs = is_one.then(|| self.single_runs(parts, &whole)).flatten();
        if let Some(runs) = runs {
            let mut left = bytes;
            let outputs = runs.into_iter().filter_map(|(run, part)| {
                let output = left.split_off_mut(..run.len * self.convert.factor());
                Some((part, output?))
            });
            return self.run_side_by_side(outputs.collect(), length);
        }
        for part in parts {
            let (nths, steps) = part.rows(self.steps);
            let runs = part.runs(&whole, self.step_bytes);
            let part_bytes = runs.iter().map(|run| run.len).sum();
            let spans = match part_bytes == self.step_bytes {
                true => self.spans.clone(),
                false => Some(self.spans_within(&runs)),
            };
            if steps.count == 0 || spans.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let job = Job {
                tensor: &part.tensor,
                steps,
                step_bytes: part_bytes,
                output_bytes: self.output_bytes,
                spans,
                convert: self.convert,
                in_bulk: self.in_bulk,
            };
            let output =
                to_usize(nths.start) * self.output_bytes..to_usize(nths.end) * self.output_bytes;
            job.run(&mut bytes[output])?;
        }
        Ok(())
    }

    /// What is wanted of a part, by where it is in the row of the part.
    fn spans_within(&self, runs: &[RowRun]) -> Vec<Span> {
        // What is converted is read in pieces that stay in the cache.
        let most = match self.convert {
            Convert::None => usize::MAX,
            _ => rows::SPAN,
        };
        let mut found = Vec::new();
        let mut take = |mut from: usize, mut to: usize, mut len: usize| {
            while len > 0 {
                let now = len.min(most);
                found.push((from..from + now, to));
                (from, to, len) = (from + now, to + now, len - now);
            }
        };
        let Some(spans) = &self.spans else {
            for run in runs {
                take(run.from, run.to, run.len);
            }
            return rows::grouped(found);
        };
        for span in spans {
            span.for_each(|within, to| {
                let start = span.bytes.start + within.start;
                let end = start + within.len();
                let first = runs.partition_point(|run| run.to + run.len <= start);
                for run in runs[first..].iter().take_while(|run| run.to < end) {
                    let (low, high) = (run.to.max(start), (run.to + run.len).min(end));
                    take(
                        run.from + (low - run.to),
                        to.start + (low - start),
                        high - low,
                    );
                }
            });
        }
        rows::grouped(found)
    }

    /// Each part, where it is one run of the one step that is wanted, in their order.
    fn single_runs<'p>(
        &self,
        parts: &'p [RankPart],
        whole: &[u64],
    ) -> Option<Vec<(RowRun, &'p RankPart)>> {
        let mut runs = Vec::with_capacity(parts.len());
        for part in parts
            .iter()
            .filter(|part| part.rows(self.steps).1.count == 1)
        {
            match part.runs(whole, self.step_bytes)[..] {
                [run] => runs.push((run, part)),
                _ => return None,
            }
        }
        runs.sort_by_key(|(run, _)| run.to);
        Some(runs)
    }

    fn run_side_by_side(
        &self,
        outputs: Vec<(&RankPart, &mut [u8])>,
        bytes: usize,
    ) -> Result<(), ReadError> {
        let threads = bulk::threads_for((bytes / TASK).min(outputs.len()), MOST_THREADS);
        let tasks = Mutex::new(outputs.into_iter());
        let next = || tasks.lock().next();
        bulk::together(threads, || {
            while let Some((part, output)) = next() {
                let job = Job {
                    tensor: &part.tensor,
                    steps: part.rows(self.steps).1,
                    step_bytes: output.len() / self.convert.factor(),
                    output_bytes: output.len(),
                    spans: None,
                    convert: self.convert,
                    in_bulk: self.in_bulk,
                };
                job.run(output)?;
            }
            Ok(())
        })
    }
}
