//! Where the plain bytes of a tensor lie in the file, and reading them from there.
//!
//! Bytes that no filter has changed are read with `pread`: without libhdf5, whose lock lets one
//! thread in at a time, and without a map, which would end the process where the file is cut
//! meanwhile.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use hdf5::Dataset;

use super::live;
use crate::grid::Grid;

/// Where the plain bytes of a tensor lie in the file. A row is what lies at one index of the first
/// axis: a step.
#[derive(Debug)]
pub(super) enum Place {
    /// At this address, one behind the other.
    Contiguous {
        /// Where the first row begins, in bytes from the start of the file.
        address: u64,
        /// Bytes of one row.
        row_bytes: u64,
    },
    /// In chunks with these addresses, in the order of their offsets.
    Chunks(Grid, Vec<u64>),
}

/// What is known of a tensor whose bytes are to be found.
pub(super) struct Wanted<'a> {
    pub(super) data: &'a File,
    pub(super) dataset: &'a Dataset,
    /// Address of the object header of a step tensor of our own.
    pub(super) header: Option<u64>,
    /// Shape of the dataset in elements, the rows first.
    pub(super) shape: &'a [u64],
    pub(super) chunk: Option<&'a [u64]>,
    /// Bytes of an element.
    pub(super) element: u64,
}

impl Place {
    /// `None` where libhdf5 has to read: chunks that are missing, or cut in another way.
    pub(super) fn find(wanted: &Wanted<'_>) -> Option<Self> {
        let step_shape = wanted.shape.get(1..).unwrap_or_default();
        let Some(chunk) = wanted.chunk else {
            let row = step_shape
                .iter()
                .try_fold(1_u64, |all, &axis| all.checked_mul(axis))?;
            return Some(Self::Contiguous {
                address: wanted.dataset.offset()?,
                row_bytes: row.checked_mul(wanted.element)?,
            });
        };
        let grid = Grid::new(step_shape, chunk, wanted.element)?;
        let count = wanted
            .shape
            .first()?
            .div_ceil(grid.steps())
            .checked_mul(grid.pieces())?;
        // Chunks behind the extent belong to steps that are not committed.
        let mut chunks = wanted
            .header
            .and_then(|header| live::chunks(wanted.data, header, &grid, count))
            .or_else(|| chunks_by_library(wanted.dataset, &grid, count))?;
        chunks.sort_unstable();
        chunks.dedup_by_key(|(index, _)| *index);
        // A chunk that was never written reads as the fill value, which libhdf5 knows.
        if chunks.len() as u64 != count {
            return None;
        }
        let addresses = chunks.into_iter().map(|(_, address)| address).collect();
        Some(Self::Chunks(grid, addresses))
    }

    /// Reads the rows `rows`, whole, into `bytes`, which has exactly their length.
    pub(super) fn read_rows(
        &self,
        data: &File,
        rows: Range<u64>,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        match self {
            Self::Contiguous { address, row_bytes } => {
                read_at(data, bytes, *address, rows.start.checked_mul(*row_bytes))
            }
            Self::Chunks(grid, addresses) => grid.runs(rows).try_for_each(|run| {
                let address = address_of(addresses, run.chunk)?;
                read_at(data, &mut bytes[run.bytes], address, Some(run.within))
            }),
        }
    }

    /// Reads the bytes of row `row` from its byte `start` on.
    pub(super) fn read_within(
        &self,
        data: &File,
        row: u64,
        start: usize,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        match self {
            Self::Contiguous { address, row_bytes } => {
                let within = row.checked_mul(*row_bytes);
                let within = within.and_then(|within| within.checked_add(start as u64));
                read_at(data, bytes, *address, within)
            }
            Self::Chunks(grid, addresses) => {
                let end = start + bytes.len();
                grid.runs_within(row, start..end).try_for_each(|run| {
                    let address = address_of(addresses, run.chunk)?;
                    read_at(data, &mut bytes[run.bytes], address, Some(run.within))
                })
            }
        }
    }
}

fn address_of(addresses: &[u64], chunk: usize) -> io::Result<u64> {
    addresses
        .get(chunk)
        .copied()
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Reads from `within` bytes behind `address`. No file has a byte where their sum overflows.
fn read_at(data: &File, bytes: &mut [u8], address: u64, within: Option<u64>) -> io::Result<()> {
    let address = within.and_then(|within| address.checked_add(within));
    let address = address.ok_or(io::ErrorKind::UnexpectedEof)?;
    data.read_exact_at(bytes, address)
}

/// The index in `grid` and the address of each chunk among the first `count`. There can be far
/// fewer of them than the extents have room for.
fn chunks_by_library(dataset: &Dataset, grid: &Grid, count: u64) -> Option<Vec<(u64, u64)>> {
    let mut chunks = Vec::new();
    dataset
        .chunks_visit(|info| {
            let index = grid.index(info.offset).filter(|&index| index < count);
            chunks.extend(index.map(|index| (index, info.addr)));
            0
        })
        .ok()?;
    Some(chunks)
}
