//! How a tensor is cut into what is worked on at a time.

use std::ops::Range;

use crate::chunks::to_usize;
use crate::source::{Access, TensorSource};

/// Bytes that are worked on at a time. Copied, read back and compared, a piece passes through two
/// buffers: both fit into the cache of one core, where there are 1 MiB or more. Pieces of 4 MiB made
/// `Rechunk` take 1.7 times as long.
const PIECE: u64 = 512 << 10;
/// Parts of rows have at least this many bytes.
const LEAST: u64 = 64 << 10;

/// Bytes of a piece in `memory` bytes, if it need not be larger.
fn most_bytes(memory: u64) -> u64 {
    (memory.min(PIECE) / LEAST).max(1) * LEAST
}

/// Bytes that are worked on at a time: whole rows, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) rows: Range<u64>,
    /// The bytes within the row, where it is a part of one.
    pub(crate) part: Option<Range<usize>>,
    /// All bytes of it.
    pub(crate) len: usize,
}

impl Piece {
    /// Reads it, into exactly its length of bytes.
    pub(crate) fn read<S: TensorSource>(
        &self,
        tensor: &S,
        bytes: &mut [u8],
    ) -> Result<(), S::Error> {
        match &self.part {
            Some(part) => tensor.read_part(self.rows.start, part.start, bytes),
            None => tensor.read_rows(self.rows.clone(), bytes),
        }
    }

    /// The row that holds the byte `byte` of the piece, and its place in that row.
    pub(crate) fn row_of(&self, byte: usize) -> (u64, usize) {
        match &self.part {
            Some(part) => (self.rows.start, part.start + byte),
            None => {
                let rows = to_usize(self.rows.end - self.rows.start).max(1);
                let row_bytes = (self.len / rows).max(1);
                (
                    self.rows.start + (byte / row_bytes) as u64,
                    byte % row_bytes,
                )
            }
        }
    }
}

/// A way through a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    row_bytes: u64,
    /// Rows of a piece; pieces start at multiples of it.
    rows: u64,
    /// Bytes of a piece that is a part of a row.
    part: Option<u64>,
    /// What reading takes beside a buffer of the piece's size, in bytes.
    beside: u64,
    /// Whether a tensor is to be read from its first row to its last.
    in_order: bool,
}

impl Walk {
    /// A way through the tensors, which have rows of the same size, for threads with `buffers` buffers, in pieces that leave
    /// room for several of them in `memory` bytes where that can be.
    ///
    /// The chunks of a filtered tensor are unpacked whole, so its pieces are rows of chunks: else a
    /// chunk would be unpacked for each piece. Where those do not fit, and [need not](Access::in_parts) be read together, that
    /// is how it is.
    pub(crate) fn new<'a, S: TensorSource + 'a>(
        tensors: impl IntoIterator<Item = &'a S>,
        memory: u64,
        buffers: u64,
    ) -> Result<Self, S::Error> {
        let (mut row_bytes, mut unit, mut least, mut direct) = (0, 1, 1, true);
        let mut found = Vec::new();
        for tensor in tensors {
            let access = tensor.access()?;
            row_bytes = tensor.row_bytes();
            direct &= access.direct;
            // Two filtered tensors with different rows: the pieces fit the larger.
            let block_rows = access.block_rows.min(tensor.rows().max(1));
            unit = block_rows.max(unit);
            if !access.in_parts {
                least = block_rows.max(least);
            }
            found.push(Access {
                block_rows,
                ..access
            });
        }
        let most = most_bytes(memory / (4 * buffers));
        let rows = (most / row_bytes.max(1)).max(1);
        let rows = rows.max(unit) / unit * unit;
        let mut walk = Self {
            part: (direct && row_bytes > most).then_some(most),
            in_order: found.iter().any(|access| access.in_order),
            row_bytes,
            rows,
            beside: 0,
        };
        walk.beside = walk.bytes_beside(&found);
        while walk.rows > least && walk.thread_bytes(buffers) > memory {
            walk.rows = (walk.rows / 2 / least).max(1) * least;
            walk.beside = walk.bytes_beside(&found);
        }
        Ok(walk)
    }

    /// What reading takes beside a buffer, in bytes: one tensor is read after the other.
    fn bytes_beside(&self, found: &[Access]) -> u64 {
        let beside = found.iter().map(|access| match access.block_rows {
            _ if access.direct => 0,
            _ if access.in_parts && access.block_rows > 0 => access.block_bytes,
            // What it takes is not known: about as much as it gives.
            0 => self.piece_bytes(),
            // Pieces that do not fit its chunks have parts of them, which are unpacked beside.
            rows if !self.rows.is_multiple_of(rows) => {
                let chunks = rows.saturating_mul(self.row_bytes);
                access.block_bytes.saturating_add(chunks)
            }
            _ => access.block_bytes,
        });
        beside.max().unwrap_or(0)
    }

    /// A way through a tensor with such rows of which any bytes are read by themselves.
    pub(crate) fn direct(row_bytes: u64, memory: u64) -> Self {
        let most = most_bytes(memory);
        Self {
            row_bytes,
            rows: (most / row_bytes.max(1)).max(1),
            part: (row_bytes > most).then_some(most),
            beside: 0,
            in_order: false,
        }
    }

    /// Whether the tasks are to be done one after the other.
    pub(crate) fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// Bytes of the largest piece.
    pub(crate) fn piece_bytes(&self) -> u64 {
        self.part
            .unwrap_or_else(|| self.rows.saturating_mul(self.row_bytes))
    }

    /// Memory of a thread with `buffers` buffers, in bytes.
    pub(crate) fn thread_bytes(&self, buffers: u64) -> u64 {
        self.piece_bytes()
            .saturating_mul(buffers)
            .saturating_add(self.beside)
    }

    /// The tasks of a tensor with `rows` rows: ranges of rows that start at multiples of `multiple`
    /// and are about a piece, or more.
    pub(crate) fn tasks(&self, rows: u64, multiple: u64) -> impl Iterator<Item = Range<u64>> {
        let each = self.rows.div_ceil(multiple).saturating_mul(multiple).max(1);
        let count = if self.row_bytes == 0 {
            0
        } else {
            rows.div_ceil(each)
        };
        (0..count).map(move |task| {
            let first = task * each;
            first..first.saturating_add(each).min(rows)
        })
    }

    /// The pieces of these rows, in their order.
    pub(crate) fn pieces(&self, rows: Range<u64>) -> impl Iterator<Item = Piece> + use<> {
        let Self {
            row_bytes,
            rows: each,
            part,
            ..
        } = *self;
        let (mut row, mut start) = (rows.start, 0);
        std::iter::from_fn(move || {
            if row >= rows.end {
                return None;
            }
            if let Some(part) = part {
                let end = (start + part).min(row_bytes);
                let bytes = to_usize(start)..to_usize(end);
                let piece = Piece {
                    rows: row..row + 1,
                    len: bytes.len(),
                    part: Some(bytes),
                };
                start = end;
                if start == row_bytes {
                    (row, start) = (row + 1, 0);
                }
                return Some(piece);
            }
            let end = ((row / each).saturating_add(1).saturating_mul(each)).min(rows.end);
            let piece = Piece {
                rows: row..end,
                part: None,
                len: to_usize((end - row).saturating_mul(row_bytes)),
            };
            row = end;
            Some(piece)
        })
    }
}
