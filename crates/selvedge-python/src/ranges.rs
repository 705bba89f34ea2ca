//! A file that lies elsewhere, whose bytes an object of Python fetches.
//!
//! libhdf5 reads under a lock that whoever drops a file takes while the interpreter's lock is held. So nothing of
//! Python is called from there: what is missing is remembered and is an error, somebody fetches it outside, and
//! all is begun anew. A file's structure is a few blocks.

use std::collections::{HashMap, HashSet};
use std::io;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use selvedge_base::Mutex;
use selvedge_hdf5::{Piece, RangeReader};

/// Bytes that are fetched at once.
const BLOCK: u64 = 256 << 10;

/// The blocks of a file that are there.
#[derive(Debug)]
pub(crate) struct Blocks {
    size: u64,
    there: Mutex<HashMap<u64, Vec<u8>>>,
    missing: Mutex<HashSet<u64>>,
}

impl Blocks {
    /// A file of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        Self {
            size,
            there: Mutex::default(),
            missing: Mutex::default(),
        }
    }

    /// Fetches what was missing since this was called the last time, by `fetch(offset, length)`. Returns whether
    /// there was something.
    pub(crate) fn fetch_missing(&self, fetch: &Bound<'_, PyAny>) -> PyResult<bool> {
        let missing = std::mem::take(&mut *self.missing.lock());
        for &block in &missing {
            let offset = block * BLOCK;
            let length = BLOCK.min(self.size - offset);
            let bytes: PyBackedBytes = fetch.call1((offset, length))?.extract()?;
            if bytes.len() as u64 != length {
                let found = bytes.len();
                let text = format!("{found} bytes came of {length} at {offset}");
                return Err(crate::error::new(fetch.py(), "FileError", text));
            }
            self.there.lock().insert(block, bytes.to_vec());
        }
        Ok(!missing.is_empty())
    }
}

impl RangeReader for Blocks {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        let end = end.filter(|&end| end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let there = self.there.lock();
        let mut is_whole = true;
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            let Some(found) = there.get(&block) else {
                self.missing.lock().insert(block);
                is_whole = false;
                continue;
            };
            let start = block * BLOCK;
            let wanted = offset.max(start)..end.min(start + found.len() as u64);
            let place = |at: u64, from: u64| usize::try_from(at - from).map_err(io::Error::other);
            let from = place(wanted.start, start)?..place(wanted.end, start)?;
            let to = place(wanted.start, offset)?..place(wanted.end, offset)?;
            bytes[to].copy_from_slice(&found[from]);
        }
        match is_whole {
            true => Ok(()),
            false => Err(io::Error::other("it is not there yet")),
        }
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        let mut pieces = pieces.iter_mut();
        pieces.try_for_each(|(offset, bytes)| self.read_structure(bytes, *offset))
    }
}
