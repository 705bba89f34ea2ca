//! The local heap of a group in the old format, where the names of its members lie; and which of these libhdf5
//! can read.

use super::bytes::{Block, Result};
use super::superblock::Addressing;
use crate::storage::ReadAt;

const HEAP: &str = "the root group's name heap";
/// The signature and the version.
const SIGNATURE: &[u8] = b"HEAP\0";
/// Bytes before the data segment, where addresses and lengths have eight each.
const PREFIX: usize = 32;
const MAX_HEAP: u64 = 16 << 20;
const MAX_NAME: usize = 64 << 10;
/// The place of free room that stands for "no more".
const NO_MORE: u64 = 1;

/// The data segment of a local heap: names with a terminating zero.
pub(super) struct Names(Block);

impl Names {
    pub(super) fn read(storage: &dyn ReadAt, address: u64) -> Result<Self> {
        let header = Block::read(storage, HEAP, address, PREFIX)?;
        header.expect(0, SIGNATURE, "the signature and version")?;
        let size = header.u64(8)?;
        if size > MAX_HEAP {
            return Err(header.unexpected(format!("at most {MAX_HEAP} bytes"), size.to_string()));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Self(Block::read(storage, HEAP, header.u64(24)?, size)?))
    }

    pub(super) fn get(&self, offset: u64) -> Result<Option<String>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut end = start;
        while self.0.u8(end)? != 0 {
            end += 1;
            if end - start > MAX_NAME {
                return Err(self
                    .0
                    .unexpected(format!("names of at most {MAX_NAME} bytes"), "more"));
            }
        }
        let name = self.0.slice(start, end - start)?;
        Ok(std::str::from_utf8(name).ok().map(str::to_owned))
    }
}

/// Whether at `address` is a heap that libhdf5 would go round in for ever, taking memory for each round: each
/// piece of free room says where the next one is, and it goes from one to the next. `read` is what was read there.
pub(crate) fn is_circular(
    storage: &dyn ReadAt,
    addressing: Addressing,
    address: u64,
    read: &[u8],
) -> bool {
    if !read.starts_with(SIGNATURE) {
        return false;
    }
    let Addressing {
        base,
        offset,
        length,
        ..
    } = addressing;
    // The prefix: signature, version, three bytes of nothing, the length of the data, the first free room, and
    // where the data are.
    let number = |at: u64, size: usize| {
        let mut bytes = [0; 8];
        let place = usize::try_from(at.checked_sub(address)?).ok()?;
        match read.get(place..place.checked_add(size)?) {
            Some(found) => bytes.get_mut(..size)?.copy_from_slice(found),
            None => storage.read_exact_at(bytes.get_mut(..size)?, at).ok()?,
        }
        Some(u64::from_le_bytes(bytes))
    };
    let at = address.saturating_add(8);
    let (Some(first), Some(data)) = (
        number(at.saturating_add(length as u64), length),
        number(at.saturating_add(2 * length as u64), offset),
    ) else {
        return false;
    };
    let data = data.saturating_add(base);
    // What says that there is no more, or that cannot be read, is an end; libhdf5 says what is wrong with it.
    let next = |room: u64| match room {
        NO_MORE => None,
        _ => number(data.checked_add(room)?, length),
    };
    // Brent: a mark is set after 1, 2, 4, … pieces, until the circle is no longer than the distance.
    let (mut mark, mut steps, mut most) = (first, 0_u64, 1_u64);
    let mut room = next(first);
    while let Some(found) = room {
        if found == mark {
            return true;
        }
        steps += 1;
        if steps == most {
            (mark, steps, most) = (found, 0, most * 2);
        }
        room = next(found);
    }
    false
}
