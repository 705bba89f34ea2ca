//! `selvedge-deflate` beside the compressors that people use, in memory and on one core: on what a training writes.

mod contender;
mod data;
mod decode;

use std::path::Path;

use self::contender::{Chunks, Contender, Encoders, OF_STEPS};
use self::data::{STEPS, Tensor};
use crate::Result;
use crate::bench::{Bench, Contender as _};
use crate::compress::data::{Recorded, TENSORS};
use crate::options::Scale;
use crate::peer::{Python, text};
use crate::report::Group;
use crate::scratch::Scratch;

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "encode/W",
    "encode/grad",
    "encode/m",
    "encode/v",
    "encode/gaussian",
    "encode/temporal-W",
    "encode/temporal-grad",
    "encode/temporal-m",
    "encode/temporal-v",
    decode::GROUP,
];

/// Rows of a chunk of the temporal form, as an archive has them.
const ROWS: usize = 32;
/// Bytes of a tensor that are encoded in temporal chunks, about.
const TEMPORAL_BYTES: usize = 12 << 20;

/// Runs those that are selected.
///
/// # Errors
///
/// A trajectory that cannot be read.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let mut peer = bench.python("encode_peer.py", &[]);
    let mut encoders = Encoders::new()?;
    if let Some(path) = bench.options.trajectory.clone() {
        for recorded in &TENSORS {
            tensor(
                bench,
                scratch,
                &mut encoders,
                peer.as_mut(),
                (&path, recorded),
            )?;
        }
        decode::run(bench, &path)?;
    } else {
        bench.note(
            "No trajectory of the demo: only normal values are encoded in memory.".to_owned(),
        );
    }
    if bench.selects("encode/gaussian") {
        let chunks = Chunks::new(Tensor::gaussian().single_steps());
        steps(
            bench,
            scratch,
            &mut encoders,
            peer.as_mut(),
            "gaussian",
            &chunks,
        )?;
    }
    Ok(())
}

fn tensor(
    bench: &mut Bench,
    scratch: &Scratch,
    encoders: &mut Encoders,
    peer: Option<&mut Python>,
    (path, &Recorded { short, name, .. }): (&Path, &Recorded),
) -> Result<()> {
    let groups = ["", "temporal-"].map(|form| format!("encode/{form}{short}"));
    if !groups.iter().any(|group| bench.selects(group)) {
        return Ok(());
    }
    let tensor = Tensor::recorded(path, name)?;
    if bench.selects(&groups[0]) {
        let chunks = Chunks::new(tensor.single_steps());
        steps(bench, scratch, encoders, peer, short, &chunks)?;
    }
    if bench.selects(&groups[1]) {
        let bytes = match bench.options.scale {
            Scale::Full => TEMPORAL_BYTES,
            _ => TEMPORAL_BYTES / 4,
        };
        let chunks = Chunks::new(tensor.chunks(ROWS, bytes));
        let what = format!(
            "Chunks of {STEPS} steps and {ROWS} rows of 64 bfloat16, from all over {name} {}. The form that names what has \
             not changed since the step before; the other one; and libdeflate, which searches, at its level 12 for the \
             shortest stream.",
            tensor.when()
        );
        let contenders = [
            Contender::Ours,
            Contender::Temporal(ROWS),
            Contender::Libdeflate(1),
            Contender::Libdeflate(6),
            Contender::Libdeflate(12),
        ];
        let title = format!("Encoding several steps of {short}");
        let group = Group::new(
            &groups[1],
            &title,
            what,
            (chunks.elements.len() as u64, "chunk"),
            chunks.bytes() as u64,
            Contender::Ours.name(),
        );
        bench.rounds(group, &contenders, |who, _| {
            encoders.sample(who, &chunks, None)
        });
    }
    Ok(())
}

/// Chunks of one step.
fn steps(
    bench: &mut Bench,
    scratch: &Scratch,
    encoders: &mut Encoders,
    mut peer: Option<&mut Python>,
    short: &str,
    chunks: &Chunks,
) -> Result<()> {
    if let Some(peer) = peer.as_deref_mut() {
        prepare(peer, scratch, chunks)?;
    }
    let what = format!(
        "Chunks of one step (10000, 64) in memory, by one core ({} for selvedge-deflate). All but ZipNN, which has a way of \
         its own, get the bytes as HDF5's shuffle filter has them; selvedge-deflate shuffles by itself, and that is in its \
         time. Reading is libdeflate's decoding of the stream.",
        encoders.instructions(),
    );
    let mut group = Group::new(
        &format!("encode/{short}"),
        &format!("Encoding {short}"),
        what,
        (chunks.elements.len() as u64, "step"),
        chunks.bytes() as u64,
        Contender::Libdeflate(1).name(),
    );
    if peer.is_none() {
        group.notes.push("Without the peers in Python.".to_owned());
    }
    let mut contenders = Vec::new();
    for &who in OF_STEPS.iter().filter(|who| encoders.have(**who)) {
        let Contender::Peer(codec) = who else {
            contenders.push(who);
            continue;
        };
        if let Some(peer) = peer.as_deref_mut() {
            if peer.call(&["has", codec])? == "yes" {
                contenders.push(who);
            } else {
                let note = format!("Without {codec}, which is not installed.");
                group.notes.push(note);
            }
        }
    }
    bench.rounds(group, &contenders, |who, _| {
        encoders.sample(who, chunks, peer.as_deref_mut())
    });
    Ok(())
}

/// Gives the peer the chunks.
fn prepare(peer: &mut Python, scratch: &Scratch, chunks: &Chunks) -> Result<()> {
    let paths = ["elements.bin", "shuffled.bin"].map(|name| scratch.file(name));
    let elements = chunks.elements.iter().flatten();
    let bytes: Vec<u8> = elements.flat_map(|element| element.to_le_bytes()).collect();
    std::fs::write(&paths[0], bytes)?;
    std::fs::write(&paths[1], chunks.shuffled.concat())?;
    let chunk = chunks.shuffled[0].len().to_string();
    peer.call(&["prepare", text(&paths[0])?, text(&paths[1])?, &chunk])?;
    for path in &paths {
        scratch.settle(path)?;
    }
    Ok(())
}
