//! Chunk indexes whose nodes lie scattered over a file, and are to lie together.

use std::collections::{HashMap, VecDeque};

use super::bytes::{Block, LayoutError, Result, UNDEFINED};
use super::chunk_index::{ChunkIndex, HEADER, IndexNode, child_at};
use crate::storage::ReadAt;

const STRUCTURE: &str = "a chunk index";
/// Where a node has the addresses of its neighbours.
const SIBLINGS: [usize; 2] = [8, 16];
/// More than the chunks have that a reader maps.
const MOST_NODES: usize = 1 << 21;

/// The nodes of the index of a dataset, the root first, as they are in the file.
pub(crate) struct IndexCopy {
    rank: usize,
    nodes: Vec<Node>,
}

struct Node {
    address: u64,
    /// Children that are nodes.
    children: usize,
    bytes: Vec<u8>,
}

impl IndexCopy {
    /// Reads the index of a dataset of `rank` axes with its root node at `root`.
    pub(crate) fn read(storage: &dyn ReadAt, rank: usize, root: u64) -> Result<Self> {
        let length = usize::try_from(ChunkIndex::node_bytes(rank)).unwrap_or(usize::MAX);
        let (mut nodes, mut pending) = (Vec::new(), VecDeque::from([(root, None)]));
        while let Some((address, above)) = pending.pop_front() {
            if nodes.len() == MOST_NODES {
                let most = format!("at most {MOST_NODES} nodes");
                return Err(LayoutError::unexpected(STRUCTURE, root, most, "more"));
            }
            let node = IndexNode::read(storage, rank, address, above)?;
            let children = if node.level > 0 { node.used } else { 0 };
            for entry in 0..children {
                pending.push_back((node.child(entry)?, Some(node.level)));
            }
            let block = Block::read(storage, STRUCTURE, address, length)?;
            nodes.push(Node {
                address,
                children,
                bytes: block.slice(0, length)?.to_vec(),
            });
        }
        Ok(Self { rank, nodes })
    }

    /// The address after the last node.
    pub(crate) fn end(&self) -> u64 {
        let ends = self.nodes.iter();
        ends.map(|node| node.address + node.bytes.len() as u64)
            .max()
            .unwrap_or(0)
    }
}

/// The nodes of all these indexes one after the other, to lie at `address`, with the new address of the root of each.
/// The roots come first.
pub(crate) fn gather(indexes: &[IndexCopy], address: u64) -> Result<(Vec<u8>, Vec<u64>)> {
    let roots = indexes
        .iter()
        .filter_map(|index| Some((index.rank, index.nodes.first()?)));
    let others = indexes
        .iter()
        .flat_map(|index| index.nodes.iter().skip(1).map(|node| (index.rank, node)));
    let nodes: Vec<(usize, &Node)> = roots.chain(others).collect();
    let mut moved = HashMap::with_capacity(nodes.len());
    let mut end = address;
    for (_, node) in &nodes {
        moved.insert(node.address, end);
        end += node.bytes.len() as u64;
    }
    let mut gathered = Vec::new();
    for (rank, node) in nodes {
        let start = gathered.len();
        gathered.extend(&node.bytes);
        let bytes = &mut gathered[start..];
        let children = (0..node.children).map(|entry| HEADER + child_at(rank, entry));
        for at in SIBLINGS.into_iter().chain(children) {
            let Some(place) = bytes[at..].first_chunk_mut::<8>() else {
                return Err(LayoutError::unexpected(
                    STRUCTURE,
                    node.address,
                    "a whole node",
                    "its end",
                ));
            };
            let old = u64::from_le_bytes(*place);
            if old != UNDEFINED {
                let new = moved.get(&old).ok_or_else(|| {
                    LayoutError::unexpected(
                        STRUCTURE,
                        node.address,
                        "neighbours in the same index",
                        old.to_string(),
                    )
                })?;
                *place = new.to_le_bytes();
            }
        }
    }
    let roots = indexes.iter().filter_map(|index| index.nodes.first());
    let roots = roots
        .filter_map(|node| moved.get(&node.address).copied())
        .collect();
    Ok((gathered, roots))
}
