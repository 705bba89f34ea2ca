//! The members of the root group, in its old format: a version-1 B-tree of symbol-table nodes,
//! with the names in a local heap. Where another program added a link to another file, libhdf5 has put
//! the links into the group's header instead.

use super::bytes::{Block, Result, UNDEFINED};
use super::local_heap::Names;
use super::object_header::{GroupLinks, group_links};
use super::superblock::Superblock;
use crate::storage::ReadAt;

const TREE: &str = "the root group's B-tree";
const NODE: &str = "a symbol-table node";
const NODE_HEADER: usize = 24;
const MAX_MEMBERS: usize = 100_000;
/// Children of a node: twice the "group internal node K", 16 in every file of ours.
const CAPACITY: usize = 32;
const MAX_DEPTH: u8 = 3;

/// Names and the addresses of their object headers.
pub(crate) struct Members {
    pub(crate) names: Vec<(String, u64)>,
    /// Whether they are in the order in which they were given.
    pub(crate) in_order: bool,
}

/// The names in the root group. Links to elsewhere have no address and are omitted, and so is a name that is not UTF-8,
/// which is none of the recorder's.
pub(crate) fn root_members(storage: &dyn ReadAt, superblock: &Superblock) -> Result<Members> {
    let (tree, heap) = match group_links(storage, superblock.root_header)? {
        GroupLinks::SymbolTable { tree, heap } => (tree, heap),
        // libhdf5 has put them there by name.
        GroupLinks::InHeader(names) => {
            return Ok(Members {
                names,
                in_order: false,
            });
        }
    };
    let names = Names::read(storage, heap)?;
    let mut members = Vec::new();
    visit(storage, tree, None, &names, &mut members)?;
    // The tree has them by name, and the heap one after the other.
    members.sort_unstable_by_key(|(at, ..)| *at);
    let members = members.into_iter();
    Ok(Members {
        names: members.map(|(_, name, address)| (name, address)).collect(),
        in_order: true,
    })
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
