//! Which datasets are the run, and how many steps it has: the one answer, for whoever reads, resumes,
//! recovers, rechunks or converts a file. `docs/format.md` has the rules.

mod record;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::{RunState, StorageError};
pub(crate) use record::{Commit, Mark, Record, RunNumber};

/// The first version of the format in which the file names its step tensors and its last commit.
const NAMES_ITS_TENSORS: i64 = 3;

/// Bytes of the blocks in which libhdf5 puts what a recorder makes but chunks.
pub(crate) const METADATA_BLOCK: u64 = 1 << 16;

/// What is known of a dataset that may be a step tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    /// Whether it had another name before this one.
    pub(crate) second_name: bool,
    pub(crate) mark: Option<Mark>,
    /// Whether it is a member of the root group.
    pub(crate) at_root: bool,
    /// The address of its object header, of a dataset of this file.
    pub(crate) header: Option<u64>,
    /// Extents in elements.
    pub(crate) shape: Vec<u64>,
    pub(crate) chunked: bool,
    /// Whether its first axis is unlimited.
    pub(crate) unlimited: bool,
    /// Whether it is made as a recorder makes its datasets: HDF5 is told never to write the fill value
    /// into it, and its chunks are there from the beginning, or their encoder has its name in it. h5py
    /// does neither, unless it is asked to, or copies a dataset.
    pub(crate) as_recorded: bool,
    /// Whether HDF5 is told never to write the fill value into it, which most programs keep that copy it.
    pub(crate) unfilled: bool,
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
    /// Step tensors that the file says it has, and that are not at its root any more.
    pub(crate) missing: u64,
    /// The candidates' parts, in their order.
    pub(crate) parts: Vec<Part>,
    /// Which of them are taken for step tensors, and may be none for all that the file says.
    pub(crate) guessed: Vec<bool>,
}

/// The step tensors of a file, for who changes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepTensors {
    pub(crate) committed: u64,
    /// In the order of writing: name, extent, and how it compares with the committed steps.
    pub(crate) tensors: Vec<(String, u64, Standing)>,
    /// Those that lack steps, with the steps that they have.
    pub(crate) short: Vec<(String, u64)>,
}

impl StepTensors {
    /// Those of a new file, in the order of writing.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>, steps: u64) -> Self {
        let tensor = |name: &str| (name.to_owned(), steps, Standing::Level);
        Self {
            committed: steps,
            tensors: names.into_iter().map(tensor).collect(),
            short: Vec::new(),
        }
    }

    /// Those that stand so, with their extents.
    pub(crate) fn standing(&self, wanted: Standing) -> impl Iterator<Item = (&str, u64)> {
        let found = self
            .tensors
            .iter()
            .filter(move |(.., standing)| *standing == wanted);
        found.map(|(name, extent, _)| (name.as_str(), *extent))
    }

    /// Those that another program gave another number of steps, and that number.
    pub(crate) fn changed_by_others(&self) -> impl Iterator<Item = (&str, u64)> {
        let short = self
            .short
            .iter()
            .map(|(name, steps)| (name.as_str(), *steps));
        self.standing(Standing::Appended).chain(short)
    }

    /// Fails if one of `changed`, tensors of the file at `path`, has another number of steps: which of the
    /// steps belong to the run is not ours to say.
    pub(crate) fn refuse_one_of<'a>(
        &self,
        path: &Path,
        mut changed: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<(), StorageError> {
        let Some((name, steps)) = changed.next() else {
            return Ok(());
        };
        Err(StorageError::UnequalSteps {
            path: path.to_owned(),
            tensor: name.to_owned(),
            steps,
            committed: self.committed,
        })
    }
}

impl Candidate {
    /// The number of steps, if it is a step tensor.
    fn extent(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Whether it has values of numbers or bools for each of so many steps.
    fn is_of_steps(&self, steps: &RangeInclusive<u64>) -> bool {
        let has_values = self.element_bytes.is_some() && !self.shape.contains(&0);
        has_values
            && self
                .shape
                .first()
                .is_some_and(|leading| steps.contains(leading))
    }

    /// Whether it has values of numbers or bools for one step more or less, of a run of several steps.
    pub(crate) fn is_off_by_one(&self, steps: u64) -> bool {
        steps > 2 && self.is_of_steps(&(steps - 1..=steps.saturating_add(1)))
    }

    pub(crate) fn is_marked_step(&self) -> bool {
        matches!(self.mark, Some(Mark::Step | Mark::StepOf { .. }))
    }

    /// Whether it can be a step tensor: those are at the root.
    fn has_place(&self) -> bool {
        self.at_root && !self.shape.is_empty()
    }

    /// Whether it is of numbers or bools, and was not made for what h5py makes.
    fn may_be_recorded(&self) -> bool {
        let is_tensor = self.has_place() && self.element_bytes.is_some();
        let is_other = self.second_name || matches!(self.mark, Some(Mark::StepOf { .. }));
        is_tensor && self.unfilled && !is_other
    }

    fn grows(&self) -> bool {
        self.chunked && self.unlimited
    }

    /// Whether it looks like a step tensor of a recorder that did not mark them yet.
    fn looks_recorded(&self) -> bool {
        let is_tensor = self.has_place() && self.element_bytes.is_some();
        is_tensor && self.grows() && self.as_recorded
    }
}

/// Which of the candidates are step tensors.
struct Steps {
    is_step: Vec<bool>,
    /// Those of them whose numbers of steps are those of the run.
    counts: Vec<bool>,
    /// Whether they are marked, and so are all that the recorder made.
    marked: bool,
    /// Those of them that may be none.
    guessed: Vec<bool>,
}

/// The step tensors of a file that Selvedge recorded, as it names them; of the first versions, as the
/// recorder made them. `None` where nothing tells.
fn step_tensors(record: &Record, candidates: &[Candidate]) -> Option<Steps> {
    let same = |is_step: Vec<bool>, marked| Steps {
        counts: is_step.clone(),
        guessed: vec![false; is_step.len()],
        is_step,
        marked,
    };
    let is_marked = |found: &Candidate| found.is_marked_step() && found.has_place();
    let steps = if let Some(run) = record.run {
        same(named(run.number, candidates), true)
    } else if record.format >= NAMES_ITS_TENSORS && candidates.iter().any(is_marked) {
        if !record.in_place {
            return Some(same(candidates.iter().map(is_marked).collect(), true));
        }
        // A mark without a number is on copies, too: those that HDF5 made are told by their place.
        let made = made(candidates);
        let marks = candidates.iter().zip(&made);
        let is_step = marks.map(|(c, made)| is_marked(c) && (*made || !c.looks_recorded()));
        let is_step: Vec<bool> = is_step.collect();
        let both = is_step.iter().zip(&made).map(|(step, made)| *step && *made);
        let both: Vec<bool> = both.collect();
        // The others were given the attributes of such, or are such that were made anew.
        let guessed = is_step.iter().zip(made).map(|(step, made)| *step && !made);
        Steps {
            counts: if both.contains(&true) {
                both
            } else {
                is_step.clone()
            },
            guessed: guessed.collect(),
            is_step,
            marked: true,
        }
    } else if record.in_place {
        same(made(candidates), false)
    } else {
        kept(record, candidates)
    };
    steps.is_step.contains(&true).then_some(steps)
}

/// The candidates that are the step tensors of this run: those under the name that their mark has, and
/// of what was renamed, one for each name.
fn named(run: u32, candidates: &[Candidate]) -> Vec<bool> {
    let of_run = |found: &Candidate| match found.mark {
        Some(Mark::StepOf { run: of, name }) if of == run && found.has_place() => Some(name),
        _ => None,
    };
    let keeps = |found: &Candidate| {
        of_run(found).filter(|_| found.mark == Some(Mark::step_of(run, &found.name)))
    };
    let mut is_step: Vec<bool> = candidates.iter().map(|c| keeps(c).is_some()).collect();
    let mut taken: HashSet<u32> = candidates.iter().filter_map(keeps).collect();
    for (found, is_step) in candidates.iter().zip(&mut is_step) {
        *is_step |= of_run(found).is_some_and(|name| taken.insert(name));
    }
    is_step
}

/// Whether these datasets of a file lie as a recorder lays them: its step tensors come first, in the first block,
/// which is of what libhdf5 makes alone, and has no values. What another program writes anew, dataset by dataset, lies
/// otherwise. `values` tells the address of the first chunk of one.
pub(crate) fn lies_as_recorded(
    candidates: &[Candidate],
    values: impl Fn(usize) -> Option<u64>,
) -> bool {
    let recorded = (0..candidates.len()).filter(|&nth| candidates[nth].looks_recorded());
    let recorded: Vec<usize> = recorded.collect();
    let headers = recorded.iter().filter_map(|&nth| candidates[nth].header);
    let first = headers.min().filter(|&first| first < METADATA_BLOCK);
    let is_later = |found: &Candidate| found.header.is_none() || found.header >= first;
    let is_outside = |&nth: &usize| values(nth).is_none_or(|address| address >= METADATA_BLOCK);
    first.is_some() && candidates.iter().all(is_later) && recorded.iter().all(is_outside)
}

/// The step tensors of a file without marks that another program wrote anew, where nothing tells copies: those that
/// grow, as it kept them; and of those whose axes it fixed, those that are as long as one of them.
fn kept(record: &Record, candidates: &[Candidate]) -> Steps {
    let grows = |found: &Candidate| found.may_be_recorded() && found.grows();
    let is_fixed = |found: &Candidate| found.may_be_recorded() && !found.grows();
    let growing = candidates.iter().filter(|found| grows(found));
    let growing: Vec<u64> = growing.map(Candidate::extent).collect();
    let lengths = match growing[..] {
        // The others may be behind or ahead by a commit that was cut short. Of several one tells.
        [most] => vec![around(record, candidates, most, is_fixed)],
        _ => growing.iter().map(|&steps| steps..=steps).collect(),
    };
    let may_be =
        |found: &Candidate| is_fixed(found) && lengths.iter().any(|steps| found.is_of_steps(steps));
    let guessed: Vec<bool> = candidates.iter().map(may_be).collect();
    let both = candidates.iter().zip(&guessed);
    let is_step: Vec<bool> = both
        .map(|(found, guessed)| *guessed || grows(found))
        .collect();
    Steps {
        counts: is_step.clone(),
        is_step,
        marked: false,
        guessed,
    }
}

/// The candidates without a number in their marks that the recorder of this file made, and not HDF5 as copies of
/// such, or more names of them, where these are in place.
fn made(candidates: &[Candidate]) -> Vec<bool> {
    let is_made = |found: &Candidate| {
        let is_aligned = found.header.is_none_or(|header| header % 8 == 0);
        is_aligned && found.may_be_recorded() && found.looks_recorded()
    };
    let headers = candidates.iter().filter(|found| is_made(found));
    let mut headers: Vec<u64> = headers.filter_map(|found| found.header).collect();
    headers.sort_unstable();
    // It makes its step tensors before its constants …
    let constants = candidates
        .iter()
        .filter(|found| found.at_root && !found.chunked);
    let constants = constants.filter(|found| found.as_recorded && !found.is_marked_step());
    let constants = constants.filter_map(|found| found.header);
    let end = constants.chain(first_outside(&headers)).min();
    let comes_before = |found: &Candidate| end.is_none_or(|end| found.header < Some(end));
    candidates
        .iter()
        .map(|found| is_made(found) && comes_before(found))
        .collect()
}

/// … and one after the other in blocks: the first of these headers that is not in the block of the one before,
/// although there was room.
fn first_outside(headers: &[u64]) -> Option<u64> {
    let (mut block, mut last) = (0, METADATA_BLOCK);
    headers.iter().copied().find(|&header| {
        let is_outside = header - block > METADATA_BLOCK;
        let had_room = last - block < METADATA_BLOCK / 2;
        if is_outside {
            block = header;
        }
        last = header;
        is_outside && had_room
    })
}

/// Decides which of the datasets of a file are its run. `record` is what the file says at the root;
/// `None` of a file that Selvedge did not record.
pub(crate) fn find_run(record: Option<&Record>, candidates: &[Candidate]) -> Run {
    let Some(record) = record else {
        return without_record(candidates);
    };
    let in_progress = record.state == RunState::Recording;
    // Every tensor of the run has at least so many steps.
    let promised = record.commit.map_or(0, |commit| match in_progress {
        true => commit.before,
        false => commit.after,
    });
    let Some(steps) = step_tensors(record, candidates) else {
        return rewritten(record, candidates, promised);
    };
    let extents = || {
        let counted = candidates.iter().zip(&steps.counts);
        counted
            .filter(|(_, counts)| **counts)
            .map(|(candidate, _)| candidate.extent())
    };
    let commit = record.commit.filter(|_| steps.marked);
    // Where none has as many as was promised, another program has cut them all.
    let promised = if steps.marked { promised } else { 0 };
    let least = match extents().any(|extent| extent >= promised) {
        true => promised,
        false => 0,
    };
    // All tensors of a finished run had the same number. Where the file does not say which, it is that of
    // most of them, or the smallest of such; or the planned one, if that is smaller or stands against one.
    let committed = match commit {
        None if record.state == RunState::Finished => {
            let count = |steps: u64| extents().filter(|&extent| extent == steps).count();
            let is_planned = |steps| record.planned == Some(steps);
            let rank = |&steps: &u64| (count(steps), is_planned(steps), Reverse(steps));
            let most = extents().max_by_key(rank);
            let planned = extents().filter(|&steps| is_planned(steps));
            most.into_iter().chain(planned).min()
        }
        _ => extents().filter(|&extent| extent >= least).min(),
    };
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
    let is_added = |candidate: &Candidate| match steps.marked {
        true => candidate.mark != Some(Mark::Constant),
        // The recorder makes constants without chunks, at the root.
        false => candidate.chunked || !candidate.at_root,
    };
    let part = |(candidate, &step): (&Candidate, &bool)| {
        let extent = candidate.extent();
        match step {
            true if extent < committed => Part::Short,
            true if extent == committed => Part::Step(Standing::Level),
            true if in_progress && extent <= most => Part::Step(Standing::CutShort),
            true => Part::Step(Standing::Appended),
            false if is_added(candidate) => Part::Added,
            false => Part::Constant,
        }
    };
    let found = steps.is_step.iter().filter(|&&step| step).count() as u64;
    Run {
        guessed: steps.guessed,
        committed,
        appended: commit.map_or(0, |commit| committed.saturating_sub(commit.after)),
        lost: promised.saturating_sub(committed),
        missing: record
            .run
            .map_or(0, |run| run.tensors.saturating_sub(found)),
        parts: candidates.iter().zip(&steps.is_step).map(part).collect(),
    }
}

/// The run of a file that does not say that Selvedge recorded it. Its datasets can be copies of such, with their marks,
/// which tell constants from step tensors; of step tensors of several lengths those count that are as long as the largest.
fn without_record(candidates: &[Candidate]) -> Run {
    let may_be = |found: &Candidate| found.mark != Some(Mark::Constant);
    let marked = most_steps(candidates, Candidate::is_marked_step);
    // Those whose first axis is as long as that of the largest tensor of at least two axes, or of the
    // largest of one axis where no tensor has two.
    let steps = marked.or_else(|| most_steps(candidates, may_be));
    let steps = steps.map(|steps| steps..=steps);
    let mut run = of_steps(candidates, steps.as_ref(), may_be);
    for ((guessed, part), found) in run.guessed.iter_mut().zip(&run.parts).zip(candidates) {
        let is_step = matches!(part, Part::Step(_));
        *guessed = marked.is_some() && is_step && !found.is_marked_step();
    }
    run
}

/// The run of a file that another program wrote anew, so that what marked the step tensors is gone. What
/// is still marked is none.
fn rewritten(record: &Record, candidates: &[Candidate], promised: u64) -> Run {
    let may_be = |candidate: &Candidate| candidate.at_root && candidate.mark.is_none();
    let last_commit = record.commit.map(|commit| promised..=commit.after);
    let last_commit = last_commit.filter(|steps| any_of_steps(candidates, may_be, steps));
    let steps = last_commit.or_else(|| {
        let most = most_steps(candidates, may_be)?;
        Some(around(record, candidates, most, may_be))
    });
    let mut run = of_steps(candidates, steps.as_ref(), may_be);
    run.lost = promised.saturating_sub(run.committed);
    for (part, candidate) in run.parts.iter_mut().zip(candidates) {
        if candidate.is_marked_step() {
            *part = Part::Added;
        }
    }
    let guessed = run.parts.iter().map(|part| matches!(part, Part::Step(_)));
    run.guessed = guessed.collect();
    run
}

fn any_of_steps(
    candidates: &[Candidate],
    may_be: impl Fn(&Candidate) -> bool,
    steps: &RangeInclusive<u64>,
) -> bool {
    candidates
        .iter()
        .any(|found| may_be(found) && found.is_of_steps(steps))
}

/// The lengths of the candidates that `may_be` step tensors, by nothing but their lengths, of a run with `most` steps.
/// What may be of a commit that was cut short is taken back: of two numbers the smaller one is surely committed.
fn around(
    record: &Record,
    candidates: &[Candidate],
    most: u64,
    may_be: impl Fn(&Candidate) -> bool,
) -> RangeInclusive<u64> {
    match record.state {
        RunState::Recording if any_of_steps(candidates, may_be, &(most + 1..=most + 1)) => {
            most..=most + 1
        }
        RunState::Recording => most.saturating_sub(1)..=most,
        _ => most..=most,
    }
}

/// The number of steps of a file that does not name its step tensors, of which the candidates that `may_be` can be
/// some.
fn most_steps(candidates: &[Candidate], may_be: impl Fn(&Candidate) -> bool) -> Option<u64> {
    let sizes = candidates.iter().filter(|candidate| may_be(candidate));
    common_steps(sizes.filter_map(|candidate| {
        let bytes = candidate.element_bytes?;
        let elements = candidate.shape.iter();
        let bytes = elements.fold(bytes, |all, &axis| all.saturating_mul(axis));
        Some((&candidate.shape[..], bytes))
    }))
}

/// The run whose step tensors are those of the candidates that `may_be` with so many steps. The fewest are
/// committed.
fn of_steps(
    candidates: &[Candidate],
    steps: Option<&RangeInclusive<u64>>,
    may_be: impl Fn(&Candidate) -> bool,
) -> Run {
    let is_step = |candidate: &&Candidate| {
        may_be(candidate) && steps.is_some_and(|steps| candidate.is_of_steps(steps))
    };
    let extents = candidates.iter().filter(is_step).map(Candidate::extent);
    let committed = extents.min().unwrap_or(0);
    let part = |candidate: &Candidate| match is_step(&candidate) {
        true if candidate.extent() == committed => Part::Step(Standing::Level),
        true => Part::Step(Standing::CutShort),
        false => Part::Constant,
    };
    Run {
        committed,
        appended: 0,
        lost: 0,
        missing: 0,
        parts: candidates.iter().map(part).collect(),
        guessed: vec![false; candidates.len()],
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

#[cfg(test)]
mod tests;
