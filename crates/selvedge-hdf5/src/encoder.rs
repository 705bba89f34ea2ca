//! Encoding the chunks of compressed tensors.

use selvedge_deflate::{Encoder, Strides, max_encoded_len};

/// What the attribute of a compressed tensor says of its streams.
pub(crate) const NAME: &str = concat!("selvedge-deflate ", env!("CARGO_PKG_VERSION"));

/// The bit of deflate in a filter mask.
pub(crate) const DEFLATE: u32 = 0b10;

/// The filter mask of a chunk that went through neither shuffle nor deflate.
pub(crate) const AS_IT_IS: u32 = 0b11;

/// A chunk whose stream is not shorter by this part of it is stored as it is, and so is read faster.
const LEAST_GAIN: usize = 64;

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

    /// What is stored of a chunk of `chunk_bytes` bytes that begins with `bytes`, and its filter
    /// mask. Behind them the chunk, which reaches beyond its step, is zeros. A chunk of several steps
    /// has `strides`.
    pub(crate) fn encode<'b>(
        &'b mut self,
        bytes: &'b [u8],
        chunk_bytes: usize,
        strides: Option<Strides>,
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
        let len = match strides {
            Some(strides) => encoder.encode_temporal(elements, strides, stream),
            None => encoder.encode(elements, stream),
        };
        if len + chunk_bytes / LEAST_GAIN >= chunk_bytes {
            return (bytemuck::cast_slice(elements), AS_IT_IS);
        }
        (&self.stream, 0)
    }
}
