//! Chunks of one step: every encoder in turn, on every tensor.

use std::fs;
use std::time::Instant;

use super::data::Tensor;
use super::{Libdeflate, check, encoders, rate, shuffled};
use crate::Result;
use crate::peer::{Python, text};
use crate::rounds::take_turns;
use crate::scratch::Scratch;
use crate::stats::Spread;
use crate::table::{Table, or_dash};

/// Who encodes.
#[derive(Clone, Copy)]
enum Contender {
    /// Ours, by its index.
    Ours(usize),
    Libdeflate,
    /// A codec of the peer, by its index.
    Peer(usize),
}

/// What one of them did to one tensor.
struct Sample {
    seconds: f64,
    encoded: f64,
    decoding: Option<f64>,
}

/// A row for each encoder: for each tensor the ratio and the rate.
///
/// # Errors
///
/// Those of a peer, and streams that do not give their bytes back.
pub fn table(
    tensors: &[Tensor],
    rounds: usize,
    scratch: &Scratch,
    mut peer: Option<&mut Python>,
) -> Result<String> {
    let mut encoders = encoders();
    let mut libdeflate = Libdeflate::new(1)?;
    let codecs: Vec<String> = match peer.as_deref_mut() {
        Some(peer) => peer
            .call(&["available"])?
            .split(',')
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let mut contenders: Vec<Contender> = (0..encoders.len()).map(Contender::Ours).collect();
    contenders.push(Contender::Libdeflate);
    contenders.extend((0..codecs.len()).map(Contender::Peer));

    let mut table = Table::new([
        "tensor",
        "encoder",
        "ratio",
        "encode, GB/s",
        "libdeflate decodes, GB/s",
    ]);
    let mut ours = Vec::new();
    for tensor in tensors {
        let steps = tensor.single_steps();
        let bytes: usize = steps.iter().map(|step| size_of_val(*step)).sum();
        let as_hdf5_has_it: Vec<Vec<u8>> = steps.iter().map(|step| shuffled(step)).collect();
        if let Some(peer) = peer.as_deref_mut() {
            prepare(peer, tensor, &steps, &as_hdf5_has_it, scratch)?;
        }
        let mut stream = Vec::new();
        let outcomes = take_turns(&contenders, rounds, |contender, _| {
            let mut sample = Sample {
                seconds: 0.0,
                encoded: 0.0,
                decoding: None,
            };
            if let Contender::Peer(index) = contender {
                let peer = peer.as_deref_mut().ok_or("no peer")?;
                let [seconds, encoded] = peer.numbers(&["encode", &codecs[index], &tensor.name])?;
                sample.seconds = seconds;
                sample.encoded = encoded;
                return Ok(Some(sample));
            }
            let mut decoding = 0.0;
            for (step, shuffled) in steps.iter().zip(&as_hdf5_has_it) {
                stream.clear();
                let begin = Instant::now();
                match contender {
                    Contender::Ours(index) => {
                        encoders[index].1.encode(step, &mut stream);
                    }
                    _ => libdeflate.encode(shuffled, &mut stream)?,
                }
                sample.seconds += begin.elapsed().as_secs_f64();
                sample.encoded += stream.len() as f64;
                let begin = Instant::now();
                libdeflate.decode(&stream, shuffled.len())?;
                decoding += begin.elapsed().as_secs_f64();
                check(&mut libdeflate, &stream, shuffled)?;
            }
            sample.decoding = Some(decoding);
            Ok(Some(sample))
        })?;
        for outcome in &outcomes {
            let name = match outcome.contender {
                Contender::Ours(index) => encoders[index].0.clone(),
                Contender::Libdeflate => "libdeflate-1".to_owned(),
                Contender::Peer(index) => codecs[index].clone(),
            };
            let ratio = bytes as f64 / outcome.samples[0].encoded;
            let seconds = outcome.spread(|sample| Some(sample.seconds));
            let median = |spread: Spread| rate(bytes, spread.median);
            if matches!(outcome.contender, Contender::Ours(index) if index + 1 == encoders.len()) {
                ours.push((tensor.name.clone(), ratio, seconds.map(|s| s.median), bytes));
            }
            table.row([
                tensor.name.clone(),
                name,
                format!("{ratio:.3}"),
                or_dash(seconds, median),
                or_dash(outcome.spread(|sample| sample.decoding), median),
            ]);
        }
    }
    Ok(format!("{table}\n{}", summary(&ours)))
}

/// The mean over the tensors of the trajectory, as the project asks for it.
fn summary(ours: &[(String, f64, Option<f64>, usize)]) -> String {
    let real: Vec<_> = ours
        .iter()
        .filter(|(name, ..)| name != "gaussian")
        .collect();
    if real.is_empty() {
        return "No trajectory, so no mean.\n".to_owned();
    }
    let ratio = real.iter().map(|(_, ratio, ..)| ratio).sum::<f64>() / real.len() as f64;
    let bytes = real.iter().map(|(.., bytes)| bytes).sum();
    let seconds = real.iter().filter_map(|(_, _, seconds, _)| *seconds).sum();
    let rate = rate(bytes, seconds);
    format!(
        "Ours over the {} tensors: mean ratio {ratio:.3}, {rate} GB/s.\n",
        real.len()
    )
}

fn prepare(
    peer: &mut Python,
    tensor: &Tensor,
    steps: &[&[u16]],
    shuffled: &[Vec<u8>],
    scratch: &Scratch,
) -> Result<()> {
    let paths = ["elements", "shuffled"].map(|name| scratch.file(name));
    let bytes = steps.iter().flat_map(|step| *step);
    let bytes: Vec<u8> = bytes.flat_map(|element| element.to_le_bytes()).collect();
    fs::write(&paths[0], bytes)?;
    fs::write(&paths[1], shuffled.concat())?;
    let chunk = shuffled[0].len().to_string();
    peer.call(&[
        "prepare",
        &tensor.name,
        text(&paths[0])?,
        text(&paths[1])?,
        &chunk,
    ])?;
    Ok(())
}
