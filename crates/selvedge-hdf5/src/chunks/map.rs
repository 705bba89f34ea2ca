//! Where the chunks of a tensor lie in the file.
//!
//! The index of the file is asked for a chunk when it is first wanted, and what it says is kept, for all
//! clones of the tensor together: where a committed step lies never changes. An index that only libhdf5
//! reads is gone through once.

use std::sync::{Arc, OnceLock};

use hdf5::Dataset;
use selvedge_base::{Mutex, Stride};

use super::grid::{Grid, to_usize};
use crate::layout::{ChunkLookup, Element, visit_array};
use crate::ranges::Data;

/// More chunks are not mapped: the extents of a file are a claim.
const MOST_CHUNKS: u64 = 1 << 26;
/// Chunks whose places are kept together.
const PAGE: usize = 512;
/// So many places of chunks of this many bytes are looked up to know the largest; else it is taken for as large as
/// it is when it is decoded.
const MOST_MEASURED: u64 = 4096;
const LEAST_MEASURED: u64 = 1 << 20;

/// A chunk in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) address: u64,
    /// Bytes in the file.
    pub(crate) bytes: u32,
    /// A bit for each filter that it did not go through.
    pub(crate) mask: u32,
}

impl Stored {
    /// The address after its last byte.
    pub(crate) fn end(&self) -> Option<u64> {
        self.address.checked_add(u64::from(self.bytes))
    }
}

/// The places of some chunks whose numbers follow each other.
type Page = Arc<[OnceLock<Stored>]>;

/// The places of a tensor's chunks, as far as they are known.
#[derive(Debug)]
pub(crate) struct ChunkMap {
    grid: Grid,
    /// Chunks that are looked up: those of the steps that the tensor has.
    count: u64,
    pages: Box<[OnceLock<Page>]>,
    data: Data,
    /// Where the others are looked up; `None` where there are no others.
    index: Option<Mutex<ChunkLookup>>,
}

impl ChunkMap {
    /// The places of the chunks of `steps` steps, which are looked up in `index` when they are wanted.
    /// What is `known` of so many committed steps is taken over: others can have changed since.
    pub(crate) fn lazy(
        grid: Grid,
        steps: u64,
        data: Data,
        index: ChunkLookup,
        known: Option<(&Self, u64)>,
    ) -> Option<Self> {
        let mut map = Self::empty(grid, steps, data)?;
        map.index = Some(Mutex::new(index));
        if let Some((known, steps)) = known.filter(|(known, _)| known.grid == map.grid) {
            map.take_over(known, map.grid.chunks_of(steps)?);
        }
        Some(map)
    }

    /// The places of the chunks of `steps` steps, as its array with the object header at `header` has them, or libhdf5; none where a
    /// later axis grows: libhdf5 2.2 tells other offsets than such chunks have.
    pub(crate) fn visited(
        grid: Grid,
        steps: u64,
        data: Data,
        dataset: &Dataset,
        header: Option<u64>,
    ) -> Option<Self> {
        let space = dataset.space().ok()?;
        let (shape, most) = (space.shape(), space.maxdims());
        if most.iter().skip(1).any(Option::is_none) {
            return None;
        }
        // The numbers of an array count the chunks that there may be along the other axes.
        let is_full = shape
            .iter()
            .zip(&most)
            .skip(1)
            .all(|(axis, most)| Some(*axis) == *most);
        let map = Self::empty(grid.clone(), steps, data.clone())?;
        let whole = u32::try_from(map.grid.chunk_bytes()).unwrap_or(u32::MAX);
        let mut take = |found: Element| {
            let (bytes, mask) = found.filtered.unwrap_or((whole.into(), 0));
            let stored = Stored {
                address: found.address,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                mask,
            };
            map.keep_number(found.number, stored);
        };
        let header = header.filter(|_| is_full && data.ranges().is_none());
        let length = data.len().ok()?;
        match header.map(|header| visit_array(&data, length, header, &mut take)) {
            Some(Ok(true)) => return Some(map),
            Some(Ok(false)) | None => {}
            // What is wrong with it, libhdf5 says.
            Some(Err(_)) => drop(map),
        }
        let map = Self::empty(grid, steps, data)?;
        dataset
            .chunks_visit(|info| {
                // Of a chunk of 4 GiB and more nobody asks for the bytes: it is not compressed.
                let stored = Stored {
                    address: info.addr,
                    bytes: u32::try_from(info.size).unwrap_or(u32::MAX),
                    mask: info.filter_mask,
                };
                map.keep(info.offset, stored);
                0
            })
            .ok()?;
        Some(map)
    }

    fn empty(grid: Grid, steps: u64, data: Data) -> Option<Self> {
        let count = grid
            .chunks_of(steps)
            .filter(|&count| count <= MOST_CHUNKS)?;
        let pages = to_usize(count).div_ceil(PAGE);
        Some(Self {
            grid,
            count,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
            data,
            index: None,
        })
    }

    /// Keeps what another map has found of the first `count` chunks.
    fn take_over(&self, known: &Self, count: u64) {
        for (nth, (page, known_page)) in self.pages.iter().zip(&known.pages).enumerate() {
            let Some(known_page) = known_page.get() else {
                continue;
            };
            if self.count.min(count) >= ((nth + 1) * PAGE) as u64 {
                let _ = page.set(Arc::clone(known_page));
                continue;
            }
            for (number, stored) in ((nth * PAGE) as u64..count).zip(known_page.iter()) {
                if let Some(&stored) = stored.get() {
                    self.keep_number(number, stored);
                }
            }
        }
    }

    /// How the tensor is cut.
    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The file that the chunks are in.
    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    fn keep(&self, offset: &[u64], stored: Stored) {
        if let Some(number) = self.grid.index(offset) {
            self.keep_number(number, stored);
        }
    }

    fn keep_number(&self, number: u64, stored: Stored) {
        if number < self.count {
            let (page, within) = (to_usize(number) / PAGE, to_usize(number) % PAGE);
            // The last page is as long as there are chunks: most tensors of a file with many have one.
            let length = PAGE.min(to_usize(self.count) - page * PAGE);
            let page =
                self.pages[page].get_or_init(|| (0..length).map(|_| OnceLock::new()).collect());
            // Whoever came first has said the same.
            let _ = page[within].set(stored);
        }
    }

    fn known(&self, number: u64) -> Option<Stored> {
        let page = self.pages.get(to_usize(number) / PAGE)?.get()?;
        page.get(to_usize(number) % PAGE)?.get().copied()
    }

    /// Where chunk number `number`, in the order of the chunk index, lies. `None` where it does not
    /// exist, and reads as the fill value; or where its index cannot be read. libhdf5 knows better then.
    pub(crate) fn find(&self, number: u64) -> Option<Stored> {
        if let Some(found) = self.known(number) {
            return Some(found);
        }
        let index = self.index.as_ref().filter(|_| number < self.count)?;
        let mut index = index.lock();
        let looked_up = index.leaf_of(
            &self.data,
            &self.grid.offset(number),
            &mut |key, address| {
                let stored = Stored {
                    address,
                    bytes: key.bytes,
                    mask: key.mask,
                };
                self.keep(&key.offset, stored);
            },
        );
        looked_up.ok()?;
        self.known(number)
    }

    /// Bytes that the largest chunk takes in the file, or about as many as it can take.
    pub(crate) fn largest_stored(&self) -> u64 {
        let chunk_bytes = self.grid.chunk_bytes();
        if self.count > MOST_MEASURED || chunk_bytes < LEAST_MEASURED {
            return chunk_bytes;
        }
        let stored = (0..self.count).filter_map(|number| self.find(number));
        stored.map(|stored| stored.bytes.into()).max().unwrap_or(0)
    }

    /// Whether all chunks of these steps are there. They are looked up, if they were not yet.
    pub(crate) fn has(&self, steps: Stride) -> bool {
        let (rows, pieces) = (self.grid.steps(), self.grid.pieces());
        let mut nth = 0;
        while nth < steps.count {
            let row = steps.at(nth) / rows;
            let Some(first) = row.checked_mul(pieces) else {
                return false;
            };
            let mut chunks = first..first.saturating_add(pieces);
            if !chunks.all(|number| self.find(number).is_some()) {
                return false;
            }
            // The first of the steps that is in a later row of chunks.
            nth = ((row + 1) * rows - steps.first).div_ceil(steps.stride.max(1));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(address: u64) -> Stored {
        Stored {
            address,
            bytes: 8,
            mask: 0,
        }
    }

    /// A map of `steps` steps, each of which is two chunks, that nobody looks up.
    fn map(steps: u64) -> ChunkMap {
        let grid = Grid::new(&[4], &[1, 2], 4).unwrap();
        ChunkMap::empty(grid, steps, tempfile::tempfile().unwrap().into()).unwrap()
    }

    /// A leaf of the index has chunks of steps that a dead recorder did not commit. Whoever resumes the run
    /// puts others in their place: what was found of them is of no use after a commit.
    #[test]
    fn only_committed_chunks_are_taken_over() {
        let known = map(1000);
        for number in 0..2000 {
            known.keep_number(number, stored(number));
        }
        let grown = map(1500);
        grown.take_over(&known, 2 * 700);
        for number in [0, 511, 512, 1023, 1024, 1399] {
            assert_eq!(grown.find(number), Some(stored(number)));
        }
        assert!((1400..3000).all(|number| grown.find(number).is_none()));
        // Both have the pages of which all is committed, and what one finds there the other knows.
        grown.keep_number(1400, stored(1));
        assert_eq!(known.find(1400), Some(stored(1400)));
        let shrunk = map(3);
        shrunk.take_over(&known, 2 * 700);
        assert_eq!((shrunk.find(5), shrunk.find(6)), (Some(stored(5)), None));
    }

    #[test]
    fn a_step_is_there_if_all_of_its_chunks_are() {
        let map = map(10);
        for number in (0..20).filter(|&number| number != 7) {
            map.keep_number(number, stored(number));
        }
        let has = |first, count, stride| {
            map.has(Stride {
                first,
                count,
                stride,
            })
        };
        assert!(has(0, 3, 1) && !has(0, 4, 1) && has(4, 6, 1));
        assert!(has(0, 5, 2) && !has(1, 2, 2) && has(3, 0, 1));
        assert!(!has(9, 2, 1), "there is no step 10");
    }

    /// The extents of a file are a claim.
    #[test]
    fn a_number_of_chunks_that_cannot_be_is_no_map() {
        let grid = || Grid::new(&[4], &[1, 2], 4).unwrap();
        let file = || Data::from(tempfile::tempfile().unwrap());
        assert!(ChunkMap::empty(grid(), 1 << 26, file()).is_none());
        assert!(ChunkMap::empty(grid(), u64::MAX, file()).is_none());
    }
}
