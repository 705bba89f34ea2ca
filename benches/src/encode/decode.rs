//! Decoding what `selvedge-deflate` has encoded: by its own decoder, and by libdeflate, which reads any stream.

use std::path::Path;
use std::time::Instant;

use bytemuck::cast_slice;
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
    /// One stream after the other.
    Ours,
    /// As many together as it is made for.
    Together,
    Libdeflate,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "selvedge-deflate, one stream",
            Self::Together => "selvedge-deflate, four together",
            Self::Libdeflate => "libdeflate",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Ours | Self::Together => Kind::Ours,
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
            streams.push((stream, elements));
        }
    }
    let bytes: usize = streams.iter().map(|(_, elements)| 2 * elements.len()).sum();
    let what = format!(
        "Streams of one step (10000, 64) in memory, of all four tensors {when}, by one core. What libdeflate \
         decodes is still shuffled, and its time is without undoing that. The check is in the time."
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
    let most = streams.iter().map(|(_, elements)| 2 * elements.len()).max();
    let mut memory = [(); Decoder::TOGETHER].map(|()| vec![0xA5; most.unwrap_or(0)]);
    let contenders = [Contender::Libdeflate, Contender::Ours, Contender::Together];
    bench.rounds(group, &contenders, |who, _| {
        let mut seconds = 0.0;
        for streams in streams.chunks(Decoder::TOGETHER) {
            for memory in &mut memory {
                memory.fill(0xA5);
            }
            let of: [&[u8]; Decoder::TOGETHER] =
                std::array::from_fn(|nth| streams.get(nth).map_or(&[][..], |(stream, _)| stream));
            let mut lens = streams.iter().map(|(_, elements)| 2 * elements.len());
            let mut places = memory
                .each_mut()
                .map(|memory| &mut memory[..lens.next().unwrap_or(0)]);
            let mut jobs = of.iter().zip(&mut places).take(streams.len());
            let begin = Instant::now();
            let whole = match who {
                Contender::Together => {
                    let decoded = ours.decode_together(of, places.each_mut().map(|out| &mut **out));
                    decoded[..streams.len()].iter().all(|&whole| whole)
                }
                Contender::Ours => jobs.all(|(stream, out)| ours.decode(stream, out)),
                Contender::Libdeflate => {
                    jobs.all(|(stream, out)| libdeflate.zlib_decompress(stream, out).is_ok())
                }
            };
            seconds += begin.elapsed().as_secs_f64();
            let same = places
                .iter()
                .zip(streams)
                .all(|(found, (_, elements))| match who {
                    Contender::Libdeflate => **found == shuffled(elements),
                    _ => **found == *cast_slice::<u16, u8>(elements),
                });
            if !whole || !same {
                return Err("a stream does not give its elements back".into());
            }
        }
        Ok(Sample::from([(Figure::Seconds, seconds)]))
    });
    Ok(())
}
