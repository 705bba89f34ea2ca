//! Filling the output of a selection, by several threads where it is large.

use std::io;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use selvedge_base::{Mutex, Stride};

use super::rows::Span;
use super::unpack::Chunks;
use crate::ReadError;
use crate::bulk;
use crate::chunks::to_usize;
use crate::ranges::Data;
use crate::reader::Tensor;
use crate::reader::place::Place;

/// Bytes of output that a thread fills before it asks for more.
pub(super) const TASK: usize = 4 << 20;
/// Bytes that are read before they are converted: they are still in the cache then.
pub(super) const PIECE: usize = 256 << 10;
/// Bytes of steps at most that are put aside because they lie in one chunk of a source, and would be unpacked again.
const MOST_ASIDE: usize = 256 << 20;
/// More threads than this are no faster: memory is the limit.
pub(super) const MOST_THREADS: usize = 8;

/// What becomes of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convert {
    /// They stay as they are.
    None,
    /// bfloat16 to float32.
    Bf16,
    /// float16 to float32.
    F16,
}

impl Convert {
    /// Bytes of the output for one of the input.
    pub(super) fn factor(self) -> usize {
        match self {
            Self::None => 1,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// Puts elements into the output, which has as many.
    pub(super) fn put(self, from: &[u8], to: &mut [u8]) {
        match self {
            Self::None => to.copy_from_slice(from),
            Self::Bf16 => selvedge_bf16::widen_bf16_to_f32(
                bytemuck::cast_slice::<u8, bf16>(from),
                bytemuck::cast_slice_mut(to),
            ),
            Self::F16 => bytemuck::cast_slice::<u8, f16>(from)
                .convert_to_f32_slice(bytemuck::cast_slice_mut(to)),
        }
    }
}

/// A selection and its sizes.
pub(crate) struct Job<'a> {
    pub(super) tensor: &'a Tensor,
    pub(super) steps: Stride,
    /// Bytes of a whole step in the file.
    pub(super) step_bytes: usize,
    /// Bytes of a step in the output.
    pub(super) output_bytes: usize,
    /// What is read of each step; `None` for all of it.
    pub(super) spans: Option<Vec<Span>>,
    pub(super) convert: Convert,
    /// Whether it is a part of what several threads read, which share a limit of memory.
    pub(super) in_bulk: bool,
}

impl<'a> Job<'a> {
    /// All of some rows of a tensor, as they are. Each has `step_bytes` bytes.
    pub(crate) fn of_rows(tensor: &'a Tensor, steps: Stride, step_bytes: usize) -> Self {
        Self {
            tensor,
            steps,
            step_bytes,
            output_bytes: step_bytes,
            spans: None,
            convert: Convert::None,
            in_bulk: false,
        }
    }

    /// The same as a part of what several threads read, beside whose output unpacking takes [`bulk_memory`].
    pub(crate) fn in_bulk(self) -> Self {
        Self {
            in_bulk: true,
            ..self
        }
    }

    /// Fills `bytes`, the whole output.
    pub(crate) fn run(&self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let _at_work = self.tensor.enter()?;
        if let Some(parts) = self.tensor.parts() {
            return self.run_joined(parts, bytes);
        }
        let place = self.tensor.place();
        match place.filter(|place| place.has(self.steps)) {
            Some(place) => match (place, self.tensor.data()) {
                (Place::Compressed(map, format), Data::Ranges(ranges)) => {
                    self.fetch_and_unpack(map, *format, ranges, bytes)
                }
                (place, Data::Ranges(ranges)) => self.fetch(place, ranges, bytes),
                (Place::Compressed(map, format), data) => self.run_unpacking(
                    &Chunks {
                        map,
                        format: *format,
                        data,
                    },
                    bytes,
                ),
                (place, Data::File(_)) => self.run_in_parallel(place, bytes),
            },
            None => self.run_by_library(bytes),
        }
    }

    /// Whether the output is what lies in the file, without gaps or changes.
    pub(super) fn is_as_stored(&self) -> bool {
        self.spans.is_none() && self.convert == Convert::None
    }

    fn run_in_parallel(&self, place: &Place, bytes: &mut [u8]) -> Result<(), ReadError> {
        // What is read counts, too: of few rows of large steps.
        let work = bytes.len().max(self.read_bytes() / 2);
        let threads = bulk::threads_for(work / TASK, MOST_THREADS);
        if threads == 1 {
            return self.task(place, 0, 0, bytes, &mut Scratch::default());
        }
        let most = TASK.min(bytes.len() / threads);
        // Whole steps; or parts of one step, where the steps are large.
        let size = match &self.spans {
            None if most < self.output_bytes => most.next_multiple_of(PIECE),
            _ => (most / self.output_bytes).max(1) * self.output_bytes,
        };
        let tasks = bytes
            .chunks_mut(self.output_bytes.max(size))
            .enumerate()
            .flat_map(|(group, steps)| {
                let parts = steps.chunks_mut(size).enumerate();
                parts.map(move |(part, output)| (group, part * size, output))
            });
        let tasks = Mutex::new(tasks);
        let next = || tasks.lock().next();
        let group_steps = (size / self.output_bytes).max(1);
        let work = || -> Result<(), ReadError> {
            let mut scratch = Scratch::default();
            while let Some((group, start, output)) = next() {
                let first = (group * group_steps) as u64;
                self.task(place, first, start, output, &mut scratch)?;
            }
            Ok(())
        };
        bulk::together(threads, work)
    }

    /// Bytes that are read, of all steps.
    fn read_bytes(&self) -> usize {
        let step = self.spans.as_ref().map_or(self.step_bytes, |spans| {
            spans.iter().map(|span| span.bytes.len()).sum()
        });
        step.saturating_mul(usize::try_from(self.steps.count).unwrap_or(usize::MAX))
    }

    /// Fills `output` with the selected steps from number `first` on; or with a part of that step,
    /// from the byte `start` of its output on.
    fn task(
        &self,
        place: &Place,
        first: u64,
        start: usize,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), ReadError> {
        let is_part = output.len() < self.output_bytes;
        let read = if self.is_as_stored() && self.steps.stride == 1 && !is_part {
            let rows = self.steps.at(first);
            let count = (output.len() / self.output_bytes) as u64;
            place.read_rows(rows..rows + count, output)
        } else {
            let mut outputs = output.chunks_mut(self.output_bytes).zip(first..);
            outputs.try_for_each(|(output, nth)| {
                let step = self.steps.at(nth);
                match &self.spans {
                    Some(spans) => self.rows(place, step, spans, output, scratch),
                    None => self.part(place, step, start, output, scratch),
                }
            })
        };
        read.map_err(|error| self.tensor.read_failed(error))
    }

    /// A step, from the byte `start` of its output on.
    fn part(
        &self,
        place: &Place,
        step: u64,
        start: usize,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) -> io::Result<()> {
        let factor = self.convert.factor();
        let mut start = start / factor;
        if self.convert == Convert::None {
            return place.read_within(step, start, output);
        }
        for output in output.chunks_mut(PIECE * factor) {
            let piece = scratch.get(output.len() / factor);
            place.read_within(step, start, piece)?;
            self.convert.put(piece, output);
            start += piece.len();
        }
        Ok(())
    }

    /// Some rows of a step.
    fn rows(
        &self,
        place: &Place,
        step: u64,
        spans: &[Span],
        output: &mut [u8],
        scratch: &mut Scratch,
    ) -> io::Result<()> {
        for span in spans {
            match span.whole() {
                Some(to) if self.convert == Convert::None => {
                    place.read_within(step, span.bytes.start, &mut output[to])?;
                }
                _ => {
                    let bytes = scratch.get(span.bytes.len());
                    place.read_within(step, span.bytes.start, bytes)?;
                    self.put_rows(span, bytes, output);
                }
            }
        }
        Ok(())
    }

    pub(super) fn put_rows(&self, span: &Span, bytes: &[u8], output: &mut [u8]) {
        let factor = self.convert.factor();
        span.for_each(|from, to| {
            self.convert.put(
                &bytes[from],
                &mut output[to.start * factor..to.end * factor],
            );
        });
    }

    /// What is selected of a whole step.
    fn put_step(&self, step: &[u8], output: &mut [u8]) {
        let Some(spans) = &self.spans else {
            return self.convert.put(step, output);
        };
        for span in spans {
            self.put_rows(span, &step[span.bytes.clone()], output);
        }
    }

    /// libhdf5 lets one thread in at a time: so its steps are read one row of chunks after the other.
    fn run_by_library(&self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let as_they_are = self.is_as_stored();
        if let Some((spans, row_bytes)) = self.spans_of_rows() {
            return self.rows_by_library(spans, row_bytes, bytes);
        }
        // Where they are put aside first, memory has an end.
        let most = if as_they_are { usize::MAX } else { MOST_ASIDE };
        let together = self.tensor.rows_together(self.step_bytes, (TASK, most));
        let mut scratch = Scratch::default();
        let (mut done, mut rest) = (0, bytes);
        while done < self.steps.count {
            let row = self.steps.at(done) / together;
            let left = self.steps.part(done, self.steps.count - done);
            let count = (1..left.count)
                .find(|&nth| left.at(nth) / together != row)
                .unwrap_or(left.count);
            let size = usize::try_from(count).unwrap_or(usize::MAX);
            let (now, later) = std::mem::take(&mut rest).split_at_mut(size * self.output_bytes);
            let steps = left.part(0, count);
            if as_they_are {
                self.tensor.read_by_library(steps, None, now)?;
            } else {
                let whole = size.checked_mul(self.step_bytes);
                let whole = whole.and_then(|bytes| scratch.try_get(bytes));
                let whole = whole.ok_or_else(|| self.tensor.no_memory())?;
                self.tensor.read_by_library(steps, None, whole)?;
                let outputs = now.chunks_exact_mut(self.output_bytes);
                for (step, output) in whole.chunks_exact(self.step_bytes).zip(outputs) {
                    self.put_step(step, output);
                }
            }
            rest = later;
            done += count;
        }
        Ok(())
    }
}

impl Job<'_> {
    /// The spans, where each is of whole rows that libhdf5 reads without the others, and the bytes of a row.
    fn spans_of_rows(&self) -> Option<(&[Span], usize)> {
        let spans = self.spans.as_deref()?;
        let rows = to_usize(*self.tensor.shape().get(1)?);
        let row_bytes = self
            .step_bytes
            .checked_div(rows)
            .filter(|bytes| *bytes > 0)?;
        let ends = spans
            .iter()
            .flat_map(|span| [span.bytes.start, span.bytes.end]);
        let is_of_rows = ends.into_iter().all(|end| end.is_multiple_of(row_bytes));
        let room = (MOST_ASIDE / self.step_bytes.max(1)) as u64;
        (is_of_rows && self.tensor.has_rows_apart(spans.len(), room)).then_some((spans, row_bytes))
    }

    /// Some rows of each step by libhdf5, and no others: a step whose chunk was never written can be larger than memory.
    fn rows_by_library(
        &self,
        spans: &[Span],
        row_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let mut scratch = Scratch::default();
        for (nth, output) in (0..).zip(bytes.chunks_mut(self.output_bytes)) {
            for span in spans {
                let within = span.bytes.start / row_bytes..span.bytes.end / row_bytes;
                let within = within.start as u64..within.end as u64;
                let read = scratch.get(span.bytes.len());
                let step = self.steps.part(nth, 1);
                self.tensor.read_by_library(step, Some(within), read)?;
                self.put_rows(span, read, output);
            }
        }
        Ok(())
    }
}

/// Memory of a thread that is used again and again. It is of words, so that elements in it are
/// aligned.
#[derive(Default)]
pub(super) struct Scratch(Vec<u64>);

impl Scratch {
    pub(super) fn get(&mut self, bytes: usize) -> &mut [u8] {
        let words = bytes.div_ceil(8);
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..bytes]
    }

    /// The same; `None` where the system has not so much memory. What a damaged file says of a step can
    /// be more.
    pub(super) fn try_get(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let missing = bytes.div_ceil(8).saturating_sub(self.0.len());
        self.0.try_reserve_exact(missing).ok()?;
        Some(self.get(bytes))
    }
}
