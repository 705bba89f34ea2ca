//! The values: read, written, read back and compared.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::members::{Member, Members};
use crate::bulk::{self, Buffer, Callback, Meter, Piece, Walk};
use crate::checksum::{Checksums, RangeHasher};
use crate::float16::into_bf16;
use crate::grid::{Run, to_usize};
use crate::reader::{Reader, Tensor};
use crate::trajectory::StepTensor;
use crate::{Error, Float16Survey, Role, sys};

/// All that the threads share.
pub(super) struct Copying<'a> {
    pub(super) members: &'a Members<'a>,
    /// The new file, written with the system's calls.
    pub(super) file: &'a File,
    /// The new file as any reader sees it.
    pub(super) written: &'a Reader,
    /// The name that errors tell.
    pub(super) path: &'a Path,
    /// Where the step tensors lie, in the order of the members.
    pub(super) tensors: &'a [StepTensor],
    /// Where the constants lie, in the order of the members.
    pub(super) addresses: &'a [Option<u64>],
    /// Memory for buffers, in bytes.
    pub(super) memory: u64,
    pub(super) threads: usize,
    pub(super) checksums: bool,
}

/// What was learnt on the way.
pub(super) struct Copied {
    pub(super) checksums: Vec<(String, Checksums)>,
    pub(super) converted: Vec<(String, Float16Survey)>,
}

/// Where a tensor lies in the new file.
enum Target<'a> {
    Chunks(&'a StepTensor),
    Contiguous(u64),
}

/// A tensor with its way from one file to the other.
struct Item<'a> {
    member: &'a Member<'a>,
    target: Target<'a>,
    /// The tensor in the new file.
    written: &'a Tensor,
    walk: Walk,
    row_bytes: u64,
    found: Mutex<Found>,
}

/// What the threads have learnt of a tensor.
struct Found {
    /// Without ranges where no checksums are wanted.
    checksums: Option<Checksums>,
    survey: Float16Survey,
}

/// The memory of a thread.
struct Buffers {
    values: Buffer,
    back: Buffer,
}

impl<'a> Copying<'a> {
    pub(super) fn run(&self, progress: Callback<'_>) -> Result<Copied, Error> {
        let items = self.items()?;
        let mut tasks = Vec::new();
        let (mut total, mut largest) = (0_u64, 0);
        for (number, item) in items.iter().enumerate() {
            let rows = item.member.tensor.rows();
            let range = item.lock().checksums.as_ref().map_or(1, |sums| sums.steps);
            tasks.extend(item.walk.tasks(rows, range).map(|rows| (number, rows)));
            total = total.saturating_add(rows.saturating_mul(item.row_bytes));
            largest = item.walk.piece_bytes().max(largest);
        }
        let buffers = || {
            let buffers = Buffer::new(largest).zip(Buffer::new(largest));
            let buffers = buffers.map(|(values, back)| Buffers { values, back });
            buffers.ok_or_else(|| {
                let error = io::ErrorKind::OutOfMemory.into();
                Error::io(self.path, "allocate memory to write", error)
            })
        };
        let meter = Meter::new(total, progress);
        bulk::run(&tasks, self.threads, buffers, |buffers, (number, rows)| {
            self.task(&items[*number], rows.clone(), buffers, &meter)
        })?;
        let mut copied = Copied {
            checksums: Vec::new(),
            converted: Vec::new(),
        };
        for item in items {
            let name = &item.member.spec.name;
            let found = item.found.into_inner();
            let found = found.unwrap_or_else(PoisonError::into_inner);
            let checksums = found.checksums.map(|sums| (name.clone(), sums));
            copied.checksums.extend(checksums);
            if item.member.convert {
                copied.converted.push((name.clone(), found.survey));
            }
        }
        Ok(copied)
    }

    /// The tensors that have values.
    fn items(&self) -> Result<Vec<Item<'a>>, Error> {
        let (mut tensors, mut addresses) = (self.tensors.iter(), self.addresses.iter());
        let mut items = Vec::new();
        for member in &self.members.all {
            let target = match member.role {
                Role::Step => tensors.next().map(Target::Chunks),
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
                walk: Walk::new([member.tensor], self.memory / 8)?,
                row_bytes,
                found: Mutex::new(Found {
                    checksums,
                    survey: Float16Survey::default(),
                }),
            });
        }
        Ok(items)
    }

    fn task(
        &self,
        item: &Item<'_>,
        rows: Range<u64>,
        buffers: &mut Buffers,
        meter: &Meter<'_>,
    ) -> Result<(), Error> {
        let range = item.lock().checksums.as_ref().map(|sums| sums.steps);
        let mut hasher = range.map(|range| RangeHasher::new(range * item.row_bytes));
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
                .map_err(|source| Error::WriteStep {
                    path: self.path.to_owned(),
                    tensor: item.member.spec.name.clone(),
                    step: piece.rows.start,
                    source,
                })?;
            let back = buffers.back.get(piece.len);
            piece.read(item.written, back)?;
            self.compare(item, &piece, values, back)?;
            meter.add(piece.len as u64);
        }
        let mut found = item.lock();
        found.survey += survey;
        if let (Some(hasher), Some(sums)) = (hasher, &mut found.checksums) {
            let first = to_usize(rows.start / sums.steps);
            for (sum, new) in sums.sums[first..].iter_mut().zip(hasher.finish()) {
                *sum = new;
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        item: &Item<'_>,
        piece: &Piece,
        values: &[u8],
        back: &[u8],
    ) -> Result<(), Error> {
        if values == back {
            return Ok(());
        }
        let byte = values
            .iter()
            .zip(back)
            .position(|(value, back)| value != back);
        Err(Error::NotAsWritten {
            path: self.path.to_owned(),
            tensor: item.member.spec.name.clone(),
            step: piece.row_of(byte.unwrap_or(0)).0,
        })
    }
}

impl Item<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a piece to its place.
    fn write(&self, file: &File, piece: &Piece, bytes: &[u8]) -> io::Result<()> {
        let rows = &piece.rows;
        let tensor = match &self.target {
            Target::Chunks(tensor) => tensor,
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
            sys::write_gathered_at(file, &parts, address)?;
        }
        Ok(())
    }
}
