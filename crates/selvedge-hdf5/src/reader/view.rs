//! Joined views: files whose tensors are put together of those of the ranks of a run.
//!
//! HDF5 shows the fill value for a source that is missing, and whatever a source holds that was put in its
//! place. Here the sources of a view are opened with it, and held against what the view says of them; and values
//! are read from the sources' own tensors, past libhdf5 as from any file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::shape::Shape;
use selvedge_base::text::escaped;
use selvedge_base::{Chain, Stride};

use super::sources::{self, Why};
use super::{Reader, Role, Tensor, live};
use crate::branches::Branches;
use crate::chunks::to_usize;
use crate::cover;
use crate::error::LibraryError;
use crate::ffi::{self, Mapping};
use crate::other_files::OtherFiles;
use crate::provenance::{COMMIT, RUN, SOURCE_BRANCHES, SOURCES, WORLD_SIZE};
use crate::ranges::Data;
use crate::{Attribute, StorageError};

/// A part of a joined tensor.
#[derive(Clone, Debug)]
pub(super) struct RankPart {
    /// The tensor of a rank whose first elements it is.
    pub(super) tensor: Tensor,
    /// Where it begins in the whole along each axis, the rows first.
    first: Vec<u64>,
    /// Its shape in elements, the rows first.
    shape: Vec<u64>,
}

/// Bytes of a row that follow each other in a part and in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowRun {
    /// Where they begin in the row of the part.
    pub(super) from: usize,
    /// Where they begin in the whole row.
    pub(super) to: usize,
    pub(super) len: usize,
}

/// The ranks of a view, open.
pub(super) struct Ranks<'a> {
    view: &'a Path,
    /// The name of each rank's file, as the view has it, and the file.
    ranks: Vec<(String, Reader)>,
    /// The steps that were joined.
    steps: u64,
    /// What they were [told by](Reader::branch) in each rank. Views of earlier versions do not say it.
    branches: Option<Vec<i64>>,
}

/// What a view that is open shows of its ranks.
#[derive(Debug, Default)]
pub(super) struct Joined {
    steps: u64,
    ranks: Vec<JoinedRank>,
}

/// A rank that can go back while the view is open.
#[derive(Debug)]
struct JoinedRank {
    name: String,
    data: Data,
    root_header: u64,
    /// What tells the steps of a file that never went back.
    of_file: i64,
    /// What told those that were joined.
    joined: i64,
}

impl<'a> Ranks<'a> {
    /// Opens the ranks of the view at `path`, which has these attributes. `None` for a file that is no view,
    /// and where no other file is opened whatever it is.
    pub(super) fn open(
        path: &'a Path,
        attributes: &[(String, Attribute)],
        others: &OtherFiles,
    ) -> Result<Option<Self>, StorageError> {
        let find = |wanted: &str| {
            let (_, value) = attributes.iter().find(|(name, _)| name == wanted)?;
            Some(value)
        };
        let (Some(Attribute::Texts(names)), Some(Attribute::Text(run))) =
            (find(SOURCES), find(RUN))
        else {
            return Ok(None);
        };
        if *others == OtherFiles::None {
            return Ok(None);
        }
        let world_size = find(WORLD_SIZE).and_then(Attribute::as_i64);
        let steps = match find(COMMIT) {
            Some(Attribute::Ints(numbers)) => numbers.last().copied(),
            _ => None,
        };
        let mut view = Self {
            view: path,
            ranks: Vec::with_capacity(names.len()),
            steps: steps.map_or(0, |steps| u64::try_from(steps).unwrap_or(0)),
            branches: match find(SOURCE_BRANCHES) {
                Some(Attribute::Ints(branches)) => Some(branches.clone()),
                _ => None,
            },
        };
        for (rank, name) in names.iter().enumerate() {
            let (found, file) = sources::find(path, name.as_bytes(), others)
                .map_err(|why| view.changed(name, in_words(&why)))?;
            let reader = Reader::open_beside(found, Some(&file), &OtherFiles::default());
            let reader = reader
                .map_err(|error| view.changed(name, format!("is not read: {}", Chain(&error))))?;
            let shard = reader
                .shard()
                .map(|shard| (shard.run, shard.rank, shard.world_size));
            let is_it = shard.as_ref().is_some_and(|(found, at, of)| {
                found == run && *at == rank as u64 && i64::try_from(*of).ok() == world_size
            });
            if !is_it {
                let found = match reader.shard() {
                    Some(shard) => shard.to_string(),
                    None => "no rank of a run".to_owned(),
                };
                let what = format!("is of {found}, where rank {rank} of the run {run} was joined");
                return Err(view.changed(name, what));
            }
            view.ranks.push((name.clone(), reader));
        }
        Ok(Some(view))
    }

    /// The files of the ranks, and what was joined of them, which they still have.
    pub(super) fn checked(self) -> Result<(Vec<PathBuf>, Joined), StorageError> {
        let (steps, mut ranks) = (self.steps, Vec::new());
        for (rank, (name, reader)) in self.ranks.iter().enumerate() {
            let joined = self.branches.as_ref().map(|branches| branches.get(rank));
            let Some(&joined) = joined.map(|joined| joined.unwrap_or(&0)) else {
                continue;
            };
            let found = reader.branch(steps);
            if found != joined {
                return Err(self.changed(name, gone(steps)));
            }
            ranks.extend(reader.live.as_ref().map(|live| JoinedRank {
                name: name.clone(),
                data: reader.data.clone(),
                root_header: live.root_header(),
                of_file: reader.of_file(),
                joined,
            }));
        }
        let paths = self.ranks.iter();
        let paths = paths.map(|(_, reader)| reader.path().to_owned());
        Ok((paths.collect(), Joined { steps, ranks }))
    }

    fn changed(&self, file: &str, what: String) -> StorageError {
        changed(self.view, file, what)
    }

    /// The parts of a tensor of the view; `None` of one whose values the view has itself.
    pub(super) fn parts(&self, tensor: &Tensor) -> Result<Option<Arc<[RankPart]>>, StorageError> {
        let failed = |error: LibraryError| {
            let action = format!("find the parts of tensor `{}` of", tensor.name());
            StorageError::library(self.view, action, error)
        };
        let mappings = tensor
            .dataset()
            .and_then(|dataset| ffi::virtual_mappings(&dataset));
        let mappings = mappings.map_err(|error| failed(error.into()))?;
        if mappings.is_empty() {
            return Ok(None);
        }
        let parts = mappings.iter().map(|mapping| self.part(tensor, mapping));
        let parts: Vec<RankPart> = parts.collect::<Result<_, _>>()?;
        let regions = parts.iter().map(|part| {
            let axes = part.first.iter().zip(&part.shape);
            axes.map(|(&first, &len)| to_usize(first)..to_usize(first.saturating_add(len)))
                .collect()
        });
        let regions: Vec<cover::Region> = regions.collect();
        let whole: Vec<usize> = tensor.shape().into_iter().map(to_usize).collect();
        match cover::fault(&whole, &regions) {
            None => Ok(Some(parts.into())),
            Some(_) => Err(failed(LibraryError::new(
                "they are not all of it, each once: another program changed the view",
            ))),
        }
    }

    fn part(&self, tensor: &Tensor, mapping: &Mapping) -> Result<RankPart, StorageError> {
        let file = sources::numbered(&mapping.file, 0);
        let found = self.ranks.iter().find(|(name, _)| name.as_bytes() == file);
        let target = mapping.target.clone();
        let (Some((file, reader)), Some((first, end))) = (found, target) else {
            let what = "is none of the ranks that it names".to_owned();
            return Err(self.changed(&escaped(&file), what));
        };
        let name = escaped(&sources::numbered(&mapping.dataset, 0));
        let Ok(source) = reader.tensor(&name) else {
            return Err(self.changed(file, format!("has no tensor `{name}`")));
        };
        let shape: Vec<u64> = end
            .iter()
            .zip(&first)
            .map(|(end, first)| end - first)
            .collect();
        let has = source.shape();
        let has_rows = match (has.first(), shape.first(), source.role()) {
            (Some(has), Some(shown), Role::Step) => has >= shown,
            (has, shown, _) => has == shown,
        };
        if has_rows
            && has.get(1..) == shape.get(1..)
            && source.dtype_name() == tensor.dtype_name()
            && source.dtype().is_ok()
        {
            return Ok(RankPart {
                tensor: source.clone(),
                first,
                shape,
            });
        }
        let what = format!(
            "has tensor `{name}` as {} of shape {}, where {} of shape {} was joined",
            source.dtype_name(),
            Shape(&has),
            tensor.dtype_name(),
            Shape(&shape)
        );
        Err(self.changed(file, what))
    }
}

impl Joined {
    /// Fails if a rank of the view at `path` gave steps up that it shows.
    pub(super) fn check(&self, path: &Path) -> Result<(), StorageError> {
        for rank in &self.ranks {
            let branches = live::branches(&rank.data, rank.root_header).map_err(|error| {
                changed(path, &rank.name, format!("is not read: {}", Chain(&error)))
            })?;
            if told_by(branches, rank.of_file, self.steps) != rank.joined {
                return Err(changed(path, &rank.name, gone(self.steps)));
            }
        }
        Ok(())
    }
}

impl Reader {
    /// What tells its first `steps` steps from others of the same numbers that were in a file of this rank: the number of
    /// the branch that they end in, or that of the file. 0 where the file does not say it.
    pub(crate) fn branch(&self, steps: u64) -> i64 {
        let branches = Branches::from_attributes(&self.attributes);
        told_by(branches, self.of_file(), steps)
    }

    fn of_file(&self) -> i64 {
        self.run_number().map_or(0, i64::from)
    }
}

fn told_by(branches: Option<Branches>, of_file: i64, steps: u64) -> i64 {
    let branch = branches.and_then(|branches| branches.of_first(steps));
    branch.unwrap_or(of_file)
}

fn changed(view: &Path, file: &str, what: String) -> StorageError {
    StorageError::ChangedSource {
        path: view.to_owned(),
        file: file.to_owned(),
        what,
    }
}

/// What is wrong with a rank that has other steps than were joined.
fn gone(steps: u64) -> String {
    format!(
        "has others than the {steps} steps that were joined: it was replaced, or gave some of them up (`at_step`)"
    )
}

/// Why a source is not there.
fn in_words(why: &Why) -> String {
    match why {
        Why::Refused(why) => format!("is not read: {why}"),
        Why::CannotOpen(error) => format!("cannot be opened ({error})"),
        _ => "is not there".to_owned(),
    }
}

impl RankPart {
    /// Where it begins in the whole along each axis, the rows first.
    pub(super) fn first(&self) -> &[u64] {
        &self.first
    }

    /// Which of some rows of the whole it has: their numbers among them, and the rows that they are in its
    /// tensor.
    pub(super) fn rows(&self, rows: Stride) -> (std::ops::Range<u64>, Stride) {
        let (first, len) = (self.first[0], self.shape[0]);
        let nth = |row: u64| {
            let after = row.saturating_sub(rows.first).div_ceil(rows.stride.max(1));
            after.min(rows.count)
        };
        let nths = nth(first)..nth(first.saturating_add(len));
        let taken = Stride {
            first: rows.at(nths.start).saturating_sub(first),
            count: nths.end - nths.start,
            stride: rows.stride,
        };
        (nths, taken)
    }

    /// The runs of a row, in their order, of a whole of this shape whose rows have so many bytes.
    pub(super) fn runs(&self, whole: &[u64], row_bytes: usize) -> Vec<RowRun> {
        let (whole, first, shape) = (&whole[1..], &self.first[1..], &self.shape[1..]);
        // Bytes from one index of each axis to the next.
        let mut strides = vec![0; whole.len()];
        let mut inner = row_bytes;
        for (stride, &axis) in strides.iter_mut().zip(whole) {
            inner /= to_usize(axis).max(1);
            *stride = inner;
        }
        let cut = (0..whole.len())
            .rev()
            .find(|&axis| shape[axis] != whole[axis]);
        let Some(cut) = cut else {
            return vec![RowRun {
                from: 0,
                to: 0,
                len: row_bytes,
            }];
        };
        let len = to_usize(shape[cut]) * strides[cut];
        let count: u64 = shape[..cut].iter().product();
        let run = |number: u64| {
            let (mut rest, mut to) = (number, to_usize(first[cut]) * strides[cut]);
            for axis in (0..cut).rev() {
                to += to_usize(first[axis] + rest % shape[axis]) * strides[axis];
                rest /= shape[axis];
            }
            let from = to_usize(number) * len;
            RowRun { from, to, len }
        };
        (0..count).map(run).collect()
    }
}
