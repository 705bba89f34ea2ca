//! Where the tensor of a name is in a list.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Finds the place of a name in a list that keeps the names itself.
///
/// The hash is keyed at random, so nobody can write a file whose names all collide. A header is at most 100 MB long, so
/// 32 bits are enough for a place.
#[derive(Clone, Debug)]
pub(super) struct NameIndex {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl NameIndex {
    /// The index of a list of `len` names, or the name that is there twice.
    pub(super) fn new<'a>(len: usize, name_at: impl Fn(usize) -> &'a str) -> Result<Self, &'a str> {
        let hasher = RandomState::new();
        let hash = |name: &str| hasher.hash_one(name);
        let mut places = HashTable::with_capacity(len);
        let at = |place: &u32| name_at(*place as usize);
        for place in 0..u32::try_from(len).unwrap_or(u32::MAX) {
            let name = at(&place);
            let hashed = hash(name);
            if places.find(hashed, |other| at(other) == name).is_some() {
                return Err(name);
            }
            places.insert_unique(hashed, place, |other| hash(at(other)));
        }
        Ok(Self { places, hasher })
    }

    /// The place of `name`, in the list that the index was made of.
    pub(super) fn find<'a>(&self, name: &str, name_at: impl Fn(usize) -> &'a str) -> Option<usize> {
        let hashed = self.hasher.hash_one(name);
        let found = self.places.find(hashed, |&at| name_at(at as usize) == name);
        found.map(|&at| at as usize)
    }
}
