//! Which tensors of an open file are its run, and what is to be told of the others.

use std::collections::BTreeMap;

use super::{Note, Reader, Tensor};
use crate::run::{
    Candidate, Commit, Part, Record, Standing, StepTensors, find_run, lies_as_recorded,
};

impl Reader {
    /// Finds out which tensors are the run, and what is to be told of the others.
    pub(super) fn decide(&mut self, record: Option<Record>) {
        let planned = self.planned_steps();
        let live = self.live.as_deref();
        let candidate = |tensor: &Tensor| Candidate {
            second_name: live.is_some_and(|live| live.is_second_name(tensor.name())),
            ..tensor.candidate()
        };
        let candidates: Vec<Candidate> = self.tensors.iter().map(candidate).collect();
        let values = |nth: usize| self.tensors[nth].first_chunk();
        let record = record.map(|record| Record {
            planned,
            // Marks with a number tell it without that.
            in_place: record.run.is_none()
                && live.is_some()
                && lies_as_recorded(&candidates, values),
            ..record
        });
        let run = find_run(record.as_ref(), &candidates);
        self.committed = run.committed;
        self.notes.clone_from(&self.found);
        if run.appended > 0 {
            let steps = run.appended;
            self.notes.push(Note::AppendedToAll { steps });
        }
        if run.lost > 0 {
            let (steps, committed) = (run.lost, run.committed);
            self.notes.push(Note::Shortened { steps, committed });
        }
        if run.missing > 0 {
            let tensors = run.missing;
            self.notes.push(Note::Missing { tensors });
        }
        let guessed = self.tensors.iter().zip(&run.guessed);
        let guessed = guessed.filter(|(_, guessed)| **guessed);
        let tensors: Vec<String> = guessed
            .map(|(tensor, _)| tensor.name().to_owned())
            .collect();
        if !tensors.is_empty() {
            self.notes.push(Note::Guessed { tensors });
        }
        let is_guess = record.is_none();
        // A list alone tells of no other that it has steps, too.
        let of_steps = || {
            let steps = candidates.iter().zip(&run.parts);
            steps.filter(|(_, part)| matches!(part, Part::Step(_)))
        };
        let is_told =
            of_steps().any(|(found, _)| found.shape.len() >= 2) || of_steps().count() >= 2;
        let marked = candidates.iter().filter(|found| found.mark.is_some());
        match marked.count() as u64 {
            _ if !is_guess => self.notes.extend(same_datasets(&candidates, &run.parts)),
            0 => {}
            tensors => self.notes.push(Note::Copied { tensors }),
        }
        for ((tensor, part), candidate) in self.tensors.iter_mut().zip(run.parts).zip(&candidates) {
            tensor.set_part(part, run.committed);
            let (name, committed) = (tensor.name().to_owned(), run.committed);
            let extent = tensor.leading_extent();
            let ahead = extent.saturating_sub(committed);
            self.notes.extend(match part {
                Part::Constant if is_guess && committed > 0 && candidate.is_marked_step() => {
                    Some(Note::NotOfSteps {
                        tensor: name,
                        shape: candidate.shape.clone(),
                        steps: committed,
                    })
                }
                Part::Constant
                    if is_guess
                        && is_told
                        && candidate.mark.is_none()
                        && candidate.is_off_by_one(committed) =>
                {
                    Some(Note::OffByOne {
                        tensor: name,
                        length: candidate.shape[0],
                        steps: committed,
                    })
                }
                Part::Step(Standing::Level) | Part::Constant => None,
                Part::Step(Standing::CutShort) => Some(Note::CutShort {
                    tensor: name,
                    steps: ahead,
                }),
                Part::Step(Standing::Appended) => Some(Note::Appended {
                    tensor: name,
                    steps: ahead,
                    committed,
                    others_shortened: ahead <= run.lost,
                }),
                Part::Added => Some(Note::Added { dataset: name }),
                Part::Short => Some(Note::Short {
                    tensor: name,
                    steps: extent,
                    committed,
                }),
            });
        }
    }

    /// Decides anew which tensors have steps, in a file that does not say so itself.
    pub(super) fn decide_anew(&mut self) {
        if Record::from_attributes(&self.attributes).is_none() {
            self.decide(None);
        }
    }

    /// Whether nothing but the lengths of axes tells which tensors have steps.
    pub(crate) fn guesses_steps(&self) -> bool {
        let is_marked = |note: &Note| matches!(note, Note::Copied { .. });
        Record::from_attributes(&self.attributes).is_none() && !self.notes.iter().any(is_marked)
    }

    /// The step tensors, for who changes the file.
    pub(crate) fn step_tensors(&self) -> StepTensors {
        let mut found = StepTensors {
            committed: self.committed,
            ..StepTensors::default()
        };
        for tensor in &self.tensors {
            let (name, extent) = (tensor.name().to_owned(), tensor.leading_extent());
            match tensor.part() {
                Part::Step(standing) => found.tensors.push((name, extent, standing)),
                Part::Short => found.short.push((name, extent)),
                Part::Constant | Part::Added => {}
            }
        }
        found
    }
}

/// The step tensors that have several names.
fn same_datasets(candidates: &[Candidate], parts: &[Part]) -> Vec<Note> {
    let mut names: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (found, part) in candidates.iter().zip(parts) {
        if let (Some(header), Part::Step(_)) = (found.header, part) {
            names.entry(header).or_default().push(found.name.clone());
        }
    }
    names
        .into_values()
        .filter(|tensors| tensors.len() > 1)
        .map(|tensors| Note::SameDataset { tensors })
        .collect()
}

/// What a file said of its run while the extents were read: a tensor has at least the steps that were
/// committed before, and at most those that it gets by a commit that had begun afterwards.
pub(super) fn spanning(before: Record, after: Record) -> Record {
    let commit = before.commit.zip(after.commit);
    Record {
        commit: commit.map(|(before, after)| Commit {
            before: before.before,
            after: after.after,
        }),
        ..after
    }
}
