//! Reading a deflated member of an archive in bounded memory.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crc32fast::Hasher;
use flate2::read::DeflateDecoder;
use selvedge_base::Mutex;

use super::stored::{Crc32, Extent};

/// Bytes that are thrown away at a time on the way to those that are wanted.
const SKIPPED: usize = 1 << 16;
/// The largest member, in bytes, that is kept unpacked when somebody goes back in it: as large as a block.
const KEPT_BYTES: u64 = 16 << 20;

/// The one member of an archive that is kept unpacked, by its name.
pub(super) type Kept = Arc<Mutex<Option<(String, Vec<u8>)>>>;

/// A deflated member. It is read best from the first byte to the last: to go back in one that is too large to be kept is
/// to begin again.
pub(super) struct Inflated {
    compressed: Extent,
    /// Bytes of the header, before the values.
    header: u64,
    /// All bytes of the member, unpacked.
    length: u64,
    /// The checksum that the archive has of them.
    crc: Crc32,
    running: Mutex<Option<Running>>,
    kept: Kept,
}

/// A member while it is unpacked.
struct Running {
    decoder: DeflateDecoder<Extent>,
    /// Bytes that are unpacked.
    at: u64,
    crc: Hasher,
}

impl Inflated {
    pub(super) fn new(
        compressed: Extent,
        header: u64,
        length: u64,
        crc: Crc32,
        kept: &Kept,
    ) -> Self {
        Self {
            compressed,
            header,
            length,
            crc,
            running: Mutex::new(None),
            kept: Arc::clone(kept),
        }
    }

    /// Reads values from byte `offset` of them on. What is read up to the last byte is held against the checksum of
    /// the archive; where these values are the last, so is what lies behind them.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8], is_last: bool) -> io::Result<()> {
        let mut running = self.running.lock();
        let from = self.header + offset;
        let mut now = match running.take() {
            Some(now) if now.at <= from => now,
            Some(_) if self.length <= KEPT_BYTES => return self.read_kept(from, buffer),
            None if self.is_kept() => return self.read_kept(from, buffer),
            _ => self.begin(),
        };
        now.skip_to(from)?;
        now.fill(buffer)?;
        if is_last {
            now.skip_to(self.length)?;
        }
        if now.at == self.length {
            // What unpacks it has 100 kB, and nothing left to unpack.
            return self.crc.check(now.crc.finalize());
        }
        *running = Some(now);
        Ok(())
    }

    fn begin(&self) -> Running {
        Running {
            decoder: DeflateDecoder::new(self.compressed.clone()),
            at: 0,
            crc: Hasher::new(),
        }
    }

    fn is_kept(&self) -> bool {
        let kept = self.kept.lock();
        kept.as_ref()
            .is_some_and(|(member, _)| *member == self.crc.member)
    }

    /// Reads from byte `from` of the member on, which is unpacked as a whole unless it is kept.
    fn read_kept(&self, from: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut kept = self.kept.lock();
        let bytes = match kept.take() {
            Some((member, bytes)) if member == self.crc.member => bytes,
            _ => {
                let mut bytes = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
                let mut whole = self.begin();
                whole.fill(&mut bytes)?;
                self.crc.check(whole.crc.finalize())?;
                bytes
            }
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let found = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
        let found = found.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        *kept = Some((self.crc.member.clone(), bytes));
        Ok(())
    }
}

impl Running {
    fn skip_to(&mut self, from: u64) -> io::Result<()> {
        let left = |at: u64| {
            let left = usize::try_from(from.saturating_sub(at));
            left.unwrap_or(SKIPPED).min(SKIPPED)
        };
        let mut skipped = vec![0; left(self.at)];
        while self.at < from {
            let most = left(self.at);
            self.fill(&mut skipped[..most])?;
        }
        Ok(())
    }

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
    use selvedge_base::Mutex;

    use super::{Crc32, Extent, Inflated};

    const STEP: usize = 10_000;

    /// Twenty steps of values with `behind` bytes after them, the member of them, and a handle of its file.
    fn member(behind: usize) -> (Vec<u8>, Inflated, File) {
        let values: Vec<u8> = (0..20 * STEP + behind)
            .map(|at| at.to_le_bytes()[at % 3])
            .collect();
        let file = tempfile::tempfile().unwrap();
        let mut encoder = DeflateEncoder::new(file.try_clone().unwrap(), Compression::fast());
        encoder.write_all(&values).unwrap();
        let end = encoder.finish().unwrap().metadata().unwrap().len();
        let compressed = Extent {
            file: Arc::new(file.try_clone().unwrap()),
            at: 0,
            end,
        };
        let crc = Crc32 {
            member: "values.npy".to_owned(),
            expected: crc32fast::hash(&values),
        };
        let kept = Arc::new(Mutex::new(None));
        let member = Inflated::new(compressed, 0, values.len() as u64, crc, &kept);
        (values, member, file)
    }

    fn check(member: &Inflated, values: &[u8], step: usize) {
        let mut read = vec![0; STEP];
        let at = step * STEP;
        member.read_at(at as u64, &mut read, step == 19).unwrap();
        assert!(read == values[at..][..STEP], "{step}");
    }

    /// An archive of 1,000 members took 100 MB, since each kept what had unpacked it.
    #[test]
    fn a_member_that_was_read_to_its_end_keeps_nothing() {
        for behind in [0, 1, 100_000] {
            let (values, member, _) = member(behind);
            for (step, is_kept) in [(0, true), (7, true), (19, false), (3, true), (19, false)] {
                check(&member, &values, step);
                assert_eq!(member.running.lock().is_some(), is_kept, "{step}");
                assert!(member.kept.lock().is_none());
            }
        }
    }

    /// Steps in falling order cost one unpacking from the beginning each. Here the file is emptied after the third: all
    /// others unpack no byte of it.
    #[test]
    fn steps_in_falling_order_are_unpacked_once() {
        let (values, member, file) = member(3);
        for step in (17..20).rev() {
            check(&member, &values, step);
        }
        file.set_len(0).unwrap();
        for step in (0..17).rev().chain([19, 4, 4]) {
            check(&member, &values, step);
        }
    }

    /// A damaged byte behind the values, or a wrong checksum, was not told where something followed them.
    #[test]
    fn the_checksum_is_that_of_all_of_a_member() {
        let (_, mut member, _) = member(100);
        member.crc.expected ^= 1;
        let mut read = vec![0; STEP];
        let last = 19 * STEP as u64;
        let error = member.read_at(last, &mut read, true).unwrap_err();
        assert!(error.to_string().contains("CRC-32"), "{error}");
        member.read_at(STEP as u64, &mut read, false).unwrap();
        let error = member.read_at(0, &mut read, false).unwrap_err();
        assert!(error.to_string().contains("CRC-32"), "{error}");
    }
}
