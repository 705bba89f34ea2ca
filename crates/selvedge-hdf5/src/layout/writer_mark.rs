//! The mark that a program leaves in a superblock of version 3 while it has the file open for writing.
//!
//! HDF5 sets it where a file is made for the latest format, or for readers beside a writer (SWMR), and
//! refuses to open a file that has it. A writer that was killed leaves it in the file.

use super::bytes::{LayoutError, Result};
use crate::storage::{ReadAt, Storage};

const STRUCTURE: &str = "the superblock";
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Bytes of a superblock of version 3 with addresses of 8 bytes, the checksum last.
const SIZE: usize = 48;
const CHECKSUM: usize = SIZE - 4;
const FLAGS: usize = 11;
const END_OF_FILE: std::ops::Range<usize> = 28..36;
/// Open for writing.
const WRITING: u8 = 1;
/// Open for writing beside readers.
const SWMR: u8 = 4;
/// A user block is a power of two from 512 bytes on; a larger one than this is not looked for.
const LARGEST_USER_BLOCK: u64 = 64 << 20;

/// A superblock with the mark of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriterMark {
    /// Where the superblock begins.
    at: u64,
    superblock: [u8; SIZE],
}

impl WriterMark {
    /// `None` for a file without the mark, and for one whose superblock is not sound.
    pub(crate) fn find(file: &dyn ReadAt) -> Option<Self> {
        let mut at = 0;
        loop {
            let mut superblock = [0; SIZE];
            file.read_exact_at(&mut superblock, at).ok()?;
            if superblock.starts_with(&SIGNATURE) {
                let found = Self { at, superblock };
                return found.is_set().then_some(found);
            }
            at = if at == 0 { 512 } else { at * 2 };
            if at > LARGEST_USER_BLOCK {
                return None;
            }
        }
    }

    fn is_set(&self) -> bool {
        let block = &self.superblock;
        // The version, and the sizes of addresses and lengths.
        block[8..11] == [3, 8, 8]
            && block[FLAGS] & (WRITING | SWMR) != 0
            && block[CHECKSUM..] == checksum(&block[..CHECKSUM]).to_le_bytes()
    }

    /// Whether the writer lets others read meanwhile, who then open the file in SWMR mode.
    pub(crate) fn is_swmr(&self) -> bool {
        self.superblock[FLAGS] & (WRITING | SWMR) == WRITING | SWMR
    }

    /// What the superblock says of the length of the file, in bytes. A SWMR writer says the whole
    /// length only when it closes the file.
    pub(crate) fn end_of_file(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.superblock[END_OF_FILE]);
        u64::from_le_bytes(bytes)
    }

    /// Takes the mark out, by one write of the 48 bytes of the superblock.
    ///
    /// The end-of-file address is raised to `length`, the length of the file, where it is less: without
    /// its writer, HDF5 reads nothing after that address, and cuts the file there when it is next
    /// closed after writing.
    pub(crate) fn remove(&self, storage: &dyn Storage, length: u64) -> Result<()> {
        let mut block = self.superblock;
        block[FLAGS] &= !(WRITING | SWMR);
        let end = self.end_of_file().max(length);
        block[END_OF_FILE].copy_from_slice(&end.to_le_bytes());
        let sum = checksum(&block[..CHECKSUM]).to_le_bytes();
        block[CHECKSUM..].copy_from_slice(&sum);
        self.write(storage, &block)
    }

    /// Puts the superblock back as it was found.
    pub(crate) fn restore(&self, storage: &dyn Storage) -> Result<()> {
        self.write(storage, &self.superblock)
    }

    fn write(&self, storage: &dyn Storage, block: &[u8; SIZE]) -> Result<()> {
        let written = storage.write_all_at(block, self.at);
        written.map_err(|source| LayoutError::Write {
            structure: STRUCTURE,
            address: self.at,
            source,
        })
    }
}

/// HDF5's checksum of metadata: `hashlittle` of Bob Jenkins' lookup3, with an initial value of 0.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let start = 0xDEAD_BEEF_u32.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        let (now, later) = rest.split_at(12);
        add(now, [&mut a, &mut b, &mut c]);
        for (x, y, z, by) in [
            (0, 2, 1, 4),
            (1, 0, 2, 6),
            (2, 1, 0, 8),
            (0, 2, 1, 16),
            (1, 0, 2, 19),
            (2, 1, 0, 4),
        ] {
            let mut words = [a, b, c];
            words[x] = words[x].wrapping_sub(words[y]) ^ words[y].rotate_left(by);
            words[y] = words[y].wrapping_add(words[z]);
            [a, b, c] = words;
        }
        rest = later;
    }
    if rest.is_empty() {
        return c;
    }
    add(rest, [&mut a, &mut b, &mut c]);
    for (x, y, by) in [
        (2, 1, 14),
        (0, 2, 11),
        (1, 0, 25),
        (2, 1, 16),
        (0, 2, 4),
        (1, 0, 14),
        (2, 1, 24),
    ] {
        let mut words = [a, b, c];
        words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(by));
        [a, b, c] = words;
    }
    c
}

/// Adds up to 12 bytes to three words, as little-endian numbers that are filled up with zeros.
fn add(bytes: &[u8], words: [&mut u32; 3]) {
    for (word, bytes) in words.into_iter().zip(bytes.chunks(4)) {
        let mut number = [0; 4];
        number[..bytes.len()].copy_from_slice(bytes);
        *word = word.wrapping_add(u32::from_le_bytes(number));
    }
}

#[cfg(test)]
mod tests {
    use super::{WriterMark, checksum};

    /// The values that the author of the function gives, of an empty text and of a sentence.
    #[test]
    fn the_checksum_is_that_of_lookup3() {
        assert_eq!(checksum(b""), 0xDEAD_BEEF);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }

    /// Only the flags, the end of the file and the checksum change, and what HDF5 writes is without the
    /// mark once it has closed the file.
    #[test]
    fn the_mark_is_found_and_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latest.h5");
        let open = hdf5::File::with_options()
            .with_fapl(|access| access.libver_latest().file_locking(false))
            .create(&path)
            .unwrap();
        open.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mark = WriterMark::find(&file).unwrap();
        assert!(!mark.is_swmr());
        assert!(mark.end_of_file() >= 48);
        // On a copy: HDF5 has the file open.
        let copy = folder.path().join("copy.h5");
        std::fs::write(&copy, &bytes).unwrap();
        let copied = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&copy)
            .unwrap();
        mark.remove(&copied, 1 << 20).unwrap();
        let now = std::fs::read(&copy).unwrap();
        let changed: Vec<usize> = (0..bytes.len())
            .filter(|&nth| bytes[nth] != now[nth])
            .collect();
        assert!(
            changed
                .iter()
                .all(|nth| [11].contains(nth) || (28..36).contains(nth) || (44..48).contains(nth)),
            "{changed:?}"
        );
        assert_eq!(WriterMark::find(&copied), None);
        mark.restore(&copied).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), bytes);
        open.close().unwrap();
        assert_eq!(WriterMark::find(&file), None);
    }
}
