//! The chunk index, in its old format: a version-1 B-tree whose leaves hold the chunks' addresses.
//!
//! A run only ever adds the chunk after all others, so the tree only grows at its right edge. It
//! grows by writes after each of which the file is a valid HDF5 file with the same chunks as
//! before, or with the new one: what is written is out of sight until one small write links it.

use super::bytes::{Block, LayoutError, Result, UNDEFINED, write};
use crate::storage::{ReadAt, Storage};

const STRUCTURE: &str = "a chunk index node";
pub(super) const HEADER: usize = 24;
const USED: u64 = 6;
const RIGHT_SIBLING: u64 = 16;
/// Children of a node: twice the "indexed storage internal node K", 32 in a version-0 superblock.
const CAPACITY: usize = 64;
const MAX_DEPTH: u8 = 8;
/// Bounds the time that a damaged file can take.
const MAX_CHUNKS: usize = 1 << 26;

/// The key of a chunk: its size in the file and the offset of its first element, in elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkKey {
    /// Size in bytes; chunks are smaller than 4 GiB.
    pub(crate) bytes: u32,
    /// A bit for each filter that the chunk did not go through.
    pub(crate) mask: u32,
    /// Offset along each axis of the dataset, in elements.
    pub(crate) offset: Vec<u64>,
}

/// A chunk as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) key: ChunkKey,
    /// Where the chunk lies.
    pub(crate) address: u64,
    /// Where its key lies; the address follows it.
    pub(crate) at: u64,
}

/// The nodes on the right edge of a chunk index, from the root to the last leaf.
#[derive(Debug)]
pub(crate) struct ChunkIndex {
    rank: usize,
    root_at: u64,
    edge: Vec<Node>,
    /// Chunks that are written after those of the last leaf, and are not shown yet.
    staged: usize,
    /// Whether the last key of each edge node is known to bound every later chunk.
    open_ended: bool,
}

#[derive(Clone, Debug)]
struct Node {
    address: u64,
    level: u8,
    used: usize,
}

impl ChunkIndex {
    /// Reads the index of a dataset of `rank` axes with its root node at `root`, a pointer that is
    /// stored at `root_at`. `see` gets every chunk, in order.
    pub(crate) fn read(
        storage: &dyn ReadAt,
        rank: usize,
        root: u64,
        root_at: u64,
        see: &mut dyn FnMut(ChunkEntry) -> Result<()>,
    ) -> Result<Self> {
        let mut index = Self::empty(rank, root_at);
        let mut chunks = 0;
        index.visit(storage, root, None, true, &mut |entry| {
            chunks += 1;
            if chunks > MAX_CHUNKS {
                let most = format!("at most {MAX_CHUNKS} chunks");
                return Err(LayoutError::unexpected(STRUCTURE, root, most, "more"));
            }
            see(entry)
        })?;
        Ok(index)
    }

    /// The index of a dataset that has no chunk, and no root node.
    pub(crate) fn empty(rank: usize, root_at: u64) -> Self {
        Self {
            rank,
            root_at,
            edge: Vec::new(),
            staged: 0,
            open_ended: false,
        }
    }

    fn key_bytes(&self) -> usize {
        key_bytes(self.rank)
    }

    fn stride(&self) -> usize {
        stride(self.rank)
    }

    /// Size in bytes of a node with room for all its children.
    pub(crate) fn node_bytes(rank: usize) -> u64 {
        (HEADER + CAPACITY * (8 + 8 * (rank + 2)) + 8 + 8 * (rank + 1)) as u64
    }

    /// The most bytes that an index of `chunks` chunks takes whose nodes are half full or more, but for those at its
    /// right edge.
    pub(crate) fn most_bytes(rank: usize, chunks: u64) -> u64 {
        let leaves = chunks.div_ceil(CAPACITY as u64 / 2);
        let nodes = leaves
            .saturating_add(leaves / 8)
            .saturating_add(MAX_DEPTH.into());
        nodes.saturating_mul(Self::node_bytes(rank))
    }

    /// The number of nodes that adding one chunk can need.
    pub(crate) fn nodes_per_growth(&self) -> u64 {
        self.edge.len() as u64 + 1
    }

    fn visit(
        &mut self,
        storage: &dyn ReadAt,
        address: u64,
        above: Option<u8>,
        on_edge: bool,
        see: &mut dyn FnMut(ChunkEntry) -> Result<()>,
    ) -> Result<()> {
        let node = IndexNode::read(storage, self.rank, address, above)?;
        let (level, used) = (node.level, node.used);
        if on_edge {
            self.edge.push(Node {
                address,
                level,
                used,
            });
        }
        for entry in 0..used {
            let child = node.child(entry)?;
            if level > 0 {
                let on_edge = on_edge && entry + 1 == used;
                self.visit(storage, child, Some(level), on_edge, see)?;
            } else {
                let mut key = ChunkKey::default();
                node.key(entry, &mut key)?;
                see(ChunkEntry {
                    key,
                    address: child,
                    at: node.at(entry),
                })?;
            }
        }
        Ok(())
    }

    fn encode(&self, key: &ChunkKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.key_bytes());
        bytes.extend(key.bytes.to_le_bytes());
        bytes.extend(key.mask.to_le_bytes());
        for offset in &key.offset {
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend([0; 8]);
        bytes
    }

    /// A key after that of every chunk of a dataset with `steps` steps in a chunk. Its offset is
    /// a multiple of the chunk's, as libhdf5 expects of each key.
    fn bound(&self, steps: u64) -> ChunkKey {
        let mut offset = vec![0; self.rank];
        offset[0] = (1 << 62) / steps * steps;
        ChunkKey {
            bytes: 0,
            mask: 0,
            offset,
        }
    }

    /// Adds the chunk `key`, which lies after all others, at `address`.
    ///
    /// `steps` is the number of steps in a chunk. `allocate` returns the address of so many free
    /// bytes, `barrier` puts on the medium what was written, where the run asks for that.
    pub(crate) fn push(
        &mut self,
        storage: &dyn Storage,
        steps: u64,
        key: &ChunkKey,
        address: u64,
        allocate: &mut dyn FnMut(u64) -> Result<u64>,
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.open_right_edge(storage, steps)?;
        let bound = self.bound(steps);
        // From the leaf upwards: as long as the edge node is full, its level gets a new node.
        let mut child = address;
        let mut fresh: Vec<Node> = Vec::new();
        while let Some(node) = self.edge.last() {
            if node.used < CAPACITY {
                break;
            }
            let mut new = Node {
                address: 0,
                level: node.level,
                used: 1,
            };
            let left = node.address;
            new.address = allocate(Self::node_bytes(self.rank))?;
            self.write_node(storage, &new, left, &[(key, child)], &bound)?;
            child = new.address;
            fresh.push(new);
            self.edge.pop();
        }
        if let Some(mut node) = self.edge.pop() {
            self.insert(storage, &node, key, child, &bound, barrier)?;
            node.used += 1;
            self.edge.push(node);
        } else {
            let root = self.grow_root(storage, key, child, &bound, allocate, barrier)?;
            self.edge.push(root);
        }
        // Siblings are for iterators only; a missing one does no harm.
        for node in fresh.into_iter().rev() {
            self.link_sibling(storage, &node)?;
            self.edge.push(node);
        }
        Ok(())
    }

    /// Adds `chunks`, which lie after all others, without showing the last of them:
    /// [`show`](Self::show) does, and what was written must be on the medium before. Chunks before
    /// them are shown where a node gets full.
    ///
    /// For the other arguments see [`push`](Self::push).
    pub(crate) fn stage(
        &mut self,
        storage: &dyn Storage,
        steps: u64,
        chunks: &[(ChunkKey, u64)],
        allocate: &mut dyn FnMut(u64) -> Result<u64>,
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.open_right_edge(storage, steps)?;
        let bound = self.bound(steps);
        let mut rest = chunks;
        while let Some((key, address)) = rest.first() {
            let leaf = self.edge.last().cloned();
            let Some(leaf) = leaf.filter(|leaf| leaf.used + self.staged < CAPACITY) else {
                if self.staged > 0 {
                    barrier()?;
                    self.show(storage)?;
                }
                self.push(storage, steps, key, *address, allocate, barrier)?;
                rest = &rest[1..];
                continue;
            };
            let used = leaf.used + self.staged;
            let (now, later) = rest.split_at(rest.len().min(CAPACITY - used));
            let mut tail = address.to_le_bytes().to_vec();
            for (key, address) in &now[1..] {
                tail.extend(self.encode(key));
                tail.extend(address.to_le_bytes());
            }
            tail.extend(self.encode(&bound));
            self.write_behind(storage, &leaf, used, key, &tail, barrier)?;
            self.staged += now.len();
            rest = later;
        }
        Ok(())
    }

    /// Shows the chunks that were staged: one write of two bytes.
    pub(crate) fn show(&mut self, storage: &dyn Storage) -> Result<()> {
        let staged = std::mem::take(&mut self.staged);
        match self.edge.last_mut() {
            Some(leaf) if staged > 0 => {
                leaf.used += staged;
                write_used(storage, leaf.address, leaf.used)
            }
            _ => Ok(()),
        }
    }

    /// Gives the chunk with the entry at `at` another place in the file. Only of a chunk that no
    /// extent uncovers, since it takes several writes: between them the chunk has no bytes, which is
    /// an error to whoever reads it, and never another's values.
    pub(crate) fn replace(
        &self,
        storage: &dyn Storage,
        at: u64,
        key: &ChunkKey,
        address: u64,
    ) -> Result<()> {
        write(storage, STRUCTURE, at, &[0; 8])?;
        let child = at + self.key_bytes() as u64;
        write(storage, STRUCTURE, child, &address.to_le_bytes())?;
        write(storage, STRUCTURE, at, &self.encode(key)[..8])
    }

    /// Lets the index end before the chunk at offset `end`, which is not the first of all.
    /// [`write_edge`](Self::write_edge) writes that.
    pub(crate) fn cut(&mut self, storage: &dyn ReadAt, end: &[u64]) -> Result<()> {
        let mut edge: Vec<Node> = Vec::new();
        let mut next = self.edge.first().map(|root| root.address);
        while let Some(address) = next {
            let above = edge.last().map(|node| node.level);
            let node = IndexNode::read(storage, self.rank, address, above)?;
            let (mut used, mut key) = (0, ChunkKey::default());
            for entry in 0..node.used {
                node.key(entry, &mut key)?;
                used += usize::from(key.offset[..] < *end);
            }
            let Some(last) = used.checked_sub(1) else {
                let expected = format!("a chunk before {end:?}");
                return Err(LayoutError::unexpected(
                    STRUCTURE, address, expected, "none",
                ));
            };
            let level = node.level;
            next = (level > 0).then(|| node.child(last)).transpose()?;
            edge.push(Node {
                address,
                level,
                used,
            });
        }
        (self.edge, self.open_ended) = (edge, false);
        Ok(())
    }

    /// Writes the node of the edge that is so far below the root as the last one of its level, with the children
    /// that it has. Returns whether there is one.
    ///
    /// From the root down each write leaves an index that is whole, and has all chunks up to one that is cut off or
    /// the last one. What is cut off stays in the file, and nothing refers to it.
    pub(crate) fn write_edge(&self, storage: &dyn Storage, below: usize) -> Result<bool> {
        let Some(node) = self.edge.get(below) else {
            return Ok(false);
        };
        let sibling = node.address + RIGHT_SIBLING;
        write(storage, STRUCTURE, sibling, &UNDEFINED.to_le_bytes())?;
        write_used(storage, node.address, node.used)?;
        Ok(true)
    }

    /// Makes the last key of each node on the edge bound every later chunk: libhdf5 writes the one
    /// right after the last chunk, and would not look for a later one there.
    fn open_right_edge(&mut self, storage: &dyn Storage, steps: u64) -> Result<()> {
        if self.open_ended {
            return Ok(());
        }
        let bound = self.bound(steps).offset[0];
        for node in &self.edge {
            let key = node.address + (HEADER + node.used * self.stride()) as u64;
            write(storage, STRUCTURE, key + 8, &bound.to_le_bytes())?;
        }
        self.open_ended = true;
        Ok(())
    }

    /// Adds a child after the last of `node`, which has room.
    fn insert(
        &self,
        storage: &dyn Storage,
        node: &Node,
        key: &ChunkKey,
        child: u64,
        bound: &ChunkKey,
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut tail = child.to_le_bytes().to_vec();
        tail.extend(self.encode(bound));
        self.write_behind(storage, node, node.used, key, &tail, barrier)?;
        barrier()?;
        write_used(storage, node.address, node.used + 1)
    }

    /// Writes the key number `used` of `node`, and `tail`, what follows it.
    fn write_behind(
        &self,
        storage: &dyn Storage,
        node: &Node,
        used: usize,
        key: &ChunkKey,
        tail: &[u8],
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let at = node.address + (HEADER + used * self.stride()) as u64;
        // The child and the new last key lie after the node's used part: nobody reads them yet.
        write(storage, STRUCTURE, at + self.key_bytes() as u64, tail)?;
        // The old last key becomes the child's. While it still bounds the child before, it must
        // stay after it: so first the inner axes, then the leading one. At the start of a row of
        // chunks the inner axes are zero, as in the bound.
        let starts_a_row = key.offset[1..].iter().all(|&offset| offset == 0);
        let key = self.encode(key);
        write(storage, STRUCTURE, at + 16, &key[16..])?;
        write(storage, STRUCTURE, at, &key[..8])?;
        if !starts_a_row {
            barrier()?;
        }
        write(storage, STRUCTURE, at + 8, &key[8..16])
    }

    /// Puts a new root above the old one, whose last child is followed by `child`; or the first root,
    /// a leaf with this child.
    fn grow_root(
        &self,
        storage: &dyn Storage,
        key: &ChunkKey,
        child: u64,
        bound: &ChunkKey,
        allocate: &mut dyn FnMut(u64) -> Result<u64>,
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Node> {
        let pointer = Block::read(storage, "the data layout message", self.root_at, 8)?;
        let old_root = pointer.u64(0)?;
        if old_root == UNDEFINED {
            let root = Node {
                address: allocate(Self::node_bytes(self.rank))?,
                level: 0,
                used: 1,
            };
            self.write_node(storage, &root, UNDEFINED, &[(key, child)], bound)?;
            barrier()?;
            self.link_root(storage, &root)?;
            return Ok(root);
        }
        let old = IndexNode::read(storage, self.rank, old_root, None)?;
        let level = old.level + 1;
        if level > MAX_DEPTH {
            return Err(LayoutError::unexpected(
                STRUCTURE,
                old_root,
                "room for another chunk",
                "a full index",
            ));
        }
        let mut first = ChunkKey::default();
        old.key(0, &mut first)?;
        let root = Node {
            address: allocate(Self::node_bytes(self.rank))?,
            level,
            used: 2,
        };
        self.write_node(
            storage,
            &root,
            UNDEFINED,
            &[(&first, old_root), (key, child)],
            bound,
        )?;
        barrier()?;
        self.link_root(storage, &root)?;
        Ok(root)
    }

    fn link_root(&self, storage: &dyn Storage, root: &Node) -> Result<()> {
        let address = root.address.to_le_bytes();
        write(storage, STRUCTURE, self.root_at, &address)
    }

    fn write_node(
        &self,
        storage: &dyn Storage,
        node: &Node,
        left: u64,
        children: &[(&ChunkKey, u64)],
        bound: &ChunkKey,
    ) -> Result<()> {
        let size = usize::try_from(Self::node_bytes(self.rank)).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(b"TREE\x01");
        bytes.push(node.level);
        bytes.extend(
            u16::try_from(children.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        bytes.extend(left.to_le_bytes());
        bytes.extend(UNDEFINED.to_le_bytes());
        for (key, child) in children {
            bytes.extend(self.encode(key));
            bytes.extend(child.to_le_bytes());
        }
        bytes.extend(self.encode(bound));
        bytes.resize(size, 0);
        write(storage, STRUCTURE, node.address, &bytes)
    }

    /// Tells the node to the left of `node` of its new neighbour.
    fn link_sibling(&self, storage: &dyn Storage, node: &Node) -> Result<()> {
        let left = Block::read(storage, STRUCTURE, node.address, HEADER)?.u64(8)?;
        if left == UNDEFINED {
            return Ok(());
        }
        write(
            storage,
            STRUCTURE,
            left + RIGHT_SIBLING,
            &node.address.to_le_bytes(),
        )
    }
}

/// A node of the index as it is in the file.
pub(super) struct IndexNode {
    rank: usize,
    pub(super) level: u8,
    /// Number of children.
    pub(super) used: usize,
    entries: Block,
}

impl IndexNode {
    /// Reads the node at `address` of the index of a dataset of `rank` axes, the child of one of level
    /// `above`.
    pub(super) fn read(
        storage: &dyn ReadAt,
        rank: usize,
        address: u64,
        above: Option<u8>,
    ) -> Result<Self> {
        let header = Block::read(storage, STRUCTURE, address, HEADER)?;
        header.expect(0, b"TREE\x01", "the signature and type")?;
        let level = header.u8(5)?;
        if above.map_or(level > MAX_DEPTH, |above| {
            level.checked_add(1) != Some(above)
        }) {
            return Err(header.unexpected("a node one level below its parent", level.to_string()));
        }
        let used = usize::from(header.u16(6)?);
        if used == 0 || used > CAPACITY {
            return Err(header.unexpected(format!("1 to {CAPACITY} children"), used.to_string()));
        }
        let len = used * stride(rank) + key_bytes(rank);
        let entries = Block::read(storage, STRUCTURE, address + HEADER as u64, len)?;
        Ok(Self {
            rank,
            level,
            used,
            entries,
        })
    }

    /// Where the key of child number `entry` lies in the file.
    fn at(&self, entry: usize) -> u64 {
        self.entries.address() + (entry * stride(self.rank)) as u64
    }

    /// Puts the key of child number `entry` into `key`.
    pub(super) fn key(&self, entry: usize, key: &mut ChunkKey) -> Result<()> {
        let at = entry * stride(self.rank);
        key.bytes = self.entries.u32(at)?;
        key.mask = self.entries.u32(at + 4)?;
        key.offset.clear();
        for axis in 0..self.rank {
            key.offset.push(self.entries.u64(at + 8 + axis * 8)?);
        }
        Ok(())
    }

    /// The address of child number `entry`: of a node, or in a leaf of a chunk.
    pub(super) fn child(&self, entry: usize) -> Result<u64> {
        self.entries.u64(child_at(self.rank, entry))
    }
}

/// Where a node has the address of child number `entry`, from the end of its header on.
pub(super) fn child_at(rank: usize, entry: usize) -> usize {
    entry * stride(rank) + key_bytes(rank)
}

/// Bytes of a key: size, filter mask, and an 8-byte offset for each axis and for the element.
fn key_bytes(rank: usize) -> usize {
    8 + 8 * (rank + 1)
}

/// Bytes from the start of one key to the next: a key and the child's address.
fn stride(rank: usize) -> usize {
    key_bytes(rank) + 8
}

fn write_used(storage: &dyn Storage, node: u64, used: usize) -> Result<()> {
    let used = u16::try_from(used).unwrap_or(u16::MAX);
    write(storage, STRUCTURE, node + USED, &used.to_le_bytes())
}
