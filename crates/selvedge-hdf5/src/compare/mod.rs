//! Whether two files hold the same values, whatever their layouts.

mod options;
mod result;
mod values;

pub use options::CompareOptions;
pub use result::{Comparison, Difference, TensorComparison, Verdict};

use crate::bulk::{self, Buffer, Meter, Progress, Walk};
use crate::reader::{Reader, Tensor};
use crate::{Attribute, Error, provenance};
use values::Pair;

/// Compares two open files bit for bit: which tensors they have, their dtypes and shapes, and every
/// value. Layouts, filters and byte orders make no difference, and no NaN differs from itself.
/// `progress` is told how far it has come.
///
/// A dataset in a group goes with the tensor that [`Rechunk`](crate::Rechunk) makes of it, `model/W`
/// with `model.W`. A tensor is compared over the steps that both files have; a different number of steps is a
/// difference, too. Memory is bounded by [`CompareOptions::memory`], whatever the size of the files.
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
/// Those of reading; [`Error::WorkingMemory`] where a filtered tensor has chunks that do not fit the
/// memory.
pub fn compare(
    left: &Reader,
    right: &Reader,
    options: &CompareOptions,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Comparison, Error> {
    let mut comparison = Comparison {
        left: left.path().to_owned(),
        right: right.path().to_owned(),
        only_left: only(left, right),
        only_right: only(right, left),
        tensors: Vec::new(),
        attributes: Vec::new(),
        bytes: 0,
    };
    if options.attributes {
        comparison.attributes = attributes(left, right)?;
    }
    let mut pairs = Vec::new();
    for tensor in left.tensors() {
        let Some(other) = counterpart(tensor, left, right) else {
            continue;
        };
        let found = describe(tensor, other);
        if found.verdict == Verdict::Equal {
            pairs.push((comparison.tensors.len(), tensor, other));
        }
        comparison.tensors.push(found);
    }
    let found = values(&pairs, options, &mut progress)?;
    for ((number, tensor, other), (first, differing, rows)) in pairs.iter().zip(found) {
        let result = &mut comparison.tensors[*number];
        comparison.bytes += rows.saturating_mul(tensor.row_bytes()?);
        result.first = first;
        result.differing = options.count.then_some(differing);
        result.verdict = if result.first.is_some() {
            Verdict::Values
        } else if tensor.rows() == other.rows() {
            Verdict::Equal
        } else {
            Verdict::Steps
        };
    }
    Ok(comparison)
}

/// Names of the tensors that only `left` has.
fn only(left: &Reader, right: &Reader) -> Vec<String> {
    let alone = |tensor: &&Tensor| counterpart(tensor, left, right).is_none();
    let tensors = left.tensors().iter().filter(alone);
    tensors.map(|tensor| tensor.name().to_owned()).collect()
}

/// What `right` has for a tensor of `left`: the tensor of its name; or, where none of the two files
/// has both names, the one whose name differs in that it lies in a group, or was taken out of one.
fn counterpart<'a>(tensor: &Tensor, left: &Reader, right: &'a Reader) -> Option<&'a Tensor> {
    let name = tensor.name();
    right.tensor(name).ok().or_else(|| {
        let at_root = |name: &str| name.replace('/', ".");
        let alike = |tensor: &&Tensor| at_root(tensor.name()) == at_root(name);
        let only = |reader: &'a Reader| {
            let mut found = reader.tensors().iter().filter(alike);
            found.next().filter(|_| found.next().is_none())
        };
        let is_only = left.tensors().iter().filter(alike).count() == 1;
        only(right).filter(|_| is_only)
    })
}

/// What two tensors are; [`Verdict::Equal`] where it depends on their values.
fn describe(left: &Tensor, right: &Tensor) -> TensorComparison {
    let shapes = [left.shape(), right.shape()];
    let dtypes = [left.dtype_name().to_owned(), right.dtype_name().to_owned()];
    let verdict = if dtypes[0] != dtypes[1] {
        Verdict::Dtype
    } else if left.dtype().is_err() {
        Verdict::Unreadable
    } else if shapes[0].len() != shapes[1].len() || shapes[0].get(1..) != shapes[1].get(1..) {
        Verdict::Shape
    } else {
        Verdict::Equal
    };
    TensorComparison {
        tensor: left.name().to_owned(),
        dtypes,
        shapes,
        verdict,
        first: None,
        differing: None,
    }
}

/// What was found of a pair: the first difference, how many elements differ, and how many rows were
/// compared.
type Found = (Option<Difference>, u64, u64);

/// Compares the values of each pair over the rows that both have.
fn values(
    pairs: &[(usize, &Tensor, &Tensor)],
    options: &CompareOptions,
    progress: bulk::Callback<'_>,
) -> Result<Vec<Found>, Error> {
    let memory = bulk::buffer_memory(options.memory);
    let (mut states, mut walks, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total, mut largest, mut needed) = (0_u64, 0, (0, ""));
    for (nth, &(_, left, right)) in pairs.iter().enumerate() {
        let rows = left.rows().min(right.rows());
        let walk = Walk::new([left, right], memory / 8)?;
        tasks.extend(walk.tasks(rows, 1).map(|rows| (nth, rows)));
        total = total.saturating_add(rows.saturating_mul(left.row_bytes()?));
        largest = walk.piece_bytes().max(largest);
        needed = needed.max((walk.thread_bytes(2), left.name()));
        walks.push(walk);
        states.push(Pair::new(left, right, rows, options)?);
    }
    let threads = bulk::threads(memory, needed.0);
    if threads == 0 {
        return Err(Error::WorkingMemory {
            tensor: needed.1.to_owned(),
            needed: needed.0,
            limit: memory,
        });
    }
    let meter = Meter::new(total, progress);
    let buffers = || {
        let buffer = || Buffer::new(largest);
        buffer().zip(buffer()).ok_or_else(|| {
            let error = std::io::ErrorKind::OutOfMemory.into();
            let path = pairs.first().map(|(_, left, _)| left.path());
            Error::io(path.unwrap_or(std::path::Path::new("")), "compare", error)
        })
    };
    bulk::run(&tasks, threads, buffers, |(left, right), (nth, rows)| {
        for piece in walks[*nth].pieces(rows.clone()) {
            let (left, right) = (left.get(piece.len), right.get(piece.len));
            states[*nth].compare(&piece, left, right)?;
            meter.add(piece.len as u64);
        }
        Ok(())
    })?;
    Ok(states.into_iter().map(Pair::into_found).collect())
}

/// The name of an attribute, and its values in both files.
type AttributePair = (String, [Option<Attribute>; 2]);

/// Root attributes that differ: their name, and their values where they are there. What says how
/// and when a file was made is left out.
fn attributes(left: &Reader, right: &Reader) -> Result<Vec<AttributePair>, Error> {
    let mut differing = differing("", left.attributes(), right.attributes());
    differing
        .retain(|(name, _)| name != provenance::CREATED && !name.starts_with(provenance::PREFIX));
    for tensor in left.tensors() {
        if let Some(other) = counterpart(tensor, left, right) {
            let prefix = format!("{}: ", tensor.name());
            let found = [tensor.attributes()?, other.attributes()?];
            differing.extend(self::differing(&prefix, &found[0], &found[1]));
        }
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
