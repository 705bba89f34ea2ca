//! `selvedge-deflate` beside the compressors that people use, in memory and on one core: on what a training writes.

use std::iter::zip;

use bytemuck::pod_collect_to_vec;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use selvedge_deflate::{Decoder, Encoder, Strides, max_encoded_len};
use selvedge_hdf5::Reader;

use crate::data::{DEMO, SHAPE, gaussian, same};
use crate::prelude::*;

/// Steps and rows of a chunk of the temporal form, as an archive has them.
const STEPS: usize = 16;
const ROWS: usize = 32;
/// Elements of a row, and of a step.
const WIDTH: usize = SHAPE[1];
const STEP: usize = SHAPE[0] * WIDTH;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let mut peer = bench.python("encode_peer.py");
    let trajectory = bench.options.trajectory.clone();
    if trajectory.is_none() {
        bench.note("No trajectory of the demo: only normal values are encoded in memory.");
    }
    for spec in groups {
        let tensor = DEMO.iter().find(|(short, ..)| *short == spec.end());
        let (parts, when) = match (tensor, &trajectory) {
            (_, Some(path)) if spec.name == "encode/decoding" => {
                decode(bench, spec, path)?;
                continue;
            }
            (Some((_, name, _)), Some(path)) => parts(path, name)?,
            (None, _) if spec.name == "encode/gaussian" => {
                (vec![pod_collect_to_vec(&gaussian(1))], String::new())
            }
            _ => continue,
        };
        let is_temporal = spec.name.starts_with("encode/temporal");
        let (elements, text) = match is_temporal {
            true => (bands(&parts, usize::try_from(spec.count)?), when),
            false => {
                let steps = parts.iter().map(|part| part[..STEP].to_vec()).collect();
                (steps, Encoder::new().instructions().to_owned())
            }
        };
        let shuffled: Vec<Vec<u8>> = elements.iter().map(|chunk| shuffled(chunk)).collect();
        let chunks = Chunks { elements, shuffled };
        let size: usize = chunks.shuffled.iter().map(Vec::len).sum();
        let mut group = spec.group(chunks.elements.len() as u64, size as u64, &text, &None);
        let mut spec = spec.clone();
        // The last path is the best one, which has a row already.
        let paths = Encoder::on_every_path().into_iter().rev().skip(1);
        let mut there: Vec<String> = paths.map(|path| path.instructions().to_owned()).collect();
        match &mut peer {
            _ if is_temporal => {}
            None => group.notes.push("Without the peers in Python.".to_owned()),
            Some(peer) => there.extend(chunks.prepare(peer, scratch)?),
        }
        let is_path = |who: &Who| matches!(who.key, "AVX2" | "portable");
        spec.who.retain(|who| {
            let is_there = there.iter().any(|name| name == who.key);
            if who.python && !is_there && peer.is_some() {
                let what = format!("Without {}, which is not installed.", who.name);
                group.notes.push(what);
            }
            is_there || !who.python && !is_path(who)
        });
        bench.rounds(&spec, group, peer.is_some(), |who, _| {
            match (who.key, &mut peer) {
                (way, Some(peer)) if who.python => peer.call("encode", (way,)),
                (key, _) if who.kind == Kind::Ours => chunks.ours(key),
                (level, _) => chunks.libdeflate(level.parse()?),
            }
        });
    }
    Ok(())
}

/// Chunks that are encoded, as elements and as the shuffle filter has them.
struct Chunks {
    elements: Vec<Vec<u16>>,
    shuffled: Vec<Vec<u8>>,
}

/// Elements of `STEPS` steps of a tensor of the trajectory at `path`, of early in the training, of its middle and of its
/// end; and in words when that was.
fn parts(path: &Path, name: &str) -> Result<(Vec<Vec<u16>>, String)> {
    let file = Reader::open(path)?;
    let (steps, length) = (file.committed_steps(), STEPS as u64);
    if steps < 3 * length {
        return Err(format!("{}: {steps} steps are too few", path.display()).into());
    }
    let tensor = file.tensor(name)?;
    let part = |first| Ok(tensor.read_steps::<u16>(first..first + length)?);
    let parts = [2, steps / 2, steps - length].into_iter().map(part);
    let parts = parts.collect::<Result<Vec<Vec<u16>>>>()?;
    same("elements", parts[0].len(), STEPS * STEP)?;
    let when = format!(
        "{name} early, in the middle and late in {} steps of the demo",
        Grouped(steps)
    );
    Ok((parts, when))
}

/// Chunks of all steps of a part and `ROWS` rows: as many as make `bytes`, from everywhere.
fn bands(parts: &[Vec<u16>], bytes: usize) -> Vec<Vec<u16>> {
    let bands = SHAPE[0] / ROWS;
    let of_part = (bytes / parts.len() / (2 * STEPS * ROWS * WIDTH)).clamp(1, bands);
    let firsts = (0..of_part).map(|nth| nth * bands / of_part * ROWS * WIDTH);
    let chunk = |part: &Vec<u16>, first: usize| {
        let rows = first..first + ROWS * WIDTH;
        let rows = part.chunks(STEP).flat_map(|step| &step[rows.clone()]);
        rows.copied().collect()
    };
    let of = |part| firsts.clone().map(move |first| chunk(part, first));
    parts.iter().flat_map(of).collect()
}

/// HDF5's shuffle filter for elements of two bytes.
fn shuffled(elements: &[u16]) -> Vec<u8> {
    let byte = |nth: usize| elements.iter().map(move |value| value.to_le_bytes()[nth]);
    byte(0).chain(byte(1)).collect()
}

impl Chunks {
    /// Gives the peer the chunks, and returns which codecs it has.
    fn prepare(&self, peer: &mut Python, scratch: &Scratch) -> Result<Vec<String>> {
        let paths = ["elements.bin", "shuffled.bin"].map(|name| scratch.file(name));
        std::fs::write(&paths[0], cast_slice(&self.elements.concat()))?;
        std::fs::write(&paths[1], self.shuffled.concat())?;
        let installed = peer.call("prepare", (&paths[0], &paths[1], self.shuffled[0].len()))?;
        paths.iter().try_for_each(|path| scratch.settle(path))?;
        Ok(installed)
    }

    /// A sample of `encode`, which is given the elements, the shuffled bytes and an empty stream. Each stream is decoded
    /// by libdeflate and compared; the bytes of the streams count as what they take on the disk.
    fn sample(
        &self,
        is_ours: bool,
        mut encode: impl FnMut(&[u16], &[u8], &mut Vec<u8>) -> Result<()>,
    ) -> Result<Sample> {
        let mut decompressor = Decompressor::new();
        let (mut stream, mut decoded) = (Vec::new(), Vec::new());
        // Once without a time, for all memory that is then there.
        encode(&self.elements[0], &self.shuffled[0], &mut stream)?;
        let (mut seconds, mut decoding, mut encoded) = (0.0, 0.0, 0);
        for (elements, shuffled) in self.elements.iter().zip(&self.shuffled) {
            stream.clear();
            let begin = Instant::now();
            encode(elements, shuffled, &mut stream)?;
            seconds += begin.elapsed().as_secs_f64();
            encoded += stream.len();
            let (length, bound) = (stream.len(), max_encoded_len(elements.len()));
            if is_ours && length > bound {
                let what = format!("a stream of {length} bytes, where {bound} is the most");
                return Err(what.into());
            }
            decoded.resize(shuffled.len(), 0);
            let begin = Instant::now();
            let length = decompressor
                .zlib_decompress(&stream, &mut decoded)
                .map_err(|error| format!("libdeflate cannot read a stream: {error}"))?;
            decoding += begin.elapsed().as_secs_f64();
            if decoded[..length] != *shuffled {
                return Err("a stream does not give its bytes back".into());
            }
        }
        let mut sample = timed(seconds);
        sample.extend([
            (Figure::ReadSeconds, decoding),
            (Figure::OnDisk, encoded as f64),
        ]);
        Ok(sample)
    }

    /// By the instructions `key`, or the best that there are; `temporal` in that form.
    fn ours(&self, key: &str) -> Result<Sample> {
        let mut encoders = Encoder::on_every_path();
        let wanted = encoders
            .iter()
            .position(|encoder| encoder.instructions() == key);
        let mut encoder = encoders.swap_remove(wanted.unwrap_or(encoders.len() - 1));
        let (step, row) = (ROWS * WIDTH, WIDTH);
        self.sample(true, |elements, _, stream| {
            match key {
                "temporal" => encoder.encode_temporal(elements, Strides { step, row }, stream),
                _ => encoder.encode(elements, stream),
            };
            Ok(())
        })
    }

    fn libdeflate(&self, level: i32) -> Result<Sample> {
        let level = CompressionLvl::new(level).map_err(|_| "libdeflate has no such level")?;
        let mut compressor = Compressor::new(level);
        self.sample(false, |_, shuffled, stream| {
            stream.resize(compressor.zlib_compress_bound(shuffled.len()), 0);
            let length = compressor.zlib_compress(shuffled, stream);
            stream.truncate(length.map_err(|error| format!("libdeflate: {error}"))?);
            Ok(())
        })
    }
}

/// Decoding what `selvedge-deflate` has encoded: by its own decoder, and by libdeflate, which reads any stream.
fn decode(bench: &mut Bench, spec: &Spec, path: &Path) -> Result<()> {
    const TOGETHER: usize = Decoder::TOGETHER;
    let mut encoder = Encoder::new();
    // Each with what it holds.
    let (mut streams, mut told) = (Vec::new(), String::new());
    for (_, name, _) in DEMO {
        let (parts, when) = parts(path, name)?;
        told = when.trim_start_matches(name).trim_start().to_owned();
        for part in &parts {
            let mut stream = Vec::new();
            encoder.encode(&part[..STEP], &mut stream);
            streams.push((stream, part[..STEP].to_vec()));
        }
    }
    let (mut ours, mut libdeflate) = (Decoder::new(), Decompressor::new());
    let mut memory = [(); TOGETHER].map(|()| vec![0; 2 * STEP]);
    let size = (2 * STEP * streams.len()) as u64;
    let group = spec.group(streams.len() as u64, size, &told, &None);
    bench.rounds(spec, group, false, |who, _| {
        let mut seconds = 0.0;
        // Three for each tensor: as many as are decoded together divide them.
        for streams in streams.as_chunks::<TOGETHER>().0 {
            memory.iter_mut().for_each(|memory| memory.fill(0xA5));
            let sources: [&[u8]; TOGETHER] = std::array::from_fn(|nth| &streams[nth].0[..]);
            let places = memory.each_mut().map(|memory| &mut memory[..]);
            let begin = Instant::now();
            let whole = match who.key {
                "together" => ours.decode_together(sources, places) == [true; TOGETHER],
                "one" => zip(sources, places).all(|(from, to)| ours.decode(from, to)),
                "libdeflate" => {
                    let mut decode =
                        |from: &[u8], to: &mut [u8]| libdeflate.zlib_decompress(from, to).is_ok();
                    zip(sources, places).all(|(from, to)| decode(from, to))
                }
                _ => return unknown(who),
            };
            seconds += begin.elapsed().as_secs_f64();
            let is_same = |found: &[u8], elements: &[u16]| match who.kind {
                Kind::Ours => found == cast_slice::<u16, u8>(elements),
                _ => found == shuffled(elements),
            };
            let mut both = memory.iter().zip(streams);
            let same = both.all(|(found, (_, elements))| is_same(found, elements));
            if !whole || !same {
                return Err("a stream does not give its elements back".into());
            }
        }
        Ok(timed(seconds))
    });
    Ok(())
}
