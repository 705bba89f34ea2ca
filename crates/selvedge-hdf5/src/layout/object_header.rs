//! Object headers, version 1: the messages of a dataset that the recorder needs, and where they lie.

use super::bytes::{Block, LayoutError, Result, UNDEFINED};
use super::superblock::Superblock;
use crate::provenance::ENCODER;
use crate::storage::ReadAt;

const STRUCTURE: &str = "an object header";
const PREFIX: usize = 16;
const MESSAGE_HEADER: usize = 8;
/// More than 100 times what 1,000 attributes of ordinary size take.
const MAX_BYTES: usize = 16 << 20;
const MAX_BLOCKS: usize = 4096;

pub(super) const DATASPACE: u16 = 0x0001;
const LINK_INFO: u16 = 0x0002;
pub(super) const DATATYPE: u16 = 0x0003;
pub(super) const FILL_VALUE: u16 = 0x0005;
const LINK: u16 = 0x0006;
pub(super) const LAYOUT: u16 = 0x0008;
pub(super) const FILTERS: u16 = 0x000B;
pub(super) const ATTRIBUTE: u16 = 0x000C;
pub(super) const CONTINUATION: u16 = 0x0010;
const SYMBOL_TABLE: u16 = 0x0011;

/// The numbers of the filters of a compressed step tensor, in the order of writing: shuffle, deflate.
const PIPELINE: [u16; 2] = [2, 1];

/// The fill value message's "never", for when the fill value is written.
const NEVER: u8 = 1;
/// … and its "early", for when the chunks get their places.
const EARLY: u8 = 1;

/// The maximum of an axis without one.
const UNLIMITED: u64 = u64::MAX;

/// A message: its type and where its body lies in `block`.
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) flags: u8,
    block: usize,
    pub(super) offset: usize,
    len: usize,
}

/// All blocks of an object header, and the messages in them.
pub(super) struct ObjectHeader {
    address: u64,
    blocks: Vec<Block>,
    messages: Vec<Message>,
}

impl ObjectHeader {
    fn read(storage: &dyn ReadAt, address: u64) -> Result<Self> {
        let prefix = Block::read(storage, STRUCTURE, address, PREFIX)?;
        prefix.expect(0, &[1], "version")?;
        let total = usize::from(prefix.u16(2)?);
        let size = prefix.u32(8)? as usize;
        let mut header = Self {
            address,
            blocks: Vec::new(),
            messages: Vec::new(),
        };
        let mut pending = vec![(address.saturating_add(PREFIX as u64), size)];
        let mut bytes = 0_usize;
        while let Some((address, size)) = pending.pop() {
            bytes = bytes.saturating_add(size);
            if bytes > MAX_BYTES || header.blocks.len() == MAX_BLOCKS {
                return Err(prefix.unexpected(
                    format!("at most {MAX_BYTES} bytes in {MAX_BLOCKS} blocks"),
                    "more",
                ));
            }
            let block = Block::read(storage, STRUCTURE, address, size)?;
            pending.extend(header.add_block(block, size, total)?);
        }
        Ok(header)
    }

    /// Takes in the messages of a block; returns the blocks that continue the header.
    fn add_block(&mut self, block: Block, size: usize, total: usize) -> Result<Vec<(u64, usize)>> {
        let mut continued = Vec::new();
        let mut at = 0;
        while size - at >= MESSAGE_HEADER && self.messages.len() < total {
            let kind = block.u16(at)?;
            let len = usize::from(block.u16(at + 2)?);
            let flags = block.u8(at + 4)?;
            let offset = at + MESSAGE_HEADER;
            block.slice(offset, len)?;
            if kind == CONTINUATION {
                let length = usize::try_from(block.u64(offset + 8)?).unwrap_or(usize::MAX);
                continued.push((block.u64(offset)?, length));
            }
            self.messages.push(Message {
                kind,
                flags,
                block: self.blocks.len(),
                offset,
                len,
            });
            at = offset + len;
        }
        self.blocks.push(block);
        Ok(continued)
    }

    /// All messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    /// The messages of this kind.
    pub(super) fn of(&self, kind: u16) -> impl Iterator<Item = &Message> {
        self.messages
            .iter()
            .filter(move |message| message.kind == kind)
    }

    pub(super) fn block(&self, message: &Message) -> &Block {
        &self.blocks[message.block]
    }

    /// The only message of this kind.
    pub(super) fn only(&self, kind: u16, name: &str) -> Result<&Message> {
        let mut found = self.of(kind);
        match (found.next(), found.next()) {
            (Some(message), None) if message.flags & 0b10 == 0 => Ok(message),
            (first, _) => Err(LayoutError::unexpected(
                STRUCTURE,
                self.address,
                format!("one {name} message of its own"),
                if first.is_some() {
                    "a shared one or several"
                } else {
                    "none"
                },
            )),
        }
    }

    /// Whether there is an attribute of this name, of whatever type.
    fn has_attribute(&self, name: &str) -> Result<bool> {
        for message in self.of(ATTRIBUTE) {
            if attribute_name(self.block(message), message.offset)? == Some(name.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The numbers of the filters, in the order of writing.
    fn filters(&self) -> Result<Vec<u16>> {
        let message = self.only(FILTERS, "filter pipeline")?;
        let block = self.block(message);
        block.expect(message.offset, &[1], "filter pipeline version")?;
        let count = block.u8(message.offset + 1)?;
        let mut at = message.offset + 8;
        let mut filters = Vec::new();
        for _ in 0..count {
            filters.push(block.u16(at)?);
            let name = usize::from(block.u16(at + 2)?).next_multiple_of(8);
            // Values of 4 bytes, padded to an even number of them.
            let values = usize::from(block.u16(at + 6)?).next_multiple_of(2);
            at += 8 + name + values * 4;
        }
        Ok(filters)
    }

    /// Where the byte `offset` of the message's body lies in the file.
    fn address_in(&self, message: &Message, offset: usize) -> u64 {
        self.block(message).address() + (message.offset + offset) as u64
    }
}

/// Where a group has the links to its members.
pub(super) enum GroupLinks {
    /// In a B-tree, with the names in a heap.
    SymbolTable { tree: u64, heap: u64 },
    /// In its object header: names, and the addresses of the members' headers.
    InHeader(Vec<(String, u64)>),
}

/// The links of the group with the object header at `address`.
pub(super) fn group_links(storage: &dyn ReadAt, address: u64) -> Result<GroupLinks> {
    let header = ObjectHeader::read(storage, address)?;
    let Some(info) = header.of(LINK_INFO).next() else {
        let message = header.only(SYMBOL_TABLE, "symbol table")?;
        let block = header.block(message);
        return Ok(GroupLinks::SymbolTable {
            tree: block.u64(message.offset)?,
            heap: block.u64(message.offset + 8)?,
        });
    };
    let block = header.block(info);
    // The largest creation order comes first, if it is tracked.
    let tracked = block.u8(info.offset + 1)? & 1 == 1;
    let heap = block.u64(info.offset + 2 + if tracked { 8 } else { 0 })?;
    if heap != UNDEFINED {
        return Err(block.unexpected(
            "the links of a group that only a recorder has written to",
            "links as another program stores many, one of them to another file; delete that link, \
             or let `rechunk` write a new file",
        ));
    }
    let links = header.of(LINK).map(|message| header.hard_link(message));
    let links = links.collect::<Result<Vec<_>>>()?;
    Ok(GroupLinks::InHeader(links.into_iter().flatten().collect()))
}

impl ObjectHeader {
    /// The name of a link and the address that it leads to; `None` of a link by name.
    fn hard_link(&self, message: &Message) -> Result<Option<(String, u64)>> {
        let block = self.block(message);
        let mut at = message.offset + 2;
        block.expect(message.offset, &[1], "link message version")?;
        let flags = block.u8(message.offset + 1)?;
        if flags & 0x08 != 0 {
            if block.u8(at)? != 0 {
                return Ok(None);
            }
            at += 1;
        }
        // The creation order and the character set, where they are stored.
        at += if flags & 0x04 != 0 { 8 } else { 0 };
        at += usize::from(flags & 0x10 != 0);
        let width = 1_usize << (flags & 0x03);
        let length = usize::try_from(block.number(at, width)?).unwrap_or(usize::MAX);
        let name = block.slice(at + width, length)?;
        let address = block.u64(at + width + length)?;
        let name = std::str::from_utf8(name).ok();
        Ok(name.map(|name| (name.to_owned(), address)))
    }
}

/// A step tensor: its extents and the two places in the file that the recorder patches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepDataset {
    /// Extents in elements, the leading one (the number of steps) first.
    pub(crate) extents: Vec<u64>,
    /// Address of the leading extent: 8 bytes, little-endian, at a multiple of 8.
    pub(crate) leading_extent_at: u64,
    /// Chunk shape in elements, in the order of `extents`.
    pub(crate) chunk: Vec<u64>,
    /// Element size in bytes.
    pub(crate) element_bytes: u64,
    /// Whether the chunks go through shuffle and deflate.
    pub(crate) compressed: bool,
    /// Address of the chunk index's root node; `None` where no chunk is allocated.
    pub(crate) index_root: Option<u64>,
    /// Where the address of the root node is stored: 8 bytes, little-endian, not aligned.
    pub(crate) index_root_at: u64,
}

/// The object header of a dataset.
pub(crate) struct DatasetHeader(pub(super) ObjectHeader);

impl DatasetHeader {
    /// The header at `address`; `None` of any other object, and of a dataset whose header is of a later
    /// version than the recorder's.
    pub(crate) fn read(storage: &dyn ReadAt, address: u64) -> Result<Option<Self>> {
        if is_later_version(storage, address)? {
            return Ok(None);
        }
        let header = ObjectHeader::read(storage, address)?;
        let has = |kind: u16| header.of(kind).next().is_some();
        Ok((has(LAYOUT) && has(DATASPACE)).then_some(Self(header)))
    }

    /// The step tensor, if it is as the recorder made it: a chunked dataset whose first axis is unlimited,
    /// without filters or with shuffle, deflate and the name of the encoder. `None` where another program
    /// wrote it anew.
    pub(crate) fn step_dataset(&self) -> Result<Option<StepDataset>> {
        let Self(header) = self;
        let compressed = header.of(FILTERS).next().is_some();
        if compressed && !(header.has_attribute(ENCODER)? && header.filters()? == PIPELINE) {
            return Ok(None);
        }
        if !header.is_chunked()? {
            return Ok(None);
        }
        let (extents, unlimited) = header.extents()?;
        if !unlimited {
            return Ok(None);
        }
        let rank = extents.len();
        let layout = header.only(LAYOUT, "data layout")?;
        let block = header.block(layout);
        // One more dimension in the layout: the size of an element in bytes.
        if usize::from(block.u8(layout.offset + 2)?) != rank + 1 {
            return Err(block.unexpected(format!("a chunk of rank {rank}"), "another rank"));
        }
        let chunk = (0..=rank)
            .map(|axis| Ok(u64::from(block.u32(layout.offset + 11 + axis * 4)?)))
            .collect::<Result<Vec<_>>>()?;
        if chunk.contains(&0) {
            return Err(block.unexpected("a chunk with elements", format!("{chunk:?}")));
        }
        let space = header.only(DATASPACE, "dataspace")?;
        let leading_extent_at = header.address_in(space, 8);
        if leading_extent_at % 8 != 0 || space.len < 8 + 2 * rank * 8 {
            return Err(
                block.unexpected("an aligned leading extent", leading_extent_at.to_string())
            );
        }
        let root = block.u64(layout.offset + 3)?;
        Ok(Some(StepDataset {
            extents,
            leading_extent_at,
            element_bytes: chunk[rank],
            compressed,
            chunk: chunk[..rank].to_vec(),
            index_root: (root != UNDEFINED).then_some(root),
            index_root_at: header.address_in(layout, 3),
        }))
    }
}

/// Whether the object header is of version 2, which the recorder does not make.
fn is_later_version(storage: &dyn ReadAt, address: u64) -> Result<bool> {
    Ok(Block::read(storage, STRUCTURE, address, 4)?.slice(0, 4)? == b"OHDR")
}

impl ObjectHeader {
    /// The extents in elements, and whether the first axis is unlimited.
    fn extents(&self) -> Result<(Vec<u64>, bool)> {
        let space = self.only(DATASPACE, "dataspace")?;
        let block = self.block(space);
        block.expect(space.offset, &[1], "dataspace version")?;
        let rank = usize::from(block.u8(space.offset + 1)?);
        let has_maxima = block.u8(space.offset + 2)? & 1 == 1;
        let extents = (0..rank).map(|axis| block.u64(space.offset + 8 + axis * 8));
        let extents = extents.collect::<Result<Vec<_>>>()?;
        let unlimited =
            rank > 0 && has_maxima && block.u64(space.offset + 8 + rank * 8)? == UNLIMITED;
        Ok((extents, unlimited))
    }

    fn is_chunked(&self) -> Result<bool> {
        let layout = self.only(LAYOUT, "data layout")?;
        Ok(self.block(layout).slice(layout.offset, 2)? == [3, 2])
    }

    /// Whether the fill value is never written.
    pub(super) fn is_unfilled(&self) -> Result<bool> {
        let fill = self.only(FILL_VALUE, "fill value")?;
        let fill = self.block(fill).slice(fill.offset, 3)?;
        Ok(matches!(fill[0], 1 | 2) && fill[2] == NEVER)
    }

    /// Whether it is so, and the chunks were there from the beginning or have an encoder.
    pub(super) fn is_as_recorded(&self) -> Result<bool> {
        if !self.is_unfilled()? {
            return Ok(false);
        }
        let fill = self.only(FILL_VALUE, "fill value")?;
        let fill = self.block(fill).slice(fill.offset, 3)?;
        let layout = self.only(LAYOUT, "data layout")?;
        let has_chunks = || {
            self.block(layout)
                .u64(layout.offset + 3)
                .map(|root| root != UNDEFINED)
        };
        Ok(self.has_attribute(ENCODER)? || (fill[1] == EARLY && has_chunks()?))
    }
}

/// The chunks of a dataset: their shape and their index, a version-1 B-tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkTree {
    /// Shape of a chunk in elements.
    pub(crate) chunk: Vec<u64>,
    /// Address of the index's root node; `None` where no chunk is allocated.
    pub(crate) root: Option<u64>,
    /// Where this address is stored.
    pub(crate) root_at: u64,
}

/// The chunks of the dataset with the object header at `address`, whoever made it; `None` of a file or
/// an index of another version, or of a dataset without chunks.
pub(crate) fn chunk_tree(storage: &dyn ReadAt, address: u64) -> Result<Option<ChunkTree>> {
    // A file of another version can have nodes of another size.
    Superblock::read(storage)?;
    let header = ObjectHeader::read(storage, address)?;
    let layout = header.only(LAYOUT, "data layout")?;
    let block = header.block(layout);
    if block.slice(layout.offset, 2)? != [3, 2] {
        return Ok(None);
    }
    let rank = usize::from(block.u8(layout.offset + 2)?).saturating_sub(1);
    let chunk = (0..rank)
        .map(|axis| Ok(u64::from(block.u32(layout.offset + 11 + axis * 4)?)))
        .collect::<Result<Vec<_>>>()?;
    let root = block.u64(layout.offset + 3)?;
    Ok(Some(ChunkTree {
        chunk,
        root: (root != UNDEFINED).then_some(root),
        root_at: header.address_in(layout, 3),
    }))
}

/// The name of the attribute message at `at`; `None` of later versions of it than 1, which are for
/// names in UTF-8 and for shared types.
pub(super) fn attribute_name(block: &Block, at: usize) -> Result<Option<&[u8]>> {
    if block.u8(at)? != 1 {
        return Ok(None);
    }
    let stored = block.slice(at + 8, usize::from(block.u16(at + 2)?))?;
    Ok(stored.strip_suffix(&[0]))
}

/// 64-bit integers of an attribute: their values and where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttributeValue<const N: usize = 1> {
    /// The values.
    pub(crate) values: [i64; N],
    /// Their address in the file: 8 bytes each, little-endian, at a multiple of 8.
    pub(crate) at: u64,
}

/// The attribute `name`, which has `N` 64-bit little-endian integers, of the object at `address`.
pub(crate) fn attribute<const N: usize>(
    storage: &dyn ReadAt,
    address: u64,
    name: &str,
) -> Result<Option<AttributeValue<N>>> {
    ObjectHeader::read(storage, address)?.attribute(name)
}

impl ObjectHeader {
    pub(super) fn attribute<const N: usize>(
        &self,
        name: &str,
    ) -> Result<Option<AttributeValue<N>>> {
        for message in self.of(ATTRIBUTE) {
            let block = self.block(message);
            let at = message.offset;
            if attribute_name(block, at)? != Some(name.as_bytes()) {
                continue;
            }
            // The sizes of name, datatype and dataspace, each padded to a multiple of 8.
            let sizes =
                [block.u16(at + 2)?, block.u16(at + 4)?, block.u16(at + 6)?].map(usize::from);
            let padded: usize = sizes.iter().map(|size| size.next_multiple_of(8)).sum();
            let datatype = at + 8 + sizes[0].next_multiple_of(8);
            // Class 0 (fixed point), version 1, little-endian, signed, 8 bytes; 64 bits from bit 0.
            block.expect(
                datatype,
                &[0x10, 0x08, 0, 0, 8, 0, 0, 0],
                "a 64-bit signed integer",
            )?;
            let value_at = self.address_in(message, 8 + padded);
            if 8 + padded + 8 * N != message.len.next_multiple_of(8) || !value_at.is_multiple_of(8)
            {
                return Err(block.unexpected(
                    format!("{N} aligned values of 8 bytes in attribute `{name}`"),
                    format!("a message of {} bytes", message.len),
                ));
            }
            let mut values = [0; N];
            for (index, value) in values.iter_mut().enumerate() {
                *value = block.u64(at + 8 + padded + 8 * index)?.cast_signed();
            }
            return Ok(Some(AttributeValue {
                values,
                at: value_at,
            }));
        }
        Ok(None)
    }
}
