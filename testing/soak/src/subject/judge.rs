//! Whether a file keeps what its writer had promised.

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use selvedge_hdf5::{RunState, StorageError, recover};
use selvedge_safetensors::{FileError, SaveError};

use super::Subject;
use crate::sample::{self, Seen, Shape};
use crate::stock::{Look, Stock};
use crate::trace::{End, Outcome};
use crate::victim::{Recording, SHAPE, Work};

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether there was a file of the final name.
    pub(crate) file: bool,
    /// Whether stock h5py (or safetensors) read all of it, before anything was recovered.
    pub(crate) stock: bool,
    /// Steps (or versions, or rows) that were reported and are not in the file, or wrong.
    pub(crate) lost: u64,
    pub(crate) hung: bool,
    /// Whether the library returned an error.
    pub(crate) error: bool,
    /// Whatever else is not as it should be.
    pub(crate) complaints: Vec<String>,
}

impl Verdict {
    fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }
}

/// When a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Its process ended: it opens as it is.
    Process,
    /// The power went: it may have to be recovered first.
    Power,
}

/// Judges what the process of `subject` left in `folder`, whatever ended it.
pub(crate) fn judge(
    subject: &Subject,
    folder: &Path,
    outcome: &Outcome,
    stock: &mut Stock,
) -> Verdict {
    let path = subject.path(folder);
    let mut verdict = judge_file(subject, &path, outcome, usize::MAX, After::Process, stock);
    verdict.hung |= outcome.end == End::Hung;
    verdict
}

/// Judges the file at `path`, of whose process the first `told` lines hold.
pub(crate) fn judge_file(
    subject: &Subject,
    path: &Path,
    outcome: &Outcome,
    told: usize,
    after: After,
    stock: &mut Stock,
) -> Verdict {
    let mut verdict = Verdict {
        file: path.exists(),
        ..Verdict::default()
    };
    let said = |word: &str| outcome.last(word, told);
    match subject.work {
        Work::Record(recording) => {
            let promised = said("committed ").or(subject.begins_with());
            if verdict.file {
                let most = match promised {
                    // It can still be the old one.
                    None if subject.overwrites() => recording.until,
                    _ => promised.unwrap_or(0) + recording.burst,
                };
                let steps = (promised.unwrap_or(0), most);
                judge_trajectory(path, recording.shape(), steps, after, stock, &mut verdict);
            } else if let Some(promised) = promised {
                verdict.lost += promised.max(1);
                verdict.complain("the file is gone");
            }
            go_on(&recording, path, &mut verdict);
        }
        Work::Recover => {
            // It was killed in the middle of the last commit.
            let steps = (super::OPEN.until - 1, super::OPEN.until);
            judge_trajectory(path, SHAPE, steps, after, stock, &mut verdict);
        }
        Work::Rechunk => {
            // The old one or the new one, which has the same values.
            let steps = (super::SYNCED.until, super::SYNCED.until);
            judge_trajectory(path, SHAPE, steps, after, stock, &mut verdict);
            if let Err(error) = crate::victim::rechunk(path) {
                verdict.complain(format!("it cannot be written anew: {error}"));
            }
            judge_alone(path, &mut verdict);
        }
        Work::ByHand { .. } => {
            let promised = said("committed ").unwrap_or(0);
            let found = match stock.look("plain", path) {
                Look::Found(numbers) => {
                    verdict.stock = true;
                    numbers.first().map_or(0, |&steps| steps.cast_unsigned())
                }
                Look::Hang => {
                    verdict.hung = true;
                    0
                }
                _ => 0,
            };
            verdict.lost += promised.saturating_sub(found);
        }
        Work::Save { .. } => {
            let promised = said("saved ").unwrap_or(0);
            judge_version(path, promised, stock, &mut verdict);
        }
        Work::Grow { .. } => judge_rows(path, said("saved "), after, stock, &mut verdict),
        // Four whole rows, and a half.
        Work::RecoverGrown => judge_rows(path, Some(4), after, stock, &mut verdict),
    }
    verdict
}

thread_local! {
    /// Whether a panic of this thread is an answer, and nothing to print.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `look`, and makes an error of a panic, which is how the tests' sample says that a value is wrong.
pub(crate) fn quietly<T>(look: impl FnOnce() -> Result<T, StorageError>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let looked = catch_unwind(AssertUnwindSafe(look));
    QUIET.set(false);
    match looked {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic.downcast_ref::<String>().map_or_else(
            || "a panic".to_owned(),
            |message| format!("wrong: {message}"),
        )),
    }
}

/// A trajectory shows as many steps as were promised, or up to one commit more, by stock h5py and by the reader; and
/// `recover` gives all tensors as many, once.
fn judge_trajectory(
    path: &Path,
    shape: Shape,
    (promised, most): (u64, u64),
    after: After,
    stock: &mut Stock,
    verdict: &mut Verdict,
) {
    let by_h5py = stock.trajectory(path, shape);
    let by_reader = quietly(|| sample::try_check(path, shape));
    verdict.stock = by_h5py.is_ok();
    for (who, seen) in [("h5py", &by_h5py), ("the reader", &by_reader)] {
        match seen {
            Ok(seen) => {
                verdict.lost += promised.saturating_sub(seen.committed());
                if seen.extents.into_iter().any(|extent| extent > most) {
                    verdict.complain(format!("{who} shows {seen:?}, of at most {most}"));
                }
            }
            Err(_) if after == After::Power => {}
            Err(error) => verdict.complain(format!("{who}: {error}")),
        }
    }
    if let (Ok(h5py), Ok(reader)) = (&by_h5py, &by_reader)
        && h5py != reader
    {
        verdict.complain(format!("h5py shows {h5py:?}, the reader {reader:?}"));
    }
    judge_recovery(path, shape, promised, by_reader.ok(), stock, verdict);
}

/// `recover` keeps the committed steps, leaves a file that opens, and does nothing the second time.
fn judge_recovery(
    path: &Path,
    shape: Shape,
    promised: u64,
    before: Option<Seen>,
    stock: &mut Stock,
    verdict: &mut Verdict,
) {
    let recovery = match recover(path) {
        Ok(recovery) => recovery,
        Err(error) => {
            verdict.lost += promised;
            return verdict.complain(format!("recover: {error}"));
        }
    };
    if before.is_some_and(|before| before.committed() != recovery.committed) {
        verdict.complain(format!("the reader and `recover` do not agree: {recovery}"));
    }
    let recovered = fs::read(path).unwrap_or_default();
    match stock.trajectory(path, shape) {
        Ok(seen) => {
            verdict.lost += promised.saturating_sub(seen.committed());
            let finished = recovery.state == RunState::Finished;
            if seen.extents != [recovery.committed; 5] || seen.state != if finished { 1 } else { 2 }
            {
                verdict.complain(format!("recovered as {recovery}, h5py shows {seen:?}"));
            }
        }
        Err(error) => {
            verdict.lost += promised;
            verdict.complain(format!("h5py after `recover`: {error}"));
        }
    }
    match recover(path) {
        Ok(again) if !again.changed && fs::read(path).unwrap_or_default() == recovered => {}
        again => verdict.complain(format!("recovered twice: {again:?}")),
    }
}

/// What is left is in nobody's way: the run can be begun anew, or go on to its end.
fn go_on(recording: &Recording, path: &Path, verdict: &mut Verdict) {
    let mut silent = |_: &str| {};
    // The disk has nothing to do with it.
    let recording = Recording {
        sync: 0,
        overwrite: false,
        ..*recording
    };
    if let Err(error) = recording.record(path, &mut silent) {
        return verdict.complain(format!("it cannot go on: {error}"));
    }
    match quietly(|| sample::try_check(path, recording.shape())) {
        Ok(seen) if seen.committed() == recording.until && seen.state == 1 => {}
        other => verdict.complain(format!("after it went on: {other:?}")),
    }
}

/// There is the version that was reported, or the one that was on its way.
fn judge_version(path: &Path, promised: u64, stock: &mut Stock, verdict: &mut Verdict) {
    match stock.look("version", path) {
        Look::Found(numbers) => {
            verdict.stock = true;
            let found = numbers.first().map_or(0, |version| version.cast_unsigned());
            verdict.lost += promised.saturating_sub(found);
            if found > promised + 1 {
                verdict.complain(format!("version {found}, and {promised} was reported"));
            }
        }
        other => {
            verdict.lost += 1;
            verdict.complain(format!("safetensors: {other:?}"));
        }
    }
    let next = selvedge_safetensors::Save::new(path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .write();
    if let Err(error) = next {
        verdict.complain(format!("it cannot be saved again: {error}"));
    }
    judge_alone(path, verdict);
}

/// What a writer that died had left is gone when the next one is done.
fn judge_alone(path: &Path, verdict: &mut Verdict) {
    let left = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    if left.is_none_or(|left| left.count() != 1) {
        verdict.complain("something is left beside the next file");
    }
}

/// Every row that was reported is in the file, which `recover` has finished where its writer had not.
fn judge_rows(
    path: &Path,
    promised: Option<u64>,
    after: After,
    stock: &mut Stock,
    verdict: &mut Verdict,
) {
    if !path.exists() {
        match selvedge_safetensors::recover(path) {
            Ok(_) => {}
            // Nothing was reported yet.
            Err(
                SaveError::File(FileError::NothingLeft { .. }) | SaveError::NotRecoverable { .. },
            ) if promised.is_none() => {
                return;
            }
            Err(error) => {
                verdict.lost += promised.unwrap_or(0).max(1);
                return verdict.complain(format!("recover: {error}"));
            }
        }
    }
    match stock.look("rows", path) {
        Look::Found(numbers) => {
            verdict.stock = true;
            verdict.file = true;
            let numbers: Vec<u64> = numbers
                .iter()
                .map(|number| number.cast_unsigned())
                .collect();
            let [found, right] = numbers[..] else {
                return verdict.complain(format!("{numbers:?} of two numbers"));
            };
            let promised = promised.unwrap_or(0);
            verdict.lost += promised.saturating_sub(right);
            // After the last sync can be zeros.
            if found > promised + 1 || (right < found && after == After::Process) {
                verdict.complain(format!(
                    "{right} of {found} rows, and {promised} were reported"
                ));
            }
        }
        other => {
            verdict.lost += promised.unwrap_or(0);
            verdict.complain(format!("safetensors: {other:?}"));
        }
    }
    match selvedge_safetensors::recover(path) {
        Err(SaveError::File(FileError::NothingLeft { .. })) => {}
        again => verdict.complain(format!("recovered twice: {again:?}")),
    }
}
