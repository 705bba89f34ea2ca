//! A file that lies elsewhere, as far as a reader can tell: its bytes are in memory, and each request is counted and
//! can fail.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use selvedge_hdf5::{Piece, RangeReader, Reader, StorageError};

/// A request for structure, or one for values with the number of its pieces; and the bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Structure(usize),
    Values(usize, usize),
}

#[derive(Debug)]
pub(crate) struct Elsewhere {
    bytes: Vec<u8>,
    requests: Mutex<Vec<Request>>,
    /// Requests before the one that fails.
    before_fault: AtomicI64,
}

impl Elsewhere {
    pub(crate) fn new(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            bytes: fs::read(path).expect("the file"),
            requests: Mutex::default(),
            before_fault: AtomicI64::new(i64::MAX),
        })
    }

    /// Opens it, as `store://` and the name of the file.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Reader, StorageError> {
        Reader::options().open_ranges("store://bucket/run_1.h5", Arc::clone(self) as _)
    }

    /// Lets the request after `before` others fail.
    pub(crate) fn fail_after(&self, before: i64) {
        self.before_fault.store(before, Ordering::Relaxed);
    }

    /// Whether the request came that fails.
    pub(crate) fn has_failed(&self) -> bool {
        self.before_fault.load(Ordering::Relaxed) < 0
    }

    /// The requests since this was called the last time.
    pub(crate) fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().expect("the requests"))
    }

    fn request(&self, request: Request) -> io::Result<()> {
        self.requests.lock().expect("the requests").push(request);
        match self.before_fault.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(io::Error::other("the store is on fire")),
            _ => Ok(()),
        }
    }

    fn copy(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).expect("an address");
        let found = start.checked_add(bytes.len());
        let found = found.and_then(|end| self.bytes.get(start..end));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl RangeReader for Elsewhere {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.request(Request::Structure(bytes.len()))?;
        self.copy(bytes, offset)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        let bytes = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
        self.request(Request::Values(pieces.len(), bytes))?;
        let mut pieces = pieces.iter_mut();
        pieces.try_for_each(|(offset, bytes)| self.copy(bytes, *offset))
    }
}
