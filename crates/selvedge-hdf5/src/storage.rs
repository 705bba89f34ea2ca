//! The few operations on a file that the recorder's protocol is made of.
//!
//! Everything that the recorder does to a file after its creation goes through this trait, so that
//! tests can inject faults and replay crashes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use selvedge_base::{Mutex, disk};

#[cfg(test)]
mod memory;
#[cfg(test)]
pub(crate) use memory::InMemory;

/// What the file system says of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Length in bytes.
    pub(crate) len: u64,
    /// Number of names that the file has; 0 after it was deleted or replaced.
    pub(crate) links: u64,
}

/// Positioned reads. Offsets and lengths are in bytes.
pub(crate) trait ReadAt: Send + Sync {
    /// Fills `buffer` from `offset`; an end of file on the way is `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Reads of small structures, most of which lie a little after one that was read lately: they are read ahead.
pub(crate) struct ReadAhead<'a> {
    storage: &'a dyn ReadAt,
    /// What was read lately, and where it begins.
    kept: Mutex<VecDeque<(u64, Vec<u8>)>>,
}

/// How much is read ahead, in bytes …
const AHEAD: usize = 32 << 10;
/// … and how often it is kept: headers, indexes and names each have places of their own.
const KEPT: usize = 4;

impl<'a> ReadAhead<'a> {
    /// What is read must not change as long as this is there.
    pub(crate) fn new(storage: &'a dyn ReadAt) -> Self {
        let kept = Mutex::default();
        Self { storage, kept }
    }
}

impl ReadAt for ReadAhead<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut kept = self.kept.lock();
        let found = kept.iter().find_map(|(begin, bytes)| {
            let from = usize::try_from(offset.checked_sub(*begin)?).ok()?;
            bytes.get(from..from.checked_add(buffer.len())?)
        });
        if let Some(found) = found {
            buffer.copy_from_slice(found);
            return Ok(());
        }
        if buffer.len() <= AHEAD {
            let oldest = if kept.len() < KEPT {
                None
            } else {
                kept.pop_front()
            };
            let mut bytes = oldest.map_or_else(|| vec![0; AHEAD], |(_, bytes)| bytes);
            if self.storage.read_exact_at(&mut bytes, offset).is_ok() {
                buffer.copy_from_slice(&bytes[..buffer.len()]);
                kept.push_back((offset, bytes));
                return Ok(());
            }
        }
        // It is long, or the file ends soon after it.
        self.storage.read_exact_at(buffer, offset)
    }
}

/// Positioned reads and writes.
pub(crate) trait Storage: ReadAt {
    /// Whether a read is a call of the system, so that what lies near each other is better read together.
    fn reads_by_calls(&self) -> bool {
        true
    }
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Sets the length of the file; growing it adds a hole.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Length and number of names.
    fn status(&self) -> io::Result<Status>;
    /// Puts everything written so far on the medium.
    fn sync_data(&self) -> io::Result<()>;
    /// Asks for blocks under the `len` bytes at `offset`, which are written soon. It changes neither the
    /// length nor what is read there.
    ///
    /// # Errors
    ///
    /// There is no room for them, or the file system cannot do this.
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Gives the blocks under these bytes back: they are read as zeros then. The length stays.
    ///
    /// # Errors
    ///
    /// The file system cannot do this.
    fn release(&self, offset: u64, len: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Storage for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn status(&self) -> io::Result<Status> {
        let metadata = self.metadata()?;
        Ok(Status {
            len: metadata.len(),
            links: metadata.nlink(),
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        disk::reserve(self, offset, len)
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        disk::release(self, offset, len)
    }
}
