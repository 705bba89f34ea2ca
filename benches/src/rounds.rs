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
pub struct Outcome<C = Contender, S = Sample> {
    /// Who.
    pub contender: C,
    /// Round by round, from the first.
    pub samples: Vec<S>,
}

impl<C, S> Outcome<C, S> {
    /// One figure of each round.
    pub fn column(&self, of: impl Fn(&S) -> Option<f64>) -> Vec<f64> {
        self.samples.iter().filter_map(of).collect()
    }

    /// The spread of one figure over the rounds; `None` where it was not measured.
    pub fn spread(&self, of: impl Fn(&S) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.column(of))
    }

    /// How many times as fast as `other` this is, from the times `of` samples of the same round.
    pub fn speed_by(&self, other: &Self, of: impl Fn(&S) -> f64) -> Option<Spread> {
        let times = |outcome: &Self| outcome.column(|sample| Some(of(sample)));
        Spread::of_ratios(&times(other), &times(self))
    }
}

impl Outcome {
    /// How many times as fast as `other` this is, from the times of a step in the same round.
    #[must_use]
    pub fn speed_over(&self, other: &Self) -> Option<Spread> {
        self.speed_by(other, |sample| sample.per_step)
    }
}

/// Takes samples in turns: `rounds` rounds after one that does not count.
///
/// Each round starts with another contender, so none always follows the same. `sample` is given the
/// contender and the round, of which 0 does not count; a contender that skips a round returns
/// `None`.
///
/// # Errors
///
/// Those of `sample`.
pub fn take_turns<C: Copy, S>(
    contenders: &[C],
    rounds: usize,
    mut sample: impl FnMut(C, usize) -> Result<Option<S>>,
) -> Result<Vec<Outcome<C, S>>> {
    let mut outcomes: Vec<Outcome<C, S>> = contenders
        .iter()
        .map(|&contender| Outcome {
            contender,
            samples: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..=rounds {
        for turn in 0..contenders.len() {
            let outcome = &mut outcomes[(turn + round) % contenders.len()];
            let sample = sample(outcome.contender, round)?;
            outcome.samples.extend(sample.filter(|_| round > 0));
        }
    }
    Ok(outcomes)
}

/// Records files in turns.
///
/// Between two files the first is deleted and the page cache written back, outside of the measured
/// time. Every file is checked through our reader, and the recorder's files of the first round by
/// h5py too.
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
    let path = scratch.file("sample.h5");
    let outcomes = take_turns(contenders, rounds, |contender, round| {
        let rare = contender == Contender::H5pySeed;
        if rare && !(1..=SEED_ROUNDS).contains(&round) {
            return Ok(None);
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
        Ok(Some(sample))
    })?;
    scratch.settle(&path)?;
    Ok(outcomes)
}
