//! Reading a deflated member of an archive in bounded memory.

use std::fmt;
use std::io::{self, Read};

use crc32fast::Hasher;
use flate2::read::DeflateDecoder;
use selvedge_base::Mutex;

use super::stored::{Crc32, Extent};

/// Bytes that are thrown away at a time on the way to those that are wanted.
const SKIPPED: usize = 1 << 16;

/// A deflated member. It is read best from the first byte to the last: to go back is to begin again.
pub(super) struct Inflated {
    compressed: Extent,
    /// Bytes of the header, before the values.
    header: u64,
    /// All bytes of the member, unpacked.
    length: u64,
    /// The checksum that the archive has of them.
    crc: Crc32,
    running: Mutex<Option<Running>>,
}

/// A member while it is unpacked.
struct Running {
    decoder: DeflateDecoder<Extent>,
    /// Bytes that are unpacked.
    at: u64,
    crc: Hasher,
}

impl Inflated {
    pub(super) fn new(compressed: Extent, header: u64, length: u64, crc: Crc32) -> Self {
        Self {
            compressed,
            header,
            length,
            crc,
            running: Mutex::new(None),
        }
    }

    /// Reads values from byte `offset` of them on. What is read up to the last byte, from the first on,
    /// is held against the checksum of the archive.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut running = self.running.lock();
        let from = self.header + offset;
        let new = || Running {
            decoder: DeflateDecoder::new(self.compressed.clone()),
            at: 0,
            crc: Hasher::new(),
        };
        let mut now = match running.take().filter(|now| now.at <= from) {
            Some(now) => now,
            None => new(),
        };
        if now.at < from {
            let mut skipped = vec![0; SKIPPED];
            while now.at < from {
                let left = usize::try_from(from - now.at).unwrap_or(SKIPPED);
                now.fill(&mut skipped[..left.min(SKIPPED)])?;
            }
        }
        now.fill(buffer)?;
        if now.at == self.length {
            self.crc.check(now.crc.clone().finalize())?;
        }
        *running = Some(now);
        Ok(())
    }
}

impl Running {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.decoder.read_exact(buffer)?;
        self.crc.update(buffer);
        self.at += buffer.len() as u64;
        Ok(())
    }
}

impl fmt::Debug for Inflated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflated")
            .field("compressed", &self.compressed)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
