//! Where the tensor of a name is in a list.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Finds the place of a name in a list that keeps the names itself.
///
/// The hash is keyed at random, so nobody can write a file whose names all collide.
#[derive(Clone, Debug)]
pub(super) struct NameIndex {
    places: HashTable<usize>,
    hasher: RandomState,
}

impl NameIndex {
    /// The index of a list of `len` names, or the name that is there twice.
    pub(super) fn new<'a>(len: usize, name_at: impl Fn(usize) -> &'a str) -> Result<Self, &'a str> {
        let hasher = RandomState::new();
        let hash = |name: &str| hasher.hash_one(name);
        let mut places = HashTable::with_capacity(len);
        for place in 0..len {
            let name = name_at(place);
            let hashed = hash(name);
            if places.find(hashed, |&at| name_at(at) == name).is_some() {
                return Err(name);
            }
            places.insert_unique(hashed, place, |&at| hash(name_at(at)));
        }
        Ok(Self { places, hasher })
    }

    /// The place of `name`, in the list that the index was made of.
    pub(super) fn find<'a>(&self, name: &str, name_at: impl Fn(usize) -> &'a str) -> Option<usize> {
        let hashed = self.hasher.hash_one(name);
        let found = self.places.find(hashed, |&at| name_at(at) == name);
        found.copied()
    }
}
