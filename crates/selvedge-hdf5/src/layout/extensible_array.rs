//! The chunks of a dataset that grows along its first axis, in the format of HDF5 1.10 and later: an extensible array,
//! whose blocks are there as far as chunks were written.
//!
//! libhdf5 goes through its elements from the first to the last, whether they are there or not. Here its blocks are gone
//! through, and a structure of any other kind is left to libhdf5; so is one whose checksum is wrong.

use super::bytes::{Block, LayoutError, Result, UNDEFINED};
use super::object_header::{CONTINUATION, LAYOUT};
use super::superblock::Addressing;
use super::writer_mark::checksum;
use crate::storage::ReadAt;

const HEADER: &str = "an object header";
const ARRAY: &str = "an extensible array";
/// Bytes of the parts that have one length: the array's header, and what blocks begin with.
const ARRAY_HEADER: usize = 72;
const PREFIX: usize = 14;
const CHECKSUM: usize = 4;
/// The kind of this index, and of a layout in chunks.
const EXTENSIBLE: u8 = 4;
const CHUNKED: u8 = 2;

/// A chunk that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// In the order of the chunks, row by row.
    pub(crate) number: u64,
    pub(crate) address: u64,
    /// Its bytes in the file, and the bits of the filters that it did not go through; `None` without filters.
    pub(crate) filtered: Option<(u64, u32)>,
}

/// Shows the chunks of the dataset with the object header at `address` to `take`, in their order, and returns whether it has such
/// an array, in a file of `len` bytes. Their order is that of the extents that the dataset may have at most.
pub(crate) fn visit_array(
    storage: &dyn ReadAt,
    len: u64,
    address: u64,
    take: &mut dyn FnMut(Element),
) -> Result<bool> {
    let addressing = Addressing::find(storage, len);
    let is_usual =
        addressing.is_some_and(|found| (found.base, found.offset, found.length) == (0, 8, 8));
    let mut reader = Checked { storage, left: len };
    match is_usual
        .then(|| index_of(&mut reader, address))
        .transpose()?
    {
        Some(Some(index)) => Array::open(&mut reader, index)?.visit(&mut reader, take),
        _ => Ok(false),
    }
}

/// Reads blocks that end with their checksum: no more of them than the file has bytes.
struct Checked<'a> {
    storage: &'a dyn ReadAt,
    left: u64,
}

impl Checked<'_> {
    fn read(&mut self, what: &'static str, address: u64, len: usize) -> Result<Block> {
        let more = || LayoutError::unexpected(what, address, "blocks as long as the file", "more");
        self.left = self.left.checked_sub(len as u64).ok_or_else(more)?;
        let block = Block::read(self.storage, what, address, len)?;
        let sum = len.saturating_sub(CHECKSUM);
        let found = checksum(block.slice(0, sum)?);
        block.expect(sum, &found.to_le_bytes(), "the checksum")?;
        Ok(block)
    }
}

/// The address of the array of the dataset with the object header at `address`; `None` of any other dataset.
fn index_of(reader: &mut Checked<'_>, address: u64) -> Result<Option<u64>> {
    let start = Block::read(reader.storage, HEADER, address, 6)?;
    if start.slice(0, 5)? != b"OHDR\x02" {
        return Ok(None);
    }
    let flags = start.u8(5)?;
    let times = if flags & 0x20 == 0 { 0 } else { 16 };
    let phases = if flags & 0x10 == 0 { 0 } else { 4 };
    let size_at = 6 + times + phases;
    let size_bytes = 1 << (flags & 3);
    let first = size_at + size_bytes;
    let prefix = Block::read(reader.storage, HEADER, address, first)?;
    let size = prefix.number(size_at, size_bytes)?;
    let whole = usize::try_from(size).unwrap_or(usize::MAX);
    let whole = whole.saturating_add(first + CHECKSUM);
    // Of messages the kind, the length and flags, and their order where it is kept.
    let head = if flags & 0x04 == 0 { 4 } else { 6 };
    let mut blocks = vec![(address, whole, first)];
    while let Some((address, len, mut at)) = blocks.pop() {
        let block = reader.read(HEADER, address, len)?;
        while at + head <= len - CHECKSUM {
            let (kind, bytes) = (block.u8(at)?, usize::from(block.u16(at + 1)?));
            let message = at + head;
            if u16::from(kind) == LAYOUT {
                return array_of(&block, message);
            } else if u16::from(kind) == CONTINUATION {
                let len = usize::try_from(block.u64(message + 8)?).unwrap_or(usize::MAX);
                blocks.push((block.u64(message)?, len, 4));
            }
            at = message + bytes;
        }
    }
    Ok(None)
}

/// The address of the array that a layout message names.
fn array_of(block: &Block, at: usize) -> Result<Option<u64>> {
    let [version, class] = [block.u8(at)?, block.u8(at + 1)?];
    if !(4..=5).contains(&version) || class != CHUNKED {
        return Ok(None);
    }
    let (axes, bytes) = (block.u8(at + 3)?, block.u8(at + 4)?);
    let kind = at + 5 + usize::from(axes) * usize::from(bytes);
    // Between them are the five numbers that the array has, too.
    let index = block.u64(kind + 6)?;
    Ok((block.u8(kind)? == EXTENSIBLE && index != UNDEFINED).then_some(index))
}

/// The header of an array.
struct Array {
    /// Bytes of an element, of which those of a filtered one are address, length and mask.
    element: usize,
    is_filtered: bool,
    /// Elements in the index block itself.
    in_index: u64,
    /// Elements of the smallest data blocks.
    smallest: u64,
    /// Data blocks of the first super block that has a block of its own.
    pointers: u64,
    /// Elements of a page of a data block that has several.
    page: u64,
    super_blocks: u32,
    /// Bytes of the number of an element, in blocks.
    number_bytes: usize,
    /// Elements that were ever set are before this one.
    end: u64,
    index_block: u64,
}

/// Some data blocks of one length.
#[derive(Clone, Copy)]
struct Level {
    blocks: u64,
    /// Elements of each.
    elements: u64,
}

impl Array {
    fn open(reader: &mut Checked<'_>, address: u64) -> Result<Self> {
        let header = reader.read(ARRAY, address, ARRAY_HEADER)?;
        header.expect(0, b"EAHD\0", "the signature and version")?;
        let small = |at: usize| header.u8(at).map(u64::from);
        let (is_filtered, element) = (header.u8(5)? == 1, usize::from(header.u8(6)?));
        let (bits, smallest) = (header.u8(7)?, small(9)?);
        let (pointers, page_bits) = (small(10)?, header.u8(11)?);
        let sizes = if is_filtered { 13..=20 } else { 8..=8 };
        let is_sound = sizes.contains(&element)
            && header.u8(5)? <= 1
            && bits <= 64
            && page_bits < 32
            && smallest.is_power_of_two()
            && pointers.is_power_of_two()
            && u32::from(bits) >= smallest.ilog2() + 2 * pointers.ilog2();
        if !is_sound {
            return Err(header.unexpected("the parameters of an array", "others"));
        }
        Ok(Self {
            element,
            is_filtered,
            in_index: small(8)?,
            smallest,
            pointers,
            page: 1 << page_bits,
            super_blocks: 1 + u32::from(bits) - smallest.ilog2(),
            number_bytes: usize::from(bits).div_ceil(8),
            end: header.u64(44)?,
            index_block: header.u64(60)?,
        })
    }

    /// The data blocks of the super block with this number.
    fn level(&self, nth: u32) -> Level {
        Level {
            blocks: 1 << (nth / 2),
            elements: self.smallest.saturating_mul(1 << nth.div_ceil(2).min(63)),
        }
    }

    fn visit(&self, reader: &mut Checked<'_>, take: &mut dyn FnMut(Element)) -> Result<bool> {
        if self.index_block == UNDEFINED {
            return Ok(true);
        }
        let within = 2 * self.pointers.ilog2();
        let addresses = 2 * (self.pointers - 1) + u64::from(self.super_blocks - within);
        let elements = size(self.in_index).saturating_mul(self.element);
        let len = PREFIX + elements + 8 * size(addresses) + CHECKSUM;
        let block = reader.read(ARRAY, self.index_block, len)?;
        block.expect(0, b"EAIB\0", "the signature and version")?;
        self.elements(&block, PREFIX, 0, self.in_index, take)?;
        let (mut at, mut first) = (PREFIX + elements, self.in_index);
        for nth in 0..self.super_blocks {
            let level = self.level(nth);
            if first >= self.end {
                break;
            }
            if nth < within {
                for _ in 0..level.blocks {
                    self.data_block(reader, block.u64(at)?, level.elements, first, None, take)?;
                    (at, first) = (at + 8, first.saturating_add(level.elements));
                }
            } else {
                self.super_block(reader, block.u64(at)?, level, first, take)?;
                at += 8;
                first = first.saturating_add(level.blocks.saturating_mul(level.elements));
            }
        }
        Ok(true)
    }

    /// The pages of a data block with so many elements; none where it is read at once.
    fn pages(&self, elements: u64) -> u64 {
        match elements > self.page {
            true => elements / self.page,
            false => 0,
        }
    }

    fn super_block(
        &self,
        reader: &mut Checked<'_>,
        address: u64,
        level: Level,
        mut first: u64,
        take: &mut dyn FnMut(Element),
    ) -> Result<()> {
        if address == UNDEFINED {
            return Ok(());
        }
        let pages = self.pages(level.elements);
        let bitmap = PREFIX + self.number_bytes;
        let bits = level.blocks.saturating_mul(pages.div_ceil(8));
        let begin = bitmap.saturating_add(size(bits));
        let len = begin.saturating_add(size(level.blocks.saturating_mul(8)));
        let block = reader.read(ARRAY, address, len.saturating_add(CHECKSUM))?;
        block.expect(0, b"EASB\0", "the signature and version")?;
        for nth in 0..level.blocks {
            let written = Pages {
                block: &block,
                bitmap,
                first: nth * pages,
            };
            let data = block.u64(begin + size(nth) * 8)?;
            self.data_block(reader, data, level.elements, first, Some(&written), take)?;
            first = first.saturating_add(level.elements);
        }
        Ok(())
    }

    fn data_block(
        &self,
        reader: &mut Checked<'_>,
        address: u64,
        elements: u64,
        first: u64,
        written: Option<&Pages<'_>>,
        take: &mut dyn FnMut(Element),
    ) -> Result<()> {
        if address == UNDEFINED || first >= self.end {
            return Ok(());
        }
        let begin = PREFIX + self.number_bytes;
        let pages = self.pages(elements);
        let in_block = if pages == 0 { elements } else { 0 };
        let bytes = size(in_block).saturating_mul(self.element);
        let len = begin.saturating_add(bytes).saturating_add(CHECKSUM);
        let block = reader.read(ARRAY, address, len)?;
        block.expect(0, b"EADB\0", "the signature and version")?;
        self.elements(&block, begin, first, in_block, take)?;
        let page_bytes = size(self.page) * self.element + CHECKSUM;
        for page in 0..pages {
            let number = first.saturating_add(page * self.page);
            let is_written = written.map_or(Ok(true), |written| written.has(page))?;
            if number < self.end && is_written {
                let at = len as u64 + page * page_bytes as u64;
                let block = reader.read(ARRAY, address.saturating_add(at), page_bytes)?;
                self.elements(&block, 0, number, self.page, take)?;
            }
        }
        Ok(())
    }

    /// Takes the elements that a block has from byte `at` on, of which `first` is the number of the first.
    fn elements(
        &self,
        block: &Block,
        at: usize,
        first: u64,
        count: u64,
        take: &mut dyn FnMut(Element),
    ) -> Result<()> {
        let count = count.min(self.end.saturating_sub(first));
        for nth in 0..count {
            let at = at + size(nth) * self.element;
            let address = block.u64(at)?;
            if address == UNDEFINED {
                continue;
            }
            let mask = at + self.element - 4;
            take(Element {
                number: first + nth,
                address,
                filtered: match self.is_filtered {
                    true => Some((block.number(at + 8, self.element - 12)?, block.u32(mask)?)),
                    false => None,
                },
            });
        }
        Ok(())
    }
}

/// Which pages of a data block were ever written.
struct Pages<'a> {
    block: &'a Block,
    /// Where the bits of all data blocks begin, the highest of a byte first, and the first of this one.
    bitmap: usize,
    first: u64,
}

impl Pages<'_> {
    fn has(&self, page: u64) -> Result<bool> {
        let bit = self.first + page;
        let byte = self.block.u8(self.bitmap + size(bit / 8))?;
        Ok(byte & (0x80 >> (bit % 8)) != 0)
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use hdf5::{Extent, SimpleExtents};

    use super::*;
    use crate::ffi;
    use crate::storage::{InMemory, Storage as _};

    /// A file with a dataset of so many rows, each a chunk, of which these are written; and the address of its header.
    fn file(path: &Path, rows: usize, written: &[usize], filter: bool) -> (InMemory, u64, u64) {
        let mut options = hdf5::File::with_options();
        let file = options.with_fapl(|access| access.libver_latest());
        let file = file.create(path).unwrap();
        let extents = SimpleExtents::new([Extent::resizable(rows), Extent::fixed(4)]);
        let builder = file.new_dataset::<i32>().shape(extents).chunk([1, 4]);
        let builder = if filter { builder.deflate(1) } else { builder };
        let dataset = builder.create("x").unwrap();
        for &row in written {
            let values = [i32::try_from(row).unwrap(); 4];
            let row = (row, ..);
            dataset.write_slice::<_, i32, _, _>(&values, row).unwrap();
        }
        let address = ffi::object_info(&dataset).unwrap().token.address();
        drop((dataset, builder));
        file.close().unwrap();
        let bytes = fs::read(path).unwrap();
        let image = InMemory::default();
        image.write_all_at(&bytes, 0).unwrap();
        (image, bytes.len() as u64, address)
    }

    fn found(image: &InMemory, len: u64, address: u64) -> Vec<Element> {
        let mut found = Vec::new();
        assert!(visit_array(image, len, address, &mut |one| found.push(one)).unwrap());
        found
    }

    /// The array is a claim of the file: what is there counts, and not how long it says it is.
    #[test]
    fn the_cost_is_that_of_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let cost = |rows: usize| {
            let path = folder.path().join(format!("{rows}.h5"));
            let (image, len, address) = file(&path, rows, &[5, rows - 1], false);
            let found = found(&image, len, address);
            let numbers: Vec<u64> = found.iter().map(|one| one.number).collect();
            assert_eq!(numbers, [5, rows as u64 - 1]);
            image.taken()
        };
        let (short, long) = (cost(10_000), cost(100_000_000));
        assert!(long.0 <= short.0 + 8 && long.0 < 40, "{short:?} {long:?}");
        assert!(long.1 < 1 << 20, "{short:?} {long:?}");
    }

    #[test]
    fn each_chunk_is_where_libhdf5_has_it() {
        let folder = tempfile::tempdir().unwrap();
        for (nth, rows) in [3, 70, 1000, 400_000].into_iter().enumerate() {
            for filter in [false, true] {
                let path = folder.path().join(format!("{nth}_{filter}.h5"));
                let written: Vec<usize> = (0..rows)
                    .filter(|row| (row % 7 == 3 && *row < 1000) || row % 997 < 2)
                    .collect();
                let (image, len, address) = file(&path, rows, &written, filter);
                let opened = hdf5::File::open(&path).unwrap();
                let mut theirs = Vec::new();
                let visited = opened.dataset("x").unwrap().chunks_visit(|info| {
                    theirs.push(Element {
                        number: info.offset[0],
                        address: info.addr,
                        filtered: filter.then_some((info.size, info.filter_mask)),
                    });
                    0
                });
                visited.unwrap();
                assert_eq!(theirs.len(), written.len());
                assert_eq!(found(&image, len, address), theirs, "{rows} {filter}");
            }
        }
    }

    /// Whatever byte is another, it is an error, another kind of index, or nothing that matters.
    #[test]
    fn damage_is_an_error_and_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let (image, len, address) = file(&path, 5000, &[1, 30, 4999], true);
        let sound = found(&image, len, address);
        let mut byte = [0];
        let mut refused = 0;
        for at in 48..len {
            image.read_exact_at(&mut byte, at).unwrap();
            for wrong in [byte[0] ^ 0xFF, byte[0] ^ 1] {
                image.write_all_at(&[wrong], at).unwrap();
                let mut seen = Vec::new();
                match visit_array(&image, len, address, &mut |one| seen.push(one)) {
                    Ok(true) => assert_eq!(seen, sound, "{at}"),
                    Ok(false) => assert!(seen.is_empty(), "{at}"),
                    Err(_) => refused += 1,
                }
            }
            image.write_all_at(&byte, at).unwrap();
        }
        assert!(refused > 500, "{refused}");
    }
}
