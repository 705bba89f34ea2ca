//! Who encodes chunks in memory.

use std::time::Instant;

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use selvedge_deflate::{Encoder, Strides, max_encoded_len};

use super::data::{WIDTH, shuffled};
use crate::Result;
use crate::bench::Contender as Named;
use crate::peer::Python;
use crate::report::{Figure, Kind, Sample};

/// Who encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// Ours, by the best instructions that there are.
    Ours,
    /// Ours, with these instructions where there are better ones.
    With(&'static str),
    /// Ours, with the step before so many rows earlier.
    Temporal(usize),
    /// libdeflate, at this level.
    Libdeflate(i32),
    /// A codec of `encode_peer.py`.
    Peer(&'static str),
}

/// The contenders that encode single steps.
pub(super) const OF_STEPS: &[Contender] = &[
    Contender::Ours,
    Contender::With("AVX2"),
    Contender::With("portable"),
    Contender::Libdeflate(1),
    Contender::Peer("zlib-1"),
    Contender::Peer("zlib-ng-1"),
    Contender::Peer("igzip-1"),
    Contender::Peer("lz4"),
    Contender::Peer("zstd-1"),
    Contender::Peer("ZipNN"),
];

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "selvedge-deflate",
            Self::With("AVX2") => "selvedge-deflate, AVX2",
            Self::With(_) => "selvedge-deflate, portable",
            Self::Temporal(_) => "selvedge-deflate, temporal",
            Self::Libdeflate(1) => "libdeflate-1",
            Self::Libdeflate(6) => "libdeflate-6",
            Self::Libdeflate(_) => "libdeflate-12",
            Self::Peer(codec) => codec,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Ours | Self::With(_) | Self::Temporal(_) => Kind::Ours,
            Self::Libdeflate(_) | Self::Peer(_) => Kind::Peer,
        }
    }
}

/// Chunks, as elements and as the shuffle filter has them.
pub(super) struct Chunks {
    pub(super) elements: Vec<Vec<u16>>,
    pub(super) shuffled: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn new(elements: Vec<Vec<u16>>) -> Self {
        let shuffled = elements.iter().map(|chunk| shuffled(chunk)).collect();
        Self { elements, shuffled }
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> usize {
        self.shuffled.iter().map(Vec::len).sum()
    }
}

/// The encoders, with their memory.
pub(super) struct Encoders {
    best: Encoder,
    others: Vec<Encoder>,
    levels: Vec<(i32, Compressor)>,
    decompressor: Decompressor,
    stream: Vec<u8>,
    decoded: Vec<u8>,
}

impl Encoders {
    pub(super) fn new() -> Result<Self> {
        let level = |level| -> Result<(i32, Compressor)> {
            let known = CompressionLvl::new(level).map_err(|_| "libdeflate has no such level")?;
            Ok((level, Compressor::new(known)))
        };
        let mut others = Encoder::on_every_path();
        let best = others.pop().ok_or("no encoder")?;
        Ok(Self {
            best,
            others,
            levels: vec![level(1)?, level(6)?, level(12)?],
            decompressor: Decompressor::new(),
            stream: Vec::new(),
            decoded: Vec::new(),
        })
    }

    /// The instructions of the best of ours.
    pub(super) fn instructions(&self) -> &'static str {
        self.best.instructions()
    }

    /// Whether this machine has what it takes.
    pub(super) fn have(&self, who: Contender) -> bool {
        match who {
            Contender::With(instructions) => {
                let mut others = self.others.iter();
                others.any(|encoder| encoder.instructions() == instructions)
            }
            _ => true,
        }
    }

    /// Encodes all chunks; each stream is decoded by libdeflate and compared. The bytes of the streams count as what
    /// they take on the disk.
    pub(super) fn sample(
        &mut self,
        who: Contender,
        chunks: &Chunks,
        peer: Option<&mut Python>,
    ) -> Result<Sample> {
        if let Contender::Peer(codec) = who {
            let [seconds, encoded] = peer.ok_or("no Python")?.numbers(&["encode", codec])?;
            return Ok(Sample::from([
                (Figure::Seconds, seconds),
                (Figure::OnDisk, encoded),
            ]));
        }
        let (mut seconds, mut decoding, mut encoded) = (0.0, 0.0, 0);
        for (elements, shuffled) in chunks.elements.iter().zip(&chunks.shuffled) {
            self.stream.clear();
            let begin = Instant::now();
            self.encode(who, elements, shuffled)?;
            seconds += begin.elapsed().as_secs_f64();
            encoded += self.stream.len();
            let bound = max_encoded_len(elements.len());
            if who.kind() == Kind::Ours && self.stream.len() > bound {
                let length = self.stream.len();
                return Err(
                    format!("a stream of {length} bytes, where {bound} is the most").into(),
                );
            }
            self.decoded.resize(shuffled.len(), 0);
            let begin = Instant::now();
            let length = self
                .decompressor
                .zlib_decompress(&self.stream, &mut self.decoded)
                .map_err(|error| format!("libdeflate cannot read a stream: {error}"))?;
            decoding += begin.elapsed().as_secs_f64();
            if self.decoded[..length] != *shuffled {
                return Err("a stream does not give its bytes back".into());
            }
        }
        Ok(Sample::from([
            (Figure::Seconds, seconds),
            (Figure::ReadSeconds, decoding),
            (Figure::OnDisk, encoded as f64),
        ]))
    }

    fn encode(&mut self, who: Contender, elements: &[u16], shuffled: &[u8]) -> Result<()> {
        match who {
            Contender::Ours => {
                self.best.encode(elements, &mut self.stream);
            }
            Contender::With(instructions) => {
                let mut others = self.others.iter_mut();
                others
                    .find(|encoder| encoder.instructions() == instructions)
                    .ok_or("no such instructions")?
                    .encode(elements, &mut self.stream);
            }
            Contender::Temporal(rows) => {
                let strides = Strides {
                    step: rows * WIDTH,
                    row: WIDTH,
                };
                self.best
                    .encode_temporal(elements, strides, &mut self.stream);
            }
            Contender::Libdeflate(level) => {
                let mut levels = self.levels.iter_mut();
                let (_, compressor) = levels
                    .find(|(known, _)| *known == level)
                    .ok_or("no such level")?;
                self.stream
                    .resize(compressor.zlib_compress_bound(shuffled.len()), 0);
                let length = compressor
                    .zlib_compress(shuffled, &mut self.stream)
                    .map_err(|error| format!("libdeflate: {error}"))?;
                self.stream.truncate(length);
            }
            Contender::Peer(_) => return Err("a peer encodes by itself".into()),
        }
        Ok(())
    }
}
