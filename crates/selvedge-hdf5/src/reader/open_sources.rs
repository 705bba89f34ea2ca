//! What reading a virtual dataset takes. libhdf5 opens each source that values come from, gives it a cache for chunks, and
//! keeps it until the dataset is closed; and unpacks a chunk of a source for each read that has a part of it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

use hdf5::{Dataset, Datatype};
use selvedge_base::shape::most_elements;
use selvedge_base::{Mutex, MutexGuard, Stride};

use crate::chunks::to_usize;
use crate::ffi::{self, Mapping};

/// Bytes of chunks that are kept of all sources of a dataset together.
const CACHE: u64 = 8 << 20;
/// Sources that stay open, which take some 20 kB each …
const OPEN: usize = 64;
/// … and of those that lie in more files than this: an open file takes 500 kB …
const OPEN_FILES: usize = 16;
/// … and of a dataset with very many this part of them: opening it again takes the longer the more it has.
const PART: usize = 64;
/// The largest chunk that is kept for the next read of some of its rows, in bytes, if one row has values of one alone.
const KEPT: u64 = 32 << 20;

/// The chunks of a source that have to be unpacked.
#[derive(Clone, Debug)]
pub(super) struct PackedChunks {
    /// The shape of one in elements.
    pub(super) shape: Vec<u64>,
    /// Its bytes.
    pub(super) bytes: u64,
    pub(super) filters: usize,
}

/// The sources of a virtual dataset, of which libhdf5 has some open.
#[derive(Debug, Default)]
pub(super) struct OpenSources {
    /// The rows that each mapping gives, and the number of the source that they come from.
    mappings: Vec<(Range<u64>, usize)>,
    /// All of them, with those of sources that are virtual themselves.
    count: usize,
    /// Files that they lie in.
    files: usize,
    /// Sources that one row has values of, at most.
    widest: u64,
    /// The fill value of the dataset, if it is not zeros.
    fill: OnceLock<Option<Vec<u8>>>,
    /// Rows that lie in one chunk of a source, and the most memory that unpacking such a chunk takes, in bytes.
    unpacked: Option<(u64, u64)>,
    /// Bytes of the largest chunk that is kept unpacked: for other rows of it, or since several mappings lead to it, each of
    /// which libhdf5 reads by itself.
    kept: u64,
    open: Mutex<Option<HashSet<usize>>>,
}

impl OpenSources {
    /// What these mappings take. `chunks` are those of the sources, by their numbers, of which each mapping has one;
    /// and there are `count` sources in all.
    pub(super) fn new(
        mappings: &[(Mapping, usize)],
        chunks: &HashMap<usize, PackedChunks>,
        count: usize,
    ) -> Self {
        let mut made = Self {
            count,
            ..Self::default()
        };
        let (mut seen, mut files) = (HashSet::new(), HashSet::new());
        // The largest chunk of several rows, and of several mappings.
        let (mut of_rows, mut shared) = (0, 0);
        for (mapping, source) in mappings {
            // A mapping without an end, whose sources have numbers, opens all of them each time.
            if let Some((first, end)) = &mapping.target {
                let rows = first.first().copied().zip(end.first().copied());
                let (first, end) = rows.unwrap_or((0, 1));
                made.mappings.push((first..end, *source));
            }
            files.insert(&mapping.file);
            let is_shared = !seen.insert(*source);
            let Some(packed) = chunks.get(source) else {
                continue;
            };
            let (rows, bytes) = made.unpacked.unwrap_or((1, 0));
            // libhdf5 holds what is stored, what a filter was given, and what it made of it.
            let unpacking = packed
                .bytes
                .saturating_mul(1 + packed.filters.min(2) as u64);
            let here = rows_of_chunk(mapping, &packed.shape);
            made.unpacked = Some((here.max(rows), unpacking.max(bytes)));
            if here > 1 {
                of_rows = packed.bytes.max(of_rows);
            }
            if is_shared {
                shared = packed.bytes.max(shared);
            }
        }
        made.files = files.len();
        made.widest = widest(&made.mappings);
        made.kept = match made.widest {
            1 if of_rows <= KEPT => shared.max(of_rows),
            1 => shared,
            widest => Some(shared.max(of_rows))
                .filter(|bytes| bytes.saturating_mul(widest) <= CACHE)
                .unwrap_or(0),
        };
        made
    }

    /// Bytes of chunks that are kept of each source.
    pub(super) fn cache_bytes(&self) -> usize {
        let open = self.count.min(self.most()).max(1) as u64;
        to_usize((CACHE / open.max(self.widest)).max(self.kept))
    }

    /// Sources that stay open.
    fn most(&self) -> usize {
        let cached = to_usize(CACHE / self.kept.max(1)).max(1);
        let open = match self.files > OPEN_FILES {
            true => OPEN_FILES,
            false => OPEN,
        };
        open.max(self.count / PART).min(cached)
    }

    /// The fill value of `dataset`, as an element of the type `memory`, which is always the same; `None` where it is zeros.
    /// libhdf5 copies all mappings for whoever asks.
    pub(super) fn fill(&self, dataset: &Dataset, memory: &Datatype) -> hdf5::Result<Option<&[u8]>> {
        if self.fill.get().is_none() {
            let found = ffi::fill_value(dataset, memory)?;
            self.fill.get_or_init(|| found);
        }
        Ok(self.fill.get().and_then(Option::as_deref))
    }

    /// Rows that lie in one chunk of a source, and the memory that unpacking it takes beside them, in bytes; `None`
    /// where no source has to be unpacked.
    pub(super) fn unpacked(&self) -> Option<(u64, u64)> {
        let (rows, bytes) = self.unpacked?;
        // Where rows of one source and the next are read, chunks of both.
        let kept = self.kept.saturating_mul(self.widest + 1);
        let kept = if kept > 2 * CACHE { kept } else { 0 };
        Some((rows, bytes.saturating_add(kept)))
    }

    /// Begins to read these rows, until what is returned is dropped: one after the other, as libhdf5 reads. Calls `close`
    /// where the dataset is to be closed before, so that it has no more sources open than should be.
    pub(super) fn read(
        &self,
        rows: Stride,
        close: impl FnOnce(),
    ) -> MutexGuard<'_, Option<HashSet<usize>>> {
        let end = rows.at(rows.count.saturating_sub(1)).saturating_add(1);
        let wanted = self.mappings.iter();
        let wanted = wanted.filter(|(of, _)| of.start < end && rows.first < of.end);
        let wanted: HashSet<usize> = wanted.map(|&(_, source)| source).collect();
        let mut guard = self.open.lock();
        match &mut *guard {
            Some(open) if wanted.is_subset(open) => {}
            Some(open) if open.union(&wanted).count() <= self.most() => open.extend(wanted),
            open => {
                *open = Some(wanted);
                close();
            }
        }
        guard
    }
}

/// The most mappings that give values of the same row.
fn widest(mappings: &[(Range<u64>, usize)]) -> u64 {
    let ends = |(rows, _): &(Range<u64>, usize)| [(rows.start, true), (rows.end, false)];
    let mut ends: Vec<_> = mappings.iter().flat_map(ends).collect();
    // At the same row what ends comes first.
    ends.sort_unstable();
    let (mut now, mut most) = (0_u64, 1);
    for (_, begins) in ends {
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = now.max(most);
    }
    most
}

/// Rows of the virtual dataset that have values in one chunk of this shape, of the source of a mapping.
fn rows_of_chunk(mapping: &Mapping, chunk: &[u64]) -> u64 {
    let along = chunk.first().copied().unwrap_or(1);
    let Some((first, end)) = &mapping.target else {
        return along.max(1);
    };
    let axes = end.iter().zip(first);
    let part: Vec<u64> = axes
        .map(|(end, first)| end.saturating_sub(*first))
        .collect();
    let rows = part.first().copied().unwrap_or(1);
    let each = match chunk.len() == part.len() {
        true => along,
        false => {
            let row = most_elements(part.get(1..).unwrap_or_default());
            most_elements(chunk).div_ceil(row.max(1))
        }
    };
    // Rows of other sources between them.
    let spread = most_elements(&part).div_ceil(mapping.elements.max(1));
    each.saturating_mul(spread).min(rows).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use selvedge_base::Stride;

    use super::{CACHE, OpenSources, PackedChunks, rows_of_chunk, to_usize};
    use crate::ffi::{Mapping, Needed};

    fn mapping(first: &[u64], end: &[u64], elements: u64) -> Mapping {
        Mapping {
            file: b".".to_vec(),
            dataset: b"S".to_vec(),
            needed: Needed::Any,
            target: Some((first.to_vec(), end.to_vec())),
            elements,
            blocks: 1,
        }
    }

    #[test]
    fn rows_of_a_chunk_are_those_that_it_gives_values_of() {
        for (first, end, elements, chunk, rows) in [
            (vec![0, 0], vec![100, 8], 800, vec![25, 8], 25),
            (vec![90, 0], vec![100, 8], 80, vec![25, 8], 10),
            // Every other row.
            (vec![0, 0], vec![199, 8], 800, vec![25, 8], 50),
            // A row for each source, and a column.
            (vec![7, 0], vec![8, 64], 64, vec![64], 1),
            (vec![0, 7], vec![100, 8], 100, vec![64], 64),
        ] {
            let mapping = mapping(&first, &end, elements);
            assert_eq!(rows_of_chunk(&mapping, &chunk), rows, "{first:?} {chunk:?}");
        }
    }

    #[test]
    fn sources_are_closed_when_others_are_read() {
        let each = |row: u64| (mapping(&[row, 0], &[row + 1, 8], 8), to_usize(row));
        let mappings: Vec<_> = (0..200).map(each).collect();
        let closed = |sources: &OpenSources, rows| {
            let mut closed = false;
            drop(sources.read(Stride::of(rows), || closed = true));
            closed
        };
        let sources = OpenSources::new(&mappings, &HashMap::new(), 200);
        assert_eq!(
            (sources.unpacked(), sources.cache_bytes()),
            (None, 128 << 10)
        );
        // It was open with other caches.
        assert!(closed(&sources, 0..1));
        let times = (1..200)
            .filter(|&row| closed(&sources, row..row + 1))
            .count();
        assert_eq!(times, 3);
        // Rows that have all of them keep them.
        assert!(closed(&sources, 0..200));
        assert!(!closed(&sources, 0..200) && !closed(&sources, 3..4));
        // Rows of one source that has a chunk for all.
        let one: Vec<_> = mappings.into_iter().map(|(one, _)| (one, 0)).collect();
        let packed = PackedChunks {
            shape: vec![200, 8],
            bytes: 2 * CACHE,
            filters: 1,
        };
        let sources = OpenSources::new(&one, &[(0, packed)].into(), 1);
        assert_eq!(sources.cache_bytes() as u64, 2 * CACHE);
        assert_eq!(sources.unpacked(), Some((1, 8 * CACHE)));
        // Columns.
        let each = |column: u64| {
            (
                mapping(&[0, column], &[200, column + 1], 200),
                to_usize(column),
            )
        };
        let columns: Vec<_> = (0..200).map(each).collect();
        let packed = |bytes: u64| PackedChunks {
            shape: vec![100],
            bytes,
            filters: 1,
        };
        for (bytes, cache) in [(40 << 10, CACHE / 200), (1 << 20, CACHE / 200)] {
            let chunks = (0..200).map(|source| (source, packed(bytes))).collect();
            let sources = OpenSources::new(&columns, &chunks, 200);
            assert_eq!(sources.cache_bytes() as u64, cache);
            assert_eq!(sources.unpacked().unwrap().0, 100);
        }
    }
}
