//! Where tensors stand in the list of a file, by their names.

use std::collections::HashMap;

use super::Tensor;

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
