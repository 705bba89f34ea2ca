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
            // What unpacks it has 100 kB, and nothing left to unpack.
            return self.crc.check(now.crc.finalize());
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::{Crc32, Extent, Inflated};

    /// An archive of 1,000 members took 100 MB, since each kept what had unpacked it.
    #[test]
    fn a_member_that_was_read_to_its_end_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("member");
        let values: Vec<u8> = (0..200_000_u32)
            .map(|at| at.to_le_bytes()[at as usize % 3])
            .collect();
        let mut encoder = DeflateEncoder::new(File::create(&path).unwrap(), Compression::fast());
        encoder.write_all(&values).unwrap();
        let end = encoder.finish().unwrap().metadata().unwrap().len();
        let compressed = Extent {
            file: Arc::new(File::open(&path).unwrap()),
            at: 0,
            end,
        };
        let crc = Crc32 {
            member: "values.npy".to_owned(),
            expected: crc32fast::hash(&values),
        };
        let member = Inflated::new(compressed, 0, values.len() as u64, crc);
        let mut read = vec![0; 100_000];
        let is_kept = || member.running.lock().is_some();
        for (offset, kept) in [
            (0, true),
            (100_000, false),
            (50_000, true),
            (100_000, false),
        ] {
            member.read_at(offset, &mut read).unwrap();
            let at = usize::try_from(offset).unwrap();
            assert!(read == values[at..][..100_000]);
            assert_eq!(is_kept(), kept, "{offset}");
        }
    }
}
