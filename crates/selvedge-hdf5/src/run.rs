//! Which datasets are the run, and how many steps it has: the one answer, for whoever reads, resumes,
//! recovers, rechunks or converts a file. `docs/format.md` has the rules.

use crate::provenance::{COMMIT, FORMAT, STATE};
use crate::{Attribute, RunState};

/// The first version of the format in which the file names its step tensors and its last commit.
const NAMES_ITS_TENSORS: i64 = 3;

/// What a file says of its run at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The version of the format.
    pub(crate) format: i64,
    pub(crate) state: RunState,
    /// The last commit that was begun, since version 3.
    pub(crate) commit: Option<Commit>,
}

/// The numbers of steps before and after a commit. The file has it before an extent moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl Record {
    /// What the attributes of the root say; `None` where the file does not say that Selvedge recorded
    /// it.
    pub(crate) fn from_attributes(attributes: &[(String, Attribute)]) -> Option<Self> {
        let find = |wanted: &str| {
            let (_, value) = attributes.iter().find(|(name, _)| name == wanted)?;
            Some(value)
        };
        let format = find(FORMAT)?;
        let commit = match find(COMMIT) {
            Some(Attribute::Ints(values)) => <[i64; 2]>::try_from(&values[..]).ok(),
            _ => None,
        };
        let state = find(STATE).and_then(Attribute::as_int);
        Some(Self {
            format: format.as_int().unwrap_or(1),
            state: state.map_or(RunState::Unknown, RunState::from_value),
            commit: commit.and_then(Commit::from_values),
        })
    }
}

impl Commit {
    /// `None` for numbers that no commit has.
    pub(crate) fn from_values([before, after]: [i64; 2]) -> Option<Self> {
        let (before, after) = (u64::try_from(before).ok()?, u64::try_from(after).ok()?);
        (before <= after).then_some(Self { before, after })
    }
}

/// What is known of a dataset that may be a step tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What its mark says: that it is a step tensor, or that it is a constant.
    pub(crate) mark: Option<bool>,
    /// Whether it is a member of the root group.
    pub(crate) at_root: bool,
    /// Extents in elements.
    pub(crate) shape: Vec<u64>,
    pub(crate) chunked: bool,
    /// Whether its first axis is unlimited.
    pub(crate) unlimited: bool,
    /// Whether it is made as a recorder makes its step tensors: HDF5 is told never to write the fill value
    /// into it, and its chunks are there from the beginning, or their encoder has its name in it. h5py does
    /// neither, unless it is asked to.
    pub(crate) as_recorded: bool,
    /// Bytes of an element, where these are numbers or bools.
    pub(crate) element_bytes: Option<u64>,
}

/// What a dataset is to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A step tensor, which has all committed steps.
    Step(Standing),
    Constant,
    /// Another program added it.
    Added,
    /// It is marked as a step tensor, or looks like one in a file without marks, and lacks steps that the
    /// run has: another program shortened it, or copied it from another run, or wrote a file anew whose
    /// recorder had died within a commit.
    Short,
}

/// How the extent of a step tensor compares with the committed steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Level,
    /// It is ahead by a commit that was cut short.
    CutShort,
    /// It is ahead by steps that another program appended to it, and not to all.
    Appended,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Steps that every step tensor has.
    pub(crate) committed: u64,
    /// Steps of these that another program appended to all step tensors.
    pub(crate) appended: u64,
    /// Steps that the file says it had, and that no step tensor has any more.
    pub(crate) lost: u64,
    /// The candidates' parts, in their order.
    pub(crate) parts: Vec<Part>,
}

impl Candidate {
    /// The number of steps, if it is a step tensor.
    fn extent(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Whether it looks like a step tensor of a recorder that did not mark them yet.
    fn looks_recorded(&self) -> bool {
        let is_tensor = !self.shape.is_empty() && self.element_bytes.is_some();
        self.at_root && is_tensor && self.chunked && self.unlimited && self.as_recorded
    }
}

/// Decides which of the datasets of a file are its run. `record` is what the file says at the root;
/// `None` of a file that Selvedge did not record.
pub(crate) fn find_run(record: Option<&Record>, candidates: &[Candidate]) -> Run {
    let Some(record) = record else {
        return foreign(candidates, |_| true);
    };
    let marked = |candidate: &Candidate| {
        candidate.mark == Some(true) && candidate.at_root && !candidate.shape.is_empty()
    };
    let names_them = record.format >= NAMES_ITS_TENSORS && candidates.iter().any(marked);
    let is_step: Vec<bool> = match names_them {
        true => candidates.iter().map(marked).collect(),
        false => candidates.iter().map(Candidate::looks_recorded).collect(),
    };
    let in_progress = record.state == RunState::Recording;
    // Every tensor of the run has at least so many steps.
    let promised = record.commit.map_or(0, |commit| match in_progress {
        true => commit.before,
        false => commit.after,
    });
    if !is_step.contains(&true) {
        // Another program wrote the file anew, and what marked the step tensors is gone. What is still
        // marked as a constant is none.
        let may_be = |candidate: &Candidate| candidate.at_root && candidate.mark != Some(false);
        let mut run = foreign(candidates, may_be);
        run.lost = promised.saturating_sub(run.committed);
        for (part, candidate) in run.parts.iter_mut().zip(candidates) {
            if is_moved(candidate) {
                *part = Part::Added;
            }
            // Nothing tells a tensor that lacked the last step from a constant of that length. The step is
            // shown, and what lacks it is told.
            let extent = candidate.extent();
            let is_number = !candidate.shape.is_empty() && candidate.element_bytes.is_some();
            if *part == Part::Constant
                && in_progress
                && record.format < NAMES_ITS_TENSORS
                && may_be(candidate)
                && is_number
                && extent.checked_add(1) == Some(run.committed)
            {
                *part = Part::Short;
            }
        }
        return run;
    }
    let is_added = |candidate: &Candidate| match names_them {
        true => candidate.mark.is_none() || is_moved(candidate),
        // The recorder makes constants without chunks, at the root.
        false => candidate.chunked || !candidate.at_root,
    };
    let extents = || {
        let steps = candidates.iter().zip(&is_step).filter(|(_, step)| **step);
        steps.map(|(candidate, _)| candidate.extent())
    };
    let commit = record.commit.filter(|_| names_them);
    // Where none has as many as was promised, another program has cut them all.
    let promised = if names_them { promised } else { 0 };
    let least = match extents().any(|extent| extent >= promised) {
        true => promised,
        false => 0,
    };
    let committed = extents().filter(|&extent| extent >= least).min();
    let committed = committed.unwrap_or(0);
    // A commit moves all tensors from one number of steps to another. Where the file does not say which,
    // one step more is surely of a commit; several may be what somebody appended, and are not cut off.
    let most = commit.map_or_else(
        || {
            let ahead_by_one = extents().all(|extent| extent <= committed.saturating_add(1));
            committed.saturating_add(ahead_by_one.into())
        },
        // Fewer than there were before the commit are not of the commit.
        |commit| {
            if committed < commit.before {
                committed
            } else {
                commit.after
            }
        },
    );
    let part = |(candidate, &step): (&Candidate, &bool)| {
        let extent = candidate.extent();
        match step {
            true if extent < least => Part::Short,
            true if extent == committed => Part::Step(Standing::Level),
            true if in_progress && extent <= most => Part::Step(Standing::CutShort),
            true => Part::Step(Standing::Appended),
            false if is_added(candidate) => Part::Added,
            false => Part::Constant,
        }
    };
    Run {
        committed,
        appended: commit.map_or(0, |commit| committed.saturating_sub(commit.after)),
        lost: promised.saturating_sub(committed),
        parts: candidates.iter().zip(&is_step).map(part).collect(),
    }
}

/// Whether another program moved a step tensor of this run, or of another one, into a group.
fn is_moved(candidate: &Candidate) -> bool {
    candidate.mark == Some(true) && !candidate.at_root
}

/// The step tensors of a file that does not name them, among the candidates that `may_be`: those
/// whose first axis is as long as that of the largest tensor of at least two axes, or of the largest
/// of one axis where no tensor has two.
fn foreign(candidates: &[Candidate], may_be: impl Fn(&Candidate) -> bool) -> Run {
    let sizes = candidates.iter().filter(|candidate| may_be(candidate));
    let sizes = sizes.filter_map(|candidate| {
        let bytes = candidate.element_bytes?;
        let elements = candidate.shape.iter();
        let bytes = elements.fold(bytes, |all, &axis| all.saturating_mul(axis));
        Some((&candidate.shape[..], bytes))
    });
    let steps = common_steps(sizes);
    let part = |candidate: &Candidate| match steps {
        Some(steps)
            if may_be(candidate)
                && candidate.element_bytes.is_some()
                && is_of_steps(&candidate.shape, steps) =>
        {
            Part::Step(Standing::Level)
        }
        _ => Part::Constant,
    };
    Run {
        committed: steps.unwrap_or(0),
        appended: 0,
        lost: 0,
        parts: candidates.iter().map(part).collect(),
    }
}

/// The number of steps of tensors that nobody recorded, each given by its shape and its size in
/// bytes: the length of the first axis of the largest tensor of at least two axes, or of the largest
/// of one axis where no tensor has two. `None` where there is nothing in them.
///
/// ```
/// let tensors: [(&[u64], u64); 3] = [(&[20, 8, 4], 1_280), (&[20], 80), (&[8], 8)];
/// assert_eq!(selvedge_hdf5::common_steps(tensors), Some(20));
/// ```
#[must_use]
pub fn common_steps<'a>(tensors: impl IntoIterator<Item = (&'a [u64], u64)>) -> Option<u64> {
    let mut largest = None;
    for (shape, bytes) in tensors {
        let Some(&steps) = shape.first() else {
            continue;
        };
        // The first of equal ones.
        let size = (shape.len() >= 2, bytes);
        if bytes > 0 && largest.is_none_or(|(found, _)| size > found) {
            largest = Some((size, steps));
        }
    }
    largest.map(|(_, steps)| steps)
}

/// Whether a tensor of this shape has a value for each of so many steps.
fn is_of_steps(shape: &[u64], steps: u64) -> bool {
    shape.first() == Some(&steps) && !shape.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Part = Part::Step(Standing::Level);
    const CUT_SHORT: Part = Part::Step(Standing::CutShort);
    const APPENDED: Part = Part::Step(Standing::Appended);

    /// A tensor as the recorder makes it since version 3.
    fn marked(steps: u64) -> Candidate {
        Candidate {
            mark: Some(true),
            ..recorded(steps)
        }
    }

    /// … and before.
    fn recorded(steps: u64) -> Candidate {
        Candidate {
            as_recorded: true,
            ..appendable(steps)
        }
    }

    /// A dataset that h5py makes with `maxshape=(None, 4)`.
    fn appendable(steps: u64) -> Candidate {
        Candidate {
            mark: None,
            at_root: true,
            shape: vec![steps, 4],
            chunked: true,
            unlimited: true,
            as_recorded: false,
            element_bytes: Some(4),
        }
    }

    fn constant() -> Candidate {
        Candidate {
            mark: Some(false),
            chunked: false,
            unlimited: false,
            ..appendable(9)
        }
    }

    fn record(format: i64, state: RunState, commit: Option<(u64, u64)>) -> Record {
        Record {
            format,
            state,
            commit: commit.map(|(before, after)| Commit { before, after }),
        }
    }

    #[track_caller]
    fn check(record: Record, candidates: &[Candidate], committed: u64, parts: &[Part]) {
        let run = find_run(Some(&record), candidates);
        assert_eq!((run.committed, &run.parts[..]), (committed, parts));
    }

    const FINISHED: Record = Record {
        format: 3,
        state: RunState::Finished,
        commit: Some(Commit {
            before: 18,
            after: 20,
        }),
    };

    const RECORDING: Record = Record {
        state: RunState::Recording,
        ..FINISHED
    };

    /// A resizable dataset of three values that h5py added to a run of 20 steps cut it to three.
    #[test]
    fn what_is_not_marked_changes_nothing() {
        let all = [marked(20), appendable(3), constant(), marked(20)];
        check(
            FINISHED,
            &all,
            20,
            &[LEVEL, Part::Added, Part::Constant, LEVEL],
        );
        let in_a_group = Candidate {
            at_root: false,
            ..marked(7)
        };
        check(
            FINISHED,
            &[marked(20), in_a_group],
            20,
            &[LEVEL, Part::Added],
        );
    }

    /// A mask was the run, and `convert --steps` cut it, when somebody had moved the step tensor into a
    /// group.
    #[test]
    fn a_constant_is_no_step_tensor_whatever_becomes_of_the_others() {
        let moved = Candidate {
            at_root: false,
            ..marked(20)
        };
        let run = find_run(Some(&FINISHED), &[moved, constant()]);
        assert_eq!((run.committed, run.lost), (0, 20));
        assert_eq!(run.parts, [Part::Added, Part::Constant]);
        let run = find_run(Some(&FINISHED), &[constant()]);
        assert_eq!((run.committed, run.lost), (0, 20));
    }

    /// A file whose step tensors all ended early said nothing about it.
    #[test]
    fn steps_that_all_tensors_lost_are_counted() {
        let run = find_run(Some(&FINISHED), &[marked(12), marked(12)]);
        assert_eq!((run.committed, run.lost), (12, 8));
        let run = find_run(Some(&RECORDING), &[marked(18), marked(18)]);
        assert_eq!((run.committed, run.lost), (18, 0));
    }

    /// Another program cut some tensors of a run, and `recover` cut those that had kept more steps, too, as if
    /// they were ahead by a commit.
    #[test]
    fn what_others_cut_is_no_commit_that_was_cut_short() {
        check(RECORDING, &[marked(8), marked(2)], 2, &[APPENDED, LEVEL]);
        check(
            RECORDING,
            &[marked(20), marked(18)],
            18,
            &[CUT_SHORT, LEVEL],
        );
    }

    #[test]
    fn marks_outlive_chunks_and_unlimited_axes() {
        let rewritten = |steps| Candidate {
            chunked: false,
            unlimited: false,
            as_recorded: false,
            ..marked(steps)
        };
        check(
            FINISHED,
            &[rewritten(20), constant()],
            20,
            &[LEVEL, Part::Constant],
        );
    }

    #[test]
    fn a_commit_is_cut_short_only_within_what_the_file_says_of_it() {
        check(
            RECORDING,
            &[marked(20), marked(18)],
            18,
            &[CUT_SHORT, LEVEL],
        );
        check(RECORDING, &[marked(25), marked(18)], 18, &[APPENDED, LEVEL]);
        check(RECORDING, &[marked(25), marked(20)], 20, &[APPENDED, LEVEL]);
        check(FINISHED, &[marked(25), marked(20)], 20, &[APPENDED, LEVEL]);
        check(FINISHED, &[marked(21), marked(20)], 20, &[APPENDED, LEVEL]);
    }

    #[test]
    fn steps_that_all_tensors_got_count() {
        let run = find_run(Some(&FINISHED), &[marked(25), marked(25)]);
        assert_eq!((run.committed, run.appended), (25, 5));
        let run = find_run(Some(&FINISHED), &[marked(25), marked(23)]);
        assert_eq!((run.committed, run.appended), (23, 3));
    }

    /// A step tensor of another run, copied into the file, would take the committed steps back.
    #[test]
    fn a_marked_tensor_that_lacks_steps_takes_none_from_the_others() {
        check(
            FINISHED,
            &[marked(20), marked(10)],
            20,
            &[LEVEL, Part::Short],
        );
        check(
            RECORDING,
            &[marked(19), marked(10)],
            19,
            &[LEVEL, Part::Short],
        );
        // Where all lack some, they were cut.
        check(FINISHED, &[marked(12), marked(10)], 10, &[APPENDED, LEVEL]);
    }

    #[test]
    fn files_without_marks_go_by_how_the_recorder_made_them() {
        for format in [1, 2] {
            let finished = record(format, RunState::Finished, None);
            let all = [recorded(20), appendable(3), appendable(0)];
            check(finished, &all, 20, &[LEVEL, Part::Added, Part::Added]);
            let died = record(format, RunState::Recording, None);
            check(died, &[recorded(20), recorded(19)], 19, &[CUT_SHORT, LEVEL]);
            // More than one step may be what somebody appended, and is left where it is.
            let five = [recorded(16), recorded(11)];
            check(died, &five, 11, &[APPENDED, LEVEL]);
            let three = [recorded(22), recorded(20), recorded(19)];
            check(died, &three, 19, &[APPENDED, APPENDED, LEVEL]);
        }
    }

    /// `h5repack -l CONTI` takes all that tells step tensors apart from a file of an earlier version. One
    /// whose recorder had died within a commit showed a step that it had not committed, without a word.
    #[test]
    fn a_tensor_that_lacks_a_step_of_a_file_without_marks_is_told() {
        let conti = |steps| Candidate {
            chunked: false,
            unlimited: false,
            as_recorded: false,
            ..recorded(steps)
        };
        let all = [conti(20), conti(19), conti(3)];
        let died = record(2, RunState::Recording, None);
        check(died, &all, 20, &[LEVEL, Part::Short, Part::Constant]);
        let finished = record(2, RunState::Finished, None);
        check(finished, &all, 20, &[LEVEL, Part::Constant, Part::Constant]);
    }

    #[test]
    fn files_that_lost_their_marks_go_by_the_largest_tensor() {
        let text = Candidate {
            element_bytes: None,
            ..appendable(20)
        };
        let all = [appendable(20), text, appendable(3), appendable(20)];
        let parts = [LEVEL, Part::Constant, Part::Constant, LEVEL];
        check(FINISHED, &all, 20, &parts);
        check(record(1, RunState::Finished, None), &all, 20, &parts);
    }

    #[test]
    fn the_steps_of_foreign_tensors_are_those_of_the_largest() {
        let shapes: [(&[u64], u64); 4] = [(&[3], 9_000), (&[6, 2], 24), (&[4, 2], 24), (&[], 8)];
        assert_eq!(common_steps(shapes), Some(6));
        assert_eq!(common_steps([(&[3_u64][..], 12), (&[5], 20)]), Some(5));
        assert_eq!(common_steps([(&[0_u64, 3][..], 0), (&[], 8)]), None);
    }
}
