//! Texts of variable length, which lie in collections of the file's global heap; and which of these
//! libhdf5 can read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::bytes::{Block, Result};
use crate::storage::ReadAt;

const COLLECTION: &str = "a collection of the global heap";
const HEADER: usize = 16;
const OBJECT_HEADER: usize = 16;
/// Free room is an object of this number. Its size counts the header.
const FREE: u16 = 0;
const MAX_COLLECTION: u64 = 16 << 20;
/// libhdf5 makes and reads none that is smaller.
const MIN_COLLECTION: u64 = 4096;
const SIGNATURE: &[u8] = b"GCOL\x01";

/// The collections that texts were found in: those of many attributes lie in a few.
#[derive(Default)]
pub(crate) struct GlobalHeap(HashMap<u64, Block>);

impl GlobalHeap {
    /// The first `length` bytes of object number `index` of the collection at `address`.
    pub(super) fn object(
        &mut self,
        storage: &dyn ReadAt,
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
            if found == FREE {
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

/// Whether at `address` is a collection that libhdf5 would go round in for ever: it goes from object to
/// object, and stays where free room says that it has no bytes.
pub(crate) fn is_endless(storage: &dyn ReadAt, address: u64) -> bool {
    let size = Block::read(storage, COLLECTION, address, HEADER).and_then(|header| {
        header.expect(0, SIGNATURE, "the signature and version")?;
        header.u64(8)
    });
    let size = size.unwrap_or(0);
    // Of a longer one the beginning: such are mostly one object.
    let length = usize::try_from(size.min(MAX_COLLECTION)).unwrap_or(usize::MAX);
    let collection = match Block::read(storage, COLLECTION, address, length) {
        Ok(collection) if size >= MIN_COLLECTION => collection,
        // libhdf5 does not read it either.
        _ => return false,
    };
    let mut at = HEADER;
    // An object can say that it ends where no address is, after which nothing is added.
    while let Ok(number) = collection.u16(at)
        && let Ok(size) = collection.u64(at + 8)
    {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let taken = match number {
            FREE if size == 0 => return true,
            FREE => size,
            _ => OBJECT_HEADER.saturating_add(size.checked_next_multiple_of(8).unwrap_or(0)),
        };
        at = at.saturating_add(taken);
    }
    false
}

fn read(storage: &dyn ReadAt, address: u64) -> Result<Block> {
    let header = Block::read(storage, COLLECTION, address, HEADER)?;
    header.expect(0, SIGNATURE, "the signature and version")?;
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
