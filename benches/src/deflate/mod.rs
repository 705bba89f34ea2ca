//! The contenders of `deflate`: our encoder and others, on the tensors of a trajectory.

pub mod data;
pub mod steps;
pub mod temporal;

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use selvedge_deflate::{Encoder, max_encoded_len};

use crate::Result;

/// HDF5's shuffle filter for elements of two bytes.
#[must_use]
pub fn shuffled(elements: &[u16]) -> Vec<u8> {
    let low = elements.iter().map(|element| element.to_le_bytes()[0]);
    let high = elements.iter().map(|element| element.to_le_bytes()[1]);
    low.chain(high).collect()
}

/// libdeflate, with buffers that are used again.
struct Libdeflate {
    compressor: Compressor,
    decompressor: Decompressor,
    bytes: Vec<u8>,
}

impl Libdeflate {
    fn new(level: i32) -> Result<Self> {
        let level = CompressionLvl::new(level).map_err(|_| "libdeflate has no such level")?;
        Ok(Self {
            compressor: Compressor::new(level),
            decompressor: Decompressor::new(),
            bytes: Vec::new(),
        })
    }

    /// A zlib stream in `out`.
    fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.resize(self.compressor.zlib_compress_bound(bytes.len()), 0);
        let length = self.compressor.zlib_compress(bytes, out);
        out.truncate(length.map_err(|error| format!("libdeflate: {error}"))?);
        Ok(())
    }

    /// What the stream holds: as many bytes as `expected`.
    fn decode(&mut self, stream: &[u8], expected: usize) -> Result<&[u8]> {
        self.bytes.resize(expected, 0);
        let length = self
            .decompressor
            .zlib_decompress(stream, &mut self.bytes)
            .map_err(|error| format!("libdeflate cannot read a stream: {error}"))?;
        Ok(&self.bytes[..length])
    }
}

/// Panics-free check that a stream is within its bound and gives `shuffled` back.
fn check(libdeflate: &mut Libdeflate, stream: &[u8], shuffled: &[u8]) -> Result<()> {
    if stream.len() > max_encoded_len(shuffled.len() / 2) {
        return Err(format!("a stream of {} bytes is beyond its bound", stream.len()).into());
    }
    if libdeflate.decode(stream, shuffled.len())? != shuffled {
        return Err("a stream does not give its bytes back".into());
    }
    Ok(())
}

/// The encoders that this machine can run: the one that is chosen last.
fn encoders() -> Vec<(String, Encoder)> {
    let encoders = Encoder::on_every_path();
    let named = encoders
        .into_iter()
        .map(|encoder| (format!("selvedge, {}", encoder.instructions()), encoder));
    named.collect()
}

/// Gigabytes of bfloat16 a second.
fn rate(bytes: usize, seconds: f64) -> String {
    let rate = bytes as f64 / seconds / 1e9;
    format!("{rate:.2}")
}
