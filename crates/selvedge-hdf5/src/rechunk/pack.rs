//! Compressed tensors: several threads read, encode and write their chunks, which come into the index
//! when all are in the file. Then each is unpacked again.

use std::convert::Infallible;
use std::io;
use std::ops::Range;
use std::path::Path;

use selvedge_base::{Mutex, pool};
use twox_hash::XxHash3_128;

use crate::bulk::{Buffer, Meter};
use crate::chunks::{ChunkEncoder, ChunkWriter, Grid, Unpacker, Written, to_usize};
use crate::plan::EncodingPlan;
use crate::reader::{Reader, Tensor};
use crate::source::{Access, TensorSource as _};
use crate::{ReadError, RewriteError, StorageError};

/// Bytes that are encoded at a time, where a part of each step can be read: they stay in a cache.
const BLOCK: u64 = 2 << 20;
/// Chunks that a thread verifies at a time.
const TOGETHER: usize = 16;

/// How a tensor is cut into blocks, which a thread encodes at a time: whole chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Rows of a block: a multiple of those of a chunk.
    rows: u64,
    /// Pieces of a row in a block.
    pieces: u64,
    /// Pieces of a whole row.
    all_pieces: u64,
    /// Bytes of the largest block.
    bytes: u64,
    /// What reading takes beside them, in bytes.
    beside: u64,
    chunk_bytes: u64,
}

impl Blocks {
    /// Blocks of `tensor`, which is to have the chunks of `grid`, for threads that have `memory` bytes. They have whole rows
    /// if `whole`, or where the tensor cannot be read in parts.
    pub(super) fn new(
        tensor: &Tensor,
        grid: &Grid,
        whole: bool,
        memory: u64,
    ) -> Result<Self, ReadError> {
        let (row_bytes, chunk_bytes) = (tensor.row_bytes()?, grid.chunk_bytes());
        let (steps, all_pieces) = (grid.steps(), grid.pieces());
        let Access {
            direct,
            block_rows,
            block_bytes,
            in_parts: divisible,
            ..
        } = tensor.access()?;
        let in_parts = direct && !whole && row_bytes.saturating_mul(steps) > BLOCK;
        let (rows, pieces, bytes) = if in_parts {
            let pieces = (BLOCK / chunk_bytes).clamp(1, all_pieces);
            (steps, pieces, pieces.saturating_mul(chunk_bytes))
        } else {
            // Of a filtered tensor rows of its chunks: else a chunk would be unpacked for each block.
            let unit = block_rows.clamp(1, tensor.rows().max(1));
            let needed = unit.saturating_mul(row_bytes).saturating_add(block_bytes);
            let is_too_large = divisible && needed > memory / 2;
            let unit = if is_too_large { 1 } else { unit }.next_multiple_of(steps);
            let rows = (BLOCK / row_bytes.max(1)).max(unit) / unit * unit;
            (rows, all_pieces, rows.saturating_mul(row_bytes))
        };
        let beside = match block_rows {
            _ if direct => 0,
            0 => bytes,
            _ => block_bytes,
        };
        Ok(Self {
            rows,
            pieces,
            all_pieces,
            bytes,
            beside,
            chunk_bytes,
        })
    }

    /// Bytes of the largest block.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory of a thread, in bytes.
    pub(super) fn thread_bytes(&self) -> u64 {
        let encoder = EncodingPlan::new(self.chunk_bytes).thread_bytes;
        self.bytes
            .saturating_add(self.beside)
            .saturating_add(encoder)
    }

    /// What a thread does before it takes the next, of a tensor with `rows` rows: some rows, a multiple
    /// of `multiple`, and some pieces of each.
    pub(super) fn tasks(
        self,
        rows: u64,
        multiple: u64,
    ) -> impl Iterator<Item = (Range<u64>, Range<u64>)> {
        let each = self
            .rows
            .saturating_mul(multiple / common(self.rows, multiple));
        (0..rows.div_ceil(each)).flat_map(move |task| {
            let first = task * each;
            let rows = first..first.saturating_add(each).min(rows);
            (0..self.all_pieces.div_ceil(self.pieces)).map(move |part| {
                let first = part * self.pieces;
                let pieces = first..(first + self.pieces).min(self.all_pieces);
                (rows.clone(), pieces)
            })
        })
    }
}

/// The greatest common divisor of two numbers, of which the second is not 0.
fn common(one: u64, other: u64) -> u64 {
    let (mut one, mut other) = (one, other.max(1));
    while one != 0 {
        (one, other) = (other % one, one);
    }
    other
}

/// A chunk that was written, and what it was before.
struct WrittenChunk {
    chunk: Written,
    hash: u128,
}

/// A compressed tensor on its way into the file.
pub(super) struct CompressedTarget<'a> {
    /// The number of the tensor.
    tensor: usize,
    grid: &'a Grid,
    pub(super) blocks: Blocks,
    packed: Mutex<Vec<WrittenChunk>>,
}

/// The memory of a thread that encodes.
pub(super) struct ChunkBuffers {
    encoder: ChunkEncoder,
    chunk: Buffer,
}

impl ChunkBuffers {
    /// For chunks of at most `chunk_bytes` bytes; `None` where the system has no memory for them.
    pub(super) fn new(chunk_bytes: u64) -> Option<Self> {
        Buffer::new(chunk_bytes).map(|chunk| Self {
            encoder: ChunkEncoder::new(to_usize(chunk_bytes)),
            chunk,
        })
    }
}

impl<'a> CompressedTarget<'a> {
    pub(super) fn new(tensor: usize, grid: &'a Grid, blocks: Blocks) -> Self {
        Self {
            tensor,
            grid,
            blocks,
            packed: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn chunk_bytes(&self) -> u64 {
        self.grid.chunk_bytes()
    }

    /// The blocks of a task, in their order: rows.
    pub(super) fn blocks(&self, rows: Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
        let each = self.blocks.rows;
        (rows.start..rows.end)
            .step_by(to_usize(each))
            .map(move |first| first..first.saturating_add(each).min(rows.end))
    }

    /// The bytes of a row that are these pieces.
    pub(super) fn part(&self, pieces: &Range<u64>) -> Range<usize> {
        let (first, last) = (pieces.start, pieces.end.saturating_sub(1));
        to_usize(self.grid.piece(first).start)..to_usize(self.grid.piece(last).end)
    }

    /// Reads these pieces of these rows of `tensor`, row by row.
    pub(super) fn read(
        &self,
        tensor: &Tensor,
        rows: &Range<u64>,
        pieces: &Range<u64>,
        values: &mut [u8],
    ) -> Result<(), ReadError> {
        if *pieces == (0..self.grid.pieces()) {
            return tensor.read_raw_rows(rows.clone(), values);
        }
        let part = self.part(pieces);
        let each = values.chunks_exact_mut(part.len());
        for (row, values) in rows.clone().zip(each) {
            tensor.read_raw_part(row, part.start, values)?;
        }
        Ok(())
    }

    /// Encodes and writes the chunks that these pieces of these rows are.
    pub(super) fn write(
        &self,
        writer: &ChunkWriter,
        rows: &Range<u64>,
        pieces: &Range<u64>,
        values: &[u8],
        encoding: &mut ChunkBuffers,
    ) -> io::Result<()> {
        let grid = self.grid;
        let mut packed = Vec::new();
        let ChunkBuffers { encoder, chunk } = encoding;
        self.chunks(rows, pieces, values, chunk, |number, chunk| {
            let hash = XxHash3_128::oneshot(chunk);
            let number = (self.tensor, number);
            let chunk = writer.write(encoder, grid, number, chunk)?;
            packed.push(WrittenChunk { chunk, hash });
            Ok::<_, io::Error>(())
        })?;
        let mut all = self.packed.lock();
        all.append(&mut packed);
        Ok(())
    }

    /// Bytes of the chunks that these pieces of these rows are, encoded.
    pub(super) fn encoded_bytes(
        &self,
        rows: &Range<u64>,
        pieces: &Range<u64>,
        values: &[u8],
        encoding: &mut ChunkBuffers,
    ) -> u64 {
        let mut bytes = 0;
        let ChunkBuffers { encoder, chunk } = encoding;
        let Ok(()) = self.chunks(rows, pieces, values, chunk, |_, chunk| {
            bytes += encoder.encode(chunk, self.grid).len() as u64;
            Ok::<_, Infallible>(())
        });
        bytes
    }

    /// Shows the chunks that these pieces of these rows are to `each`, with their numbers.
    fn chunks<E>(
        &self,
        rows: &Range<u64>,
        pieces: &Range<u64>,
        values: &[u8],
        buffer: &mut Buffer,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (grid, part) = (self.grid, self.part(pieces));
        let chunk_bytes = to_usize(grid.chunk_bytes());
        let stride = chunk_bytes / to_usize(grid.steps());
        for first in (rows.start..rows.end).step_by(to_usize(grid.steps())) {
            let held = grid.steps().min(rows.end - first);
            for number in pieces.clone() {
                let piece = grid.piece(number);
                let len = to_usize(piece.end - piece.start);
                let start = to_usize(piece.start) - part.start;
                let of =
                    |row: u64| &values[to_usize(row - rows.start) * part.len() + start..][..len];
                // A chunk of one step lies in one piece.
                let chunk: &[u8] = if len == chunk_bytes {
                    of(first)
                } else {
                    let chunk = buffer.get(chunk_bytes);
                    for (row, step) in (first..first + held).zip(chunk.chunks_exact_mut(stride)) {
                        step[..len].copy_from_slice(of(row));
                        step[len..].fill(0);
                    }
                    chunk[to_usize(held) * stride..].fill(0);
                    chunk
                };
                each(first / grid.steps() * grid.pieces() + number, chunk)?;
            }
        }
        Ok(())
    }

    /// All chunks, in the order of their numbers.
    pub(super) fn finish(self) -> WrittenChunks {
        let mut packed = self.packed.into_inner();
        packed.sort_unstable_by_key(|packed| packed.chunk.number);
        WrittenChunks(packed)
    }
}

/// The chunks of a compressed tensor, all of which are in the file.
pub(super) struct WrittenChunks(Vec<WrittenChunk>);

impl WrittenChunks {
    /// What the index is told.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Written> + '_ {
        self.0.iter().map(|packed| packed.chunk)
    }
}

/// A compressed tensor whose chunks are verified.
pub(super) struct ToVerify<'a> {
    pub(super) name: &'a str,
    pub(super) grid: &'a Grid,
    /// Steps that it has.
    pub(super) steps: u64,
    pub(super) chunks: WrittenChunks,
}

/// Unpacks every chunk through a reader of the new file, and compares it with what was encoded.
pub(super) fn verify_written(
    tensors: &[ToVerify<'_>],
    written: &Reader,
    path: &Path,
    threads: usize,
    meter: &Meter<'_>,
) -> Result<(), RewriteError> {
    let mut tasks = Vec::new();
    let mut largest = 0;
    for tensor in tensors {
        let found = written.tensor(tensor.name)?;
        let all = tensor.chunks.0.chunks(TOGETHER);
        tasks.extend(all.map(|chunks| (tensor, found, chunks)));
        largest = largest.max(tensor.grid.chunk_bytes());
    }
    let state = || {
        let refused = || StorageError::no_memory(path, "allocate memory to verify");
        let plain = Buffer::new(largest).ok_or_else(refused)?;
        Ok((plain, Unpacker::new()))
    };
    pool::each_with(threads, &tasks, state, |(plain, unpacker), task| {
        let (tensor, found, chunks) = task;
        let (grid, plain) = (tensor.grid, plain.get(to_usize(tensor.grid.chunk_bytes())));
        for WrittenChunk { chunk, hash } in *chunks {
            let (row, piece) = (chunk.number / grid.pieces(), chunk.number % grid.pieces());
            let first = row * grid.steps();
            let same = match found.read_raw_chunk(unpacker, chunk.number, plain) {
                Ok(()) => XxHash3_128::oneshot(plain) == *hash,
                Err(ReadError::DamagedChunk { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            if !same {
                return Err(RewriteError::NotAsWritten {
                    path: path.to_owned(),
                    tensor: tensor.name.to_owned(),
                    step: first,
                });
            }
            let held = grid.steps().min(tensor.steps.saturating_sub(first));
            let piece = grid.piece(piece);
            meter.add(half(held.saturating_mul(piece.end - piece.start)), path)?;
        }
        Ok(())
    })
}

/// Bytes count half when they are written, and half when they are unpacked again. They are an even
/// number: those of elements of 2 bytes.
pub(super) fn half(bytes: u64) -> u64 {
    bytes / 2
}

#[cfg(test)]
mod tests {
    use super::{
        Blocks, CompressedTarget, ToVerify, WrittenChunk, WrittenChunks, common, verify_written,
    };
    use crate::bulk::Meter;
    use crate::chunks::{Grid, Written};
    use crate::{Compression, Reader, Rechunk, Recorder, RewriteError, bf16};

    #[test]
    fn tasks_cover_each_piece_of_each_row_once() {
        for (rows, pieces, all_pieces, total, multiple) in [
            (16, 3, 10, 100, 1),
            (16, 10, 10, 100, 25),
            (1, 1, 1, 7, 3),
            (48, 2, 2, 47, 1),
        ] {
            let blocks = Blocks {
                rows,
                pieces,
                all_pieces,
                bytes: 0,
                beside: 0,
                chunk_bytes: 2,
            };
            let grid = Grid::new(&[all_pieces], &[16, 1], 2).unwrap();
            let target = CompressedTarget::new(0, &grid, blocks);
            let mut seen = vec![0; usize::try_from(total * all_pieces).unwrap()];
            for (task, pieces) in blocks.tasks(total, multiple) {
                assert_eq!((task.start % rows, task.start % multiple), (0, 0));
                for rows in target.blocks(task) {
                    for row in rows {
                        for piece in pieces.clone() {
                            seen[usize::try_from(row * all_pieces + piece).unwrap()] += 1;
                        }
                    }
                }
            }
            assert!(seen.iter().all(|&times| times == 1));
        }
        assert_eq!([common(12, 18), common(1, 7), common(16, 4)], [6, 1, 4]);
    }

    /// A disk that gives back other bytes than it was given is found out.
    #[test]
    fn what_is_not_as_it_was_encoded_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [path, output] = ["run_1.h5", "out_1.h5"].map(|name| folder.path().join(name));
        let mut run = Recorder::create(&path)
            .steps(20)
            .tensor::<bf16>("W", [8192])
            .start()
            .unwrap();
        for _ in 0..20 {
            run.append(|row| row.put("W", &[bf16::ONE; 8192])).unwrap();
        }
        run.finish().unwrap();
        let rechunk = Rechunk::new(&path, &output).compression(Compression::Temporal);
        rechunk.run(|_| {}).unwrap();
        let grid = Grid::new(&[8192], &[16, 2048], 2).unwrap();
        let written = Reader::open(&output).unwrap();
        let mut bytes = vec![0; 16 * 2048 * 2];
        for (element, step) in bytes.chunks_exact_mut(2).zip(0..) {
            let one = if step < 4 * 2048 {
                bf16::ONE
            } else {
                bf16::ZERO
            };
            element.copy_from_slice(&one.to_bits().to_le_bytes());
        }
        // The first chunk of the second row has 4 steps, and is zeros after them.
        let hash = twox_hash::XxHash3_128::oneshot(&bytes);
        for (hash, sound) in [(hash, true), (hash ^ 1, false)] {
            let chunk = Written {
                tensor: 0,
                number: 4,
                address: 0,
                bytes: 0,
            };
            let tensors = [ToVerify {
                name: "W",
                grid: &grid,
                steps: 20,
                chunks: WrittenChunks(vec![WrittenChunk { chunk, hash }]),
            }];
            let mut done = 0;
            let mut progress = |progress: crate::Progress| done = progress.done;
            let meter = Meter::new(1 << 20, &mut progress);
            let found = verify_written(&tensors, &written, &output, 2, &meter);
            match found {
                Ok(()) => assert!(sound && done == 4 * 2048),
                Err(RewriteError::NotAsWritten { tensor, step, .. }) => {
                    assert!(!sound);
                    assert_eq!((tensor.as_str(), step), ("W", 16));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}
