//! Chunks of several steps and some rows: which shape is best, and what it costs.

use std::time::Instant;

use super::data::{Tensor, WIDTH};
use super::{Libdeflate, check, rate, shuffled};
use crate::Result;
use crate::rounds::take_turns;
use crate::table::{Table, or_dash};
use selvedge_deflate::Encoder;

/// How the chunks are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contender {
    Temporal,
    /// Without looking at the step before.
    Fast,
    Libdeflate(i32),
}

/// Bytes of each tensor that are encoded in each round.
const BYTES: usize = 12 << 20;

/// A row for each shape, tensor and encoder.
///
/// # Errors
///
/// Streams that do not give their bytes back.
pub fn table(tensors: &[Tensor], rows: &[usize], rounds: usize) -> Result<String> {
    let contenders = [
        Contender::Temporal,
        Contender::Fast,
        Contender::Libdeflate(1),
        Contender::Libdeflate(6),
    ];
    let mut table = Table::new([
        "rows",
        "tensor",
        "encoder",
        "ratio",
        "encode, GB/s",
        "libdeflate decodes, GB/s",
    ]);
    let mut means = Table::new(["rows", "mean ratio", "encode, GB/s"]);
    let mut encoder = Encoder::new();
    let mut by_level = [(1, Libdeflate::new(1)?), (6, Libdeflate::new(6)?)];
    let mut decoder = Libdeflate::new(1)?;
    for &rows in rows {
        let (mut ratios, mut total, mut time) = (Vec::new(), 0, 0.0);
        for tensor in tensors {
            let chunks = tensor.chunks(rows, BYTES);
            let planes: Vec<Vec<u8>> = chunks.iter().map(|chunk| shuffled(chunk)).collect();
            let bytes: usize = planes.iter().map(Vec::len).sum();
            let mut stream = Vec::new();
            let outcomes = take_turns(&contenders, rounds, |contender, _| {
                let (mut seconds, mut decoding, mut encoded) = (0.0, 0.0, 0);
                for (chunk, planes) in chunks.iter().zip(&planes) {
                    stream.clear();
                    let begin = Instant::now();
                    match contender {
                        Contender::Temporal => {
                            encoder.encode_temporal(chunk, rows * WIDTH, &mut stream);
                        }
                        Contender::Fast => {
                            encoder.encode(chunk, &mut stream);
                        }
                        Contender::Libdeflate(level) => {
                            let mut found =
                                by_level.iter_mut().filter(|(known, _)| *known == level);
                            let (_, libdeflate) = found.next().ok_or("no such level")?;
                            libdeflate.encode(planes, &mut stream)?;
                        }
                    }
                    seconds += begin.elapsed().as_secs_f64();
                    encoded += stream.len();
                    let begin = Instant::now();
                    decoder.decode(&stream, planes.len())?;
                    decoding += begin.elapsed().as_secs_f64();
                    check(&mut decoder, &stream, planes)?;
                }
                Ok(Some((seconds, decoding, encoded)))
            })?;
            for outcome in &outcomes {
                let ratio = bytes as f64 / outcome.samples[0].2 as f64;
                let seconds = outcome.spread(|sample| Some(sample.0));
                let decoding = outcome.spread(|sample| Some(sample.1));
                if outcome.contender == Contender::Temporal && tensor.name != "gaussian" {
                    ratios.push(ratio);
                    total += bytes;
                    time += seconds.map_or(0.0, |seconds| seconds.median);
                }
                table.row([
                    rows.to_string(),
                    tensor.name.clone(),
                    match outcome.contender {
                        Contender::Temporal => "selvedge, temporal".to_owned(),
                        Contender::Fast => "selvedge, same chunks".to_owned(),
                        Contender::Libdeflate(level) => format!("libdeflate-{level}"),
                    },
                    format!("{ratio:.3}"),
                    or_dash(seconds, |seconds| rate(bytes, seconds.median)),
                    or_dash(decoding, |decoding| rate(bytes, decoding.median)),
                ]);
            }
        }
        if !ratios.is_empty() {
            let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
            means.row([rows.to_string(), format!("{mean:.3}"), rate(total, time)]);
        }
    }
    Ok(format!(
        "{table}\nOurs, over the tensors of the trajectory:\n\n{means}"
    ))
}
