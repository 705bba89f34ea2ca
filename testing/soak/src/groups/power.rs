//! The files that a power cut may leave: of what was written since the last sync, the disk has any sectors.
//!
//! A run is traced once, with the bytes of its writes. Between two syncs of the file each sector can be as it was, or as
//! one of the writes since has left it, and the file can have any of the lengths that it had. All such states are
//! judged where they are few, and else those in which one sector is the only one that lacks, or the only one that is
//! there, and others at random.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use selvedge_testing::Random;

use super::kills::SECTOR;
use super::pool;
use crate::budget::Budget;
use crate::result::Row;
use crate::stock::Stock;
use crate::subject::{After, Base, SUBJECTS, Subject, Verdict, folder_in_memory, judge_file};
use crate::to_usize;
use crate::trace::{Call, Kind, Outcome};
use crate::victim::Work;

/// Epochs with more states are sampled.
const MOST_STATES: usize = 1024;
/// States of a sampled epoch that are taken at random.
const SAMPLES: usize = 300;

/// What the disk may have of one file at one time between two syncs.
#[derive(Debug)]
struct Epoch {
    /// What is on the disk for certain.
    synced: Vec<u8>,
    /// The later contents of sectors, by their numbers.
    sectors: BTreeMap<u64, Vec<Vec<u8>>>,
    /// The lengths that it had.
    lengths: Vec<u64>,
    /// Lines that the process had printed at its end: what they promise holds.
    told: usize,
}

/// A state: of each sector and of the length, which version is on the disk. 0 is the synced one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    epoch: usize,
    versions: Vec<usize>,
    length: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let versions: String = self.versions.iter().map(ToString::to_string).collect();
        write!(
            f,
            "epoch {}, sectors {versions}, length {}",
            self.epoch, self.length
        )
    }
}

pub(super) fn run(budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
    let subjects: Vec<&Subject> = SUBJECTS
        .iter()
        .filter(|subject| is_tried(subject))
        .collect();
    for (done, subject) in subjects.iter().enumerate() {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let run = subject.run_whole(folder.path(), true)?;
        let mut row = Row::new("power", subject.name, "any sectors since the last sync");
        row.promised = subject.is_synced();
        let names = Names::of(subject, &run.calls);
        row.complaints.extend(
            names
                .complaints(subject, &run)
                .into_iter()
                .filter(|_| row.promised),
        );
        let epochs = epochs(subject, folder.path(), &run, &names)?;
        let mut random = Random(budget.seed);
        let states: Vec<State> = (0..epochs.len())
            .flat_map(|epoch| states(&epochs[epoch], epoch, &mut random))
            .collect();
        row.note = format!("{} epochs", epochs.len());
        if !row.promised {
            row.note.push_str("; nothing is promised without syncs");
        }
        let budget = budget.share(subjects.len() - done);
        pool::each(&states, &budget, &mut row, |state, stock| {
            judge(subject, &run, &epochs[state.epoch], state, stock).map(Some)
        })?;
        if !row.promised {
            row.complaints.clear();
        }
        report(row);
    }
    Ok(())
}

/// Work that syncs, and one of each kind that does not, to show what that means.
fn is_tried(subject: &Subject) -> bool {
    subject.is_synced() || matches!(subject.base, Base::Nothing | Base::OldVersion)
}

impl Subject {
    /// Whether what it reports is to survive a power cut.
    fn is_synced(&self) -> bool {
        match self.work {
            Work::Record(recording) => recording.sync > 0,
            Work::Save { sync, .. } | Work::Grow { sync } => sync,
            Work::Recover | Work::Rechunk | Work::RecoverGrown => true,
            Work::ByHand { .. } => false,
        }
    }
}

/// The names of the file: the one under which it is written, and those that it has later.
struct Names {
    written: Vec<std::path::PathBuf>,
}

impl Names {
    /// The names of the file that ends under the subject's name, followed backwards through its renamings.
    fn of(subject: &Subject, calls: &[Call]) -> Self {
        let mut written = vec![subject.path(Path::new(""))];
        for call in calls.iter().rev().filter(|call| call.kind == Kind::Rename) {
            if call.to.as_ref() == written.last() && written.len() == 1 {
                written.push(call.path.clone());
            }
        }
        Self { written }
    }

    fn has(&self, call: &Call) -> bool {
        self.written.contains(&call.path)
    }

    /// What was promised while a name of it was not on the disk for certain: the name itself, or that of a folder
    /// above it.
    fn complaints(&self, subject: &Subject, run: &Outcome) -> Vec<String> {
        let path = subject.path(Path::new(""));
        // A run that did not sync may have left nothing but what the system remembers.
        let unsynced_base = matches!(subject.base, Base::Run(recording, _) if recording.sync == 0);
        let mut unsynced: Vec<&Path> = if unsynced_base {
            vec![&path]
        } else {
            Vec::new()
        };
        let mut data_unsynced = unsynced_base;
        let mut complaints = Vec::new();
        let mut told = 0;
        for call in &run.calls {
            let promises = run.lines[told..call.told]
                .iter()
                .any(|line| is_promise(line));
            told = call.told;
            if promises && !unsynced.is_empty() {
                complaints.push(format!(
                    "told before the folders of {unsynced:?} were synced"
                ));
            }
            if promises && data_unsynced {
                complaints.push("told before what was there was synced".to_owned());
            }
            if call.failed {
                continue;
            }
            match (call.kind, &call.to) {
                (Kind::Rename, Some(to)) if self.written.contains(to) => {
                    unsynced.retain(|name| *name != call.path);
                    unsynced.push(to);
                }
                (Kind::Create, _) if self.has(call) => unsynced.push(&call.path),
                (Kind::MakeFolder, _) => unsynced.push(&call.path),
                (Kind::Sync, _) => {
                    data_unsynced &= !self.has(call);
                    unsynced.retain(|name| name.parent() != Some(&call.path));
                }
                _ => {}
            }
        }
        complaints.dedup();
        complaints
    }
}

/// Whether a line says that something is safe.
fn is_promise(line: &str) -> bool {
    let number = line
        .strip_prefix("committed ")
        .or(line.strip_prefix("saved "));
    number.is_some_and(|number| number != "0") || line == "finished"
}

/// What the disk has at the end of each epoch. Only of the last file that had the name: the ones before it were whole
/// when it replaced them, or were not.
fn epochs(
    subject: &Subject,
    folder: &Path,
    run: &Outcome,
    names: &Names,
) -> Result<Vec<Epoch>, String> {
    let base = tempfile::tempdir().map_err(|error| error.to_string())?;
    subject
        .lay(base.path())
        .map_err(|error| error.to_string())?;
    let begins = names
        .written
        .iter()
        .find_map(|name| fs::read(base.path().join(name)).ok());
    let starts_anew = matches!(subject.work, Work::Save { .. } | Work::Rechunk);
    let mut synced = if starts_anew {
        Vec::new()
    } else {
        begins.unwrap_or_default()
    };
    let mut current = synced.clone();
    let mut sectors: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    let mut lengths = vec![current.len() as u64];
    let mut epochs = Vec::new();
    let calls = run
        .calls
        .iter()
        .filter(|call| names.has(call) && !call.failed);
    // Before that it has the name under which it is built, and nobody looks for it there.
    let grows = matches!(subject.work, Work::Grow { .. } | Work::RecoverGrown);
    let renames = run
        .calls
        .iter()
        .filter(|call| call.kind == Kind::Rename)
        .count();
    let mut named = grows || renames == 0;
    // A save that is made twice: the second file.
    let first = if starts_anew {
        let created = |call: &&Call| call.kind == Kind::Create;
        calls.clone().filter(created).count().saturating_sub(1)
    } else {
        0
    };
    let mut created = 0;
    for call in calls {
        created += usize::from(call.kind == Kind::Create);
        if starts_anew && created <= first {
            continue;
        }
        match call.kind {
            Kind::Write => {
                let begin = usize::try_from(call.offset).map_err(|error| error.to_string())?;
                let end = begin + call.data.len();
                if current.len() < end {
                    current.resize(end, 0);
                    lengths.push(current.len() as u64);
                }
                current[begin..end].copy_from_slice(&call.data);
                for sector in call.offset / SECTOR..(end as u64).div_ceil(SECTOR) {
                    sectors
                        .entry(sector)
                        .or_default()
                        .push(sector_of(&current, sector));
                }
            }
            Kind::Release => {
                let begin = usize::try_from(call.offset).map_err(|error| error.to_string())?;
                let begin = begin.min(current.len());
                let end = begin.saturating_add(call.len).min(current.len());
                for sector in begin as u64 / SECTOR..(end as u64).div_ceil(SECTOR) {
                    let from = to_usize(sector * SECTOR);
                    let part = from.max(begin)..(from + to_usize(SECTOR)).min(end);
                    // Mostly it was zeros before.
                    if current[part.clone()].iter().any(|&byte| byte != 0) {
                        current[part].fill(0);
                        sectors
                            .entry(sector)
                            .or_default()
                            .push(sector_of(&current, sector));
                    }
                }
            }
            Kind::SetLength => {
                current.resize(
                    usize::try_from(call.offset).map_err(|error| error.to_string())?,
                    0,
                );
                lengths.push(call.offset);
            }
            Kind::Sync => {
                let told = call.told;
                let sectors = std::mem::take(&mut sectors);
                let next = vec![current.len() as u64];
                let lengths = std::mem::replace(&mut lengths, next);
                let synced = std::mem::replace(&mut synced, current.clone());
                if named {
                    epochs.push(Epoch {
                        synced,
                        sectors,
                        lengths,
                        told,
                    });
                }
            }
            Kind::Rename => named = true,
            _ => {}
        }
    }
    let told = run.lines.len();
    epochs.push(Epoch {
        synced,
        sectors,
        lengths,
        told,
    });
    // Or else the sum of what was traced is not the file.
    let left = fs::read(subject.path(folder)).map_err(|error| error.to_string())?;
    if left != current {
        return Err(format!(
            "the calls of {} do not add up to its file",
            subject.name
        ));
    }
    Ok(epochs)
}

fn sector_of(file: &[u8], sector: u64) -> Vec<u8> {
    let begin = usize::try_from(sector * SECTOR)
        .unwrap_or(usize::MAX)
        .min(file.len());
    let end = (begin + to_usize(SECTOR)).min(file.len());
    file[begin..end].to_vec()
}

/// The states of an epoch: all of them, or a choice.
fn states(epoch: &Epoch, number: usize, random: &mut Random) -> Vec<State> {
    let counts: Vec<usize> = epoch
        .sectors
        .values()
        .map(|versions| versions.len() + 1)
        .collect();
    let state = |versions: Vec<usize>, length: usize| State {
        epoch: number,
        versions,
        length,
    };
    let all = counts.iter().try_fold(epoch.lengths.len(), |all, &count| {
        all.checked_mul(count).filter(|&all| all <= MOST_STATES)
    });
    if let Some(all) = all {
        return (0..all)
            .map(|mut nth| {
                let mut digit = |count: usize| {
                    let digit = nth % count;
                    nth /= count;
                    digit
                };
                let length = digit(epoch.lengths.len());
                state(counts.iter().map(|&count| digit(count)).collect(), length)
            })
            .collect();
    }
    let newest: Vec<usize> = counts.iter().map(|count| count - 1).collect();
    let last = epoch.lengths.len() - 1;
    let mut states = Vec::new();
    for length in [0, last] {
        states.push(state(newest.clone(), length));
        states.push(state(vec![0; counts.len()], length));
        for sector in 0..counts.len() {
            let mut lacks = newest.clone();
            lacks[sector] = 0;
            let mut only = vec![0; counts.len()];
            only[sector] = newest[sector];
            states.extend([state(lacks, length), state(only, length)]);
        }
    }
    let mut below = |count: usize| to_usize(random.below(count as u64));
    for _ in 0..SAMPLES {
        let versions = counts.iter().map(|&count| below(count)).collect();
        states.push(state(versions, below(last + 1)));
    }
    states.sort();
    states.dedup();
    states
}

/// The file in a state.
fn image(epoch: &Epoch, state: &State) -> Vec<u8> {
    let mut image = epoch.synced.clone();
    for ((&sector, contents), &version) in epoch.sectors.iter().zip(&state.versions) {
        if let Some(content) = version.checked_sub(1).map(|version| &contents[version]) {
            let begin = to_usize(sector * SECTOR);
            image.resize(image.len().max(begin + content.len()), 0);
            image[begin..begin + content.len()].copy_from_slice(content);
        }
    }
    // What lies after the length is not there, and what no sector has been written for is zeros.
    image.resize(
        usize::try_from(epoch.lengths[state.length]).unwrap_or(usize::MAX),
        0,
    );
    image
}

fn judge(
    subject: &Subject,
    run: &Outcome,
    epoch: &Epoch,
    state: &State,
    stock: &mut Stock,
) -> Result<Verdict, String> {
    // The disk is what is simulated.
    let folder = folder_in_memory().map_err(|error| error.to_string())?;
    let path = subject.path(folder.path());
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let image = image(epoch, state);
    let name = match subject.work {
        // Under its final name only when it is complete.
        Work::Grow { .. } | Work::RecoverGrown => path.with_extension("safetensors.unfinished"),
        _ => path.clone(),
    };
    made.and_then(|()| write_sparse(&name, &image))
        .map_err(|error| error.to_string())?;
    Ok(judge_file(
        subject,
        &path,
        run,
        epoch.told,
        After::Power,
        stock,
    ))
}

/// Writes a file with a hole in the place of the zeros at its end.
fn write_sparse(path: &Path, image: &[u8]) -> std::io::Result<()> {
    const BLOCK: usize = 4096;
    // Blocks are compared, which is fast also where the code is not optimised.
    let zeros = |block: &[u8]| block == &[0; BLOCK][..block.len()];
    let blocks = image.chunks(BLOCK).rposition(|block| !zeros(block));
    let end = blocks.map_or(0, |last| ((last + 1) * BLOCK).min(image.len()));
    fs::write(path, &image[..end])?;
    let file = fs::OpenOptions::new().write(true).open(path)?;
    file.set_len(image.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 bytes, of which the first sector was written twice since, and the file cut in between.
    fn epoch() -> Epoch {
        Epoch {
            synced: vec![1; 1000],
            sectors: BTreeMap::from([
                (0, vec![vec![2; 512], vec![3; 512]]),
                (1, vec![vec![4; 488]]),
            ]),
            lengths: vec![1000, 600],
            told: 0,
        }
    }

    #[test]
    fn all_states_of_a_small_epoch_are_tried_once() {
        let mut found = states(&epoch(), 7, &mut Random(1));
        assert_eq!(found.len(), 3 * 2 * 2);
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 12);
    }

    #[test]
    fn a_state_is_any_version_of_each_sector_and_any_length() {
        let state = |versions: [usize; 2], length| State {
            epoch: 0,
            versions: versions.to_vec(),
            length,
        };
        let epoch = epoch();
        assert_eq!(image(&epoch, &state([0, 0], 0)), epoch.synced);
        let mixed = image(&epoch, &state([1, 0], 1));
        assert_eq!(mixed, [vec![2; 512], vec![1; 88]].concat());
        let other = image(&epoch, &state([2, 1], 0));
        assert_eq!(other, [vec![3; 512], vec![4; 488]].concat());
    }

    #[test]
    fn a_large_epoch_is_sampled_with_its_corners() {
        let mut large = epoch();
        for sector in 2..40 {
            large.sectors.insert(sector, vec![vec![5; 512]]);
        }
        let found = states(&large, 0, &mut Random(1));
        assert!((300..600).contains(&found.len()), "{}", found.len());
        let dropped = |state: &State| state.versions.iter().filter(|&&v| v == 0).count();
        assert!(found.iter().any(|state| dropped(state) == 40));
        assert!(found.iter().any(|state| dropped(state) == 0));
        assert_eq!(
            found.iter().filter(|state| dropped(state) == 39).count(),
            80
        );
    }
}
