//! The chunk index, in its old format: a version-1 B-tree whose leaves hold the chunks' addresses.
//!
//! A run only ever adds the chunk behind all others, so the tree only grows at its right edge. It
//! grows by writes after each of which the file is a valid HDF5 file with the same chunks as
//! before, or with the new one: what is written is out of sight until one small write links it.

use super::bytes::{Block, LayoutError, Result, UNDEFINED, write};
use crate::storage::Storage;

const STRUCTURE: &str = "a chunk index node";
const HEADER: usize = 24;
const USED: u64 = 6;
const RIGHT_SIBLING: u64 = 16;
/// Children of a node: twice the "indexed storage internal node K", 32 in a version-0 superblock.
const CAPACITY: usize = 64;
const MAX_DEPTH: u8 = 8;
/// Bounds the time that a damaged file can take.
const MAX_CHUNKS: usize = 1 << 26;

/// The key of a chunk: its size in bytes and the offset of its first element, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkKey {
    /// Size in bytes; chunks are smaller than 4 GiB.
    pub(crate) bytes: u32,
    /// Offset along each axis of the dataset, in elements.
    pub(crate) offset: Vec<u64>,
}

/// The nodes on the right edge of a chunk index, from the root to the last leaf.
#[derive(Debug)]
pub(crate) struct ChunkIndex {
    rank: usize,
    root_at: u64,
    edge: Vec<Node>,
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
    /// stored at `root_at`. `see` gets the key and the address of every chunk, in order.
    pub(crate) fn read(
        storage: &dyn Storage,
        rank: usize,
        root: u64,
        root_at: u64,
        see: &mut dyn FnMut(&ChunkKey, u64) -> Result<()>,
    ) -> Result<Self> {
        let mut index = Self {
            rank,
            root_at,
            edge: Vec::new(),
            open_ended: false,
        };
        let mut chunks = 0;
        index.visit(storage, root, None, true, &mut |key, address| {
            chunks += 1;
            if chunks > MAX_CHUNKS {
                let most = format!("at most {MAX_CHUNKS} chunks");
                return Err(LayoutError::unexpected(STRUCTURE, root, most, "more"));
            }
            see(key, address)
        })?;
        Ok(index)
    }

    /// Bytes of a key: size, filter mask, and an 8-byte offset for each axis and for the element.
    fn key_bytes(&self) -> usize {
        8 + 8 * (self.rank + 1)
    }

    /// Bytes from the start of one key to the next: a key and the child's address.
    fn stride(&self) -> usize {
        self.key_bytes() + 8
    }

    /// Size in bytes of a node with room for all its children.
    pub(crate) fn node_bytes(rank: usize) -> u64 {
        (HEADER + CAPACITY * (8 + 8 * (rank + 2)) + 8 + 8 * (rank + 1)) as u64
    }

    /// The number of nodes that adding one chunk can need.
    pub(crate) fn nodes_per_growth(&self) -> u64 {
        self.edge.len() as u64 + 1
    }

    fn visit(
        &mut self,
        storage: &dyn Storage,
        address: u64,
        above: Option<u8>,
        on_edge: bool,
        see: &mut dyn FnMut(&ChunkKey, u64) -> Result<()>,
    ) -> Result<()> {
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
        if on_edge {
            self.edge.push(Node {
                address,
                level,
                used,
            });
        }
        let len = used * self.stride() + self.key_bytes();
        let entries = Block::read(storage, STRUCTURE, address + HEADER as u64, len)?;
        for entry in 0..used {
            let child = entries.u64(entry * self.stride() + self.key_bytes())?;
            if level > 0 {
                let on_edge = on_edge && entry + 1 == used;
                self.visit(storage, child, Some(level), on_edge, see)?;
            } else {
                see(&self.decode(&entries, entry * self.stride())?, child)?;
            }
        }
        Ok(())
    }

    fn decode(&self, entries: &Block, at: usize) -> Result<ChunkKey> {
        let offset = (0..self.rank)
            .map(|axis| entries.u64(at + 8 + axis * 8))
            .collect::<Result<Vec<_>>>()?;
        Ok(ChunkKey {
            bytes: entries.u32(at)?,
            offset,
        })
    }

    fn encode(&self, key: &ChunkKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.key_bytes());
        bytes.extend(key.bytes.to_le_bytes());
        bytes.extend([0; 4]);
        for offset in &key.offset {
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend([0; 8]);
        bytes
    }

    /// A key behind that of every chunk of a dataset with `steps` steps in a chunk. Its offset is
    /// a multiple of the chunk's, as libhdf5 expects of each key.
    fn bound(&self, steps: u64) -> ChunkKey {
        let mut offset = vec![0; self.rank];
        offset[0] = (1 << 62) / steps * steps;
        ChunkKey { bytes: 0, offset }
    }

    /// Adds the chunk `key`, which lies behind all others, at `address`.
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

    /// Makes the last key of each node on the edge bound every later chunk: libhdf5 writes the one
    /// right behind the last chunk, and would not look for a later one there.
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

    /// Adds a child behind the last of `node`, which has room.
    fn insert(
        &self,
        storage: &dyn Storage,
        node: &Node,
        key: &ChunkKey,
        child: u64,
        bound: &ChunkKey,
        barrier: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let at = node.address + (HEADER + node.used * self.stride()) as u64;
        // The child and the new last key lie behind the node's used part: nobody reads them yet.
        let mut tail = child.to_le_bytes().to_vec();
        tail.extend(self.encode(bound));
        write(storage, STRUCTURE, at + self.key_bytes() as u64, &tail)?;
        // The old last key becomes the child's. While it still bounds the child before, it must
        // stay behind it: so first the inner axes, then the leading one.
        let key = self.encode(key);
        write(storage, STRUCTURE, at + 16, &key[16..])?;
        write(storage, STRUCTURE, at, &key[..8])?;
        barrier()?;
        write(storage, STRUCTURE, at + 8, &key[8..16])?;
        barrier()?;
        let used = u16::try_from(node.used + 1).unwrap_or(u16::MAX);
        write(storage, STRUCTURE, node.address + USED, &used.to_le_bytes())
    }

    /// Puts a new root above the old one, whose last child is followed by `child`.
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
        let header = Block::read(storage, STRUCTURE, old_root, HEADER + self.key_bytes())?;
        let level = header.u8(5)? + 1;
        if level > MAX_DEPTH {
            return Err(LayoutError::unexpected(
                STRUCTURE,
                old_root,
                "room for another chunk",
                "a full index",
            ));
        }
        let first = self.decode(&header, HEADER)?;
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
        write(
            storage,
            STRUCTURE,
            self.root_at,
            &root.address.to_le_bytes(),
        )?;
        Ok(root)
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
