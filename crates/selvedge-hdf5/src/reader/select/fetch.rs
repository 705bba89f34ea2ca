//! Filling the output of a selection from a file that lies elsewhere: what is wanted is fetched many pieces at a
//! time, since each request takes long, and as long for one byte as for a million.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use selvedge_base::buffer;

use super::engine::{Job, Scratch};
use super::rows::Span;
use super::unpack::{ChunkRows, Chunks};
use crate::ReadError;
use crate::chunks::{ChunkFormat, ChunkMap, Stored, to_usize};
use crate::ranges::{Data, Piece, RangeReader, Ranges};
use crate::reader::place::Place;

/// Bytes that are fetched before they are put where they belong.
const BATCH: usize = 64 << 20;

impl Job<'_> {
    /// Fills `bytes` from plain bytes.
    pub(super) fn fetch(
        &self,
        place: &Place,
        ranges: &Arc<dyn RangeReader>,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let failed = |error| self.tensor.read_failed(error);
        if self.is_as_stored() {
            let mut pieces = Vec::new();
            for (nth, output) in (0..).zip(bytes.chunks_mut(self.output_bytes)) {
                let step = self.steps.at(nth);
                place
                    .pieces_within(step, 0, output, &mut pieces)
                    .map_err(failed)?;
            }
            return ranges.read_many(&mut pieces).map_err(failed);
        }
        let parts: Vec<(Range<usize>, Option<&Span>)> = match &self.spans {
            Some(spans) => spans
                .iter()
                .map(|span| (span.bytes.clone(), Some(span)))
                .collect(),
            None => (0..self.step_bytes)
                .step_by(BATCH)
                .map(|start| (start..self.step_bytes.min(start + BATCH), None))
                .collect(),
        };
        let of_step = |nth| parts.iter().map(move |(part, span)| (nth, part, *span));
        let mut wanted = (0..self.steps.count).flat_map(of_step).peekable();
        let mut scratch = Scratch::default();
        while wanted.peek().is_some() {
            let (mut batch, mut length) = (Vec::new(), 0);
            while let Some(next) =
                wanted.next_if(|(_, part, _)| length == 0 || length + part.len() <= BATCH)
            {
                length += next.1.len();
                batch.push(next);
            }
            let fetched = scratch.try_get(length);
            let fetched = fetched.ok_or_else(|| self.tensor.no_memory())?;
            let (mut left, mut pieces) = (&mut fetched[..], Vec::new());
            for &(nth, part, _) in &batch {
                let (now, later) = left.split_at_mut(part.len());
                let step = self.steps.at(nth);
                let added = place.pieces_within(step, part.start, now, &mut pieces);
                added.map_err(failed)?;
                left = later;
            }
            ranges.read_many(&mut pieces).map_err(failed)?;
            let mut left = &fetched[..];
            for (nth, part, span) in batch {
                let (from, later) = left.split_at(part.len());
                let output = &mut bytes[to_usize(nth) * self.output_bytes..][..self.output_bytes];
                match span {
                    Some(span) => self.put_rows(span, from, output),
                    None => {
                        let factor = self.convert.factor();
                        let to = part.start * factor..part.end * factor;
                        self.convert.put(from, &mut output[to]);
                    }
                }
                left = later;
            }
        }
        Ok(())
    }

    /// Fills `bytes` from compressed chunks, of which as many rows are fetched together as
    /// [`BATCH`] bytes hold.
    pub(super) fn fetch_and_unpack(
        &self,
        map: &ChunkMap,
        format: ChunkFormat,
        ranges: &Ranges,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let grid = map.grid();
        let wanted: Vec<u64> = (0..grid.pieces())
            .filter(|&piece| self.wants_piece(map, piece))
            .collect();
        let cache = self.cache(map, format);
        // What cannot be is told by whoever decodes it.
        let is_fetched = |stored: &Stored| {
            let is_kept = cache.is_some_and(|cache| cache.has(stored.address));
            stored.end().is_some_and(|end| end <= ranges.size()) && !is_kept
        };
        // The steps of one row of chunks after the other.
        let mut rows = ChunkRows {
            left: self.steps,
            output: &mut [],
            rows: grid.steps(),
            step_bytes: 0,
        }
        .map(|(steps, _)| steps)
        .peekable();
        let (mut done, mut left) = (0, bytes);
        while rows.peek().is_some() {
            let (mut stored, mut count, mut length) = (Vec::new(), 0, 0);
            while let Some(steps) = rows.next_if(|_| length < BATCH) {
                let first = steps.first / grid.steps() * grid.pieces();
                let chunks = wanted.iter().filter_map(|piece| map.find(first + piece));
                for chunk in chunks.filter(is_fetched) {
                    length += chunk.bytes as usize;
                    stored.push(chunk);
                }
                count += steps.count;
            }
            let fetched = Fetched::of(stored, ranges);
            let fetched = fetched.map_err(|error| self.tensor.read_failed(error))?;
            let data = &Data::Ranges(ranges.with(Arc::new(fetched)));
            let (output, later) = left.split_at_mut(to_usize(count) * self.output_bytes);
            let job = Job {
                steps: self.steps.part(done, count),
                spans: self.spans.clone(),
                ..*self
            };
            job.run_unpacking(&Chunks { map, format, data }, output)?;
            (done, left) = (done + count, later);
        }
        Ok(())
    }

    /// Whether something is selected of the chunks that are this piece of a step.
    fn wants_piece(&self, map: &ChunkMap, piece: u64) -> bool {
        let mut wants = false;
        map.grid()
            .runs_of_piece(piece, |at, _, len| wants |= self.wants(at, len));
        wants
    }
}

/// Chunks that were fetched, and where the others are.
#[derive(Debug)]
struct Fetched {
    /// In the order of their addresses, with the place of each in the bytes.
    chunks: Vec<(Stored, usize)>,
    bytes: Vec<u8>,
    others: Arc<dyn RangeReader>,
}

impl Fetched {
    fn of(mut stored: Vec<Stored>, ranges: &Arc<dyn RangeReader>) -> io::Result<Self> {
        stored.sort_by_key(|chunk| chunk.address);
        stored.dedup();
        let length = stored.iter().map(|chunk| chunk.bytes as usize).sum();
        let mut bytes = buffer::zeroed::<u8>(length).ok_or(io::ErrorKind::OutOfMemory)?;
        let (mut left, mut pieces) = (&mut bytes[..], Vec::<Piece<'_>>::new());
        let (mut chunks, mut at) = (Vec::with_capacity(stored.len()), 0);
        for chunk in stored {
            let (now, later) = left.split_at_mut(chunk.bytes as usize);
            pieces.push((chunk.address, now));
            chunks.push((chunk, at));
            at += chunk.bytes as usize;
            left = later;
        }
        if !pieces.is_empty() {
            ranges.read_many(&mut pieces)?;
        }
        Ok(Self {
            chunks,
            bytes,
            others: Arc::clone(ranges),
        })
    }
}

impl RangeReader for Fetched {
    fn size(&self) -> u64 {
        self.others.size()
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.others.read_structure(bytes, offset)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        for (offset, bytes) in pieces {
            let found = self
                .chunks
                .binary_search_by_key(offset, |(chunk, _)| chunk.address);
            let chunk = found.ok().map(|nth| self.chunks[nth]);
            match chunk.filter(|(chunk, _)| chunk.bytes as usize == bytes.len()) {
                Some((_, at)) => bytes.copy_from_slice(&self.bytes[at..][..bytes.len()]),
                None => self.others.read_many(&mut [(*offset, bytes)])?,
            }
        }
        Ok(())
    }
}
