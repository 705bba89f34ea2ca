//! Decoding what `selvedge-deflate` has encoded: by its own decoder, and by libdeflate, which reads any stream.

use std::path::Path;
use std::time::Instant;

use libdeflater::Decompressor;
use selvedge_deflate::{Decoder, Encoder};

use super::data::{Tensor, shuffled};
use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::compress::data::TENSORS;
use crate::report::{Figure, Group, Kind, Sample};

/// The name of the group.
pub(super) const GROUP: &str = "encode/decoding";

/// Who decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Ours,
    Libdeflate,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "selvedge-deflate, Decoder",
            Self::Libdeflate => "libdeflate",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Ours => Kind::Ours,
            Self::Libdeflate => Kind::Peer,
        }
    }
}

/// Runs it on the trajectory at `path`.
pub(super) fn run(bench: &mut Bench, path: &Path) -> Result<()> {
    if !bench.selects(GROUP) {
        return Ok(());
    }
    let mut encoder = Encoder::new();
    // Streams, and what they hold.
    let mut streams = Vec::new();
    let mut when = String::new();
    for tensor in &TENSORS {
        let tensor = Tensor::recorded(path, tensor.name)?;
        when = tensor.when();
        for elements in tensor.single_steps() {
            let mut stream = Vec::new();
            encoder.encode(&elements, &mut stream);
            streams.push((stream, shuffled(&elements)));
        }
    }
    let bytes: usize = streams.iter().map(|(_, plain)| plain.len()).sum();
    let what = format!(
        "Streams of one step (10000, 64) in memory, of all four tensors {when}, by one core, into the bytes as HDF5's \
         shuffle filter has them. The check is in the time."
    );
    let group = Group::new(
        GROUP,
        "Decoding the streams of selvedge-deflate",
        what,
        (streams.len() as u64, "step"),
        bytes as u64,
        Contender::Libdeflate.name(),
    );
    let mut ours = Decoder::new();
    let mut libdeflate = Decompressor::new();
    let mut decoded = Vec::new();
    bench.rounds(
        group,
        &[Contender::Libdeflate, Contender::Ours],
        |who, _| {
            let mut seconds = 0.0;
            for (stream, plain) in &streams {
                decoded.clear();
                decoded.resize(plain.len(), 0xA5);
                let begin = Instant::now();
                let whole = match who {
                    Contender::Ours => ours.decode(stream, &mut decoded),
                    Contender::Libdeflate => {
                        libdeflate.zlib_decompress(stream, &mut decoded).is_ok()
                    }
                };
                seconds += begin.elapsed().as_secs_f64();
                if !whole || decoded != *plain {
                    return Err("a stream does not give its bytes back".into());
                }
            }
            Ok(Sample::from([(Figure::Seconds, seconds)]))
        },
    );
    Ok(())
}
