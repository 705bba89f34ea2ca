//! What a tensor is to the run, and how many steps it has.

use std::sync::Arc;

use hdf5::Dataset;

use super::super::view::RankPart;
use super::super::{attributes, live};
use super::{Role, Tensor};
use crate::chunks::to_usize;
use crate::error::LibraryError;
use crate::provenance::{GLOBAL_SHAPE, OFFSET, STEP_TENSOR};
use crate::run::{Candidate, Mark, Part, Standing};
use crate::{Attribute, Dtype, PartOf, StorageError, TensorSpec};

/// The mark of a dataset of a recorded file. A program that writes netCDF makes a list of one of it.
///
/// # Errors
///
/// That nobody can tell whether it has one.
pub(super) fn mark_of(dataset: &Dataset) -> Result<Option<Mark>, String> {
    let value = mark_value(dataset).map_err(|error| {
        let reason = LibraryError::from(error);
        format!("whether it is a step tensor is not known: {reason}")
    })?;
    Ok(value.map(Mark::from_value))
}

/// The mark of a dataset that can be a copy of one of a recorded file, if it is one that recorders give.
pub(super) fn mark_of_copy(dataset: &Dataset) -> Option<Mark> {
    let value = mark_value(dataset).ok()??;
    Some(Mark::from_value(value)).filter(|mark| mark.value() == value)
}

fn mark_value(dataset: &Dataset) -> hdf5::Result<Option<i64>> {
    Ok(match attributes::one(dataset, STEP_TENSOR)? {
        Some(Attribute::Ints(marks)) if marks.len() == 1 => Some(marks[0]),
        found => found.and_then(|mark| mark.as_i64()),
    })
}

impl Tensor {
    /// Which part it is of a tensor that several ranks recorded; `None` where its file has all of it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Library`], also where the file says what cannot be.
    pub fn part_of(&self) -> Result<Option<PartOf>, StorageError> {
        if !self.source.is_shard {
            return Ok(None);
        }
        let failed = |error: LibraryError| {
            let action = format!("read which part tensor `{}` is of, in", self.name);
            StorageError::library(&self.source.path, action, error)
        };
        let read = |name: &str| {
            let value = self
                .dataset()
                .and_then(|found| attributes::one(&found, name));
            value.map_err(|error| failed(error.into()))
        };
        let (global_shape, offset) = (read(GLOBAL_SHAPE)?, read(OFFSET)?);
        if global_shape.is_none() && offset.is_none() {
            return Ok(None);
        }
        let part = global_shape.zip(offset);
        let part = part.and_then(|(shape, offset)| PartOf::from_attributes(&shape, &offset));
        let shape = self
            .step_shape()
            .iter()
            .copied()
            .map(to_usize)
            .collect::<Vec<_>>();
        let fits = part.filter(|part| {
            let spec = TensorSpec::new(&*self.name, Dtype::U8, shape);
            spec.part_of(&part.global_shape, &part.offset)
                .check_part()
                .is_ok()
        });
        let damaged = || {
            failed(LibraryError::new(format!(
                "its attributes `{GLOBAL_SHAPE}` and `{OFFSET}` are not those of a part of its shape"
            )))
        };
        fits.ok_or_else(damaged).map(Some)
    }

    /// What it is like, as far as it matters to whether it is a part of the run.
    pub(in crate::reader) fn candidate(&self) -> Candidate {
        Candidate {
            name: self.name.clone(),
            second_name: false,
            mark: self.mark,
            at_root: self.at_root,
            header: self.handle.address(),
            shape: self.shape.clone(),
            chunked: self.chunk.is_some(),
            unlimited: self.unlimited,
            as_recorded: self.as_recorded,
            unfilled: self.unfilled,
            element_bytes: self.dtype().ok().map(|dtype| dtype.size() as u64),
        }
    }

    /// Whether its mark says that it is a step tensor, or a constant, of the run that it was recorded in; `None`
    /// without a mark. A copy in another file has the mark, too.
    #[must_use]
    pub fn is_marked_step(&self) -> Option<bool> {
        self.mark.map(|mark| mark != Mark::Constant)
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// Takes over what it is to the run, of which so many steps are committed.
    pub(in crate::reader) fn set_part(&mut self, part: Part, committed: u64) {
        self.part = part;
        self.steps = self.leading_extent();
        match self.role() {
            Role::Step => {
                self.steps = self.steps.min(committed);
                let rows = self.chunk.as_ref().map_or(1, |chunk| chunk[0].max(1));
                self.found.set_rows(self.steps, rows);
            }
            // What others added does not grow by commits.
            Role::Constant => self.header = None,
        }
    }

    /// The extent of its first axis; 0 for a single value.
    pub(in crate::reader) fn leading_extent(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Says what it is put together of.
    pub(in crate::reader) fn set_parts(&mut self, parts: Option<Arc<[RankPart]>>) {
        self.parts = parts;
    }

    /// What it is put together of, where it is a tensor of a joined view.
    pub(in crate::reader) fn parts(&self) -> Option<&[RankPart]> {
        self.parts.as_deref()
    }

    /// Whether the recorder of the file made it, and it has what the run has.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self.part, Part::Step(_) | Part::Constant)
    }

    /// Whether it has steps.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.part {
            Part::Step(_) => Role::Step,
            Part::Constant | Part::Added | Part::Short => Role::Constant,
        }
    }

    /// Its shape in elements: of a step tensor its steps first.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        let mut shape = self.shape.clone();
        if let (Role::Step, Some(leading)) = (self.role(), shape.first_mut()) {
            *leading = self.steps;
        }
        shape
    }

    /// Shape of one step in elements; of a constant its whole shape.
    #[must_use]
    pub fn step_shape(&self) -> &[u64] {
        match self.role() {
            Role::Step => &self.shape[1..],
            Role::Constant => &self.shape,
        }
    }

    /// The number of committed steps; 0 for a constant.
    #[must_use]
    pub fn steps(&self) -> u64 {
        match self.role() {
            Role::Step => self.steps,
            Role::Constant => 0,
        }
    }

    /// The leading extent in the file, which a kill can have left ahead of the committed steps.
    #[must_use]
    pub fn extent(&self) -> Option<u64> {
        match self.role() {
            Role::Step => self.shape.first().copied(),
            Role::Constant => None,
        }
    }

    /// Steps that another program appended to it, and not to all step tensors: they are no part of the run,
    /// and are not read.
    #[must_use]
    pub fn appended(&self) -> u64 {
        match self.part {
            Part::Step(Standing::Appended) => self.leading_extent() - self.steps,
            _ => 0,
        }
    }

    /// Takes over the extent that the file has now.
    pub(in crate::reader) fn refresh(&mut self) -> Result<(), StorageError> {
        let Some(header) = self.header else {
            return Ok(());
        };
        let now = live::extents(self.data(), header)
            .filter(|now| now.get(1..) == self.shape.get(1..))
            .ok_or_else(|| {
                let action = format!("read the extents of tensor `{}` of", self.name);
                let changed = "the file is no longer the one that was opened";
                StorageError::library(&self.source.path, action, LibraryError::new(changed))
            })?;
        self.steps = now[0];
        self.shape = now;
        Ok(())
    }
}
