//! Texts of variable length, which lie in collections of the file's global heap.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::bytes::{Block, Result};
use crate::storage::Storage;

const COLLECTION: &str = "a collection of the global heap";
const HEADER: usize = 16;
const OBJECT_HEADER: usize = 16;
const MAX_COLLECTION: u64 = 16 << 20;

/// The collections that texts were found in: those of many attributes lie in a few.
#[derive(Default)]
pub(crate) struct GlobalHeap(HashMap<u64, Block>);

impl GlobalHeap {
    /// The first `length` bytes of object number `index` of the collection at `address`.
    pub(super) fn object(
        &mut self,
        storage: &dyn Storage,
        address: u64,
        index: u32,
        length: u32,
    ) -> Result<&[u8]> {
        let collection = match self.0.entry(address) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(read(storage, address)?),
        };
        let mut at = HEADER;
        loop {
            let found = collection.u16(at)?;
            let size = usize::try_from(collection.u64(at + 8)?).unwrap_or(usize::MAX);
            if found == 0 {
                let expected = format!("object {index}");
                return Err(collection.unexpected(expected, "none"));
            }
            let data = at + OBJECT_HEADER;
            if u32::from(found) == index {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > size {
                    let expected = format!("an object of {length} bytes");
                    return Err(collection.unexpected(expected, format!("one of {size}")));
                }
                return collection.slice(data, length);
            }
            // Past the end there is no object, and nothing to read.
            collection.slice(data, size)?;
            at = data + size.next_multiple_of(8);
        }
    }
}

fn read(storage: &dyn Storage, address: u64) -> Result<Block> {
    let header = Block::read(storage, COLLECTION, address, HEADER)?;
    header.expect(0, b"GCOL\x01", "the signature and version")?;
    let size = header.u64(8)?;
    if size > MAX_COLLECTION {
        let expected = format!("at most {MAX_COLLECTION} bytes");
        return Err(header.unexpected(expected, size.to_string()));
    }
    Block::read(
        storage,
        COLLECTION,
        address,
        usize::try_from(size).unwrap_or(usize::MAX),
    )
}
