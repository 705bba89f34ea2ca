//! Which datasets are the run, and how many steps it has: the one answer, for whoever reads, resumes,
//! recovers, rechunks or converts a file. `docs/format.md` has the rules.

use std::collections::HashSet;
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::provenance::{COMMIT, FORMAT, STATE, STEP_TENSORS};
use crate::{Attribute, RunState, StorageError};

/// The first version of the format in which the file names its step tensors and its last commit.
const NAMES_ITS_TENSORS: i64 = 3;

/// Bytes of the blocks in which libhdf5 puts what a recorder makes but chunks.
pub(crate) const METADATA_BLOCK: u64 = 1 << 16;

/// How many bits of a mark are those of the name.
const NAME_BITS: u32 = 32;

/// What a file says of its run at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The version of the format.
    pub(crate) format: i64,
    pub(crate) state: RunState,
    /// The planned number of steps, which the reader adds.
    pub(crate) planned: Option<u64>,
    /// The last commit that was begun, since version 3.
    pub(crate) commit: Option<Commit>,
    /// The run that its step tensors are marked with; the first files of version 3 do not have it.
    pub(crate) run: Option<RunNumber>,
}

/// The number by which the step tensors of a run are told from those of others, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunNumber {
    /// At least 1, and of 31 bits.
    pub(crate) number: u32,
    pub(crate) tensors: u64,
}

/// What the mark of a dataset says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Constant,
    /// A step tensor, of whatever run and name: so it is in the first files of version 3.
    Step,
    /// The step tensor of this run whose name has this hash. So a copy is told from what it was made of,
    /// whose attributes it has.
    StepOf {
        run: u32,
        name: u32,
    },
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
        let pair = |name: &str| match find(name) {
            Some(Attribute::Ints(values)) => <[i64; 2]>::try_from(&values[..]).ok(),
            _ => None,
        };
        let state = find(STATE).and_then(Attribute::as_i64);
        Some(Self {
            planned: None,
            format: format.as_i64().unwrap_or(1),
            state: state.map_or(RunState::Unknown, RunState::from_value),
            commit: pair(COMMIT).and_then(Commit::from_values),
            run: pair(STEP_TENSORS).and_then(RunNumber::from_values),
        })
    }
}

impl RunNumber {
    /// The number that comes of a hash: of 31 bits, and not 0.
    pub(crate) fn from_hash(hash: u64) -> u32 {
        u32::try_from(hash >> 33).map_or(1, |number| number.max(1))
    }

    /// The number of the run of this name, which several files are of.
    pub(crate) fn from_name(run: &str) -> u32 {
        Self::from_hash(XxHash3_64::oneshot(run.as_bytes()))
    }

    /// `None` for numbers that no run has.
    pub(crate) fn from_values([number, tensors]: [i64; 2]) -> Option<Self> {
        let number = u32::try_from(i32::try_from(number).ok()?).ok()?;
        let tensors = u64::try_from(tensors).ok()?;
        (number > 0).then_some(Self { number, tensors })
    }
}

impl Mark {
    pub(crate) fn from_value(value: i64) -> Self {
        let run = u32::try_from(value >> NAME_BITS).unwrap_or(0);
        match (value, run) {
            (1, _) => Self::Step,
            (_, 1..) => Self::StepOf {
                run,
                name: low(value.cast_unsigned()),
            },
            _ => Self::Constant,
        }
    }

    pub(crate) fn value(self) -> i64 {
        match self {
            Self::Constant => 0,
            Self::Step => 1,
            Self::StepOf { run, name } => i64::from(run) << NAME_BITS | i64::from(name),
        }
    }

    /// The mark of the step tensor `name` of a run.
    pub(crate) fn step_of(run: u32, name: &str) -> Self {
        let name = low(XxHash3_64::oneshot(name.as_bytes()));
        Self::StepOf { run, name }
    }
}

/// The lower bits of a number.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
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

    fn is_marked_step(&self) -> bool {
        matches!(self.mark, Some(Mark::Step | Mark::StepOf { .. }))
    }

    /// Whether it can be a step tensor: those are at the root.
    fn has_place(&self) -> bool {
        self.at_root && !self.shape.is_empty()
    }

    /// Whether it looks like a step tensor of a recorder that did not mark them yet.
    fn looks_recorded(&self) -> bool {
        let is_tensor = self.has_place() && self.element_bytes.is_some();
        is_tensor && self.chunked && self.unlimited && self.as_recorded
    }
}

/// Which of the candidates are step tensors.
struct Steps {
    is_step: Vec<bool>,
    /// Those of them whose numbers of steps are those of the run.
    counts: Vec<bool>,
    /// Whether they are marked, and so are all that the recorder made.
    marked: bool,
}

/// The step tensors of a file that Selvedge recorded, as it names them; of the first versions, as the
/// recorder made them. `None` where nothing tells.
fn step_tensors(record: &Record, candidates: &[Candidate]) -> Option<Steps> {
    let same = |is_step: Vec<bool>, marked| Steps {
        counts: is_step.clone(),
        is_step,
        marked,
    };
    let is_marked = |found: &Candidate| found.is_marked_step() && found.has_place();
    let steps = if let Some(run) = record.run {
        same(named(run.number, candidates), true)
    } else if record.format >= NAMES_ITS_TENSORS && candidates.iter().any(is_marked) {
        // A mark without a number is on copies, too: those that HDF5 made are told by their place.
        let made = made(candidates);
        let marks = candidates.iter().zip(&made);
        let is_step = marks.map(|(c, made)| is_marked(c) && (*made || !c.looks_recorded()));
        let is_step: Vec<bool> = is_step.collect();
        let both = is_step.iter().zip(made).map(|(step, made)| *step && made);
        let both: Vec<bool> = both.collect();
        Steps {
            counts: if both.contains(&true) {
                both
            } else {
                is_step.clone()
            },
            is_step,
            marked: true,
        }
    } else {
        same(made(candidates), false)
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

/// The candidates without a number in their marks that the recorder of this file made, and not HDF5 as copies of
/// such, or more names of them.
fn made(candidates: &[Candidate]) -> Vec<bool> {
    let is_made = |found: &Candidate| {
        let is_aligned = found.header.is_none_or(|header| header % 8 == 0);
        let may_be = !matches!(found.mark, Some(Mark::StepOf { .. })) && !found.second_name;
        may_be && is_aligned && found.looks_recorded()
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
    let in_place = |found: &Candidate| end.is_none_or(|end| found.header < Some(end));
    candidates
        .iter()
        .map(|found| is_made(found) && in_place(found))
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
        return foreign(candidates, |_| true);
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
    // most of them; or the planned one; or the largest.
    let committed = match commit {
        None if record.state == RunState::Finished => {
            let count = |steps: u64| extents().filter(|&extent| extent == steps).count();
            let is_planned = |steps| record.planned == Some(steps);
            extents().max_by_key(|&steps| (count(steps), is_planned(steps), steps))
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
        committed,
        appended: commit.map_or(0, |commit| committed.saturating_sub(commit.after)),
        lost: promised.saturating_sub(committed),
        missing: record
            .run
            .map_or(0, |run| run.tensors.saturating_sub(found)),
        parts: candidates.iter().zip(&steps.is_step).map(part).collect(),
    }
}

/// The run of a file that another program wrote anew, so that what marked the step tensors is gone. What
/// is still marked is none.
fn rewritten(record: &Record, candidates: &[Candidate], promised: u64) -> Run {
    let may_be = |candidate: &Candidate| candidate.at_root && candidate.mark.is_none();
    let mut run = foreign(candidates, may_be);
    run.lost = promised.saturating_sub(run.committed);
    for (part, candidate) in run.parts.iter_mut().zip(candidates) {
        if candidate.is_marked_step() {
            *part = Part::Added;
        }
        // Nothing tells a tensor that lacked the last step from a constant of that length. The step is
        // shown, and what lacks it is told.
        let extent = candidate.extent();
        let is_number = !candidate.shape.is_empty() && candidate.element_bytes.is_some();
        if *part == Part::Constant
            && record.state == RunState::Recording
            && record.format < NAMES_ITS_TENSORS
            && may_be(candidate)
            && is_number
            && extent.checked_add(1) == Some(run.committed)
        {
            *part = Part::Short;
        }
    }
    run
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
        missing: 0,
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
mod tests;
