//! Where the values of a tensor lie in the file, and reading plain bytes from there.
//!
//! Bytes that no filter has changed are read with `pread`: without libhdf5, whose lock lets one
//! thread in at a time, and without a map, which would end the process where the file is cut
//! meanwhile.

use std::cmp::Reverse;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use hdf5::Dataset;
use selvedge_base::Stride;
use selvedge_base::shape::elements;

use super::Tensor;
use crate::chunks::{ChunkFormat, ChunkMap, Grid, Pipeline, Run, to_usize};
use crate::layout::{ChunkLookup, chunk_tree};
use crate::ranges::{Data, Piece};

/// Where the values of a tensor lie in the file. A row is what lies at one index of the first axis: a
/// step. There is room for one in each tensor, of which a file can have ten thousand: so what is large is boxed.
#[derive(Debug)]
pub(super) enum Place {
    /// At this address, one after the other.
    Contiguous {
        data: Data,
        /// Where the first row begins, in bytes from the start of the file.
        address: u64,
        /// Bytes of one row.
        row_bytes: u64,
    },
    /// In chunks, as they are in memory.
    Chunks(Box<ChunkMap>),
    /// In chunks that are to be decoded.
    Compressed(Box<ChunkMap>, ChunkFormat),
}

/// How the values of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are in memory.
    Plain,
    /// In chunks that are decoded past libhdf5.
    Compressed(Pipeline),
    /// Only libhdf5 can read them: they have another byte order, other filters, or lie in another file.
    Other,
}

/// What is known of a tensor whose bytes are to be found.
pub(super) struct TensorLocation<'a> {
    pub(super) data: &'a Data,
    pub(super) dataset: Dataset,
    /// Address of its object header; `None` in another file.
    pub(super) header: Option<u64>,
    /// Shape of the dataset in elements, the rows first.
    pub(super) shape: &'a [u64],
    pub(super) chunk: Option<&'a [u64]>,
    /// Bytes of an element.
    pub(super) element: u64,
    pub(super) encoding: Encoding,
}

impl TensorLocation<'_> {
    /// The places of its chunks, of which some can be `known` already.
    fn map(&self, grid: Grid, known: Option<(&ChunkMap, u64)>) -> Option<ChunkMap> {
        let (data, rows) = (self.data.clone(), *self.shape.first()?);
        // An index of the old format is read where it lies: libhdf5 has no call that looks one chunk up.
        let tree = self
            .header
            .and_then(|header| chunk_tree(self.data, header).ok()?);
        match tree.filter(|tree| Some(&tree.chunk[..]) == self.chunk) {
            Some(tree) => {
                let index = ChunkLookup::new(tree.chunk.len(), tree.root?);
                ChunkMap::lazy(grid, rows, data, index, known)
            }
            None => ChunkMap::visited(grid, rows, data, &self.dataset, self.header),
        }
    }
}

impl Place {
    /// `None` where libhdf5 has to read. Where so many committed rows lie can be `known`.
    fn find(wanted: &TensorLocation<'_>, known: Option<(&Self, u64)>) -> Option<Self> {
        let step_shape = wanted.shape.get(1..).unwrap_or_default();
        let known = known.and_then(|(known, rows)| Some((known.map()?, rows)));
        match (wanted.encoding, wanted.chunk) {
            (Encoding::Plain, None) => {
                let row = elements(step_shape)?;
                Some(Self::Contiguous {
                    data: wanted.data.clone(),
                    address: wanted.dataset.offset()?,
                    row_bytes: row.checked_mul(wanted.element)?,
                })
            }
            (Encoding::Plain, Some(chunk)) => {
                let grid = Grid::new(step_shape, chunk, wanted.element)?;
                Some(Self::Chunks(Box::new(wanted.map(grid, known)?)))
            }
            (Encoding::Compressed(pipeline), Some(chunk)) => {
                let grid = Grid::any(step_shape, chunk, wanted.element)?;
                let format = ChunkFormat {
                    pipeline,
                    element: to_usize(wanted.element),
                    bytes: usize::try_from(grid.chunk_bytes()).ok()?,
                };
                Some(Self::Compressed(Box::new(wanted.map(grid, known)?), format))
            }
            _ => None,
        }
    }

    fn map(&self) -> Option<&ChunkMap> {
        match self {
            Self::Contiguous { .. } => None,
            Self::Chunks(map) | Self::Compressed(map, _) => Some(map),
        }
    }

    /// Whether all bytes of these rows are in the file. A chunk that was never written reads as the fill
    /// value, which libhdf5 knows.
    pub(super) fn has(&self, rows: Stride) -> bool {
        self.map().is_none_or(|map| map.has(rows))
    }

    /// Whether the bytes are those of memory.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Self::Compressed(..))
    }

    /// Reads the plain rows `rows`, whole, into `bytes`, which has exactly their length.
    pub(super) fn read_rows(&self, rows: Range<u64>, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Contiguous {
                data,
                address,
                row_bytes,
            } => read_at(data, bytes, *address, rows.start.checked_mul(*row_bytes)),
            Self::Chunks(map) => read_runs(map, map.grid().runs(rows), bytes),
            Self::Compressed(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Reads the bytes of the plain row `row` from its byte `start` on.
    pub(super) fn read_within(&self, row: u64, start: usize, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Contiguous {
                data,
                address,
                row_bytes,
            } => {
                let within = row.checked_mul(*row_bytes);
                let within = within.and_then(|within| within.checked_add(start as u64));
                read_at(data, bytes, *address, within)
            }
            Self::Chunks(map) => {
                let end = start + bytes.len();
                read_runs(map, map.grid().runs_within(row, start..end), bytes)
            }
            Self::Compressed(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Adds the pieces that the bytes of the plain row `row` from its byte `start` on are to `pieces`.
    pub(super) fn pieces_within<'b>(
        &self,
        row: u64,
        start: usize,
        bytes: &'b mut [u8],
        pieces: &mut Vec<Piece<'b>>,
    ) -> io::Result<()> {
        match self {
            Self::Contiguous {
                address, row_bytes, ..
            } => {
                let within = row.checked_mul(*row_bytes);
                let within = within.and_then(|within| within.checked_add(start as u64));
                pieces.push((sum(*address, within)?, bytes));
                Ok(())
            }
            Self::Chunks(map) => {
                let end = start + bytes.len();
                runs_into(map, map.grid().runs_within(row, start..end), bytes, pieces)
            }
            Self::Compressed(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Reads these runs, whose bytes are all of `bytes`: those of a file that lies elsewhere at once.
fn read_runs(
    map: &ChunkMap,
    mut runs: impl Iterator<Item = Run>,
    bytes: &mut [u8],
) -> io::Result<()> {
    if let Some(ranges) = map.data().ranges() {
        let mut pieces = Vec::new();
        runs_into(map, runs, bytes, &mut pieces)?;
        return ranges.read_many(&mut pieces);
    }
    runs.try_for_each(|run| {
        let address = address_of(map, run.chunk)?;
        read_at(map.data(), &mut bytes[run.bytes], address, Some(run.within))
    })
}

/// Adds a piece for each of these runs, whose bytes are all of `bytes`.
fn runs_into<'b>(
    map: &ChunkMap,
    mut runs: impl Iterator<Item = Run>,
    bytes: &'b mut [u8],
    pieces: &mut Vec<Piece<'b>>,
) -> io::Result<()> {
    let mut left = bytes;
    runs.try_for_each(|run| {
        let address = sum(address_of(map, run.chunk)?, Some(run.within))?;
        let here = left.split_off_mut(..run.bytes.len());
        pieces.push((address, here.ok_or(io::ErrorKind::UnexpectedEof)?));
        Ok(())
    })
}

fn address_of(map: &ChunkMap, chunk: usize) -> io::Result<u64> {
    map.find(chunk as u64)
        .map(|stored| stored.address)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The byte `within` bytes after `address`. No file has one where their sum overflows.
fn sum(address: u64, within: Option<u64>) -> io::Result<u64> {
    let address = within.and_then(|within| address.checked_add(within));
    address.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Reads from `within` bytes after `address`.
fn read_at(data: &Data, bytes: &mut [u8], address: u64, within: Option<u64>) -> io::Result<()> {
    data.read_values(bytes, sum(address, within)?)
}

/// Says where the chunk indexes of these tensors lie, if the file lies elsewhere and has them, or some of them,
/// together at its end: then they are read at once.
pub(super) fn expect_indexes(data: &Data, tensors: &[Tensor]) {
    let Some(ranges) = data.ranges() else {
        return;
    };
    let mut indexes: Vec<(u64, u64)> = tensors.iter().filter_map(Tensor::chunk_index).collect();
    indexes.sort_unstable_by_key(|(root, _)| Reverse(*root));
    let (mut most, mut first) = (0_u64, None);
    for (root, bytes) in indexes {
        most = most.saturating_add(bytes);
        if ranges.size().saturating_sub(root) <= most {
            first = Some(root);
        }
    }
    if let Some(first) = first {
        ranges.will_read_structure(first..ranges.size());
    }
}

/// The place of a tensor, which is found when it is first read: once for all its clones.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Committed rows that it is for.
    rows: u64,
    place: Shared,
    /// The place when there were fewer committed rows, and their number.
    earlier: Option<(Shared, u64)>,
}

type Shared = Arc<OnceLock<Option<Place>>>;

impl Found {
    /// The place of a tensor with `rows` committed rows.
    pub(super) fn new(rows: u64) -> Self {
        Self {
            rows,
            place: Arc::default(),
            earlier: None,
        }
    }

    /// Takes note that the tensor has `rows` committed rows now, `each` in a chunk. Clones go on with what
    /// they had.
    pub(super) fn set_rows(&mut self, rows: u64, each: u64) {
        let before = std::mem::replace(&mut self.rows, rows);
        if before.div_ceil(each) != rows.div_ceil(each) {
            let earlier = std::mem::take(&mut self.place);
            if earlier.get().is_some() {
                self.earlier = Some((earlier, before.min(rows)));
            }
        }
    }

    /// Forgets the place, which is found anew. Clones go on with what they had.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.rows);
    }

    /// The place, for which `wanted` says what it needs; `None` where libhdf5 has to read.
    pub(super) fn get<'a>(
        &self,
        wanted: impl FnOnce() -> Option<TensorLocation<'a>>,
    ) -> Option<&Place> {
        let find = || {
            let earlier = self.earlier.as_ref();
            let known = earlier.and_then(|(place, rows)| Some((place.get()?.as_ref()?, *rows)));
            Place::find(&wanted()?, known)
        };
        self.place.get_or_init(find).as_ref()
    }
}
