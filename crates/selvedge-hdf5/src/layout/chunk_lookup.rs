//! Looking chunks up in the index of a file: from the root to the leaf that has the chunk, and no other
//! node. Reading all of the index of a million chunks takes longer than most reads.

use std::collections::HashMap;

use super::bytes::Result;
use super::chunk_index::{ChunkKey, IndexNode};
use crate::storage::ReadAt;

/// Nodes above the leaves that are kept. Each has room for 64 children of 64 chunks or more, so they
/// are enough for far more chunks than a file has; only a damaged file has more.
const MOST_NODES: usize = 1 << 14;

/// The index of an open dataset, of which the nodes above the leaves are kept once they were read.
#[derive(Debug)]
pub(crate) struct ChunkLookup {
    rank: usize,
    root: u64,
    /// By their addresses.
    nodes: HashMap<u64, Children>,
}

/// The children of a node above the leaves.
#[derive(Debug)]
struct Children {
    level: u8,
    /// The offset of the first chunk of each child, in elements: as many numbers as the dataset has axes
    /// for each.
    first: Vec<u64>,
    addresses: Vec<u64>,
}

impl ChunkLookup {
    /// The index of a dataset of `rank` axes with its root node at `root`.
    pub(crate) fn new(rank: usize, root: u64) -> Self {
        Self {
            rank,
            root,
            nodes: HashMap::new(),
        }
    }

    /// Calls `see` with the chunks of the leaf that has the chunk at `offset`, if one has it, and their
    /// addresses.
    pub(crate) fn leaf_of(
        &mut self,
        storage: &dyn ReadAt,
        offset: &[u64],
        see: &mut dyn FnMut(&ChunkKey, u64),
    ) -> Result<()> {
        let (mut address, mut above) = (self.root, None);
        loop {
            if self.nodes.len() >= MOST_NODES {
                self.nodes.clear();
            }
            let known = self.nodes.get(&address);
            // Each level is one below the other, so a damaged index has an end, too.
            let known = known.filter(|node| above.is_none_or(|above| node.level + 1 == above));
            let Some(node) = known else {
                let node = IndexNode::read(storage, self.rank, address, above)?;
                if node.level == 0 {
                    let mut key = ChunkKey::default();
                    for entry in 0..node.used {
                        node.key(entry, &mut key)?;
                        see(&key, node.child(entry)?);
                    }
                    return Ok(());
                }
                self.nodes.insert(address, Children::of(&node)?);
                continue;
            };
            let Some(child) = node.child_with(self.rank, offset) else {
                return Ok(());
            };
            (address, above) = (child, Some(node.level));
        }
    }
}

impl Children {
    fn of(node: &IndexNode) -> Result<Self> {
        let mut children = Self {
            level: node.level,
            first: Vec::new(),
            addresses: Vec::with_capacity(node.used),
        };
        let mut key = ChunkKey::default();
        for entry in 0..node.used {
            node.key(entry, &mut key)?;
            children.first.extend(&key.offset);
            children.addresses.push(node.child(entry)?);
        }
        Ok(children)
    }

    /// The last child that does not begin after `offset`. What comes after the last child is not asked
    /// for: a live file grows there.
    fn child_with(&self, rank: usize, offset: &[u64]) -> Option<u64> {
        let (mut low, mut high) = (0, self.addresses.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.first.get(middle * rank..(middle + 1) * rank) {
                Some(first) if first <= offset => low = middle + 1,
                _ => high = middle,
            }
        }
        self.addresses.get(low.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::ChunkIndex;
    use crate::storage::{InMemory, Storage as _};

    /// An index of `chunks` chunks of 3 steps each, two of them side by side.
    fn index(chunks: u64) -> (InMemory, u64) {
        let file = InMemory::default();
        file.write_all_at(&u64::MAX.to_le_bytes(), 0).unwrap();
        let mut index = ChunkIndex::empty(2, 0);
        let mut end = 8;
        for number in 0..chunks {
            let key = ChunkKey {
                bytes: u32::try_from(number + 1).unwrap(),
                mask: 0,
                offset: vec![number / 2 * 3, number % 2 * 5],
            };
            let mut allocate = |bytes: u64| {
                end += bytes;
                Ok(end - bytes)
            };
            let address = 1 << 40 | number;
            index
                .push(&file, 3, &key, address, &mut allocate, &mut || Ok(()))
                .unwrap();
        }
        let mut root = [0; 8];
        file.read_exact_at(&mut root, 0).unwrap();
        file.taken();
        (file, u64::from_le_bytes(root))
    }

    #[test]
    fn each_chunk_is_found_in_its_leaf() {
        for chunks in [1, 2, 64, 65, 4096, 4097, 5000] {
            let (file, root) = index(chunks);
            let mut lookup = ChunkLookup::new(2, root);
            for number in 0..chunks {
                let offset = [number / 2 * 3, number % 2 * 5];
                let mut found = Vec::new();
                lookup
                    .leaf_of(&file, &offset, &mut |key, address| {
                        if key.offset == offset {
                            found.push((u64::from(key.bytes), address));
                        }
                    })
                    .unwrap();
                assert_eq!(found, [(number + 1, 1 << 40 | number)]);
            }
        }
    }

    /// A reader of one step once parsed the whole index, at each read: 16,000 chunks took a millisecond.
    #[test]
    fn a_lookup_reads_one_node_of_each_level() {
        let (file, root) = index(20_000);
        let mut lookup = ChunkLookup::new(2, root);
        let mut seen = 0;
        let mut look_up = |number: u64| {
            let offset = [number / 2 * 3, number % 2 * 5];
            let mut see = |_: &ChunkKey, _| seen += 1;
            lookup.leaf_of(&file, &offset, &mut see).unwrap();
            file.taken()
        };
        // Three levels, of each a header and its children.
        let (reads, bytes) = look_up(13_000);
        assert!(
            reads == 6 && bytes < 8 << 10,
            "{reads} reads, {bytes} bytes"
        );
        let (reads, bytes) = look_up(13_100);
        assert!(
            reads == 2 && bytes < 3 << 10,
            "{reads} reads, {bytes} bytes"
        );
        assert_eq!(seen, 2 * 64);
    }

    #[test]
    fn a_damaged_index_is_an_error_and_has_an_end() {
        let (file, root) = index(5000);
        let header = |at: u64, bytes: &[u8]| file.write_all_at(bytes, root + at).unwrap();
        let offset = [3000, 0];
        let look_up = || {
            let mut lookup = ChunkLookup::new(2, root);
            lookup.leaf_of(&file, &offset, &mut |_, _| {})
        };
        look_up().unwrap();
        // Its children are the node itself; it has none; a level that no index has.
        let child = 24 + 8 + 8 * 3;
        for entry in 0..2 {
            header(child + entry * (8 + 8 * 4), &root.to_le_bytes());
        }
        look_up().unwrap_err();
        header(6, &[0, 0]);
        look_up().unwrap_err();
        header(5, &[200, 1, 0]);
        look_up().unwrap_err();
        header(0, b"TRAP");
        look_up().unwrap_err();
    }
}
