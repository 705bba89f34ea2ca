//! Whether B-trees of version 1, as they are read, can be walked to their ends.
//!
//! libhdf5 goes from a node to its children by recursion, and looks neither whether a child is one level below its
//! parent nor whether it has another parent. A node that leads back to itself overflows its stack, and nodes that share
//! their children are visited as often as there are ways to them.

use std::collections::{HashMap, HashSet};

use super::superblock::Addressing;
use crate::storage::ReadAt;

/// Signature of a node.
const SIGNATURE: &[u8] = b"TREE";
/// The kind of nodes that have the members of a group.
const GROUP: u8 = 0;
/// Twice the "indexed storage internal node K": children that a node with chunks has room for. It is this in all files
/// but those whose superblock says otherwise, which are not looked at.
const CHUNKS: usize = 64;

/// The inner nodes that were read from a file, and their children.
#[derive(Debug, Default)]
pub(crate) struct TreeOrder(HashMap<u64, Place>);

/// Where a node is in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: u8,
    /// `None` of a root, and of a node that was read before its parent.
    parent: Option<u64>,
}

impl TreeOrder {
    /// Takes what was read at `address`, if it is a node. Returns whether its tree can be walked as far as it is known:
    /// each node is one level below its only parent.
    pub(crate) fn take(
        &mut self,
        storage: &dyn ReadAt,
        addressing: Addressing,
        address: u64,
        read: &[u8],
    ) -> bool {
        if self.fits(addressing, address, read) {
            return true;
        }
        // A live file grows: nodes are split and moved down, below a root that stays where it is. What is known of the
        // tree is forgotten, and all of it read once more.
        let root = self.root(address);
        self.0.clear();
        let mut nodes = vec![(address, read.to_vec())];
        if root != address {
            let mut node = vec![0; read.len()];
            match storage.read_exact_at(&mut node, root) {
                Ok(()) => nodes = vec![(root, node)],
                Err(_) => return false,
            }
        }
        while let Some((at, node)) = nodes.pop() {
            if !self.fits(addressing, at, &node) {
                return false;
            }
            for child in children(addressing, &node) {
                let mut below = vec![0; node.len()];
                // What cannot be read is no circle.
                if storage.read_exact_at(&mut below, child).is_ok() {
                    nodes.push((child, below));
                }
            }
        }
        true
    }

    fn fits(&mut self, addressing: Addressing, address: u64, node: &[u8]) -> bool {
        let Some(level) = level(node) else {
            return true;
        };
        // A tree of one node is in order.
        if level == 0 && !self.0.contains_key(&address) {
            return true;
        }
        let mut fits = self.place(address, level, None);
        let mut seen = HashSet::new();
        for child in children(addressing, node) {
            fits &= seen.insert(child) && self.place(child, level - 1, Some(address));
        }
        fits
    }

    /// The highest node that is known to lead to the one at `address`.
    fn root(&self, address: u64) -> u64 {
        let mut at = address;
        // There are no more levels.
        for _ in 0..=u8::MAX {
            match self.0.get(&at).and_then(|place| place.parent) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    fn place(&mut self, node: u64, level: u8, parent: Option<u64>) -> bool {
        let found = self.0.entry(node).or_insert(Place { level, parent });
        found.parent = found.parent.or(parent);
        found.level == level && (parent.is_none() || found.parent == parent)
    }
}

/// The level of a node, counted from the leaves; `None` of anything else.
fn level(read: &[u8]) -> Option<u8> {
    let level = *read.get(5)?;
    read.starts_with(SIGNATURE).then_some(level)
}

/// The addresses of the nodes below a node: none of a leaf.
fn children(addressing: Addressing, node: &[u8]) -> impl Iterator<Item = u64> {
    let Addressing { offset, length, .. } = addressing;
    let header = 8 + 2 * offset;
    let key = match node.get(4) {
        Some(&GROUP) => Some(length),
        // How long a key is depends on the rank, which the node does not tell. There is one more than children.
        _ => node
            .len()
            .checked_sub(header + CHUNKS * offset)
            .filter(|keys| keys % (CHUNKS + 1) == 0 && addressing.default_nodes)
            .map(|keys| keys / (CHUNKS + 1)),
    };
    let used = match (key, node.get(6..8)) {
        (Some(_), Some(&[low, high])) if level(node) > Some(0) => u16::from_le_bytes([low, high]),
        _ => 0,
    };
    let key = key.unwrap_or(0);
    (0..usize::from(used)).map_while(move |nth| {
        let found = node.get(header + key + nth * (key + offset)..)?;
        let mut address = [0; 8];
        address
            .get_mut(..offset)?
            .copy_from_slice(found.get(..offset)?);
        u64::from_le_bytes(address).checked_add(addressing.base)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{InMemory, Storage as _};

    const ADDRESSING: Addressing = Addressing {
        base: 0,
        offset: 8,
        length: 8,
        default_nodes: true,
    };

    /// A node with the members of a group.
    fn node(level: u8, children: &[u64]) -> Vec<u8> {
        let mut node = [SIGNATURE, &[GROUP, level]].concat();
        node.extend(u16::try_from(children.len()).unwrap().to_le_bytes());
        node.extend([0xFF; 16]);
        for child in children {
            node.extend(u64::to_le_bytes(0));
            node.extend(child.to_le_bytes());
        }
        node.resize(128, 0);
        node
    }

    /// Takes the nodes at these addresses, which are at as many bytes of the storage.
    fn take(order: &mut TreeOrder, nodes: &[(usize, Vec<u8>)], read: &[usize]) -> bool {
        let storage = InMemory::default();
        storage.write_all_at(&[0; 2048], 0).unwrap();
        for (at, node) in nodes {
            storage.write_all_at(node, *at as u64).unwrap();
        }
        let find = |at: usize| nodes.iter().find(|(place, _)| *place == at).unwrap();
        read.iter()
            .all(|&at| order.take(&storage, ADDRESSING, at as u64, &find(at).1))
    }

    #[test]
    fn a_tree_is_in_order_and_one_that_leads_back_is_not() {
        let tree = [
            (128, node(2, &[256, 384])),
            (256, node(1, &[512, 640])),
            (384, node(1, &[768])),
            (512, node(0, &[2000, 2000])),
            (640, node(0, &[])),
            (768, node(0, &[2000])),
        ];
        let all = [128, 256, 512, 640, 384, 768];
        let mut order = TreeOrder::default();
        // A second time, when it was forgotten by libhdf5.
        assert!(take(&mut order, &tree, &all) && take(&mut order, &tree, &all));
        for (at, children) in [
            (384, &[384_u64][..]),
            (384, &[128]),
            (384, &[512]),
            (384, &[768, 768]),
            (384, &[256]),
            (128, &[256, 256]),
        ] {
            let mut wrong = tree.clone();
            let changed = wrong.iter_mut().find(|(place, _)| *place == at).unwrap();
            changed.1 = node(level(&changed.1).unwrap(), children);
            assert!(
                !take(&mut TreeOrder::default(), &wrong, &all),
                "{at} {children:?}"
            );
        }
    }

    #[test]
    fn a_tree_that_grew_is_in_order() {
        let mut order = TreeOrder::default();
        let before = [
            (128, node(1, &[256, 384])),
            (256, node(0, &[])),
            (384, node(0, &[])),
        ];
        assert!(take(&mut order, &before, &[128, 256, 384]));
        // The root stays where it is, and what it had has moved.
        let after = [
            (128, node(2, &[512, 640])),
            (512, node(1, &[256])),
            (640, node(1, &[384])),
            (256, node(0, &[])),
            (384, node(0, &[])),
        ];
        assert!(take(&mut order, &after, &[128, 512, 256, 640, 384]));
    }
}
