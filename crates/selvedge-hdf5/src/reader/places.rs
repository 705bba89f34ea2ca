//! Where tensors stand in the list of a file, by their names, of which those in a group with several names have as many.

use std::collections::HashMap;

use super::{Note, Reader, Tensor};
use crate::group_names::{GroupNames, from_root};

/// The places of tensors in a list.
#[derive(Debug)]
pub(super) struct Places(HashMap<String, usize>);

impl Places {
    pub(super) fn of(tensors: &[Tensor]) -> Self {
        let mut places = HashMap::with_capacity(tensors.len());
        for (place, tensor) in tensors.iter().enumerate() {
            places.entry(tensor.name().to_owned()).or_insert(place);
        }
        Self(places)
    }

    /// The place of the tensor `name`, which may be a path from the root on.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(from_root(name)).copied()
    }
}

impl Reader {
    /// The groups that have several names.
    #[must_use]
    pub fn group_names(&self) -> &GroupNames {
        &self.groups
    }

    /// Where the tensor of this name stands, which can be one through another name of its group.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let listed = || self.places.get(&self.groups.listed(name)?);
        self.places.get(name).or_else(listed)
    }
}

/// The names of groups that notes tell.
pub(super) fn groups_of(notes: &[Note]) -> GroupNames {
    let names = notes.iter().filter_map(|note| match note {
        Note::SecondName { group, first } => Some((group.clone(), first.clone())),
        _ => None,
    });
    GroupNames::new(names)
}
