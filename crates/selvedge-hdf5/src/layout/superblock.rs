//! The superblock, version 0: 96 bytes at the start of the file.

use super::bytes::{Block, Result, write};
use crate::storage::{ReadAt, Storage};

const STRUCTURE: &str = "the superblock";
const SIZE: usize = 96;
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// What the recorder needs of a version-0 superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// End-of-file address: no structure or chunk lies after it. A shorter file is truncated.
    pub(crate) end_of_file: u64,
    /// Address of the root group's object header.
    pub(crate) root_header: u64,
}

/// How the structures of a file of any version tell where something is, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addressing {
    /// Where addresses count from: the end of the user block.
    pub(crate) base: u64,
    /// Bytes of an address.
    pub(crate) offset: usize,
    /// Bytes of a length.
    pub(crate) length: usize,
    /// Whether nodes of version-1 B-trees with chunks have room for as many children as they have by default.
    pub(crate) default_nodes: bool,
}

impl Addressing {
    /// Those of a file of `len` bytes; `None` where it is none of HDF5.
    pub(crate) fn find(storage: &dyn ReadAt, len: u64) -> Option<Self> {
        let base = match Superblock::is_hdf5(storage) {
            true => 0,
            false => Superblock::user_block(storage, len)?,
        };
        let mut start = [0; 32];
        storage.read_exact_at(&mut start, base).ok()?;
        let version = start[SIGNATURE.len()];
        // The versions 0 and 1 have those of other structures before the sizes.
        let at = if version < 2 { 13 } else { 9 };
        let [offset, length] = [start[at], start[at + 1]].map(usize::from);
        let default_nodes = match version {
            0 => true,
            1 => start[24..26] == [32, 0],
            // An extension, whose address comes after the base address, can say it.
            _ => start
                .get(12 + offset..12 + 2 * offset)?
                .iter()
                .all(|&byte| byte == 0xFF),
        };
        Some(Self {
            base,
            offset,
            length,
            default_nodes,
        })
    }
}

impl Superblock {
    /// Where the end-of-file address is stored.
    pub(crate) const END_OF_FILE: u64 = 40;

    /// Whether the file starts as an HDF5 file does that has no user block.
    pub(crate) fn is_hdf5(storage: &dyn ReadAt) -> bool {
        let mut start = [0; SIGNATURE.len()];
        storage.read_exact_at(&mut start, 0).is_ok() && start == SIGNATURE
    }

    /// The length in bytes of the user block of a file of `len` bytes, after which HDF5 begins: 512, 1024,
    /// and so on.
    pub(crate) fn user_block(storage: &dyn ReadAt, len: u64) -> Option<u64> {
        let blocks = std::iter::successors(Some(512_u64), |block| block.checked_mul(2));
        let mut blocks = blocks.take_while(|&block| block < len);
        blocks.find(|&block| {
            let mut start = [0; SIGNATURE.len()];
            storage.read_exact_at(&mut start, block).is_ok() && start == SIGNATURE
        })
    }

    /// Its version, of a file that starts as an HDF5 file does.
    pub(crate) fn version(storage: &dyn ReadAt) -> Option<u8> {
        let mut version = [0];
        let read = storage.read_exact_at(&mut version, SIGNATURE.len() as u64);
        read.ok().map(|()| version[0])
    }

    pub(crate) fn read(storage: &dyn ReadAt) -> Result<Self> {
        let block = Block::read(storage, STRUCTURE, 0, SIZE)?;
        block.expect(0, &SIGNATURE, "the HDF5 signature")?;
        // Versions of the superblock, the free-space storage, the root group's symbol table and
        // the shared messages, with a reserved byte between; then the sizes of offsets and lengths.
        block.expect(8, &[0, 0, 0, 0, 0], "the versions")?;
        block.expect(13, &[8, 8], "the sizes of offsets and lengths")?;
        block.expect(24, &[0; 8], "the base address")?;
        Ok(Self {
            end_of_file: block.u64(40)?,
            root_header: block.u64(64)?,
        })
    }

    /// Writes a new end-of-file address: an aligned 8-byte write in the first sector.
    pub(crate) fn write_end_of_file(storage: &dyn Storage, end_of_file: u64) -> Result<()> {
        write(
            storage,
            STRUCTURE,
            Self::END_OF_FILE,
            &end_of_file.to_le_bytes(),
        )
    }
}
