//! Holding the values of a file against its checksums.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use selvedge_base::{Chain, Mutex, pool};

use super::{Checksums, RangeHasher};
use crate::bulk::{self, Buffer, Callback, MEMORY, Meter, Progress, Walk};
use crate::chunks::to_usize;
use crate::plan::{Bytes, Grouped};
use crate::reader::{Note, Reader, Tensor};
use crate::{ReadError, RewriteError, Role, StorageError};

/// What became of the checksums of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorChecksums {
    /// The tensor.
    pub tensor: String,
    /// What it is to the run.
    pub role: Role,
    /// Whether it has checksums.
    pub present: bool,
    /// Steps that it has; of a constant the length of its first axis.
    pub steps: u64,
    /// Steps that its checksums cover. A run that was resumed since has more.
    pub covered: u64,
    /// Steps whose values are not those that the checksums were made of, in ranges of one checksum.
    pub mismatched: Vec<Range<u64>>,
    /// Why the first of these that is [damaged](ReadError::is_damage) cannot be read; or the checksums, which
    /// cover nothing then.
    pub damaged: Option<String>,
    /// Why its values [cannot be read here](ReadError::is_unsupported), and were not held against any checksum.
    pub unread: Option<String>,
}

/// What [`verify_checksums`] found. Its [`Display`](fmt::Display) is some lines for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChecksumReport {
    /// The file.
    pub path: PathBuf,
    /// The tensors, in the order of their names. Those without values are left out.
    pub tensors: Vec<TensorChecksums>,
    /// Bytes that were read and found to be right.
    pub verified: u64,
    /// What the file is not as its run left it in, and what is no part of the run.
    pub notes: Vec<Note>,
}

impl ChecksumReport {
    /// Whether any tensor has checksums.
    #[must_use]
    pub fn has_checksums(&self) -> bool {
        self.tensors.iter().any(|tensor| tensor.present)
    }

    /// Whether no checksum is wrong, and no step or step tensor is gone. True for a file without
    /// checksums, too.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let gone = |note: &Note| matches!(note, Note::Missing { .. } | Note::Shortened { .. });
        let sound = |tensor: &TensorChecksums| {
            tensor.mismatched.is_empty() && tensor.covered <= tensor.steps
        };
        self.tensors.iter().all(sound) && !self.notes.iter().any(gone)
    }

    /// Whether every value has a checksum, and was read: steps that were recorded since, or that another program
    /// appended, have none.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let appended = |note: &Note| matches!(note, Note::Appended { .. });
        self.tensors
            .iter()
            .all(|tensor| tensor.covered >= tensor.steps && tensor.unread.is_none())
            && !self.notes.iter().any(appended)
    }
}

/// Reads every tensor of an open file that has checksums, and compares. `progress` is told how far
/// it has come.
///
/// A checksum is of a range of steps as they were when it was made. Steps that were recorded since
/// have none, and the report tells how many steps are covered.
///
/// # Errors
///
/// The errors of reading. Values that do not match, or are damaged, are no error, but in the report, and so are
/// checksums that do not fit together.
pub fn verify_checksums(
    file: &Reader,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<ChecksumReport, ReadError> {
    verify_all(file, MEMORY, &mut progress)
}

/// The same of some tensors, by their names; the [notes](ChecksumReport::notes) are those that concern
/// them.
///
/// # Errors
///
/// The errors of [`verify_checksums`], and of [`Reader::tensor`].
pub fn verify_tensor_checksums(
    file: &Reader,
    names: &[String],
    mut progress: impl FnMut(Progress) + Send,
) -> Result<ChecksumReport, ReadError> {
    let chosen = names.iter().map(|name| file.tensor(name));
    let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
    let concerns = |note: &&Note| match note {
        Note::CutShort { tensor, .. }
        | Note::Appended { tensor, .. }
        | Note::Short { tensor, .. } => chosen.iter().any(|chosen| chosen.name() == tensor),
        Note::AppendedToAll { .. } | Note::Shortened { .. } => true,
        _ => false,
    };
    let notes = file.notes().iter().filter(concerns).cloned().collect();
    verify(file, &chosen, notes, MEMORY, &mut progress)
}

/// Fails where values are not those that the checksums of the file were made of: new ones of them would hide
/// it. The limit of `memory` is in bytes.
pub(crate) fn check_values(
    file: &Reader,
    memory: u64,
    progress: Callback<'_>,
) -> Result<(), RewriteError> {
    let report = verify_all(file, memory, progress)?;
    let wrong = report.tensors.into_iter().filter_map(|tensor| {
        let why = tensor.what_is_wrong()?;
        Some((tensor.tensor, why))
    });
    let tensors: Vec<(String, String)> = wrong.collect();
    match tensors.is_empty() {
        true => Ok(()),
        false => Err(RewriteError::WrongChecksums {
            path: report.path,
            tensors,
        }),
    }
}

fn verify_all(
    file: &Reader,
    memory: u64,
    progress: Callback<'_>,
) -> Result<ChecksumReport, ReadError> {
    let all: Vec<&Tensor> = file.tensors().iter().collect();
    verify(file, &all, file.notes().to_vec(), memory, progress)
}

/// Verifies the `chosen` tensors, in at most so many bytes of `memory`.
fn verify(
    file: &Reader,
    chosen: &[&Tensor],
    notes: Vec<Note>,
    memory: u64,
    progress: Callback<'_>,
) -> Result<ChecksumReport, ReadError> {
    let mut tensors = Vec::new();
    let mut items = Vec::new();
    for &tensor in chosen {
        if tensor.dtype().is_err() || tensor.all_bytes()? == 0 {
            continue;
        }
        let (sums, broken) = match tensor.checksums() {
            Ok(sums) => (sums, None),
            Err(error) => (None, Some(Chain(&error).to_string())),
        };
        tensors.push(TensorChecksums {
            tensor: tensor.name().to_owned(),
            role: tensor.role(),
            present: sums.is_some() || broken.is_some(),
            steps: tensor.rows(),
            covered: sums.as_ref().map_or(0, |sums| sums.covered),
            mismatched: Vec::new(),
            damaged: broken,
            unread: unread(tensor),
        });
        let is_read = tensors.last().is_some_and(|tensor| tensor.unread.is_none());
        if let Some(sums) = sums.filter(|_| is_read) {
            items.push((tensors.len() - 1, tensor, sums));
        }
    }
    let found = Mutex::new(tensors);
    let total = items
        .iter()
        .map(|(_, tensor, sums)| Ok(sums.covered.min(tensor.rows()) * tensor.row_bytes()?))
        .sum::<Result<u64, ReadError>>()?;
    let sources: Vec<_> = items
        .iter()
        .map(|(_, tensor, sums)| (*tensor, sums.steps, sums.covered.min(tensor.rows())))
        .collect();
    let meter = Meter::new(total, progress);
    let wrong = Mutex::new(0_u64);
    hash(file, memory, &sources, &meter, |item, first, sums| {
        let (nth, tensor, expected) = &items[item];
        let (sums, damaged): (Vec<Option<u64>>, _) = match sums {
            Ok(sums) => (sums.into_iter().map(Some).collect(), None),
            Err(error) if error.is_damage() => (vec![None], Some(Chain(&error).to_string())),
            Err(error) => return Err(error),
        };
        for (range, sum) in (first..).zip(sums) {
            let rows = expected.range(range);
            // The end of a range can be gone, with steps that another program cut off.
            let whole = rows.end <= tensor.rows();
            if whole && sum.is_some() && expected.sums.get(range) == sum.as_ref() {
                continue;
            }
            let read = rows.end.min(tensor.rows()) - rows.start;
            let bytes = read * tensor.row_bytes()?;
            *wrong.lock() += bytes;
            if !whole {
                continue;
            }
            let mut found = found.lock();
            let found = &mut found[*nth];
            let is_first = found.mismatched.iter().all(|one| one.start > rows.start);
            if damaged.is_some() && (is_first || found.damaged.is_none()) {
                found.damaged.clone_from(&damaged);
            }
            found.mismatched.push(rows);
        }
        Ok(())
    })?;
    let mut tensors = found.into_inner();
    for tensor in &mut tensors {
        tensor.mismatched.sort_by_key(|range| range.start);
    }
    let wrong = wrong.into_inner();
    Ok(ChecksumReport {
        path: file.path().to_owned(),
        tensors,
        verified: total - wrong,
        notes,
    })
}

/// Why a tensor cannot be read here, where it is not for its type or its values.
fn unread(tensor: &Tensor) -> Option<String> {
    let error = tensor.check_readable().err()?;
    error.is_unsupported().then(|| Chain(&error).to_string())
}

/// Hashes ranges of rows: for each of `sources` a tensor, the rows of a range, and the number of rows
/// from its beginning on. `each` gets the number of the source, the number of a first range, and the
/// checksums from there on; or of one range that it is damaged.
fn hash(
    file: &Reader,
    memory: u64,
    sources: &[(&Tensor, u64, u64)],
    meter: &Meter<'_>,
    each: impl Fn(usize, usize, Result<Vec<u64>, ReadError>) -> Result<(), ReadError> + Sync,
) -> Result<(), ReadError> {
    let memory = bulk::buffer_memory(memory);
    let mut tasks = Vec::new();
    let mut walks = Vec::new();
    for (number, &(tensor, range, rows)) in sources.iter().enumerate() {
        let walk = Walk::new([tensor], memory, 1)?;
        tasks.extend(walk.tasks(rows, range).map(|rows| (number, rows)));
        walks.push(walk);
    }
    let largest = walks.iter().map(Walk::piece_bytes).max().unwrap_or(0);
    let thread = walks.iter().map(|walk| walk.thread_bytes(1)).max();
    let threads = bulk::threads(memory, thread.unwrap_or(0)).max(1);
    let buffer =
        || {
            let buffer = Buffer::new(largest);
            Ok(buffer
                .ok_or_else(|| StorageError::no_memory(file.path(), "allocate memory to read"))?)
        };
    pool::each_with(threads, &tasks, buffer, |buffer, (number, rows)| {
        let (tensor, range, _) = sources[*number];
        let mut sums_of = |rows: Range<u64>| -> Result<Vec<u64>, ReadError> {
            let mut hasher = RangeHasher::new(range.saturating_mul(tensor.row_bytes()?));
            for piece in walks[*number].pieces(rows) {
                let bytes = buffer.get(piece.len);
                piece.read(tensor, bytes)?;
                hasher.add(bytes);
                meter.add(piece.len as u64, file.path())?;
            }
            Ok(hasher.finish())
        };
        let nth = |row: u64| to_usize(row / range);
        match sums_of(rows.clone()) {
            // One after the other tells which it is.
            Err(error) if error.is_damage() => (rows.start..rows.end)
                .step_by(to_usize(range))
                .try_for_each(|first| {
                    let sums = sums_of(first..first.saturating_add(range).min(rows.end));
                    each(*number, nth(first), sums)
                }),
            sums => each(*number, nth(rows.start), sums),
        }
    })
}

/// The checksums of all of `tensors`, none of which is empty.
pub(super) fn compute(
    file: &Reader,
    tensors: &[&Tensor],
    meter: &Meter<'_>,
) -> Result<Vec<Checksums>, ReadError> {
    let mut sources = Vec::new();
    let mut results = Vec::new();
    for &tensor in tensors {
        let (rows, row_bytes) = (tensor.rows(), tensor.row_bytes()?);
        let steps = Checksums::range_rows(rows, row_bytes);
        sources.push((tensor, steps, rows));
        results.push(Checksums {
            steps,
            covered: rows,
            sums: vec![0; to_usize(rows.div_ceil(steps))],
        });
    }
    let results = Mutex::new(results);
    hash(file, MEMORY, &sources, meter, |number, first, sums| {
        let sums = sums?;
        let mut results = results.lock();
        results[number].sums[first..first + sums.len()].copy_from_slice(&sums);
        Ok(())
    })?;
    Ok(results.into_inner())
}

impl TensorChecksums {
    /// What of its values is not as its checksums say, in a few words.
    fn what_is_wrong(&self) -> Option<String> {
        const TOLD: usize = 4;
        let unit = self.unit();
        if let Some((_, rest)) = self.mismatched.split_first() {
            let told = self.mismatched.iter().take(TOLD);
            let told: Vec<String> = told
                .map(|Range { start, end }| format!("{start}..{end}"))
                .collect();
            let more = match (rest.len() + 1).saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(" and {} more ranges", Grouped(more as u64)),
            };
            let why = self.damaged.as_ref().map(|why| format!(" ({why})"));
            let (told, why) = (told.join(", "), why.unwrap_or_default());
            return Some(format!("{unit} {told}{more} are not as they were{why}"));
        }
        if self.covered > self.steps {
            let (covered, found) = (Grouped(self.covered), Grouped(self.steps));
            return Some(format!("it had {covered} {unit}, and has {found}"));
        }
        self.damaged.clone()
    }

    /// What its checksums are of.
    fn unit(&self) -> &'static str {
        match self.role {
            Role::Step => "steps",
            Role::Constant => "rows",
        }
    }
}

impl fmt::Display for ChecksumReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if !self.has_checksums() {
            return f.write_str("it has no checksums");
        }
        let wrong = self.tensors.iter().map(|tensor| tensor.mismatched.len());
        match wrong.sum::<usize>() {
            0 => write!(f, "{} match their checksums", Bytes(self.verified))?,
            wrong => write!(
                f,
                "{} range{} of steps with a wrong checksum, {} match",
                Grouped(wrong as u64),
                if wrong == 1 { "" } else { "s" },
                Bytes(self.verified)
            )?,
        }
        for tensor in &self.tensors {
            let name = &tensor.tensor;
            let unit = tensor.unit();
            for range in &tensor.mismatched {
                let Range { start, end } = range;
                write!(
                    f,
                    "\n  `{name}`: {unit} {start}..{end} are not as they were"
                )?;
            }
            if let Some(why) = &tensor.damaged {
                write!(f, "\n  `{name}`: {why}")?;
            }
            if let Some(why) = &tensor.unread {
                write!(f, "\n  `{name}`: not read: {why}")?;
            } else if !tensor.present {
                write!(f, "\n  `{name}`: no checksums")?;
            } else if tensor.covered > tensor.steps {
                let (covered, found) = (Grouped(tensor.covered), Grouped(tensor.steps));
                write!(
                    f,
                    "\n  `{name}`: checksums of {covered} {unit}, and {found} are there"
                )?;
            } else if tensor.covered < tensor.steps {
                let (covered, found) = (Grouped(tensor.covered), Grouped(tensor.steps));
                write!(
                    f,
                    "\n  `{name}`: {covered} of {found} {unit} have checksums"
                )?;
            }
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}
