//! Whether two files hold the same values, whatever their layouts.

mod options;
mod pairing;
mod result;
mod values;

use std::path::{Path, PathBuf};

pub use options::CompareOptions;
pub use pairing::{AmbiguousNames, Pairing, pair_listed_names, pair_names, root_name};
pub use result::{Comparison, Difference, TensorComparison, Verdict};

use selvedge_base::{Chain, pool};

use crate::bulk::{self, Buffer, Meter, Progress, Walk};
use crate::error::LibraryError;
use crate::plan::Grouped;
use crate::reader::{Reader, Tensor};
use crate::source::TensorSource;
use crate::{Attribute, PartOf, ReadError, StorageError, provenance};
use values::Pair;

/// Compares two open files bit for bit: which tensors they have, their dtypes and shapes, and every
/// value. Layouts, filters and byte orders make no difference, and no NaN differs from itself.
/// `progress` is told how far it has come.
///
/// A dataset in a group goes with the tensor that [`Rechunk`](crate::Rechunk) makes of it, `model/W`
/// with `model.W`, by [`pair_names`], and is found by each name of its group. A tensor is compared over the steps that both files have; a different number of steps is a
/// difference, too. One that cannot be read stops no other: its [`verdict`](TensorComparison::verdict) says so.
/// Memory is bounded by [`CompareOptions::memory`], whatever the size of the files.
///
/// ```
/// # use selvedge_hdf5::{CompareOptions, Reader, Recorder, compare};
/// # let folder = tempfile::tempdir()?;
/// # let paths = ["thimble_1.h5", "thimble_2.h5"].map(|name| folder.path().join(name));
/// # for (path, last) in paths.iter().zip([1.5_f32, 1.25]) {
/// #     let mut run = Recorder::create(path).scalar::<f32>("loss").start()?;
/// #     for loss in [2.5, 2.0, last] { run.append(|step| step.put("loss", &loss))?; }
/// #     run.finish()?;
/// # }
/// let [left, right] = [Reader::open(&paths[0])?, Reader::open(&paths[1])?];
/// let found = compare(&left, &right, &CompareOptions::default(), |_| {})?;
/// assert!(!found.is_equal());
/// let difference = found.tensors[0].first.as_ref().expect("a difference");
/// assert_eq!(difference.step, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The errors of [`compare_tensors`].
pub fn compare(
    left: &Reader,
    right: &Reader,
    options: &CompareOptions,
    progress: impl FnMut(Progress) + Send,
) -> Result<Comparison, ReadError> {
    let mut comparison = compare_tensors(left.tensors(), right.tensors(), options, progress)?;
    comparison.left = left.path().to_owned();
    comparison.right = right.path().to_owned();
    if options.attributes {
        comparison.attributes = attributes(left, right)?;
    }
    Ok(comparison)
}

/// Compares the tensors of two files of any formats, as [`compare`] does those of two HDF5 files.
/// Paths and attributes of the comparison are empty.
///
/// # Errors
///
/// [`ReadError::AmbiguousNames`] of [`pair_names`]. Tensors that do not fit the memory are no error: they are
/// [`Unreadable`](Verdict::Unreadable), with the memory that they need.
pub fn compare_tensors<S: TensorSource>(
    left: &[S],
    right: &[S],
    options: &CompareOptions,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Comparison, S::Error> {
    let names = |tensors: &[S]| -> Vec<String> {
        tensors
            .iter()
            .map(|tensor| tensor.name().to_owned())
            .collect()
    };
    let (left_names, right_names) = (names(left), names(right));
    let groups = [left, right].map(|tensors| tensors.first().and_then(TensorSource::group_names));
    let pairing = pair_listed_names(&left_names, &right_names, groups).map_err(ReadError::from)?;
    let chosen = |names: &[String], numbers: &[usize]| -> Vec<String> {
        numbers
            .iter()
            .map(|&number| names[number].clone())
            .collect()
    };
    let mut comparison = Comparison {
        left: PathBuf::new(),
        right: PathBuf::new(),
        only_left: chosen(&left_names, &pairing.only_left),
        only_right: chosen(&right_names, &pairing.only_right),
        left_out: Vec::new(),
        tensors: Vec::new(),
        attributes: Vec::new(),
        bytes: 0,
        trusted: 0,
    };
    if options.skip_unsupported {
        for (names, numbers, tensors) in [
            (&mut comparison.only_left, pairing.only_left, left),
            (&mut comparison.only_right, pairing.only_right, right),
        ] {
            names.clear();
            for number in numbers {
                match tensors[number].check_readable() {
                    Ok(()) => names.push(tensors[number].name().to_owned()),
                    Err(error) => comparison.left_out.push(Chain(&error).to_string()),
                }
            }
        }
    }
    let mut pairs = Vec::new();
    for (one, two) in pairing.pairs {
        let (one, two) = (&left[one], &right[two]);
        let found = describe(one, two);
        if found.verdict == Verdict::Equal {
            pairs.push((comparison.tensors.len(), one, two));
        }
        comparison.tensors.push(found);
    }
    let found = values(&pairs, options, &mut progress)?;
    for ((number, tensor, other), found) in pairs.iter().zip(found) {
        let result = &mut comparison.tensors[*number];
        if found.unread.is_none() {
            comparison.bytes += found.rows.saturating_mul(tensor.row_bytes());
            comparison.trusted += found.trusted;
        }
        result.first = found.first;
        result.differing = options.count.then_some(found.differing);
        result.reason = found.unread;
        result.verdict = if result.first.is_some() {
            Verdict::Values
        } else if found.too_large {
            Verdict::Unreadable
        } else if result.reason.is_some() {
            Verdict::Damaged
        } else if tensor.rows() == other.rows() {
            Verdict::Equal
        } else {
            Verdict::Steps
        };
        let there = [*tensor, *other].map(|tensor| (tensor.rows(), tensor.appended()));
        if there.iter().any(|(_, appended)| *appended > 0) {
            tell_appended(result, there);
        }
    }
    Ok(comparison)
}

/// Takes in what another program appended to one or both of a pair, of whose rows and appended rows `there`
/// tells: nobody compared that.
fn tell_appended(result: &mut TensorComparison, there: [(u64, u64); 2]) {
    let all = there.map(|(rows, appended)| rows.saturating_add(appended));
    for (shape, all) in result.shapes.iter_mut().zip(all) {
        if let Some(steps) = shape.first_mut() {
            *steps = all;
        }
    }
    if matches!(result.verdict, Verdict::Equal | Verdict::Steps) {
        result.verdict = if all[0] == all[1] {
            Verdict::Unreadable
        } else {
            Verdict::Steps
        };
    }
    result.reason.get_or_insert_with(|| {
        let steps = there.map(|(_, appended)| Grouped(appended).to_string());
        format!(
            "another program appended steps to this tensor and not to all others, or shortened those ({} in the \
             first file, {} in the second); give all the same number there, or compare what `rechunk --common-steps` \
             makes of it",
            steps[0], steps[1]
        )
    });
}

/// What two tensors are; [`Verdict::Equal`] where it depends on their values.
fn describe<S: TensorSource>(left: &S, right: &S) -> TensorComparison {
    let shapes = [left.shape(), right.shape()];
    let dtypes = [left.dtype_name(), right.dtype_name()];
    let unreadable = || left.check_readable().and(right.check_readable()).err();
    let mut reason = None;
    let verdict = if dtypes[0] != dtypes[1] {
        Verdict::Dtype
    } else if let Some(error) = unreadable() {
        reason = Some(Chain(&error).to_string());
        Verdict::Unreadable
    } else if shapes[0].len() != shapes[1].len()
        || shapes[0].get(1..) != shapes[1].get(1..)
        || left.row_bytes() != right.row_bytes()
    {
        Verdict::Shape
    } else {
        Verdict::Equal
    };
    TensorComparison {
        tensor: left.name().to_owned(),
        dtypes,
        shapes,
        is_constant: left.is_constant() && right.is_constant(),
        verdict,
        reason,
        first: None,
        differing: None,
    }
}

/// What was found of a pair.
#[derive(Default)]
struct Found {
    first: Option<Difference>,
    /// How many elements differ.
    differing: u64,
    /// How many rows were compared.
    rows: u64,
    /// Bytes of these that were not read for their checksums.
    trusted: u64,
    /// Why they were not, or not all.
    unread: Option<String>,
    /// Whether it is that they do not fit the memory.
    too_large: bool,
}

/// Compares the values of each pair over the rows that both have.
fn values<S: TensorSource>(
    pairs: &[(usize, &S, &S)],
    options: &CompareOptions,
    progress: bulk::Callback<'_>,
) -> Result<Vec<Found>, S::Error> {
    let memory = bulk::buffer_memory(options.memory);
    let (mut states, mut tasks) = (Vec::new(), Vec::new());
    let (mut total, mut largest, mut needed) = (0_u64, 0, (0, ""));
    let mut in_order = false;
    for (nth, &(_, left, right)) in pairs.iter().enumerate() {
        let rows = left.rows().min(right.rows());
        let found = Walk::new([left, right], memory, 2)
            .map(|walk| (Pair::new(left, right, rows, options), walk));
        let (pair, walk) = match found {
            Ok(found) => found,
            Err(error) => {
                states.push(Err((Chain(&error).to_string(), false)));
                continue;
            }
        };
        let thread = walk.thread_bytes(2);
        if thread > memory {
            let error = bulk::too_large(left.name(), thread, options.memory);
            states.push(Err((error.to_string(), true)));
            continue;
        }
        tasks.extend(walk.tasks(rows, 1).map(|rows| (nth, rows)));
        total = total.saturating_add(rows.saturating_mul(left.row_bytes()));
        largest = walk.piece_bytes().max(largest);
        needed = needed.max((thread, left.name()));
        in_order |= walk.is_in_order();
        states.push(Ok((pair, walk)));
    }
    let mut threads = bulk::threads(memory, needed.0);
    if in_order {
        threads = 1;
    }
    let meter = Meter::new(total, progress);
    let buffers = || {
        let buffer = || Buffer::new(largest);
        buffer().zip(buffer()).ok_or_else(|| {
            let tensor = Path::new(needed.1);
            let error = StorageError::no_memory(tensor, "allocate memory to compare");
            S::Error::from(error.into())
        })
    };
    pool::each_with(threads, &tasks, buffers, |(left, right), (nth, rows)| {
        let Ok((pair, walk)) = &states[*nth] else {
            return Ok(());
        };
        for piece in walk.pieces(rows.clone()) {
            let (left, right) = (left.get(piece.len), right.get(piece.len));
            pair.compare(&piece, left, right);
            let counted = meter.add(piece.len as u64, Path::new(needed.1));
            counted.map_err(ReadError::from)?;
        }
        Ok(())
    })?;
    let found = states.into_iter().map(|state| match state {
        Ok((pair, _)) => pair.into_found(),
        Err((why, too_large)) => Found {
            unread: Some(why),
            too_large,
            ..Found::default()
        },
    });
    Ok(found.collect())
}

/// The name of an attribute, and its values in both files.
type AttributePair = (String, [Option<Attribute>; 2]);

/// Root attributes that differ: their name, and their values where they are there. What says how
/// and when a file was made is left out.
fn attributes(left: &Reader, right: &Reader) -> Result<Vec<AttributePair>, ReadError> {
    for file in [left, right] {
        if let Some(reason) = file.why_unlisted() {
            let error = LibraryError::new(reason);
            return Err(StorageError::library(file.path(), "list the attributes of", error).into());
        }
    }
    let mut differing = differing("", left.attributes(), right.attributes());
    differing
        .retain(|(name, _)| name != provenance::CREATED && !name.starts_with(provenance::PREFIX));
    let ranks = [left, right].map(|file| file.shard().map(|shard| shard.attributes().to_vec()));
    let [one, two] = ranks.map(Option::unwrap_or_default);
    differing.extend(self::differing("", &one, &two));
    let [one, two] = [left, right]
        .map(|file| -> Vec<&str> { file.tensors().iter().map(Tensor::name).collect() });
    let groups = [left, right].map(|file| Some(file.group_names()));
    for (one, two) in pair_listed_names(&one, &two, groups)?.pairs {
        let (tensor, other) = (&left.tensors()[one], &right.tensors()[two]);
        let prefix = format!("{}: ", tensor.name());
        let mut found = [tensor.attributes()?, other.attributes()?];
        for (found, part) in found.iter_mut().zip([tensor.part_of()?, other.part_of()?]) {
            found.extend(part.iter().flat_map(PartOf::attributes));
        }
        differing.extend(self::differing(&prefix, &found[0], &found[1]));
    }
    Ok(differing)
}

fn differing(
    prefix: &str,
    left: &[(String, Attribute)],
    right: &[(String, Attribute)],
) -> Vec<AttributePair> {
    let find = |list: &[(String, Attribute)], name: &str| {
        let found = list.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone())
    };
    let mut names: Vec<&String> = left.iter().chain(right).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let both = names.into_iter().map(|name| {
        (
            format!("{prefix}{name}"),
            [find(left, name), find(right, name)],
        )
    });
    both.filter(|(_, [left, right])| match (left, right) {
        (Some(left), Some(right)) => !left.same(right),
        _ => true,
    })
    .collect()
}
