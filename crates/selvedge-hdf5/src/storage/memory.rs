//! A file in memory, for tests.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{ReadAt, Status, Storage};

/// A file in memory that counts the calls and the bytes of its reads.
#[derive(Default)]
pub(crate) struct InMemory {
    bytes: Mutex<Vec<u8>>,
    reads: AtomicUsize,
    read: AtomicUsize,
}

impl InMemory {
    /// The reads since the last call, and their bytes.
    pub(crate) fn taken(&self) -> (usize, usize) {
        let order = Ordering::Relaxed;
        (self.reads.swap(0, order), self.read.swap(0, order))
    }
}

impl ReadAt for InMemory {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(buffer.len(), Ordering::Relaxed);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.bytes.lock().unwrap();
        let from = bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Storage for InMemory {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let mut all = self.bytes.lock().unwrap();
        let end = all.len().max(start + bytes.len());
        all.resize(end, 0);
        all[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        unreachable!("the length follows the writes")
    }

    fn status(&self) -> io::Result<Status> {
        unreachable!("nobody asks")
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        unreachable!("nothing is reserved")
    }

    fn release(&self, _: u64, _: u64) -> io::Result<()> {
        unreachable!("nothing is given back")
    }
}
