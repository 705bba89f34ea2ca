//! A new file whose bytes are kept in memory until they are flushed: libhdf5 makes it in thousands of small writes, and the
//! recorder then looks at each of its structures and changes a number in it, while nobody else knows the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use selvedge_base::Mutex;

use crate::ranges::{Piece, RangeReader};
use crate::storage::{ReadAt, Status, Storage};

/// Bytes of a page …
const PAGE: usize = 64 << 10;
/// … and how many are kept at most, which a run of some thousands of tensors has.
const MOST: usize = 256;

/// A new file. What was not flushed when it is dropped is lost.
#[derive(Debug)]
pub(crate) struct WriteBack {
    file: File,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By their numbers.
    pages: BTreeMap<u64, Page>,
    /// The length of the file when all is flushed.
    len: u64,
}

#[derive(Debug)]
struct Page {
    bytes: Box<[u8]>,
    /// Which of them the file does not have.
    changed: Range<usize>,
}

impl WriteBack {
    /// The file that `held` has open, emptied.
    pub(crate) fn over(held: &File) -> io::Result<Self> {
        let file = held.try_clone()?;
        // If an empty file were truncated all the same, ext4 would take it for one that replaces another
        // (`auto_da_alloc`), and whoever closes it last would wait until its pages are on their way.
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
        }
        let kept = Mutex::default();
        Ok(Self { file, kept })
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.kept.lock().len
    }

    /// Gives the file what is kept.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.kept.lock().flush(&self.file)
    }
}

impl Kept {
    fn flush(&mut self, file: &File) -> io::Result<()> {
        file.set_len(self.len)?;
        for (number, Page { bytes, changed }) in std::mem::take(&mut self.pages) {
            let at = number * PAGE as u64 + changed.start as u64;
            FileExt::write_all_at(file, &bytes[changed], at)?;
        }
        Ok(())
    }

    /// The page of this number, to be changed.
    fn page(&mut self, file: &File, number: u64) -> io::Result<&mut Page> {
        let is_new = !self.pages.contains_key(&number);
        if is_new && self.pages.len() == MOST {
            self.flush(file)?;
        }
        let mut page = Page {
            bytes: Box::default(),
            changed: 0..0,
        };
        if is_new {
            page.bytes = vec![0; PAGE].into();
            read_to_end(file, &mut page.bytes, number * PAGE as u64)?;
        }
        Ok(self.pages.entry(number).or_insert(page))
    }
}

/// The pages that `len` bytes at `offset` lie in: number, which bytes of the page, and which of these.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset.saturating_add(done as u64);
        #[expect(clippy::cast_possible_truncation, reason = "it is less than a page")]
        let begin = (at % PAGE as u64) as usize;
        let here = (PAGE - begin).min(len - done);
        let of_these = done..done + here;
        done += here;
        (here > 0).then_some((at / PAGE as u64, begin..begin + here, of_these))
    })
}

/// Reads what the file has of these bytes.
fn read_to_end(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => break,
            Ok(read) => {
                bytes = &mut bytes[read..];
                at += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl ReadAt for WriteBack {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let kept = self.kept.lock();
        if offset.saturating_add(buffer.len() as u64) > kept.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for (number, within, part) in pages(offset, buffer.len()) {
            let at = offset + part.start as u64;
            let part = &mut buffer[part];
            match kept.pages.get(&number) {
                Some(page) => part.copy_from_slice(&page.bytes[within]),
                None => {
                    part.fill(0);
                    read_to_end(&self.file, part, at)?;
                }
            }
        }
        Ok(())
    }
}

impl Storage for WriteBack {
    fn reads_by_calls(&self) -> bool {
        false
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut kept = self.kept.lock();
        for (number, within, part) in pages(offset, bytes.len()) {
            let page = kept.page(&self.file, number)?;
            page.bytes[within.clone()].copy_from_slice(&bytes[part]);
            page.changed = match page.changed.is_empty() {
                true => within.clone(),
                false => page.changed.start.min(within.start)..page.changed.end.max(within.end),
            };
            // Whatever is flushed meanwhile is not to be cut off.
            kept.len = kept.len.max(number * PAGE as u64 + within.end as u64);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut kept = self.kept.lock();
        let shorter = len < kept.len;
        if shorter {
            kept.flush(&self.file)?;
        }
        kept.len = len;
        if shorter {
            self.file.set_len(len)
        } else {
            Ok(())
        }
    }

    fn status(&self) -> io::Result<Status> {
        let len = self.len();
        Ok(Status {
            len,
            ..self.file.status()?
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        Storage::reserve(&self.file, offset, len)
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        self.flush()?;
        Storage::release(&self.file, offset, len)
    }
}

/// As libhdf5 reads it.
impl RangeReader for WriteBack {
    fn size(&self) -> u64 {
        self.len()
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        let mut pieces = pieces.iter_mut();
        pieces.try_for_each(|(offset, bytes)| self.read_exact_at(bytes, *offset))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(storage: &dyn Storage) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(storage.status().unwrap().len).unwrap()];
        storage.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn it_reads_and_leaves_what_a_plain_file_would(
            changes in prop::collection::vec((0..40 * PAGE as u64, 0..3 * PAGE, any::<bool>(), 0..10), 1..20)
        ) {
            let new = || tempfile::tempfile().unwrap();
            let (plain, file) = (new(), new());
            Storage::write_all_at(&file, b"something else", 5).unwrap();
            let kept = WriteBack::over(&file).unwrap();
            for (number, (offset, len, is_write, flush)) in (1_u8..).zip(changes) {
                let both: [&dyn Storage; 2] = [&plain, &kept];
                for storage in both {
                    match is_write {
                        true => storage.write_all_at(&vec![number; len], offset).unwrap(),
                        false => storage.set_len(offset).unwrap(),
                    }
                }
                if flush == 0 {
                    kept.flush().unwrap();
                }
                prop_assert!(all(&plain) == all(&kept));
                prop_assert!(kept.read_exact_at(&mut [0], kept.len()).is_err());
            }
            kept.flush().unwrap();
            prop_assert!(all(&plain) == all(&file));
        }
    }

    #[test]
    fn it_is_not_in_memory_whatever_its_size() {
        let file = tempfile::tempfile().unwrap();
        let kept = WriteBack::over(&file).unwrap();
        for number in 0..3 * MOST as u64 {
            kept.write_all_at(&[1], number * PAGE as u64).unwrap();
            assert!(kept.kept.lock().pages.len() <= MOST);
        }
        assert!(file.status().unwrap().len > MOST as u64 * PAGE as u64);
    }
}
