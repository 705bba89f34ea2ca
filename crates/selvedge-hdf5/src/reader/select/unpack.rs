//! Filling the output of a selection from compressed chunks, each unpacked once, by several threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::engine::{Convert, Job, PIECE, Scratch};
use crate::Error;
use crate::bulk;
use crate::grid::to_usize;
use crate::reader::library::Stride;
use crate::reader::packed::{Chunk, Packed, Plain, Unpacker};

/// Bytes that a thread has to unpack: else starting it takes longer.
const TASK: usize = 1 << 20;
/// Memory for unpacked chunks and their streams together; a thread has them in any case.
const MEMORY: usize = 1 << 30;
const MOST_THREADS: usize = 8;

impl Job<'_> {
    /// The selected steps of each row of chunks are what a thread does at a time; of several rows, as long
    /// as there are enough for all threads.
    pub(super) fn run_unpacking(&self, packed: &Packed, bytes: &mut [u8]) -> Result<(), Error> {
        let threads = self.unpacking_threads(packed);
        let together = (room(packed) / threads).clamp(1, Unpacker::TOGETHER);
        let tasks = Mutex::new(Rows {
            left: self.steps,
            output: bytes,
            rows: packed.rows(),
            step_bytes: self.output_bytes,
        });
        let next = || {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            let share = to_usize(tasks.rows_left()).div_ceil(threads);
            let rows: Vec<_> = tasks.by_ref().take(share.min(together)).collect();
            // What other threads take meanwhile, and then this one.
            let later = tasks.rows_from((threads - 1) * together, together);
            (rows, later)
        };
        // What is not wanted is not fetched either.
        let fetches = self.spans.is_none() && self.steps.stride == 1;
        let work = || -> Result<(), Error> {
            let (mut unpacker, mut scratch) = (self.tensor.spare().take(), Scratch::default());
            loop {
                let (mut rows, later) = next();
                if rows.is_empty() {
                    break;
                }
                if fetches {
                    packed.will_read(self.tensor.data(), later);
                }
                self.unpack_rows(packed, &mut rows, &mut unpacker, &mut scratch)?;
            }
            self.tensor.spare().give(unpacker);
            Ok(())
        };
        bulk::together(threads, work)
    }

    fn unpacking_threads(&self, packed: &Packed) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let last = self.steps.at(self.steps.count.saturating_sub(1));
        let rows = last / packed.rows() - self.steps.first / packed.rows() + 1;
        let rows = to_usize(rows.min(self.steps.count));
        let row_bytes = packed.chunk_bytes().saturating_mul(to_usize(packed.pieces));
        let work = row_bytes.saturating_mul(rows) / TASK;
        let limits = cores.min(MOST_THREADS).min(rows).min(work);
        limits.min(room(packed)).max(1)
    }

    /// Fills the output of each row with its selected steps, which lie in one row of chunks.
    fn unpack_rows(
        &self,
        packed: &Packed,
        rows: &mut [(Stride, &mut [u8])],
        unpacker: &mut Unpacker,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let step_in_chunk = packed.chunk_bytes() / to_usize(packed.rows());
        let as_they_are = self.spans.is_none() && self.convert == Convert::None;
        for piece in 0..packed.pieces {
            let mut runs = Vec::new();
            packed.runs(piece, |at, within, len| {
                if self.wants(at, len) {
                    runs.push((at, within, len));
                }
            });
            if runs.is_empty() {
                continue;
            }
            let is_step = packed.pieces == 1 && runs == [(0, 0, step_in_chunk)];
            let mut chunks = Vec::with_capacity(rows.len());
            let mut parts = Vec::with_capacity(rows.len());
            for (steps, output) in &mut *rows {
                // Where the output has room for all steps, none are left out.
                let is_whole = is_step && as_they_are && output.len() == packed.chunk_bytes();
                let (whole, part) = match is_whole {
                    true => (Some(&mut **output), None),
                    false => (None, Some(&mut **output)),
                };
                chunks.push(Chunk {
                    row: steps.first / packed.rows(),
                    piece,
                    whole,
                });
                parts.push((*steps, part));
            }
            unpacker.unpack(packed, self.tensor.data(), &mut chunks, |nth, plain| {
                let (steps, output) = &mut parts[nth];
                let row = steps.first / packed.rows();
                let damaged = |reason| self.tensor.damaged_chunk(row, piece, reason);
                let plain = plain.map_err(damaged)?;
                let first = to_usize(steps.first % packed.rows()) * step_in_chunk;
                let outputs = output.iter_mut();
                for (nth, output) in outputs
                    .flat_map(|all| all.chunks_mut(self.output_bytes))
                    .enumerate()
                {
                    let from = first + nth * to_usize(steps.stride) * step_in_chunk;
                    for &(at, within, len) in &runs {
                        self.put_run(&plain, from + within, at..at + len, output, scratch);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether something of a run of a step is selected.
    fn wants(&self, at: usize, len: usize) -> bool {
        self.spans.as_ref().is_none_or(|spans| {
            spans
                .iter()
                .any(|span| span.bytes.start < at + len && at < span.bytes.end)
        })
    }

    /// Puts what is selected of the bytes `run` of a step, which begin at the byte `from` of the
    /// chunk, into the output of the step.
    fn put_run(
        &self,
        plain: &Plain<'_>,
        from: usize,
        run: std::ops::Range<usize>,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let Some(spans) = &self.spans else {
            return self.put_part(plain, from, run.len(), run.start, output, scratch);
        };
        for span in spans {
            if span.bytes.start >= run.end || run.start >= span.bytes.end {
                continue;
            }
            span.for_each(|segment, to| {
                let place = span.bytes.start + segment.start;
                let start = place.max(run.start);
                let end = (place + segment.len()).min(run.end);
                if start < end {
                    let from = from + (start - run.start);
                    let to = to.start + (start - place);
                    self.put_part(plain, from, end - start, to, output, scratch);
                }
            });
        }
    }

    /// Puts `len` bytes of the chunk where the byte `to` of the step is in the output.
    fn put_part(
        &self,
        plain: &Plain<'_>,
        from: usize,
        len: usize,
        to: usize,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        if self.convert == Convert::None {
            return plain.copy(from, &mut output[to..to + len]);
        }
        let factor = self.convert.factor();
        let output = &mut output[to * factor..(to + len) * factor];
        for (nth, output) in output.chunks_mut(PIECE * factor).enumerate() {
            let piece = scratch.get(output.len() / factor);
            plain.copy(from + nth * PIECE, piece);
            self.convert.put(piece, output);
        }
    }
}

/// How many unpacked chunks and their streams there is memory for.
fn room(packed: &Packed) -> usize {
    MEMORY / packed.chunk_bytes().saturating_mul(2).max(1)
}

/// The selected steps of one row of chunks after the other, and their part of the output.
struct Rows<'a> {
    left: Stride,
    output: &'a mut [u8],
    /// Steps in a chunk.
    rows: u64,
    /// Bytes of a step in the output.
    step_bytes: usize,
}

impl Rows<'_> {
    /// At most so many rows of chunks are left.
    fn rows_left(&self) -> u64 {
        let steps = self.left.count.saturating_mul(self.left.stride);
        self.left.count.min(steps.div_ceil(self.rows))
    }

    /// `count` of the rows of chunks that are left, or as many as there are, from number `nth` on. Of steps
    /// without gaps.
    fn rows_from(&self, nth: usize, count: usize) -> Range<u64> {
        let first = self.left.first / self.rows;
        let end = (self.left.first + self.left.count).div_ceil(self.rows);
        let start = end.min(first + nth as u64);
        start..end.min(start + count as u64)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = (Stride, &'a mut [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left;
        if left.count == 0 {
            return None;
        }
        let behind = (left.first / self.rows)
            .saturating_add(1)
            .saturating_mul(self.rows);
        let count = (behind - left.first).div_ceil(left.stride).min(left.count);
        let (now, later) =
            std::mem::take(&mut self.output).split_at_mut(to_usize(count) * self.step_bytes);
        self.output = later;
        self.left = match left.count - count {
            // There is no next step to count from.
            0 => left.part(0, 0),
            rest => left.part(count, rest),
        };
        Some((left.part(0, count), now))
    }
}
