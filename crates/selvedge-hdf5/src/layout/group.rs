//! The members of the root group, in its old format: a version-1 B-tree of symbol-table nodes,
//! with the names in a local heap. Where another program added a link to another file, libhdf5 has put
//! the links into the group's header instead.

use super::bytes::{Block, Result, UNDEFINED};
use super::object_header::{GroupLinks, group_links};
use super::superblock::Superblock;
use crate::storage::ReadAt;

const TREE: &str = "the root group's B-tree";
const HEAP: &str = "the root group's name heap";
const NODE: &str = "a symbol-table node";
const NODE_HEADER: usize = 24;
const MAX_HEAP: u64 = 16 << 20;
const MAX_MEMBERS: usize = 100_000;
const MAX_NAME: usize = 64 << 10;
/// Children of a node: twice the "group internal node K", 16 in every file of ours.
const CAPACITY: usize = 32;
const MAX_DEPTH: u8 = 3;

/// The names in the root group and the addresses of their object headers, in the order in which they were
/// given. Links to elsewhere have
/// none and are omitted, and so is a name that is not UTF-8, which is none of the recorder's.
pub(crate) fn root_members(
    storage: &dyn ReadAt,
    superblock: &Superblock,
) -> Result<Vec<(String, u64)>> {
    let (tree, heap) = match group_links(storage, superblock.root_header)? {
        GroupLinks::SymbolTable { tree, heap } => (tree, heap),
        GroupLinks::InHeader(members) => return Ok(members),
    };
    let names = Names::read(storage, heap)?;
    let mut members = Vec::new();
    visit(storage, tree, None, &names, &mut members)?;
    // The tree has them by name, and the heap one after the other.
    members.sort_unstable_by_key(|(at, ..)| *at);
    let members = members.into_iter();
    Ok(members.map(|(_, name, address)| (name, address)).collect())
}

/// The data segment of a local heap: names with a terminating zero.
struct Names(Block);

impl Names {
    fn read(storage: &dyn ReadAt, address: u64) -> Result<Self> {
        let header = Block::read(storage, HEAP, address, 32)?;
        header.expect(0, b"HEAP\0", "the signature and version")?;
        let size = header.u64(8)?;
        if size > MAX_HEAP {
            return Err(header.unexpected(format!("at most {MAX_HEAP} bytes"), size.to_string()));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Self(Block::read(storage, HEAP, header.u64(24)?, size)?))
    }

    fn get(&self, offset: u64) -> Result<Option<String>> {
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

fn visit(
    storage: &dyn ReadAt,
    address: u64,
    below: Option<u8>,
    names: &Names,
    members: &mut Vec<(u64, String, u64)>,
) -> Result<()> {
    let header = Block::read(storage, TREE, address, NODE_HEADER)?;
    header.expect(0, b"TREE\0", "the signature and type")?;
    let level = header.u8(5)?;
    let expected = below.map_or(level <= MAX_DEPTH, |above| {
        level.checked_add(1) == Some(above)
    });
    if !expected {
        return Err(header.unexpected("a node one level below its parent", level.to_string()));
    }
    let used = usize::from(header.u16(6)?);
    if used > CAPACITY {
        return Err(header.unexpected(format!("at most {CAPACITY} children"), used.to_string()));
    }
    // Keys (8 bytes) and children (8 bytes) alternate; the children are what is wanted.
    let entries = Block::read(storage, TREE, address + NODE_HEADER as u64, used * 16 + 8)?;
    for entry in 0..used {
        let child = entries.u64(entry * 16 + 8)?;
        if level > 0 {
            visit(storage, child, Some(level), names, members)?;
        } else {
            symbols(storage, child, names, members)?;
        }
    }
    Ok(())
}

fn symbols(
    storage: &dyn ReadAt,
    address: u64,
    names: &Names,
    members: &mut Vec<(u64, String, u64)>,
) -> Result<()> {
    let header = Block::read(storage, NODE, address, 8)?;
    header.expect(0, b"SNOD\x01", "the signature and version")?;
    let count = usize::from(header.u16(6)?);
    if members.len() + count > MAX_MEMBERS {
        return Err(header.unexpected(format!("at most {MAX_MEMBERS} members"), "more"));
    }
    let entries = Block::read(storage, NODE, address + 8, count * 40)?;
    for entry in 0..count {
        let (at, object) = (entries.u64(entry * 40)?, entries.u64(entry * 40 + 8)?);
        if object != UNDEFINED
            && let Some(name) = names.get(at)?
        {
            members.push((at, name, object));
        }
    }
    Ok(())
}
