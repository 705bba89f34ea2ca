//! Rounds: every contender in turn, round after round, so that each round's figures are a pair.

use crate::Result;
use crate::contender::{Contender, Sample};
use crate::h5py::Peer;
use crate::scratch::Scratch;
use crate::stats::Spread;
use crate::workload::Workload;

/// h5py with the seed's settings takes its turn in the first rounds only: it writes for longer than
/// all others together, and its ratios are far from anything that a few more rounds would decide.
const SEED_ROUNDS: usize = 3;

/// A contender's samples, one for each round.
#[derive(Debug)]
pub struct Outcome {
    /// Who.
    pub contender: Contender,
    /// Round by round, from the first.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// One figure of each round.
    pub fn column(&self, of: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        self.samples.iter().filter_map(of).collect()
    }

    /// The spread of one figure over the rounds; `None` where it was not measured.
    pub fn spread(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.column(of))
    }

    /// How many times as fast as `other` this is, from the times of a step in the same round.
    #[must_use]
    pub fn speed_over(&self, other: &Self) -> Option<Spread> {
        let per_step = |outcome: &Self| outcome.column(|sample| Some(sample.per_step));
        Spread::of_ratios(&per_step(other), &per_step(self))
    }
}

/// Runs `rounds` rounds after one that does not count.
///
/// Each round starts with another contender, so none always follows the same. Between two files the
/// first is deleted and the page cache written back, outside of the measured time. Every file is
/// checked through our reader, and the recorder's files of the first round by h5py too.
///
/// # Errors
///
/// Those of a contender, and a file that does not hold what was recorded.
pub fn run(
    workload: &Workload,
    contenders: &[Contender],
    rounds: usize,
    scratch: &Scratch,
    mut peer: Option<&mut Peer>,
) -> Result<Vec<Outcome>> {
    if let Some(peer) = peer.as_deref_mut() {
        peer.prepare(workload, scratch)?;
    }
    let mut outcomes: Vec<Outcome> = contenders
        .iter()
        .map(|&contender| Outcome {
            contender,
            samples: Vec::with_capacity(rounds),
        })
        .collect();
    let path = scratch.file("sample.h5");
    for round in 0..=rounds {
        for turn in 0..contenders.len() {
            let outcome = &mut outcomes[(turn + round) % contenders.len()];
            let contender = outcome.contender;
            let rare = contender == Contender::H5pySeed;
            if rare && !(1..=SEED_ROUNDS).contains(&round) {
                continue;
            }
            scratch.settle(&path)?;
            let sample = contender.record(workload, &path, peer.as_deref_mut())?;
            contender.check(workload, &path)?;
            let is_ours = matches!(contender, Contender::Recorder | Contender::OpenEnded);
            let mut by_h5py = "";
            if let Some(peer) = peer.as_deref_mut().filter(|_| round == 0 && is_ours) {
                peer.check(&path, contender.steps(workload))?;
                by_h5py = ", and by h5py";
            }
            eprintln!(
                "record/{}, round {round} of {rounds}: {}, {:.3} s, checked{by_h5py}",
                workload.name,
                contender.name(),
                sample.total,
            );
            if round > 0 {
                outcome.samples.push(sample);
            }
        }
    }
    scratch.settle(&path)?;
    Ok(outcomes)
}
