//! Where the compressed chunks of a tensor lie in the file, and unpacking them past libhdf5, whose lock
//! lets one thread in at a time.
//!
//! Unpacked is what went through shuffle, deflate or both, HDF5's own filters: what the recorder
//! compresses, and what h5py does with `compression="gzip"`. Nothing in the file is trusted: what
//! cannot be is left to libhdf5, and a stream that is not exactly of its chunk's length is an error.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdf5::Dataset;
use hdf5::filters::Filter;
use libdeflater::Decompressor;
use selvedge_deflate::Decoder;

use super::live;
use super::place::Wanted;
use crate::grid::to_usize;
use crate::sys;

/// The best that deflate can do: a stream says at most so many bytes for each of its own.
const MOST_RATIO: u64 = 1032;

/// A chunk in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) address: u64,
    /// Bytes in the file.
    pub(super) bytes: u64,
    /// A bit for each filter that it did not go through.
    pub(super) mask: u32,
}

impl Stored {
    fn end(&self) -> Option<u64> {
        self.address.checked_add(self.bytes)
    }
}

/// The filters of a dataset: the bit of each in the filter mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    shuffle: Option<u32>,
    deflate: u32,
}

impl Pipeline {
    /// `None` for filters that libhdf5 has to undo.
    pub(super) fn of(filters: &[Filter]) -> Option<Self> {
        match filters {
            [Filter::Deflate(_)] => Some(Self {
                shuffle: None,
                deflate: 1,
            }),
            [Filter::Shuffle, Filter::Deflate(_)] => Some(Self {
                shuffle: Some(1),
                deflate: 2,
            }),
            _ => None,
        }
    }
}

/// The compressed chunks of a tensor.
#[derive(Debug)]
pub(super) struct Packed {
    pipeline: Pipeline,
    /// Shape of a step in elements.
    pub(super) step_shape: Vec<u64>,
    /// Shape of a chunk in elements, the steps first.
    pub(super) chunk: Vec<u64>,
    /// Bytes of an element.
    pub(super) element: usize,
    /// Bytes of a chunk.
    chunk_bytes: usize,
    /// Chunks along each axis of a step.
    along: Vec<u64>,
    /// Chunks that hold a step.
    pub(super) pieces: u64,
    /// In the order of their offsets.
    chunks: Vec<Stored>,
}

impl Packed {
    /// `None` where libhdf5 has to read: chunks that are missing, which it knows the fill value of.
    pub(super) fn find(wanted: &Wanted<'_>, pipeline: Pipeline) -> Option<Self> {
        let chunk = wanted.chunk?;
        let step_shape = wanted.shape.get(1..)?;
        if chunk.len() != wanted.shape.len() || chunk.contains(&0) {
            return None;
        }
        let product = |axes: &[u64]| {
            axes.iter()
                .try_fold(1_u64, |all, &axis| all.checked_mul(axis))
        };
        let along: Vec<u64> = step_shape
            .iter()
            .zip(&chunk[1..])
            .map(|(axis, extent)| axis.div_ceil(*extent))
            .collect();
        product(step_shape)?.checked_mul(wanted.element)?;
        let pieces = product(&along)?;
        let rows = wanted.shape.first()?.div_ceil(chunk[0]);
        let count = rows.checked_mul(pieces)?;
        let mut packed = Self {
            pipeline,
            step_shape: step_shape.to_vec(),
            chunk: chunk.to_vec(),
            element: to_usize(wanted.element),
            chunk_bytes: usize::try_from(product(chunk)?.checked_mul(wanted.element)?).ok()?,
            along,
            pieces,
            chunks: Vec::new(),
        };
        let index = |offset: &[u64]| packed.index(offset).filter(|&index| index < count);
        let mut chunks = wanted
            .header
            .and_then(|header| live::stored_chunks(wanted.data, header, &index))
            .or_else(|| by_library(wanted.dataset, &index))?;
        chunks.sort_unstable_by_key(|(index, _)| *index);
        chunks.dedup_by_key(|(index, _)| *index);
        if chunks.len() as u64 != count {
            return None;
        }
        packed.chunks = chunks.into_iter().map(|(_, stored)| stored).collect();
        Some(packed)
    }

    /// The number of the chunk whose first element is at `offset`; `None` where none starts.
    fn index(&self, offset: &[u64]) -> Option<u64> {
        if offset.len() != self.chunk.len() {
            return None;
        }
        let mut index = 0_u64;
        for (axis, (&at, &extent)) in offset.iter().zip(&self.chunk).enumerate() {
            let nth = (at % extent == 0).then_some(at / extent)?;
            let along = axis
                .checked_sub(1)
                .map_or(u64::MAX, |axis| self.along[axis]);
            if nth >= along {
                return None;
            }
            index = match axis {
                0 => nth,
                _ => index.checked_mul(along)?.checked_add(nth)?,
            };
        }
        Some(index)
    }

    /// The offset of the first element of a chunk along each axis.
    pub(super) fn offset(&self, row: u64, piece: u64) -> Vec<u64> {
        let mut offset = vec![row * self.chunk[0]];
        offset.extend(self.first(piece));
        offset
    }

    /// The offset in a step of the first element of its piece number `piece`.
    fn first(&self, piece: u64) -> Vec<u64> {
        let mut first = vec![0; self.along.len()];
        let mut rest = piece;
        for axis in (0..first.len()).rev() {
            first[axis] = rest % self.along[axis] * self.chunk[axis + 1];
            rest /= self.along[axis];
        }
        first
    }

    /// Says that the chunks of these rows will be read soon, if there are such rows.
    pub(super) fn will_read(&self, data: &File, rows: Range<u64>) {
        let chunks = to_usize(rows.start * self.pieces)..to_usize(rows.end * self.pieces);
        let chunks = self.chunks.get(chunks).unwrap_or_default();
        // Those that lie side by side at once.
        for side_by_side in chunks.chunk_by(|a, b| a.end() == Some(b.address)) {
            if let [first, ..] = side_by_side
                && let Some(end) = side_by_side.last().and_then(Stored::end)
            {
                sys::will_read(data, first.address, end - first.address);
            }
        }
    }

    /// Steps in a chunk.
    pub(super) fn rows(&self) -> u64 {
        self.chunk[0]
    }

    /// Bytes of a chunk.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Calls `run` with each run of bytes that is contiguous in a step and in the chunk that is its
    /// piece number `piece`: where it begins in the step, where in a step of the chunk, its length.
    pub(super) fn runs(&self, piece: u64, mut run: impl FnMut(usize, usize, usize)) {
        let rank = self.step_shape.len();
        let extents = &self.chunk[1..];
        // From this axis on a run is all that the chunk has; the axes behind it are whole.
        let inner = (0..rank)
            .rev()
            .find(|&axis| extents[axis] != self.step_shape[axis])
            .unwrap_or(0);
        let first = self.first(piece);
        let held =
            |axis: usize| extents[axis].min(self.step_shape[axis].saturating_sub(first[axis]));
        let element = self.element as u64;
        let row: u64 = self.step_shape.iter().skip(inner + 1).product::<u64>() * element;
        let len = if rank == 0 {
            element
        } else {
            held(inner) * row
        };
        let outer: u64 = (0..inner).map(held).product();
        for nth in 0..outer {
            let (mut rest, mut step_at, mut chunk_at) = (nth, 0, 0);
            let (mut step_stride, mut chunk_stride) = (row, row);
            for axis in (0..rank.min(inner + 1)).rev() {
                let within = match axis == inner {
                    true => 0,
                    false => {
                        let within = rest % held(axis);
                        rest /= held(axis);
                        within
                    }
                };
                step_at += (first[axis] + within) * step_stride;
                chunk_at += within * chunk_stride;
                step_stride *= self.step_shape[axis];
                chunk_stride *= extents[axis];
            }
            run(to_usize(step_at), to_usize(chunk_at), to_usize(len));
        }
    }
}

fn by_library(
    dataset: &Dataset,
    index: &dyn Fn(&[u64]) -> Option<u64>,
) -> Option<Vec<(u64, Stored)>> {
    let mut chunks = Vec::new();
    dataset
        .chunks_visit(|info| {
            let stored = Stored {
                address: info.addr,
                bytes: info.size,
                mask: info.filter_mask,
            };
            chunks.extend(index(info.offset).map(|index| (index, stored)));
            0
        })
        .ok()?;
    Some(chunks)
}

/// A chunk that is to be unpacked.
pub(super) struct Chunk<'a> {
    /// It is piece number `piece` of this row of chunks.
    pub(super) row: u64,
    pub(super) piece: u64,
    /// Where all of it goes, which is exactly of its length; `None` if somebody else copies parts of it.
    pub(super) whole: Option<&'a mut [u8]>,
}

/// Unpacks chunks, into memory that is used again and again.
pub(crate) struct Unpacker {
    /// For streams like the recorder's.
    fast: Decoder,
    /// Chunks that it is not asked for, because it was asked for another in vain.
    rest: usize,
    inflate: Decompressor,
    slots: [Slot; Self::TOGETHER],
}

impl Unpacker {
    /// Chunks that are unpacked together, in less time than one after the other.
    pub(super) const TOGETHER: usize = Decoder::TOGETHER;
    /// Those that follow one which the fast decoder did not take: a file has mostly one kind of streams, but
    /// in one of the recorder's a tensor that begins with zeros begins with others.
    const REST: usize = 16;

    pub(crate) fn new() -> Self {
        Self {
            fast: Decoder::new(),
            rest: 0,
            inflate: Decompressor::new(),
            slots: Default::default(),
        }
    }

    /// Of the chunks and their streams, in bytes.
    fn memory(&self) -> usize {
        let slots = self.slots.iter();
        slots
            .map(|slot| slot.stored.capacity() + slot.plain.capacity())
            .sum()
    }

    /// Unpacks up to [`TOGETHER`](Self::TOGETHER) chunks. `put` gets each that is not wanted
    /// [whole](Chunk::whole), by its number, and each that cannot be had, with the reason.
    pub(super) fn unpack<E>(
        &mut self,
        packed: &Packed,
        data: &File,
        chunks: &mut [Chunk<'_>],
        mut put: impl FnMut(usize, Result<Plain<'_>, String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut loaded = [const { Ok(()) }; Self::TOGETHER];
        let mut streams = [&[][..]; Self::TOGETHER];
        let mut elements: [&mut [u8]; Self::TOGETHER] = Default::default();
        let places = loaded.iter_mut().zip(streams.iter_mut().zip(&mut elements));
        for ((chunk, slot), place) in chunks.iter_mut().zip(&mut self.slots).zip(places) {
            let (loaded, (stream, elements)) = place;
            *loaded = slot.load(packed, data, chunk);
            if loaded.is_ok() && slot.is_packed && slot.planes == 2 {
                *stream = &slot.stored;
                *elements = chunk.whole.as_deref_mut().unwrap_or(&mut slot.plain);
            }
        }
        let asked = self.rest == 0;
        let decoded = match asked {
            true => self.fast.decode_together(streams, elements),
            false => [false; Self::TOGETHER],
        };
        self.rest = self.rest.saturating_sub(chunks.len());
        let chunks = chunks.iter_mut().zip(&mut self.slots);
        for (nth, ((chunk, slot), loaded)) in chunks.zip(loaded).enumerate() {
            let mut plain = loaded.and_then(|()| {
                if slot.is_packed && !decoded[nth] {
                    if asked {
                        self.rest = Self::REST;
                    }
                    slot.inflate(&mut self.inflate, packed)?;
                }
                Ok(Plain {
                    bytes: &slot.plain,
                    planes: if decoded[nth] { 1 } else { slot.planes },
                })
            });
            match (&mut plain, &mut chunk.whole) {
                (Ok(_), Some(_)) if decoded[nth] => {}
                (Ok(plain), Some(whole)) => plain.copy(0, whole),
                _ => put(nth, plain)?,
            }
        }
        Ok(())
    }
}

/// An unpacker of an open file that the next call uses again: to get its memory from the system anew
/// would take longer than to unpack a step. Of those with more memory than [`Spare::MOST`] none is kept.
#[derive(Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Option<Unpacker>>>);

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

impl Spare {
    /// In bytes.
    const MOST: usize = 16 << 20;

    fn slot(&self) -> MutexGuard<'_, Option<Unpacker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Unpacker {
        match self.slot().take() {
            // What it last met may have been of another tensor.
            Some(unpacker) => Unpacker {
                rest: 0,
                ..unpacker
            },
            None => Unpacker::new(),
        }
    }

    pub(super) fn give(&self, unpacker: Unpacker) {
        if unpacker.memory() <= Self::MOST {
            *self.slot() = Some(unpacker);
        }
    }
}

/// Memory for a chunk.
#[derive(Default)]
struct Slot {
    /// The stream, where the chunk is packed.
    stored: Vec<u8>,
    plain: Vec<u8>,
    is_packed: bool,
    /// Bytes of an element that lie in a plane each, of a chunk that went through shuffle; 1 of others.
    planes: usize,
}

impl Slot {
    /// Reads a chunk as it is stored, and has memory for what it holds, unless that is wanted whole.
    fn load(&mut self, packed: &Packed, data: &File, chunk: &Chunk<'_>) -> Result<(), String> {
        let number = to_usize(chunk.row * packed.pieces + chunk.piece);
        let stored = packed.chunks.get(number);
        let stored = stored.ok_or("the file has no such chunk")?;
        let Pipeline { shuffle, deflate } = packed.pipeline;
        self.is_packed = stored.mask & deflate == 0;
        let shuffled = shuffle.is_some_and(|bit| stored.mask & bit == 0);
        self.planes = if shuffled { packed.element } else { 1 };
        let expected = packed.chunk_bytes as u64;
        // Before memory is asked for: a number of the file is a claim.
        if !self.is_packed && stored.bytes != expected {
            let found = stored.bytes;
            return Err(format!(
                "{found} bytes are stored as they are, expected {expected}"
            ));
        }
        if self.is_packed && stored.bytes.saturating_mul(MOST_RATIO) < expected {
            let found = stored.bytes;
            return Err(format!("a stream of {found} bytes cannot hold {expected}"));
        }
        let length = data.metadata().map_err(|error| error.to_string())?.len();
        if stored.end().is_none_or(|end| end > length) {
            return Err("it lies behind the end of the file".to_owned());
        }
        if !self.is_packed || chunk.whole.is_none() {
            fit(&mut self.plain, packed.chunk_bytes)?;
        }
        let bytes = if self.is_packed {
            fit(&mut self.stored, to_usize(stored.bytes))?;
            &mut self.stored
        } else {
            &mut self.plain
        };
        data.read_exact_at(bytes, stored.address)
            .map_err(|error| error.to_string())
    }

    /// Unpacks a stream of any kind.
    fn inflate(&mut self, decoder: &mut Decompressor, packed: &Packed) -> Result<(), String> {
        let expected = packed.chunk_bytes;
        fit(&mut self.plain, expected)?;
        let found = decoder.zlib_decompress(&self.stored, &mut self.plain);
        let found = found.map_err(|error| error.to_string())?;
        if found != expected {
            return Err(format!(
                "the stream holds {found} bytes, expected {expected}"
            ));
        }
        Ok(())
    }
}

/// Makes `memory` exactly `bytes` long. It is cleared only when it is new.
fn fit(memory: &mut Vec<u8>, bytes: usize) -> Result<(), String> {
    if memory.capacity() < bytes {
        *memory = bytemuck::allocation::try_zeroed_vec(bytes)
            .map_err(|()| format!("there is no memory for {bytes} bytes"))?;
    }
    memory.resize(bytes, 0);
    Ok(())
}

/// An unpacked chunk, whose bytes may still be shuffled.
pub(super) struct Plain<'a> {
    bytes: &'a [u8],
    /// Bytes of an element that lie in a plane each; 1 where the bytes are in their order.
    planes: usize,
}

impl Plain<'_> {
    /// Copies whole elements, from the byte `from` of the chunk on.
    pub(super) fn copy(&self, from: usize, to: &mut [u8]) {
        let plane = self.bytes.len() / self.planes;
        let (first, count) = (from / self.planes, to.len() / self.planes);
        let part = |nth: usize| &self.bytes[nth * plane + first..][..count];
        match self.planes {
            1 => to.copy_from_slice(&self.bytes[from..from + to.len()]),
            2 => interleave(to, [part(0), part(1)]),
            4 => interleave(to, [0, 1, 2, 3].map(part)),
            8 => interleave(to, [0, 1, 2, 3, 4, 5, 6, 7].map(part)),
            planes => {
                for nth in 0..planes {
                    let bytes = to[nth..].iter_mut().step_by(planes);
                    for (byte, from) in bytes.zip(part(nth)) {
                        *byte = *from;
                    }
                }
            }
        }
    }
}

/// Undoes a shuffle of elements of `N` bytes. The compiler makes vector instructions of it.
fn interleave<const N: usize>(to: &mut [u8], planes: [&[u8]; N]) {
    let count = to.len() / N;
    let planes = planes.map(|plane| &plane[..count]);
    let (elements, _) = to.as_chunks_mut::<N>();
    for (nth, element) in elements.iter_mut().enumerate() {
        *element = planes.map(|plane| plane[nth]);
    }
}
