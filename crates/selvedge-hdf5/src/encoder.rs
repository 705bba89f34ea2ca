//! Encoding the chunks of compressed tensors, by several threads outside of every lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use selvedge_deflate::{Encoder, max_encoded_len};

use crate::grid::to_usize;
use crate::plan::EncodingPlan;

/// What the attribute of a compressed tensor says of its streams.
pub(crate) const NAME: &str = concat!("selvedge-deflate ", env!("CARGO_PKG_VERSION"));

/// The bit of deflate in a filter mask.
pub(crate) const DEFLATE: u32 = 0b10;

/// The filter mask of a chunk that went through neither shuffle nor deflate.
pub(crate) const AS_IT_IS: u32 = 0b11;

/// A chunk whose stream is not shorter by this part of it is stored as it is, and so is read faster.
const LEAST_GAIN: usize = 64;

/// Encoders that are used again and again: as many as threads work at once.
pub(crate) struct Encoders {
    threads: usize,
    idle: Mutex<Vec<Worker>>,
}

impl Encoders {
    /// Encoders for chunks of at most `chunk_bytes` bytes, with all of their memory.
    pub(crate) fn new(plan: EncodingPlan, chunk_bytes: u64) -> Self {
        let workers = (0..plan.threads).map(|_| Worker::new(to_usize(chunk_bytes)));
        Self {
            threads: to_usize(plan.threads),
            idle: Mutex::new(workers.collect()),
        }
    }

    /// The most threads that work at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An encoder that nobody uses. It goes back when it is dropped.
    pub(crate) fn take(&self) -> Taken<'_> {
        let worker = self.idle().pop().unwrap_or_else(|| Worker::new(0));
        Taken {
            encoders: self,
            worker: Some(worker),
        }
    }
}

/// An encoder in use.
pub(crate) struct Taken<'a> {
    encoders: &'a Encoders,
    worker: Option<Worker>,
}

impl Taken<'_> {
    /// What is stored of a chunk of `chunk_bytes` bytes that begins with `bytes`, and its filter
    /// mask. Behind them the chunk, which reaches beyond its step, is zeros.
    pub(crate) fn encode<'b>(&'b mut self, bytes: &'b [u8], chunk_bytes: usize) -> (&'b [u8], u32) {
        let worker = self.worker.get_or_insert_with(|| Worker::new(0));
        worker.encode(bytes, chunk_bytes, None)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.encoders.idle().extend(self.worker.take());
    }
}

/// An encoder with its memory.
pub(crate) struct Worker {
    encoder: Encoder,
    stream: Vec<u8>,
    /// A chunk that reaches beyond its step.
    padded: Vec<u16>,
}

impl Worker {
    /// An encoder for chunks of at most `chunk_bytes` bytes.
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        Self {
            encoder: Encoder::new(),
            stream: Vec::with_capacity(max_encoded_len(chunk_bytes / 2)),
            padded: Vec::new(),
        }
    }

    /// Like [`Taken::encode`]. In a chunk of several steps, the same place of the step before is
    /// `step_elements` elements back.
    pub(crate) fn encode<'b>(
        &'b mut self,
        bytes: &'b [u8],
        chunk_bytes: usize,
        step_elements: Option<usize>,
    ) -> (&'b [u8], u32) {
        let mut elements: &[u16] = bytemuck::cast_slice(bytes);
        if bytes.len() < chunk_bytes {
            self.padded.clear();
            self.padded.extend_from_slice(elements);
            self.padded.resize(chunk_bytes / 2, 0);
            elements = &self.padded;
        }
        self.stream.clear();
        let (encoder, stream) = (&mut self.encoder, &mut self.stream);
        let len = match step_elements {
            Some(step) => encoder.encode_temporal(elements, step, stream),
            None => encoder.encode(elements, stream),
        };
        if len + chunk_bytes / LEAST_GAIN >= chunk_bytes {
            return (bytemuck::cast_slice(elements), AS_IT_IS);
        }
        (&self.stream, 0)
    }
}
