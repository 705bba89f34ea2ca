//! The values: read, written, read back and compared.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use selvedge_base::{Mutex, disk, pool};

use super::members::{Member, Members};
use super::pack::{Blocks, ChunkBuffers, CompressedTarget, WrittenChunks, half};
use crate::bulk::{Buffer, Meter, Piece, Walk};
use crate::checksum::{Checksums, RangeHasher};
use crate::chunks::{ChunkWriter, Run, to_usize};
use crate::float16::into_bf16;
use crate::reader::{Reader, Tensor};
use crate::trajectory::StepTensor;
use crate::{Float16Survey, RewriteError, Role, StorageError};

/// All that the threads share.
pub(super) struct Copying<'a> {
    pub(super) members: &'a Members<'a>,
    /// The new file, written with the system's calls.
    pub(super) file: &'a File,
    /// The new file as any reader sees it: chunks and extents, but for those of compressed tensors,
    /// which have none yet.
    pub(super) written: &'a Reader,
    /// The name that errors tell.
    pub(super) path: &'a Path,
    /// Where the step tensors lie, in the order of the members.
    pub(super) tensors: &'a [StepTensor],
    /// Where the constants lie, in the order of the members.
    pub(super) addresses: &'a [Option<u64>],
    /// What writes compressed chunks.
    pub(super) writer: ChunkWriter,
    /// Memory for buffers, in bytes.
    pub(super) memory: u64,
    pub(super) threads: usize,
    pub(super) checksums: bool,
}

/// What was learnt on the way.
pub(super) struct Copied {
    pub(super) checksums: Vec<(String, Checksums)>,
    pub(super) converted: Vec<(String, Float16Survey)>,
    /// The chunks of each step tensor that is compressed, with its number.
    pub(super) packed: Vec<(usize, WrittenChunks)>,
}

/// Where a tensor lies in the new file.
enum Target<'a> {
    Chunks(&'a StepTensor),
    Contiguous(u64),
    /// With the number of the step tensor.
    Compressed(usize, CompressedTarget<'a>),
}

/// A tensor with its way from one file to the other.
struct Item<'a> {
    member: &'a Member<'a>,
    target: Target<'a>,
    /// The tensor in the new file.
    written: &'a Tensor,
    walk: Walk,
    /// The way through what was written.
    back: Walk,
    row_bytes: u64,
    found: Mutex<Found>,
}

/// What the threads have learnt of a tensor.
struct Found {
    /// `None` where no new ones are wanted.
    checksums: Option<Checksums>,
    survey: Float16Survey,
}

/// The memory of a thread.
struct Buffers {
    values: Buffer,
    back: Buffer,
    encoding: ChunkBuffers,
}

/// What a thread does before it takes the next.
struct Task {
    item: usize,
    rows: Range<u64>,
    /// The pieces of a row of chunks, where the tensor is compressed.
    pieces: Range<u64>,
}

impl<'a> Copying<'a> {
    pub(super) fn run(&self, meter: &Meter<'_>) -> Result<Copied, RewriteError> {
        let items = self.items()?;
        let mut tasks = Vec::new();
        let (mut values, mut back, mut chunk) = (0, 0, 0);
        for (number, item) in items.iter().enumerate() {
            let all = item.member.tensor.rows();
            let range = item.lock().checksums.as_ref().map_or(1, |sums| sums.steps);
            let task = |rows, pieces| Task {
                item: number,
                rows,
                pieces,
            };
            if let Target::Compressed(_, target) = &item.target {
                let blocks = target.blocks.tasks(all, range);
                tasks.extend(blocks.map(|(rows, pieces)| task(rows, pieces)));
                values = target.blocks.bytes().max(values);
                chunk = target.chunk_bytes().max(chunk);
            } else {
                tasks.extend(item.walk.tasks(all, range).map(|rows| task(rows, 0..0)));
                values = item.walk.piece_bytes().max(values);
                back = item.back.piece_bytes().max(back);
            }
        }
        let buffers = || {
            let buffers = Buffer::new(values).zip(Buffer::new(back));
            let buffers = buffers.zip(ChunkBuffers::new(chunk));
            let buffers = buffers.map(|((values, back), encoding)| Buffers {
                values,
                back,
                encoding,
            });
            let refused = || StorageError::no_memory(self.path, "allocate memory to write");
            Ok(buffers.ok_or_else(refused)?)
        };
        pool::each_with(self.threads, &tasks, buffers, |buffers, task| {
            let item = &items[task.item];
            match &item.target {
                Target::Compressed(_, target) => self.pack(item, target, task, buffers, meter),
                _ => self.copy(item, task.rows.clone(), buffers, meter),
            }
        })?;
        let mut copied = Copied {
            checksums: Vec::new(),
            converted: Vec::new(),
            packed: Vec::new(),
        };
        for item in items {
            let name = &item.member.spec.name;
            let found = item.found.into_inner();
            let checksums = found.checksums.or_else(|| item.member.checksums.clone());
            let checksums = checksums.map(|sums| (name.clone(), sums));
            copied.checksums.extend(checksums);
            if item.member.convert {
                copied.converted.push((name.clone(), found.survey));
            }
            if let Target::Compressed(number, target) = item.target {
                copied.packed.push((number, target.finish()));
            }
        }
        Ok(copied)
    }

    /// The tensors that have values.
    fn items(&self) -> Result<Vec<Item<'a>>, RewriteError> {
        let (mut tensors, mut addresses) = (self.tensors.iter().enumerate(), self.addresses.iter());
        let mut items = Vec::new();
        for member in &self.members.all {
            let target = match member.role {
                Role::Step => match tensors.next() {
                    Some((number, tensor)) if tensor.is_compressed() => {
                        let grid = &tensor.grid;
                        let blocks = Blocks::new(member.tensor, grid, self.checksums, self.memory)?;
                        Some(Target::Compressed(
                            number,
                            CompressedTarget::new(number, grid, blocks),
                        ))
                    }
                    found => found.map(|(_, tensor)| Target::Chunks(tensor)),
                },
                Role::Constant => addresses.next().copied().flatten().map(Target::Contiguous),
            };
            let Some(target) = target else {
                // A constant without elements has no address.
                continue;
            };
            let (rows, row_bytes) = (member.tensor.rows(), member.tensor.row_bytes()?);
            let checksums = self.checksums.then(|| {
                let steps = Checksums::range_rows(rows, row_bytes);
                Checksums {
                    steps,
                    covered: rows,
                    sums: vec![0; to_usize(rows.div_ceil(steps))],
                }
            });
            items.push(Item {
                member,
                target,
                written: self.written.tensor(&member.spec.name)?,
                walk: Walk::new([member.tensor], self.memory, 2)?,
                back: Walk::direct(row_bytes, self.memory / 8),
                row_bytes,
                found: Mutex::new(Found {
                    checksums,
                    survey: Float16Survey::default(),
                }),
            });
        }
        Ok(items)
    }

    /// Copies rows, reads them back, and compares.
    fn copy(
        &self,
        item: &Item<'_>,
        rows: Range<u64>,
        buffers: &mut Buffers,
        meter: &Meter<'_>,
    ) -> Result<(), RewriteError> {
        let mut hasher = item.hasher();
        let mut survey = Float16Survey::default();
        for piece in item.walk.pieces(rows.clone()) {
            let values = buffers.values.get(piece.len);
            piece.read(item.member.tensor, values)?;
            if item.member.convert {
                survey += into_bf16(values);
            }
            if let Some(hasher) = &mut hasher {
                hasher.add(values);
            }
            item.write(self.file, &piece, values)
                .map_err(|source| self.failed(item, piece.rows.start, source))?;
            let mut values = &*values;
            for back in item.read_back(&piece) {
                let written = buffers.back.get(back.len);
                back.read(item.written, written)?;
                let (these, rest) = values.split_at(back.len);
                self.compare(item, &back, these, written)?;
                values = rest;
            }
            meter.add(piece.len as u64, self.path)?;
        }
        item.found(rows.start, survey, hasher);
        Ok(())
    }

    /// Encodes a part of a tensor that is to be compressed. It is verified when the index has
    /// the chunks.
    fn pack(
        &self,
        item: &Item<'_>,
        target: &CompressedTarget<'_>,
        task: &Task,
        buffers: &mut Buffers,
        meter: &Meter<'_>,
    ) -> Result<(), RewriteError> {
        // With checksums the pieces are all pieces.
        let mut hasher = item.hasher();
        let mut survey = Float16Survey::default();
        let (pieces, part) = (&task.pieces, target.part(&task.pieces).len());
        for rows in target.blocks(task.rows.clone()) {
            let values = to_usize(rows.end - rows.start) * part;
            let values = buffers.values.get(values);
            target.read(item.member.tensor, &rows, pieces, values)?;
            if item.member.convert {
                survey += into_bf16(values);
            }
            if let Some(hasher) = &mut hasher {
                hasher.add(values);
            }
            target
                .write(&self.writer, &rows, pieces, values, &mut buffers.encoding)
                .map_err(|source| self.failed(item, rows.start, source))?;
            meter.add(half(values.len() as u64), self.path)?;
        }
        item.found(task.rows.start, survey, hasher);
        Ok(())
    }

    fn failed(&self, item: &Item<'_>, step: u64, source: io::Error) -> StorageError {
        StorageError::WriteStep {
            path: self.path.to_owned(),
            tensor: item.member.spec.name.clone(),
            step,
            source,
        }
    }

    fn compare(
        &self,
        item: &Item<'_>,
        piece: &Piece,
        values: &[u8],
        back: &[u8],
    ) -> Result<(), RewriteError> {
        if values == back {
            return Ok(());
        }
        let byte = values
            .iter()
            .zip(back)
            .position(|(value, back)| value != back);
        Err(RewriteError::NotAsWritten {
            path: self.path.to_owned(),
            tensor: item.member.spec.name.clone(),
            step: piece.row_of(byte.unwrap_or(0)).0,
        })
    }
}

impl Item<'_> {
    fn lock(&self) -> selvedge_base::MutexGuard<'_, Found> {
        self.found.lock()
    }

    /// What makes the checksums of a task, which begins with a range.
    fn hasher(&self) -> Option<RangeHasher> {
        let range = self.lock().checksums.as_ref().map(|sums| sums.steps);
        range.map(|range| RangeHasher::new(range * self.row_bytes))
    }

    /// The pieces in which what was written of a piece is read back: a chunk that was unpacked need not be there
    /// twice.
    fn read_back(&self, piece: &Piece) -> Vec<Piece> {
        match piece.part {
            Some(_) => vec![piece.clone()],
            None => self.back.pieces(piece.rows.clone()).collect(),
        }
    }

    /// Keeps what a task learnt of the rows from `first` on.
    fn found(&self, first: u64, survey: Float16Survey, hasher: Option<RangeHasher>) {
        let mut found = self.lock();
        found.survey += survey;
        if let (Some(hasher), Some(sums)) = (hasher, &mut found.checksums) {
            let first = to_usize(first / sums.steps);
            for (sum, new) in sums.sums[first..].iter_mut().zip(hasher.finish()) {
                *sum = new;
            }
        }
    }

    /// Writes a piece to its place.
    fn write(&self, file: &File, piece: &Piece, bytes: &[u8]) -> io::Result<()> {
        let rows = &piece.rows;
        let tensor = match &self.target {
            Target::Chunks(tensor) => tensor,
            // Its chunks are encoded, and have no place yet.
            Target::Compressed(..) => return Err(io::ErrorKind::Unsupported.into()),
            Target::Contiguous(address) => {
                let start = piece.part.as_ref().map_or(0, |part| part.start) as u64;
                return file.write_all_at(bytes, address + rows.start * self.row_bytes + start);
            }
        };
        let mut runs: Vec<Run> = match &piece.part {
            Some(part) => tensor.grid.runs_within(rows.start, part.clone()).collect(),
            None => tensor.grid.runs(rows.clone()).collect(),
        };
        // What follows each other in a chunk goes there by one call, from wherever it is in memory.
        runs.sort_unstable_by_key(|run| (run.chunk, run.within));
        let follows = |one: &Run, next: &Run| {
            one.chunk == next.chunk && one.within + one.bytes.len() as u64 == next.within
        };
        for runs in runs.chunk_by(follows) {
            let parts: Vec<&[u8]> = runs.iter().map(|run| &bytes[run.bytes.clone()]).collect();
            let address = tensor.chunks()[runs[0].chunk] + runs[0].within;
            disk::write_gathered_at(file, &parts, address)?;
        }
        Ok(())
    }
}
