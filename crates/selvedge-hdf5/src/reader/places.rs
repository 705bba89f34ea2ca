//! Where tensors stand in the list of a file, by their names, of which those in a group with several names have as many.

use std::collections::HashMap;

use super::{Note, Reader, Tensor};

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

/// A name without the `/` that a path from the root on begins with, as h5py has it, and no name here.
pub(super) fn from_root(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

/// Groups of a file that have several names: their other names, and those that their tensors are listed under.
///
/// The group is listed under the name that is the shortest by the number of groups that it is in, and of several the first
/// in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNames(HashMap<String, String>);

impl GroupNames {
    pub(super) fn of(notes: &[Note]) -> Self {
        let names = notes.iter().filter_map(|note| match note {
            Note::SecondName { group, first } => Some((group.clone(), first.clone())),
            _ => None,
        });
        Self(names.collect())
    }

    /// The name that a tensor of this name is listed under, if that is another one.
    #[must_use]
    pub fn listed(&self, name: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let name = from_root(name);
        let (group, own) = name.rsplit_once('/')?;
        let mut path = String::new();
        // Each part is looked up once, so that a group in itself ends, too.
        for part in group.split('/') {
            join(&mut path, part);
            if let Some(first) = self.0.get(&path) {
                path.clone_from(first);
            }
        }
        join(&mut path, own);
        (path != name).then_some(path)
    }
}

/// Adds a part to the path of a group, which is empty for the root.
fn join(path: &mut String, part: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(part);
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
