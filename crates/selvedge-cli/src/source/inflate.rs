//! Reading a deflated member of an archive in bounded memory.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use selvedge_base::Mutex;

/// Bytes that are thrown away at a time on the way to those that are wanted.
const SKIPPED: usize = 1 << 16;

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

/// A deflated member. It is read best from the first byte to the last: to go back is to begin again.
pub(super) struct Inflated {
    compressed: Extent,
    /// Bytes of the header, before the values.
    header: u64,
    /// All bytes of the member, unpacked.
    length: u64,
    /// The checksum that the archive has of them.
    crc: u32,
    running: Mutex<Option<Running>>,
}

/// A member while it is unpacked.
struct Running {
    decoder: DeflateDecoder<Extent>,
    /// Bytes that are unpacked.
    at: u64,
    crc: Crc,
}

impl Inflated {
    pub(super) fn new(compressed: Extent, header: u64, length: u64, crc: u32) -> Self {
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
            crc: Crc::new(),
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
        if now.at == self.length && now.crc.sum() != self.crc {
            let what = "the checksum of the archive is not that of the values";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
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
