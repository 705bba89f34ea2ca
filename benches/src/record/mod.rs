//! Recording: Selvedge beside plain `write`, hdf5-metno, h5py, numpy and zarr.

pub mod contender;
pub mod latency;
mod peer;
pub mod workload;
mod writers;

use std::path::Path;

use self::contender::{Contender, Medium};
use self::peer::Peer;
use self::workload::Workload;
use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::meter;
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;
use crate::table::{bytes, grouped};

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "record/large",
    "record/large-sync",
    "record/wide",
    "record/small",
    "record/small-sync",
    "record/scalars",
    "record/many-300-small",
    "record/many-1000-small",
    "record/many-300",
    "record/append-large",
    "record/append-small",
];

/// Runs those that are selected.
///
/// # Errors
///
/// A disk without room for a few steps.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let scale = bench.options.scale;
    let mut peer = bench.python("record_peer.py", &[]).map(Peer);
    for workload in [
        Workload::large(scale.pick(300, 20, 3)),
        Workload::wide(scale.pick(12, 2, 1), scale.pick(32_000, 32_000, 320)),
        Workload::small(scale.pick(5000, 500, 50)),
        Workload::scalars(scale.pick(20_000, 3000, 100)),
        Workload::many("many-300-small", 300, 256, scale.pick(4000, 800, 8)),
        Workload::many("many-1000-small", 1000, 256, scale.pick(1200, 240, 4)),
        Workload::many("many-300", 300, 2048, scale.pick(1200, 120, 4)),
    ] {
        files(bench, scratch, &mut peer, workload?)?;
    }
    for (name, workload, bursts) in [
        (
            "record/append-large",
            Workload::large(0)?,
            scale.pick(10, 2, 1),
        ),
        (
            "record/append-small",
            Workload::small(0)?,
            scale.pick(20, 2, 1),
        ),
    ] {
        if bench.selects(name) {
            calls(bench, scratch, name, &workload, bursts)?;
        }
    }
    Ok(())
}

/// Whole files of a workload, into the page cache and onto the disk.
fn files(
    bench: &mut Bench,
    scratch: &Scratch,
    peer: &mut Option<Peer>,
    mut workload: Workload,
) -> Result<()> {
    let cache = format!("record/{}", workload.name);
    let groups = [
        (Medium::Cache, cache.clone()),
        (Medium::Disk, cache + "-sync"),
    ];
    let chosen: Vec<_> = groups
        .into_iter()
        .filter(|(_, name)| GROUPS.contains(&name.as_str()) && bench.selects(name))
        .collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let (steps, note) = scratch.fit(workload.steps, workload.step_bytes, 1)?;
    workload.steps = steps;
    if let Some(peer) = peer.as_mut() {
        peer.prepare(&workload, scratch)?;
    }
    for (medium, name) in chosen {
        let contenders = Contender::of(&workload, medium, peer.is_some());
        let title = match medium {
            Medium::Cache => format!("{}, into the page cache", workload.title),
            Medium::Disk => format!("{}, until `fdatasync` has returned", workload.title),
        };
        let what = format!(
            "{} steps of {}: {}.",
            grouped(steps),
            bytes(workload.step_bytes as f64),
            workload.what,
        );
        let mut group = Group::new(
            &name,
            &title,
            what,
            (steps, "step"),
            workload.bytes(),
            match workload.is_many() {
                true => Contender::PlainSteps.name(),
                false => Contender::Plain.name(),
            },
        );
        group.notes.extend(note.clone());
        let path = scratch.file("sample");
        bench.rounds(group, &contenders, |who, round| {
            scratch.settle(&path)?;
            let sample = who.record(&workload, &path, medium, peer.as_mut())?;
            who.check(&workload, &path, peer.as_mut())?;
            if who.kind() == Kind::Ours
                && round == 0
                && let Some(peer) = peer.as_mut()
            {
                peer.check_hdf5(&path, steps)?;
            }
            Ok(sample)
        });
        scratch.settle(&path)?;
    }
    Ok(())
}

/// A contender of the groups of single calls.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    Copy,
    Append,
}

impl Named for Call {
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "memcpy",
            Self::Append => "append",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Copy => Kind::Plain,
            Self::Append => Kind::Ours,
        }
    }
}

/// Single calls of `append`, and copies of the same bytes, which take turns within a burst.
fn calls(
    bench: &mut Bench,
    scratch: &Scratch,
    name: &str,
    workload: &Workload,
    bursts: u64,
) -> Result<()> {
    let path = scratch.file("calls.h5");
    let title = format!(
        "One `append` while the queue has room: {}",
        workload.title.to_lowercase()
    );
    let what = format!(
        "Median time of a call: {}, {} a step, in bursts that fill half of the queue.",
        workload.what,
        bytes(workload.step_bytes as f64),
    );
    let group = Group::new(
        name,
        &title,
        what,
        (1, "call"),
        workload.step_bytes,
        Call::Copy.name(),
    );
    let mut waits = 0;
    // Both are measured together, when the first of them has its turn.
    let mut measured: Option<(usize, [Option<Sample>; 2])> = None;
    let group = bench.rounds(group, &[Call::Copy, Call::Append], |who, round| {
        let samples = match &mut measured {
            Some((of, samples)) if *of == round => samples,
            _ => {
                let (of_round, found) = measure(scratch, &path, workload, bursts)?;
                waits += found;
                &mut measured.insert((round, of_round.map(Some))).1
            }
        };
        let index = usize::from(who == Call::Append);
        samples[index]
            .take()
            .ok_or_else(|| "measured twice in a round".into())
    });
    if waits > 0 {
        group
            .notes
            .push(format!("{waits} calls found the queue full."));
    }
    scratch.settle(&path)
}

/// The samples of the copies and of `append`, and how many calls found the queue full.
fn measure(
    scratch: &Scratch,
    path: &Path,
    workload: &Workload,
    bursts: u64,
) -> Result<([Sample; 2], u64)> {
    scratch.settle(path)?;
    let calls = latency::measure(workload, path, bursts)?;
    let sample = |times: Vec<f64>| {
        let mut sample = Sample::new();
        meter::blocked(times, &mut sample);
        let middle = sample.get(&Figure::BlockedP50).copied();
        sample.extend(middle.map(|middle| (Figure::Seconds, middle)));
        sample
    };
    Ok(([sample(calls.copy), sample(calls.append)], calls.waits))
}
