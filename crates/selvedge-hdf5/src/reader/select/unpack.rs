//! Filling the output of a selection from compressed chunks, each unpacked once, by several threads.

use std::ops::Range;

use selvedge_base::{Mutex, Stride};

use super::engine::{Convert, Job, PIECE, Scratch};
use crate::chunks::{
    ChunkFormat, ChunkMap, DecodedCache, DecodedChunk, Run, ToDecode, Unpacker, to_usize,
};
use crate::ranges::Data;
use crate::{ReadError, bulk};

/// Bytes that a thread has to unpack: else starting it takes longer.
const TASK: usize = 1 << 20;
/// Memory for unpacked chunks and their streams together; a thread has one of them in any case.
const MEMORY: usize = 1 << 30;
/// The same of each thread of those that read in bulk.
const BULK_MEMORY: usize = 8 << 20;
const MOST_THREADS: usize = 8;
/// Chunks that are unpacked together.
const TOGETHER: usize = Unpacker::TOGETHER;

/// The chunks of a compressed tensor, and what their bytes are read from.
#[derive(Clone, Copy)]
pub(super) struct Chunks<'a> {
    pub(super) map: &'a ChunkMap,
    pub(super) format: ChunkFormat,
    pub(super) data: &'a Data,
}

/// A run of the output, which is all that is wanted of one chunk.
struct Part<'a> {
    chunk: u64,
    /// Where it begins in the chunk, in bytes.
    within: usize,
    /// `None` where the decoder has it.
    output: Option<&'a mut [u8]>,
}

impl Job<'_> {
    pub(super) fn run_unpacking(
        &self,
        chunks: &Chunks<'_>,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let &Chunks { map, format, .. } = chunks;
        let threads = self.unpacking_threads(map, format);
        let together = (self.room(format) / threads).clamp(1, TOGETHER);
        if self.is_as_stored() && map.grid().is_run_per_chunk(self.steps) {
            self.unpack_parts(chunks, (threads, together), bytes)
        } else {
            self.unpack_all_rows(chunks, (threads, together), bytes)
        }
    }

    fn unpacking_threads(&self, map: &ChunkMap, format: ChunkFormat) -> usize {
        let grid = map.grid();
        let last = self.steps.at(self.steps.count.saturating_sub(1));
        let rows = last / grid.steps() - self.steps.first / grid.steps() + 1;
        let rows = to_usize(rows.min(self.steps.count));
        let row_bytes = format.bytes.saturating_mul(to_usize(grid.pieces()));
        let work = row_bytes.saturating_mul(rows) / TASK;
        bulk::threads_for(work.min(rows).min(self.room(format)), MOST_THREADS)
    }

    /// How many unpacked chunks and their streams there is memory for.
    fn room(&self, format: ChunkFormat) -> usize {
        match self.in_bulk {
            true => bulk_room(format),
            false => room(MEMORY, format),
        }
    }

    /// Where decoded chunks are kept for the next read: of fewer steps than a chunk has, so that the next
    /// read may want others of the same chunks, and only if there is room for those of several tensors.
    pub(super) fn cache(&self, map: &ChunkMap, format: ChunkFormat) -> Option<&DecodedCache> {
        let grid = map.grid();
        let last = self.steps.at(self.steps.count.saturating_sub(1));
        let chunks = format.bytes.saturating_mul(to_usize(grid.pieces()));
        let fits = chunks <= DecodedCache::MOST / 4;
        let is_part = last - self.steps.first + 1 < grid.steps();
        self.tensor.decoded().filter(|_| fits && is_part)
    }

    /// Decodes each chunk to where it is wanted.
    fn unpack_parts(
        &self,
        chunks: &Chunks<'_>,
        (threads, together): (usize, usize),
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let map = chunks.map;
        let Stride { first, stride, .. } = self.steps;
        // Steps without gaps, or one after the other.
        let (groups, each) = match stride {
            1 => (1, self.steps.count),
            _ => (self.steps.count, 1),
        };
        let steps = (0..groups).map(|nth| first + nth * stride);
        let mut runs = steps.flat_map(|step| map.grid().runs(step..step + each));
        let mut left = bytes;
        let tasks = Mutex::new(|| {
            let Run {
                bytes,
                chunk,
                within,
                ..
            } = runs.next()?;
            Some(Part {
                chunk: chunk as u64,
                within: to_usize(within),
                output: left.split_off_mut(..bytes.len()),
            })
        });
        // What is not wanted is not fetched either.
        let end = match stride {
            1 => map.grid().chunks_of(first + each).unwrap_or(0),
            _ => 0,
        };
        let next = || {
            let mut parts = [const { None }; TOGETHER];
            parts[..together].fill_with(&mut *tasks.lock());
            let last = parts.iter().flatten().next_back()?;
            let later = last.chunk + 1 + ((threads - 1) * together) as u64;
            Some((later..end.min(later + together as u64), parts))
        };
        self.share(chunks, threads, next, |unpacker, _, mut parts| {
            self.unpack_together(chunks, &mut parts, unpacker)
        })
    }

    /// Gives what `next` has to several threads, as long as it has something, with the numbers of the chunks
    /// that are wanted after those that all threads take meanwhile. `unpack` fills the output of one.
    fn share<T>(
        &self,
        chunks: &Chunks<'_>,
        threads: usize,
        next: impl Fn() -> Option<(Range<u64>, T)> + Sync,
        unpack: impl Fn(&mut Unpacker, &mut Scratch, T) -> Result<(), ReadError> + Sync,
    ) -> Result<(), ReadError> {
        bulk::together(threads, || {
            let mut unpacker = self.tensor.unpackers().take();
            let mut scratch = Scratch::default();
            while let Some((later, task)) = next() {
                will_read(chunks, later);
                unpack(&mut unpacker, &mut scratch, task)?;
            }
            self.tensor.unpackers().give(unpacker);
            Ok(())
        })
    }

    fn unpack_together(
        &self,
        &Chunks { map, format, data }: &Chunks<'_>,
        parts: &mut [Option<Part<'_>>; TOGETHER],
        unpacker: &mut Unpacker,
    ) -> Result<(), ReadError> {
        let mut chunks: [ToDecode<'_>; TOGETHER] = Default::default();
        let mut wanted: [(u64, usize, Option<&mut [u8]>); TOGETHER] = Default::default();
        let mut count = 0;
        for part in parts.iter_mut().filter_map(Option::take) {
            let Part {
                chunk,
                within,
                output,
            } = part;
            let is_whole = output
                .as_ref()
                .is_some_and(|output| output.len() == format.bytes);
            let (whole, output) = match is_whole {
                true => (output, None),
                false => (None, output),
            };
            chunks[count] = ToDecode {
                stored: map.find(chunk),
                whole,
            };
            wanted[count] = (chunk, within, output);
            count += 1;
        }
        let cache = self.cache(map, format);
        unpacker.unpack(format, data, cache, &mut chunks[..count], |nth, decoded| {
            let (chunk, within, output) = &mut wanted[nth];
            let decoded = decoded.map_err(|reason| self.tensor.damaged_chunk(*chunk, reason))?;
            if let Some(output) = output {
                decoded.copy(*within, output);
            }
            Ok(())
        })
    }

    /// The selected steps of each row of chunks are what a thread does at a time; of several rows, as long
    /// as there are enough for all threads.
    fn unpack_all_rows(
        &self,
        chunks: &Chunks<'_>,
        (threads, together): (usize, usize),
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let map = chunks.map;
        let (grid, output_bytes) = (map.grid(), self.output_bytes);
        let tasks = Mutex::new(ChunkRows {
            left: self.steps,
            output: bytes,
            rows: grid.steps(),
            step_bytes: output_bytes,
        });
        // What is not wanted is not fetched either.
        let fetched = match self.spans.is_none() && self.steps.stride == 1 {
            true => grid.pieces(),
            false => 0,
        };
        let next = || {
            let mut tasks = tasks.lock();
            let share = to_usize(tasks.rows_left()).div_ceil(threads);
            let rows: Vec<_> = tasks.by_ref().take(share.min(together)).collect();
            let Range { start, end } = tasks.rows_from((threads - 1) * together, together);
            (!rows.is_empty()).then_some((start * fetched..end * fetched, rows))
        };
        self.share(chunks, threads, next, |unpacker, scratch, mut rows| {
            self.unpack_rows(chunks, &mut rows, unpacker, scratch)
        })
    }

    /// Fills the output of each row with its selected steps, which lie in one row of chunks.
    fn unpack_rows(
        &self,
        &Chunks { map, format, data }: &Chunks<'_>,
        rows: &mut [(Stride, &mut [u8])],
        unpacker: &mut Unpacker,
        scratch: &mut Scratch,
    ) -> Result<(), ReadError> {
        let grid = map.grid();
        let step_in_chunk = to_usize(grid.stride());
        for piece in 0..grid.pieces() {
            let mut runs = Vec::new();
            grid.runs_of_piece(piece, |at, within, len| {
                if self.wants(at, len) {
                    runs.push((at, within, len));
                }
            });
            if runs.is_empty() {
                continue;
            }
            let number = |steps: &Stride| steps.first / grid.steps() * grid.pieces() + piece;
            let mut chunks: Vec<_> = rows
                .iter()
                .map(|(steps, _)| ToDecode {
                    stored: map.find(number(steps)),
                    whole: None,
                })
                .collect();
            let cache = self.cache(map, format);
            unpacker.unpack(format, data, cache, &mut chunks, |nth, decoded| {
                let (steps, output) = &mut rows[nth];
                let damaged = |reason| self.tensor.damaged_chunk(number(steps), reason);
                let decoded = decoded.map_err(damaged)?;
                let first = to_usize(steps.first % grid.steps()) * step_in_chunk;
                for (nth, output) in output.chunks_mut(self.output_bytes).enumerate() {
                    let from = first + nth * to_usize(steps.stride) * step_in_chunk;
                    for &(at, within, len) in &runs {
                        self.put_run(&decoded, from + within, at..at + len, output, scratch);
                    }
                }
                Ok::<(), ReadError>(())
            })?;
        }
        Ok(())
    }

    /// Whether something of a run of a step is selected.
    pub(super) fn wants(&self, at: usize, len: usize) -> bool {
        self.spans
            .as_ref()
            .is_none_or(|spans| spans.iter().any(|span| span.has(at..at + len)))
    }

    /// Puts what is selected of the bytes `run` of a step, which begin at the byte `from` of the
    /// chunk, into the output of the step.
    fn put_run(
        &self,
        chunk: &DecodedChunk<'_>,
        from: usize,
        run: std::ops::Range<usize>,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let Some(spans) = &self.spans else {
            return self.put_part(chunk, from, run.len(), run.start, output, scratch);
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
                    self.put_part(chunk, from, end - start, to, output, scratch);
                }
            });
        }
    }

    /// Puts `len` bytes of the chunk where the byte `to` of the step is in the output.
    fn put_part(
        &self,
        chunk: &DecodedChunk<'_>,
        from: usize,
        len: usize,
        to: usize,
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        if self.convert == Convert::None {
            return chunk.copy(from, &mut output[to..to + len]);
        }
        let factor = self.convert.factor();
        let output = &mut output[to * factor..(to + len) * factor];
        for (nth, output) in output.chunks_mut(PIECE * factor).enumerate() {
            let piece = scratch.get(output.len() / factor);
            chunk.copy(from + nth * PIECE, piece);
            self.convert.put(piece, output);
        }
    }
}

/// How many unpacked chunks and their streams fit into `memory` bytes.
fn room(memory: usize, format: ChunkFormat) -> usize {
    memory / format.bytes.saturating_mul(2).max(1)
}

/// The same of a thread that reads in bulk, with those that help it.
fn bulk_room(format: ChunkFormat) -> usize {
    room(BULK_MEMORY, format).min(TOGETHER)
}

/// Memory that a thread takes which reads rows of chunks [in bulk](Job::in_bulk), beside its output, in bytes. The
/// tensor has `rows` rows.
pub(crate) fn bulk_memory(map: &ChunkMap, format: ChunkFormat, rows: u64) -> u64 {
    let grid = map.grid();
    let together = bulk_room(format).max(1) as u64;
    // What is not shuffled, and wanted whole, is decoded to where it is wanted.
    let [shuffled, ..] = format.pipeline.filters();
    let to_output = !shuffled && grid.holds_whole_steps() && rows.is_multiple_of(grid.steps());
    let decoded = if to_output { 0 } else { grid.chunk_bytes() };
    let each = decoded.saturating_add(map.largest_stored());
    each.saturating_mul(together)
}

/// Says that these chunks will be read soon, if there are such chunks: those that lie side by side at once.
fn will_read(&Chunks { map, data, .. }: &Chunks<'_>, chunks: Range<u64>) {
    let mut together: Option<Range<u64>> = None;
    let places = chunks.filter_map(|number| map.find(number));
    for (address, end) in places.filter_map(|stored| Some((stored.address, stored.end()?))) {
        match &mut together {
            Some(bytes) if bytes.end == address => bytes.end = end,
            _ => {
                if let Some(bytes) = together.replace(address..end) {
                    data.will_read(bytes.start, bytes.end - bytes.start);
                }
            }
        }
    }
    if let Some(bytes) = together {
        data.will_read(bytes.start, bytes.end - bytes.start);
    }
}

/// The selected steps of one row of chunks after the other, and their part of the output.
pub(super) struct ChunkRows<'a> {
    pub(super) left: Stride,
    pub(super) output: &'a mut [u8],
    /// Steps in a chunk.
    pub(super) rows: u64,
    /// Bytes of a step in the output.
    pub(super) step_bytes: usize,
}

impl ChunkRows<'_> {
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

impl<'a> Iterator for ChunkRows<'a> {
    type Item = (Stride, &'a mut [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left;
        if left.count == 0 {
            return None;
        }
        let after = (left.first / self.rows)
            .saturating_add(1)
            .saturating_mul(self.rows);
        let count = (after - left.first).div_ceil(left.stride).min(left.count);
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
