//! A step tensor of a file that is recorded, and the places in the file that belong to it.

use super::commit_log::CommitLog;
use super::reserve::Reserved;
use crate::StorageError;
use crate::chunks::{Grid, MASK_DEFLATE, MASK_UNFILTERED, Written};
use crate::create::{PAGE, chunk_alignment};
use crate::error::LibraryError;
use crate::layout::{ChunkEntry, ChunkIndex, LayoutError, StepDataset};
use crate::run::Standing;
use crate::storage::ReadAt;

/// A step tensor.
#[derive(Debug)]
pub(crate) struct StepTensor {
    pub(crate) name: String,
    pub(crate) grid: Grid,
    /// Leading extent in the file.
    pub(crate) extent: u64,
    /// How it compared with the committed steps when the file was opened.
    pub(crate) standing: Standing,
    pub(super) extent_at: u64,
    pub(super) layout: ChunkLayout,
}

/// How the chunks of a tensor get their places.
#[derive(Debug)]
pub(super) enum ChunkLayout {
    /// They have them before steps are written to them.
    Preallocated(Preallocated),
    /// Compressed ones get them when they are encoded.
    Appended(Appended),
}

/// Chunks that have their places.
#[derive(Debug)]
pub(super) struct Preallocated {
    /// Addresses, in the order of the index.
    pub(super) addresses: Vec<u64>,
    /// `None` where there is no chunk.
    pub(super) index: Option<ChunkIndex>,
    /// What is reserved of the chunk that was written last.
    pub(super) reserved: Reserved,
}

/// Chunks that are appended.
#[derive(Debug)]
pub(super) struct Appended {
    /// The places in the index of the chunks that it had when the file was opened.
    pub(super) entries: Vec<u64>,
    /// Number of chunks in the index.
    pub(super) indexed: u64,
    /// Chunks that are written and not in the index yet.
    pub(super) pending: Vec<Written>,
    pub(super) index: ChunkIndex,
}

impl StepTensor {
    /// Whether its chunks are compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.appended().is_some()
    }

    pub(super) fn appended(&self) -> Option<&Appended> {
        match &self.layout {
            ChunkLayout::Appended(appended) => Some(appended),
            ChunkLayout::Preallocated(_) => None,
        }
    }

    pub(super) fn appended_mut(&mut self) -> Option<&mut Appended> {
        match &mut self.layout {
            ChunkLayout::Appended(appended) => Some(appended),
            ChunkLayout::Preallocated(_) => None,
        }
    }

    /// Addresses of the chunks, in the order of the index; of a compressed tensor none.
    pub(crate) fn chunks(&self) -> &[u64] {
        match &self.layout {
            ChunkLayout::Preallocated(preallocated) => &preallocated.addresses,
            ChunkLayout::Appended(_) => &[],
        }
    }

    /// The number of chunks in the index.
    pub(super) fn chunk_count(&self) -> u64 {
        match &self.layout {
            ChunkLayout::Preallocated(preallocated) => preallocated.addresses.len() as u64,
            ChunkLayout::Appended(appended) => appended.indexed,
        }
    }

    /// Bytes that one more row of chunks can take, with its index nodes and alignment. The stream of a
    /// chunk that does not compress is longer than the chunk by less than a page.
    pub(super) fn row_bytes(&self) -> u64 {
        let nodes = match &self.layout {
            ChunkLayout::Preallocated(preallocated) => {
                let index = preallocated.index.as_ref();
                index.map_or(1, ChunkIndex::nodes_per_growth)
            }
            ChunkLayout::Appended(appended) => appended.index.nodes_per_growth(),
        };
        let node = ChunkIndex::node_bytes(self.grid.rank()).next_multiple_of(PAGE);
        let chunk = self.grid.chunk_bytes();
        let chunk = chunk.saturating_add(chunk_alignment(chunk).max(PAGE));
        self.grid
            .pieces()
            .saturating_mul(chunk.saturating_add(nodes * node))
    }

    /// Finds the chunks of a dataset, which have to be as the recorder made them.
    pub(super) fn read(
        log: &CommitLog,
        storage: &dyn ReadAt,
        name: &str,
        dataset: &StepDataset,
        standing: Standing,
    ) -> Result<Self, StorageError> {
        let refuse = |reason: String| log.written_anew(LibraryError::new(reason));
        let grid = Grid::new(&dataset.extents[1..], &dataset.chunk, dataset.element_bytes)
            .filter(|grid| u32::try_from(grid.chunk_bytes()).is_ok())
            .ok_or_else(|| {
                refuse(format!(
                    "the chunks of tensor `{name}` do not hold whole pieces of a step"
                ))
            })?;
        // Of each chunk its address, or where its entry is in the index.
        let mut places = Vec::new();
        let mut see = |entry: ChunkEntry| {
            let ChunkEntry { key, address, at } = entry;
            let number = places.len() as u64;
            let is_sound = match dataset.compressed {
                true => may_be_stored(u64::from(key.bytes), key.mask, &grid),
                false => u64::from(key.bytes) == grid.chunk_bytes(),
            };
            if key.offset != grid.offset(number) || !is_sound {
                return Err(LayoutError::unexpected(
                    "the chunk index",
                    address,
                    format!(
                        "chunk {number} of tensor `{name}`, of {} bytes",
                        grid.chunk_bytes()
                    ),
                    format!("one of {} bytes at {:?}", key.bytes, key.offset),
                ));
            }
            places.push(if dataset.compressed { at } else { address });
            Ok(())
        };
        let rank = dataset.extents.len();
        let root_at = dataset.index_root_at;
        let index = dataset
            .index_root
            .map(|root| ChunkIndex::read(storage, rank, root, root_at, &mut see))
            .transpose()
            .map_err(|error| log.written_anew(error.into()))?;
        let count = places.len() as u64;
        let held = (count / grid.pieces()).saturating_mul(grid.steps());
        // What another program appended need not have chunks, and is left as it is.
        if dataset.extents[0] > held && standing != Standing::Appended {
            return Err(refuse(format!(
                "tensor `{name}` says it has {} steps, and its chunks hold {held}",
                dataset.extents[0]
            )));
        }
        let layout = match dataset.compressed {
            true => ChunkLayout::Appended(Appended {
                entries: places,
                indexed: count,
                pending: Vec::new(),
                index: index.unwrap_or_else(|| ChunkIndex::empty(rank, root_at)),
            }),
            false => ChunkLayout::Preallocated(Preallocated {
                addresses: places,
                index,
                reserved: Reserved::default(),
            }),
        };
        Ok(Self {
            name: name.to_owned(),
            grid,
            extent: dataset.extents[0],
            standing,
            extent_at: dataset.leading_extent_at,
            layout,
        })
    }
}

/// Whether a compressed chunk of `grid` can have `bytes` bytes in the file. What h5py appended went
/// through zlib, whose streams can be a little longer than what they hold, or through one of the filters.
fn may_be_stored(bytes: u64, mask: u32, grid: &Grid) -> bool {
    let whole = grid.chunk_bytes();
    let fits = match mask & MASK_DEFLATE {
        0 => bytes <= whole + whole / 100 + 64,
        _ => bytes == whole,
    };
    fits && mask <= MASK_UNFILTERED
}
