//! What is stored of a chunk: encoding it, and decoding it again past libhdf5, whose lock lets one thread
//! in at a time.
//!
//! Encoded is what the recorder and `Rechunk` compress: elements of two bytes, through shuffle and
//! deflate, HDF5's own filters. Decoded is what went through any of them, h5py's `compression="gzip"` too,
//! also with a checksum after them (fletcher32). Nothing in the file is trusted: what cannot be is left to libhdf5, and a
//! stream that is not exactly of its chunk's length is an error.

use std::io;
use std::sync::Arc;

use hdf5::filters::Filter;
use libdeflater::{DecompressionError, Decompressor};
use selvedge_base::{Mutex, MutexGuard};
use selvedge_deflate::{Decoder, Encoder, Strides, max_encoded_len};

use super::decoded::{Decoded, DecodedCache};
use super::fletcher;
use super::grid::{Grid, to_usize};
use super::map::Stored;
use crate::ranges::Data;

/// What the attribute of a compressed tensor says of its streams.
pub(crate) const ENCODER_NAME: &str = concat!("selvedge-deflate ", env!("CARGO_PKG_VERSION"));

/// The bit of deflate in a filter mask.
pub(crate) const MASK_DEFLATE: u32 = 0b10;

/// What errors call it, with the number that HDF5 knows it by.
const DEFLATE: &str = "deflate (number 1)";

/// The filter mask of a chunk that went through neither shuffle nor deflate, as earlier versions stored
/// what did not compress. Programs that take chunks for what the pipeline says read such files wrong.
pub(crate) const MASK_UNFILTERED: u32 = 0b11;

/// A chunk whose stream is not shorter by this part of it is kept in stored blocks, and so is read faster.
const MIN_GAIN_DIVISOR: usize = 64;

/// The best that deflate can do: a stream says at most so many bytes for each of its own.
const MOST_RATIO: u64 = 1032;

/// Longer streams are held against the length of the file before there is memory for them.
const SMALL_STREAM: u64 = 1 << 20;

/// Encodes one chunk after the other; each thread has its own.
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
    stream: Vec<u8>,
    /// A chunk that reaches beyond its step.
    padded: Vec<u16>,
}

impl ChunkEncoder {
    /// An encoder for chunks of at most `chunk_bytes` bytes, with all of its memory.
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        Self {
            encoder: Encoder::with_capacity(chunk_bytes / 2),
            stream: Vec::with_capacity(max_encoded_len(chunk_bytes / 2)),
            padded: Vec::new(),
        }
    }

    /// The stream of a chunk of `grid` that begins with `bytes`. The rest of the chunk, which reaches beyond
    /// its step, is zeros.
    pub(crate) fn encode(&mut self, bytes: &[u8], grid: &Grid) -> &[u8] {
        let chunk_bytes = to_usize(grid.chunk_bytes());
        let mut elements: &[u16] = bytemuck::cast_slice(bytes);
        if bytes.len() < chunk_bytes {
            self.padded.clear();
            self.padded.extend_from_slice(elements);
            self.padded.resize(chunk_bytes / 2, 0);
            elements = &self.padded;
        }
        self.stream.clear();
        let (encoder, stream) = (&mut self.encoder, &mut self.stream);
        let len = match grid.steps() {
            1 => encoder.encode(elements, stream),
            steps => {
                let strides = Strides {
                    step: elements.len() / to_usize(steps),
                    row: to_usize(grid.row_elements()),
                };
                encoder.encode_temporal(elements, strides, stream)
            }
        };
        // What is longer than the chunk is in stored blocks already, or nearly all of it.
        if (chunk_bytes - chunk_bytes / MIN_GAIN_DIVISOR..=chunk_bytes).contains(&len) {
            stream.clear();
            encoder.store(elements, stream);
        }
        &self.stream
    }
}

/// How the chunks of a dataset are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pipeline {
    /// The bit of shuffle in the filter mask; 0 of a pipeline without it.
    shuffle: u32,
    /// The bit of deflate in the filter mask.
    deflate: u32,
    /// The bit of the checksum in the filter mask.
    fletcher32: u32,
}

impl Pipeline {
    /// `None` for filters that libhdf5 has to undo.
    pub(crate) fn of(filters: &[Filter]) -> Option<Self> {
        let mut pipeline = Self::default();
        let mut last = 0;
        for (bit, filter) in (0..).map(|nth| 1_u32 << nth).zip(filters) {
            let (order, place) = match filter {
                Filter::Shuffle => (1, &mut pipeline.shuffle),
                Filter::Deflate(_) => (2, &mut pipeline.deflate),
                Filter::Fletcher32 => (3, &mut pipeline.fletcher32),
                _ => return None,
            };
            // Each once, and in this order: so there are three at most.
            if order <= last {
                return None;
            }
            (last, *place) = (order, bit);
        }
        (last > 0).then_some(pipeline)
    }

    /// Whether it has shuffle, deflate and fletcher32, which is their order.
    pub(crate) fn filters(self) -> [bool; 3] {
        [self.shuffle, self.deflate, self.fletcher32].map(|bit| bit != 0)
    }
}

/// A chunk that is to be decoded.
#[derive(Default)]
pub(crate) struct ToDecode<'a> {
    /// Where it lies; `None` for a chunk that the file does not have.
    pub(crate) stored: Option<Stored>,
    /// Where all of it goes, which is exactly of its length; `None` if somebody else copies parts of it.
    pub(crate) whole: Option<&'a mut [u8]>,
}

/// Decodes chunks, into memory that is used again and again.
pub(crate) struct Unpacker {
    /// For streams like the recorder's.
    fast: Decoder,
    /// Chunks left for which the fast decoder is skipped, after it rejected one.
    skip_fast: usize,
    inflate: Decompressor,
    slots: [Slot; Self::TOGETHER],
}

/// What is known of the chunks of one dataset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkFormat {
    pub(crate) pipeline: Pipeline,
    /// Bytes of an element.
    pub(crate) element: usize,
    /// Bytes of a decoded chunk.
    pub(crate) bytes: usize,
}

impl Unpacker {
    /// Chunks that are decoded together, in less time than one after the other.
    pub(crate) const TOGETHER: usize = Decoder::TOGETHER;
    /// A file has mostly one kind of streams, but in one of the recorder's a tensor that begins with zeros
    /// begins with others: so after one that the fast decoder rejected it is skipped for so many.
    const SKIPPED: usize = 16;

    pub(crate) fn new() -> Self {
        Self {
            fast: Decoder::new(),
            skip_fast: 0,
            inflate: Decompressor::new(),
            slots: Default::default(),
        }
    }

    /// Bytes that it holds for chunks and their streams.
    fn memory(&self) -> usize {
        let slots = self.slots.iter();
        slots
            .map(|slot| slot.stored.capacity() + slot.plain.capacity())
            .sum()
    }

    /// Decodes up to [`TOGETHER`](Self::TOGETHER) chunks. `put` gets each that is not wanted
    /// [whole](ToDecode::whole), by its number among them, and each that cannot be had, with the reason.
    /// Chunks that `cache` has are taken from there, and others are put there.
    pub(crate) fn unpack<E>(
        &mut self,
        format: ChunkFormat,
        data: &Data,
        cache: Option<&DecodedCache>,
        chunks: &mut [ToDecode<'_>],
        mut put: impl FnMut(usize, Result<DecodedChunk<'_>, String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut kept = [const { None }; Self::TOGETHER];
        if let Some(cache) = cache {
            for (chunk, kept) in chunks.iter().zip(&mut kept) {
                *kept = chunk.stored.and_then(|stored| cache.get(stored.address));
            }
        }
        let mut loaded = [const { Ok(()) }; Self::TOGETHER];
        let mut streams = [&[][..]; Self::TOGETHER];
        let mut elements: [&mut [u8]; Self::TOGETHER] = Default::default();
        let places = loaded.iter_mut().zip(streams.iter_mut().zip(&mut elements));
        let wanted = chunks.iter_mut().zip(&mut self.slots).zip(&kept);
        for (((chunk, slot), kept), place) in wanted.zip(places) {
            let (loaded, (stream, elements)) = place;
            if kept.is_some() {
                continue;
            }
            *loaded = slot.load(format, data, chunk);
            if loaded.is_ok() && slot.is_packed && slot.planes == 2 {
                *stream = &slot.stored;
                *elements = chunk.whole.as_deref_mut().unwrap_or(&mut slot.plain);
            }
        }
        let asked = self.skip_fast == 0;
        let decoded = match asked {
            true => self.fast.decode_together(streams, elements),
            false => [false; Self::TOGETHER],
        };
        self.skip_fast = self.skip_fast.saturating_sub(chunks.len());
        let chunks = chunks.iter_mut().zip(&mut self.slots).zip(kept);
        for (nth, (((chunk, slot), kept), loaded)) in chunks.zip(loaded).enumerate() {
            if let Some(kept) = kept {
                let plain = DecodedChunk::from(&*kept);
                match &mut chunk.whole {
                    Some(whole) => plain.copy(0, whole),
                    None => put(nth, Ok(plain))?,
                }
                continue;
            }
            // Whether it is where it is wanted.
            let mut is_put = decoded[nth];
            let mut plain = loaded.and_then(|()| {
                if slot.is_packed && !decoded[nth] {
                    if asked {
                        self.skip_fast = Self::SKIPPED;
                    }
                    let whole = chunk.whole.as_deref_mut().filter(|_| slot.planes == 1);
                    is_put = whole.is_some();
                    slot.inflate(&mut self.inflate, format.bytes, whole)?;
                }
                Ok(DecodedChunk {
                    bytes: &slot.plain,
                    planes: if decoded[nth] { 1 } else { slot.planes },
                })
            });
            match (&mut plain, &mut chunk.whole) {
                (Ok(_), Some(_)) if is_put => {}
                (Ok(plain), Some(whole)) => plain.copy(0, whole),
                (Ok(plain), None) => {
                    let (bytes, planes) = (plain.bytes, plain.planes);
                    if let (Some(cache), Some(stored)) = (cache, chunk.stored) {
                        let bytes = bytes.to_vec();
                        cache.keep(stored.address, Decoded { bytes, planes });
                    }
                    put(nth, Ok(DecodedChunk { bytes, planes }))?;
                }
                (Err(_), _) => put(nth, plain)?,
            }
        }
        Ok(())
    }
}

/// An unpacker of an open file that the next call uses again: to get its memory from the system anew
/// would take longer than to unpack a step. Of those with more memory than [`UnpackerCache::MOST`] none
/// is kept.
#[derive(Clone, Default)]
pub(crate) struct UnpackerCache(Arc<Mutex<Option<Unpacker>>>);

impl std::fmt::Debug for UnpackerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackerCache").finish_non_exhaustive()
    }
}

impl UnpackerCache {
    /// In bytes.
    const MOST: usize = 16 << 20;

    fn slot(&self) -> MutexGuard<'_, Option<Unpacker>> {
        self.0.lock()
    }

    pub(crate) fn take(&self) -> Unpacker {
        match self.slot().take() {
            // What it last met may have been of another tensor.
            Some(unpacker) => Unpacker {
                skip_fast: 0,
                ..unpacker
            },
            None => Unpacker::new(),
        }
    }

    pub(crate) fn give(&self, unpacker: Unpacker) {
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
    fn load(
        &mut self,
        format: ChunkFormat,
        data: &Data,
        chunk: &ToDecode<'_>,
    ) -> Result<(), String> {
        let stored = chunk.stored.ok_or("the file has no such chunk")?;
        // The filters that the chunk went through.
        let went_through = |bit: u32| bit & !stored.mask != 0;
        self.is_packed = went_through(format.pipeline.deflate);
        let is_shuffled = went_through(format.pipeline.shuffle);
        self.planes = if is_shuffled { format.element } else { 1 };
        let has_sum = went_through(format.pipeline.fletcher32);
        let sum_bytes = if has_sum { fletcher::BYTES as u64 } else { 0 };
        let (found, expected) = (
            u64::from(stored.bytes).saturating_sub(sum_bytes),
            format.bytes as u64,
        );
        // Before memory is asked for: a number of the file is a claim.
        if !self.is_packed && found != expected {
            return Err(format!(
                "{found} bytes are stored as they are, expected {expected}"
            ));
        }
        if self.is_packed && found.saturating_mul(MOST_RATIO) < expected {
            return Err(format!(
                "{DEFLATE}: a stream of {found} bytes cannot hold {expected}"
            ));
        }
        const BEYOND: &str = "it lies after the end of the file";
        if found.max(expected) > SMALL_STREAM {
            let length = data.len().map_err(|error| error.to_string())?;
            if stored.end().is_none_or(|end| end > length) {
                return Err(BEYOND.to_owned());
            }
        }
        if self.is_packed && chunk.whole.is_none() {
            fit(&mut self.plain, format.bytes)?;
        }
        let bytes = match self.is_packed {
            true => &mut self.stored,
            false => &mut self.plain,
        };
        fit(bytes, stored.bytes as usize)?;
        data.read_values(bytes, stored.address)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => BEYOND.to_owned(),
                _ => error.to_string(),
            })?;
        if has_sum {
            let length = fletcher::checked(bytes)?.len();
            bytes.truncate(length);
        }
        Ok(())
    }

    /// Unpacks a stream of any kind, to where all of it is wanted as it is, if it is.
    fn inflate(
        &mut self,
        decoder: &mut Decompressor,
        expected: usize,
        whole: Option<&mut [u8]>,
    ) -> Result<(), String> {
        let plain = match whole {
            Some(whole) => whole,
            None => {
                fit(&mut self.plain, expected)?;
                &mut self.plain
            }
        };
        let found = decoder.zlib_decompress(&self.stored, plain);
        let found = found.map_err(|error| match error {
            DecompressionError::BadData => format!("{DEFLATE}: the stream is damaged"),
            DecompressionError::InsufficientSpace => {
                format!("{DEFLATE}: the stream holds more than {expected} bytes")
            }
        })?;
        if found != expected {
            return Err(format!(
                "{DEFLATE}: the stream holds {found} bytes, expected {expected}"
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
pub(crate) struct DecodedChunk<'a> {
    bytes: &'a [u8],
    /// Bytes of an element that lie in a plane each; 1 where the bytes are in their order.
    planes: usize,
}

impl<'a> From<&'a Decoded> for DecodedChunk<'a> {
    fn from(kept: &'a Decoded) -> Self {
        let (bytes, planes) = (&kept.bytes[..], kept.planes);
        Self { bytes, planes }
    }
}

impl<'a> DecodedChunk<'a> {
    /// Bytes of which so many planes are to be put together.
    pub(super) fn new(bytes: &'a [u8], planes: usize) -> Self {
        Self { bytes, planes }
    }

    /// Copies whole elements, from the byte `from` of the chunk on.
    pub(crate) fn copy(&self, from: usize, to: &mut [u8]) {
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
