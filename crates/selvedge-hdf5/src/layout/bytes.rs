//! Checked little-endian reads from a block of file bytes.

use std::io;

use crate::storage::{ReadAt, Storage};

/// Why a structure of the file is not what the recorder can patch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    /// The bytes could not be read.
    #[error("cannot read {structure} at byte {address}")]
    Read {
        /// The structure that was being read.
        structure: &'static str,
        /// Its address in the file, in bytes.
        address: u64,
        /// The error of the system.
        source: io::Error,
    },
    /// The bytes could not be written.
    #[error("cannot write {structure} at byte {address}")]
    Write {
        /// The structure that was being written.
        structure: &'static str,
        /// Its address in the file, in bytes.
        address: u64,
        /// The error of the system.
        source: io::Error,
    },
    /// The bytes say something else than expected.
    #[error("{structure} at byte {address}: expected {expected}, found {found}")]
    Unexpected {
        /// The structure.
        structure: &'static str,
        /// Its address in the file, in bytes.
        address: u64,
        /// What a file of this kind has there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl LayoutError {
    /// An error for `structure` at `address`.
    pub(crate) fn unexpected(
        structure: &'static str,
        address: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self::Unexpected {
            structure,
            address,
            expected,
            found,
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, LayoutError>;

/// The address that stands for "none" in an HDF5 file.
pub(crate) const UNDEFINED: u64 = u64::MAX;

/// A block of bytes of the file, with the address it was read from.
pub(crate) struct Block {
    structure: &'static str,
    address: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Reads `len` bytes of `structure` at `address`.
    pub(crate) fn read(
        storage: &dyn ReadAt,
        structure: &'static str,
        address: u64,
        len: usize,
    ) -> Result<Self> {
        // `pread` takes a signed offset; larger ones, the undefined address among them, are no place.
        if address > i64::MAX as u64 - len as u64 {
            return Err(LayoutError::unexpected(
                structure,
                address,
                "an address inside the file",
                "none",
            ));
        }
        let mut bytes = vec![0; len];
        storage
            .read_exact_at(&mut bytes, address)
            .map_err(|source| LayoutError::Read {
                structure,
                address,
                source,
            })?;
        Ok(Self {
            structure,
            address,
            bytes,
        })
    }

    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    pub(crate) fn slice(&self, offset: usize, len: usize) -> Result<&[u8]> {
        offset
            .checked_add(len)
            .and_then(|end| self.bytes.get(offset..end))
            .ok_or_else(|| self.unexpected(format!("{len} bytes at offset {offset}"), "its end"))
    }

    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(offset, N)?);
        Ok(array)
    }

    pub(crate) fn u8(&self, offset: usize) -> Result<u8> {
        Ok(self.array::<1>(offset)?[0])
    }

    pub(crate) fn u16(&self, offset: usize) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(offset)?))
    }

    pub(crate) fn u32(&self, offset: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(offset)?))
    }

    pub(crate) fn u64(&self, offset: usize) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(offset)?))
    }

    /// A number of `len` bytes, at most 8.
    pub(crate) fn number(&self, offset: usize, len: usize) -> Result<u64> {
        let bytes = self.slice(offset, len)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Fails unless the bytes at `offset` are `expected`; `what` names them.
    pub(crate) fn expect(&self, offset: usize, expected: &[u8], what: &str) -> Result<()> {
        let found = self.slice(offset, expected.len())?;
        if found == expected {
            return Ok(());
        }
        Err(self.unexpected(format!("{what} {expected:?}"), format!("{found:?}")))
    }

    pub(crate) fn unexpected(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> LayoutError {
        LayoutError::unexpected(self.structure, self.address, expected, found)
    }
}

/// Writes `bytes` of `structure` at `address`.
pub(crate) fn write(
    storage: &dyn Storage,
    structure: &'static str,
    address: u64,
    bytes: &[u8],
) -> Result<()> {
    storage
        .write_all_at(bytes, address)
        .map_err(|source| LayoutError::Write {
            structure,
            address,
            source,
        })
}
