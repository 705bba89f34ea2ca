//! Groups of a file that have several names.

use std::collections::HashMap;

/// Groups of a file that have several names: their other names, and those that their tensors are listed under.
///
/// The group is listed under the name that is the shortest by the number of groups that it is in, and of several the first
/// in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNames(HashMap<String, String>);

impl GroupNames {
    /// Those of these other names, each with the one that is listed.
    pub(crate) fn new(names: impl Iterator<Item = (String, String)>) -> Self {
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

/// A name without the `/` that a path from the root on begins with, as h5py has it, and no name here.
pub(crate) fn from_root(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}
