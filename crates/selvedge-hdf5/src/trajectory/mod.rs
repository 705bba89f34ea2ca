//! A trajectory file that is being recorded: the bytes that change after its creation.
//!
//! libhdf5 has built the file. From here on it is chunk data, the leading extents, and for a run
//! that outgrows its chunks the chunk index and the end-of-file address, each written in place by
//! this module. `docs/format.md` has the protocol and why each moment of it is a valid file.

mod packed;
mod reserve;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chunks::{self, Grid, TailAllocator};
use crate::create::PAGE;
use crate::layout::{
    AttributeValue, ChunkEntry, ChunkIndex, ChunkKey, LayoutError, StepDataset, Superblock,
    attribute, candidate, root_members, step_dataset,
};
use crate::plan::ChunkPlan;
use crate::provenance::{COMMIT, FORMAT, FORMAT_VERSION, STATE, STEPS_PLANNED};
use crate::run::{Candidate, Commit, Part, Record, Standing, find_run};
use crate::storage::Storage;
use crate::{Error, RunState};
use packed::Packed;
pub(crate) use packed::{Chunk, Packer};
use reserve::Reserved;

/// Room is announced in at least this many bytes, so that small chunks do not need it often.
const LEAST_ROOM: u64 = 1 << 20;

/// A step tensor and the places in the file that belong to it.
#[derive(Debug)]
pub(crate) struct StepTensor {
    pub(crate) name: String,
    pub(crate) grid: Grid,
    /// Leading extent in the file.
    pub(crate) extent: u64,
    /// How it compared with the committed steps when the file was opened.
    pub(crate) standing: Standing,
    extent_at: u64,
    /// Addresses of the chunks, in the order of the index.
    chunks: Vec<u64>,
    /// Of the chunk that was written last.
    reserved: Reserved,
    index: Option<ChunkIndex>,
    /// Of a compressed tensor.
    packed: Option<Packed>,
}

/// A trajectory file, open for recording or recovery.
pub(crate) struct TrajectoryFile {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    superblock: Superblock,
    pub(crate) tensors: Vec<StepTensor>,
    /// Datasets that are marked as step tensors and lack steps of the run, with those they have.
    pub(crate) short: Vec<(String, u64)>,
    committed: u64,
    state: AttributeValue,
    planned: AttributeValue,
    /// The last commit that was begun; `None` in a file of a version before 3.
    commit: Option<AttributeValue<2>>,
    /// Up to the end-of-file address.
    tail: TailAllocator,
    /// Bytes that the chunks that are being encoded take of the space, at most.
    in_flight_bytes: u64,
    /// Of the space.
    reserved: Reserved,
    /// Whether reserving has not failed yet.
    reserves: bool,
    /// Whether the order of writes matters on the medium too.
    durable: bool,
}

impl std::fmt::Debug for TrajectoryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrajectoryFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl TrajectoryFile {
    /// Finds in the file at `path`, open as `storage`, what recording needs.
    pub(crate) fn open(
        path: &Path,
        storage: impl Storage + 'static,
        durable: bool,
    ) -> Result<Self, Error> {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let damaged = |error: LayoutError| Error::library(path, "read the structure of", error);
        if !Superblock::is_hdf5(&*storage) {
            return Err(Error::NotHdf5 {
                path: path.to_owned(),
            });
        }
        let superblock = Superblock::read(&*storage).map_err(damaged)?;
        let status = storage
            .status()
            .map_err(|e| Error::io(path, "ask for the length of", e))?;
        if status.len < superblock.end_of_file {
            return Err(Error::Truncated {
                path: path.to_owned(),
                expected: superblock.end_of_file,
                found: status.len,
            });
        }
        let root = superblock.root_header;
        let root_attribute = |name: &str| {
            attribute::<1>(&*storage, root, name)
                .map_err(damaged)?
                .ok_or_else(|| Error::NotATrajectory {
                    path: path.to_owned(),
                    reason: format!("it has no attribute `{name}`"),
                })
        };
        let format = root_attribute(FORMAT)?.values[0];
        if !(1..=FORMAT_VERSION).contains(&format) {
            return Err(Error::NotATrajectory {
                path: path.to_owned(),
                reason: format!(
                    "its format version is {format}, and this version of Selvedge knows 1 to \
                     {FORMAT_VERSION}"
                ),
            });
        }
        let (state, planned) = (root_attribute(STATE)?, root_attribute(STEPS_PLANNED)?);
        let commit = attribute::<2>(&*storage, root, COMMIT).map_err(damaged)?;
        let record = Record {
            format,
            state: RunState::from_value(state.values[0]),
            commit: commit.and_then(|commit| Commit::from_values(commit.values)),
        };
        let mut file = Self {
            path: path.to_owned(),
            tail: TailAllocator::after(superblock.end_of_file),
            in_flight_bytes: 0,
            reserved: Reserved::default(),
            reserves: true,
            superblock,
            storage,
            tensors: Vec::new(),
            short: Vec::new(),
            committed: 0,
            state,
            planned,
            commit,
            durable,
        };
        file.find_tensors(&record)?;
        Ok(file)
    }

    /// Finds the step tensors, which have to be as the recorder made them.
    fn find_tensors(&mut self, record: &Record) -> Result<(), Error> {
        let (path, storage) = (&self.path, &*self.storage);
        let failed = |name: &str| {
            let action = format!("read the structure of `{name}` in");
            move |error: LayoutError| Error::library(path, action, error)
        };
        let damaged = |error: LayoutError| Error::library(path, "read the structure of", error);
        let mut members = Vec::new();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (name, header) in root_members(storage, &self.superblock).map_err(damaged)? {
            if let Some(found) = candidate(storage, header).map_err(failed(&name))? {
                candidates.push(found);
                members.push((name, header));
            }
        }
        let run = find_run(Some(record), &candidates);
        let (mut tensors, mut short) = (Vec::new(), Vec::new());
        for (((name, header), part), found) in members.into_iter().zip(run.parts).zip(&candidates) {
            match part {
                Part::Step(standing) => {
                    let dataset = step_dataset(storage, header).map_err(failed(&name))?;
                    let dataset = dataset.ok_or_else(|| Error::NotATrajectory {
                        path: path.clone(),
                        reason: format!(
                            "another program wrote step tensor `{name}` anew, in a way in which \
                             it cannot grow; it can be read, and `rechunk` makes a trajectory of \
                             it again"
                        ),
                    })?;
                    tensors.push(StepTensor::read(path, storage, name, &dataset, standing)?);
                }
                Part::Short => short.push((name, found.shape.first().copied().unwrap_or(0))),
                Part::Constant | Part::Added => {}
            }
        }
        self.committed = run.committed;
        (self.tensors, self.short) = (tensors, short);
        Ok(())
    }
    /// Puts the step tensors in the order of `names`, and checks that there are no others.
    pub(crate) fn order_tensors<'a>(
        &mut self,
        names: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let count = names.len();
        let mut ordered = Vec::with_capacity(count);
        for name in names {
            let found = self.tensors.iter().position(|tensor| tensor.name == name);
            let found = found.ok_or_else(|| Error::NoSuchTensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
                available: self
                    .tensors
                    .iter()
                    .map(|tensor| tensor.name.clone())
                    .collect(),
            })?;
            ordered.push(self.tensors.swap_remove(found));
        }
        if let Some(other) = self.tensors.first() {
            return Err(self.refuse(format!("it has one more step tensor, `{}`", other.name)));
        }
        self.tensors = ordered;
        Ok(())
    }

    /// Checks that libhdf5 built exactly what was planned.
    pub(crate) fn check_plan(&self, plans: &[ChunkPlan]) -> Result<(), Error> {
        for (tensor, plan) in self.tensors.iter().zip(plans) {
            let (leading, expected) = match plan.compressed {
                true => (0, 0),
                false => (plan.steps.unwrap_or(plan.chunk_steps()), plan.chunks()),
            };
            let chunks = tensor.chunks.len() as u64;
            let packed = tensor.packed.is_some();
            if tensor.extent != leading || chunks != expected || packed != plan.compressed {
                return Err(self.refuse(format!(
                    "tensor `{}` was created with {} steps in {chunks} chunks, where {leading} \
                     steps in {expected} chunks were asked for",
                    tensor.name, tensor.extent,
                )));
            }
        }
        Ok(())
    }

    fn refuse(&self, reason: String) -> Error {
        Error::NotATrajectory {
            path: self.path.clone(),
            reason,
        }
    }

    fn failed(&self, action: &str) -> impl Fn(LayoutError) -> Error + use<> {
        let (path, action) = (self.path.clone(), action.to_owned());
        move |error| Error::library(&path, action.as_str(), error)
    }

    /// The number of committed steps.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// The end-of-file address in bytes: a shorter file is truncated.
    pub(crate) fn end_of_file(&self) -> u64 {
        self.superblock.end_of_file
    }

    pub(crate) fn state(&self) -> RunState {
        RunState::from_value(self.state.values[0])
    }

    pub(crate) fn planned(&self) -> Option<u64> {
        u64::try_from(self.planned.values[0]).ok()
    }

    /// Says in the file how the recording ended.
    pub(crate) fn set_state(&mut self, state: RunState) -> Result<(), Error> {
        self.state.values = [state.value()];
        self.write_number(self.state.at, self.state.values[0].cast_unsigned())
    }

    /// Says in the file how many steps are planned.
    pub(crate) fn set_planned(&mut self, planned: u64) -> Result<(), Error> {
        self.planned.values = [planned.cast_signed()];
        self.write_number(self.planned.at, planned)
    }

    /// Says in the file that a commit takes the run from its committed steps to `steps` of them.
    ///
    /// It has to be there before an extent moves: so a tensor that is ahead of the others in the file
    /// of a writer that died is so by this commit, or another program has appended to it.
    pub(crate) fn announce_commit(&mut self, steps: u64) -> Result<(), Error> {
        let Some(commit) = &mut self.commit else {
            return Ok(());
        };
        let values = [self.committed, steps].map(u64::cast_signed);
        if commit.values[1] == values[1] {
            return Ok(());
        }
        commit.values = values;
        let bytes = bytemuck::cast::<[[u8; 8]; 2], [u8; 16]>(values.map(i64::to_le_bytes));
        self.storage
            .write_all_at(&bytes, commit.at)
            .map_err(|error| Error::io(&self.path, "write to", error))
    }

    /// Fails if step tensors have different numbers of steps, and not by a commit that was cut short:
    /// then another program has changed the file, and which of the steps belong to the run is not
    /// ours to say.
    pub(crate) fn check_ahead(&self) -> Result<(), Error> {
        let appended = |tensor: &&StepTensor| tensor.standing == Standing::Appended;
        let ahead = self.tensors.iter().find(appended);
        let ahead = ahead.map(|tensor| (&tensor.name, tensor.extent));
        let short = self.short.iter().map(|(name, extent)| (name, *extent));
        let Some((name, extent)) = ahead.into_iter().chain(short).next() else {
            return Ok(());
        };
        Err(self.refuse(format!(
            "another program changed it: tensor `{name}` has {extent} steps and others have {}; \
             give them the same number there",
            self.committed
        )))
    }

    fn write_number(&self, at: u64, value: u64) -> Result<(), Error> {
        self.storage
            .write_all_at(&value.to_le_bytes(), at)
            .map_err(|error| Error::io(&self.path, "write to", error))
    }

    /// The file, to be synced by another thread.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Fails if the file is no longer the one that is being recorded.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        check_status(&self.path, &*self.storage, self.superblock.end_of_file)?;
        match Superblock::read(&*self.storage) {
            Ok(superblock) if superblock == self.superblock => Ok(()),
            _ => Err(Error::Overwritten {
                path: self.path.clone(),
            }),
        }
    }

    /// Puts everything written so far on the medium.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.storage
            .sync_data()
            .map_err(|error| self.sync_failed(error))
    }

    /// What it means that the file could not be put on the medium.
    pub(crate) fn sync_failed(&self, error: io::Error) -> Error {
        Error::io(&self.path, "sync", error)
    }

    /// Writes `steps` steps of tensor `tensor`, the first of which is `first`. `bytes` holds them
    /// one behind the other.
    pub(crate) fn write_steps(
        &mut self,
        tensor: usize,
        first: u64,
        steps: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let last_chunk = (first + steps - 1) / self.tensors[tensor].grid.steps();
        let pieces = self.tensors[tensor].grid.pieces();
        let needed = (last_chunk + 1) * pieces;
        while (self.tensors[tensor].chunks.len() as u64) < needed {
            self.add_row(tensor)?;
        }
        self.reserve_steps(tensor, first, steps);
        let tensor = &self.tensors[tensor];
        for run in tensor.grid.runs(first..first + steps) {
            let address = tensor.chunks[run.chunk] + run.within;
            self.storage
                .write_all_at(&bytes[run.bytes], address)
                .map_err(|source| {
                    let (path, tensor) = (self.path.clone(), tensor.name.clone());
                    Error::WriteStep {
                        path,
                        tensor,
                        step: run.step,
                        source,
                    }
                })?;
        }
        Ok(())
    }

    /// Reserves what these steps are written to.
    fn reserve_steps(&mut self, tensor: usize, first: u64, steps: u64) {
        if !self.reserves {
            return;
        }
        let most = reserve::most_ahead(self.tensors.len());
        let tensor = &mut self.tensors[tensor];
        let covered = tensor.grid.runs(first..first + steps).try_for_each(|run| {
            let chunk = tensor.chunks[run.chunk];
            let begin = chunk + run.within;
            let bytes = begin..begin + run.bytes.len() as u64;
            let limit = chunk + tensor.grid.chunk_bytes();
            tensor.reserved.cover(&*self.storage, bytes, limit, most)
        });
        if covered.is_err() {
            self.stop_reserving();
        }
    }

    /// Goes on without, before any write that is not covered: there is no room, or no such call.
    fn stop_reserving(&mut self) {
        self.reserves = false;
        self.release_reserved();
    }

    /// Gives back the blocks that are reserved and were not written.
    fn release_reserved(&mut self) {
        for tensor in &mut self.tensors {
            tensor.reserved.give_back(&*self.storage, 0);
        }
        // Chunks that are being encoded take their places meanwhile.
        let taken = self.tail.end().saturating_add(self.in_flight_bytes);
        self.reserved.give_back(&*self.storage, taken);
    }

    /// Makes the first `steps` steps the committed ones: one 8-byte write for each tensor. A tensor
    /// that another program appended steps to keeps them.
    pub(crate) fn set_extents(&mut self, steps: u64) -> Result<(), Error> {
        for tensor in 0..self.tensors.len() {
            let StepTensor {
                extent,
                extent_at,
                standing,
                ..
            } = self.tensors[tensor];
            if extent != steps && standing != Standing::Appended {
                self.write_number(extent_at, steps)?;
                self.tensors[tensor].extent = steps;
            }
        }
        self.committed = steps;
        Ok(())
    }

    /// Bytes that one more row of chunks can take, with its index nodes and alignment.
    fn row_bytes(&self, tensor: usize) -> u64 {
        let tensor = &self.tensors[tensor];
        let rank = tensor.grid.offset(0).len();
        let nodes = tensor
            .index
            .as_ref()
            .map_or(1, ChunkIndex::nodes_per_growth);
        let node = ChunkIndex::node_bytes(rank).next_multiple_of(PAGE);
        let chunk = tensor.grid.chunk_bytes().saturating_add(PAGE);
        tensor
            .grid
            .pieces()
            .saturating_mul(chunk.saturating_add(nodes * node))
    }

    /// Announces room for one more row of chunks of every tensor.
    ///
    /// An HDF5 reader asks for the file's length, reads the end-of-file address a moment later, and
    /// the extents after that. So the room is announced a row ahead of its use, and the file is
    /// longer than it says by as much: what the reader finds later lies inside what it found before.
    pub(crate) fn raise_end_of_file_for_row(&mut self) -> Result<(), Error> {
        let rows = (0..self.tensors.len())
            .map(|t| self.row_bytes(t))
            .fold(0, u64::saturating_add);
        if self.tail.end().saturating_add(rows) <= self.superblock.end_of_file {
            return Ok(());
        }
        self.raise_end_of_file(rows.max(LEAST_ROOM))
    }

    fn barrier(&self) -> Result<(), Error> {
        if self.durable { self.sync() } else { Ok(()) }
    }

    /// Adds a row of chunks to a tensor, and to its index.
    fn add_row(&mut self, tensor: usize) -> Result<(), Error> {
        self.raise_end_of_file_for_row()?;
        let failed = self.failed("add a chunk to");
        let storage = &*self.storage;
        let durable = self.durable;
        let tail = &self.tail;
        let limit = self.superblock.end_of_file;
        let mut allocate = |bytes: u64| {
            let address = tail.allocate(bytes, if bytes >= PAGE { PAGE } else { 8 });
            debug_assert!(tail.end() <= limit, "room was announced for the whole row");
            Ok(address)
        };
        let mut barrier = || barrier(storage, durable);
        let tensor = &mut self.tensors[tensor];
        let index = tensor.index.as_mut().ok_or_else(|| Error::NotATrajectory {
            path: self.path.clone(),
            reason: format!("tensor `{}` has no chunks", tensor.name),
        })?;
        let bytes = u32::try_from(tensor.grid.chunk_bytes()).unwrap_or(u32::MAX);
        for _ in 0..tensor.grid.pieces() {
            let offset = tensor.grid.offset(tensor.chunks.len() as u64);
            let address = allocate(u64::from(bytes)).map_err(&failed)?;
            let key = ChunkKey {
                bytes,
                mask: 0,
                offset,
            };
            index
                .push(
                    storage,
                    tensor.grid.steps(),
                    &key,
                    address,
                    &mut allocate,
                    &mut barrier,
                )
                .map_err(&failed)?;
            tensor.chunks.push(address);
        }
        Ok(())
    }

    /// Gives back what was reserved and not written, if the file is still the one that is being recorded.
    pub(crate) fn give_back(&mut self) -> Result<(), Error> {
        // What another program has written there is not ours.
        self.verify()?;
        self.release_reserved();
        Ok(())
    }

    /// Ends the recording: gives back the room announced ahead, and says that the file is finished.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.give_back()?;
        let status = self
            .storage
            .status()
            .map_err(|e| Error::io(&self.path, "finish", e))?;
        let end = self.tail.end();
        if end < status.len {
            // First the address, then the file: see `raise_end_of_file_for_row`.
            Superblock::write_end_of_file(&*self.storage, end).map_err(self.failed("finish"))?;
            self.superblock.end_of_file = end;
            self.barrier()?;
            self.storage
                .set_len(end)
                .map_err(|e| Error::io(&self.path, "finish", e))?;
        }
        // A resumed run that committed nothing still has the commit that had been cut short.
        self.announce_commit(self.committed)?;
        self.set_state(RunState::Finished)?;
        self.barrier()
    }
}

impl StepTensor {
    /// Whether its chunks are compressed.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Addresses of the chunks, in the order of the index.
    pub(crate) fn chunks(&self) -> &[u64] {
        &self.chunks
    }

    fn read(
        path: &Path,
        storage: &dyn Storage,
        name: String,
        dataset: &StepDataset,
        standing: Standing,
    ) -> Result<Self, Error> {
        let refuse = |reason: String| Error::NotATrajectory {
            path: path.to_owned(),
            reason,
        };
        let grid = Grid::new(&dataset.extents[1..], &dataset.chunk, dataset.element_bytes)
            .filter(|grid| u32::try_from(grid.chunk_bytes()).is_ok())
            .ok_or_else(|| {
                refuse(format!(
                    "the chunks of tensor `{name}` do not hold whole pieces of a step"
                ))
            })?;
        let packs = dataset.compressed;
        let (mut chunks, mut entries) = (Vec::new(), Vec::new());
        let mut see = |entry: ChunkEntry| {
            let ChunkEntry { key, address, at } = entry;
            let number = chunks.len() as u64;
            let (bytes, whole) = (u64::from(key.bytes), grid.chunk_bytes());
            // What h5py appended went through zlib, whose streams can be a little longer, or through
            // one of the filters.
            let deflated = packs && key.mask & chunks::MASK_DEFLATE == 0;
            let stored = match deflated {
                true => bytes <= whole + whole / 100 + 64,
                false => bytes == whole,
            };
            let stored = stored && (!packs || key.mask <= chunks::MASK_UNFILTERED);
            if key.offset != grid.offset(number) || !stored {
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
            chunks.push(address);
            entries.extend(packs.then_some(at));
            Ok(())
        };
        let rank = dataset.extents.len();
        let root_at = dataset.index_root_at;
        let index = dataset
            .index_root
            .map(|root| ChunkIndex::read(storage, rank, root, root_at, &mut see))
            .transpose()
            .map_err(|error| Error::library(path, "read the chunk index of", error))?
            .or_else(|| packs.then(|| ChunkIndex::empty(rank, root_at)));
        let held = (chunks.len() as u64 / grid.pieces()).saturating_mul(grid.steps());
        if dataset.extents[0] > held {
            return Err(refuse(format!(
                "tensor `{name}` says it has {} steps, and its chunks hold {held}",
                dataset.extents[0]
            )));
        }
        Ok(Self {
            name,
            grid,
            extent: dataset.extents[0],
            standing,
            extent_at: dataset.leading_extent_at,
            chunks,
            reserved: Reserved::default(),
            index,
            packed: packs.then(|| Packed::new(entries)),
        })
    }
}

/// Puts on the medium what was written, where the order of writes matters there.
fn barrier(storage: &dyn Storage, durable: bool) -> Result<(), LayoutError> {
    let synced = if durable { storage.sync_data() } else { Ok(()) };
    synced.map_err(|source| LayoutError::Write {
        structure: "the chunk index",
        address: 0,
        source,
    })
}

/// Fails if the file at `path` has no name any more or is shorter than `least` bytes.
pub(crate) fn check_status(path: &Path, storage: &dyn Storage, least: u64) -> Result<(), Error> {
    let status = storage
        .status()
        .map_err(|e| Error::io(path, "ask for the length of", e))?;
    if status.links == 0 {
        return Err(Error::Deleted {
            path: path.to_owned(),
        });
    }
    if status.len < least {
        let path = path.to_owned();
        return Err(Error::Truncated {
            path,
            expected: least,
            found: status.len,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
