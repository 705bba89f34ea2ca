//! Reading a stored member of an archive: its bytes lie in the file as they are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crc32fast::Hasher;
use selvedge_base::Mutex;

/// Bytes of which the checksum is made at a time.
const SUMMED: usize = 1 << 20;

/// A part of a file, read from its beginning on.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) file: Arc<File>,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Extent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The checksum that an archive has of all bytes of a member, unpacked.
#[derive(Clone, Debug)]
pub(super) struct Crc32 {
    /// The name of the member in the archive.
    pub(super) member: String,
    pub(super) expected: u32,
}

impl Crc32 {
    /// # Errors
    ///
    /// Where the bytes have another one.
    pub(super) fn check(&self, found: u32) -> io::Result<()> {
        let Self { member, expected } = self;
        if found == *expected {
            return Ok(());
        }
        let what = format!(
            "the checksum of the archive is not that of the values (CRC-32 of member `{member}`: \
             expected {expected:08x}, found {found:08x}); the file has changed since it was written: \
             copy it anew from its origin, or save the arrays again"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// A stored member. Its values are read from anywhere, once all its bytes have their checksum.
#[derive(Debug)]
pub(super) struct Stored {
    extent: Extent,
    /// Bytes of the header, before the values.
    header: u64,
    crc: Crc32,
    /// The checksum that the bytes have, from the first read on.
    found: Mutex<Option<u32>>,
}

impl Stored {
    pub(super) fn new(extent: Extent, header: u64, crc: Crc32) -> Self {
        Self {
            extent,
            header,
            crc,
            found: Mutex::new(None),
        }
    }

    /// Where its values lie in the file.
    pub(super) fn start(&self) -> u64 {
        self.extent.at.saturating_add(self.header)
    }

    /// Reads values from byte `offset` of them on. The first read goes through the whole member: a part
    /// of it has no checksum of its own.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.crc.check(self.sum()?)?;
        let from = self.start() + offset;
        self.extent.file.read_exact_at(buffer, from)
    }

    fn sum(&self) -> io::Result<u32> {
        // Other threads wait, and do not read the same bytes beside this one.
        let mut found = self.found.lock();
        if let Some(found) = *found {
            return Ok(found);
        }
        let mut hasher = Hasher::new();
        let mut bytes = self.extent.clone();
        let length = bytes.end.saturating_sub(bytes.at);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(SUMMED).min(SUMMED)];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(*found.insert(hasher.finalize()))
    }
}
