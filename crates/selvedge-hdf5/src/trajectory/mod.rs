//! A trajectory file that is being recorded: the bytes that change after its creation.
//!
//! libhdf5 has built the file. From here on it is chunk data, the leading extents, and for a run
//! that outgrows its chunks the chunk index and the end-of-file address, each written in place by
//! this module. `docs/format.md` has the protocol and why each moment of it is a valid file.

mod appended;
mod commit_log;
mod preallocated;
mod reserve;
mod tensor;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use appended::{Chunk, Packer};
use commit_log::CommitLog;
pub(crate) use commit_log::check_status;
use reserve::Reserved;
use tensor::ChunkLayout;
pub(crate) use tensor::StepTensor;

use crate::chunks::TailAllocator;
use crate::error::LibraryError;
use crate::layout::{DatasetHeader, LayoutError, root_members};
use crate::plan::ChunkPlan;
use crate::run::{Standing, StepTensors};
use crate::storage::{ReadAhead, ReadAt, Storage};
use crate::{RunState, StorageError};

/// A trajectory file, open for recording or recovery.
pub(crate) struct TrajectoryFile {
    log: CommitLog,
    pub(crate) tensors: Vec<StepTensor>,
    /// Where new bytes go, up to the end-of-file address.
    tail: TailAllocator,
    /// Bytes that the chunks that are being encoded take at the tail, at most.
    in_flight_bytes: u64,
    /// What is reserved at the tail.
    reserved: Reserved,
    /// Whether reserving has not failed yet.
    reserves: bool,
}

impl std::fmt::Debug for TrajectoryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrajectoryFile")
            .field("path", &self.log.path)
            .finish_non_exhaustive()
    }
}

impl TrajectoryFile {
    /// Finds in the file at `path`, open as `storage`, what recording needs of the step tensors of `run`, in
    /// their order.
    ///
    /// # Errors
    ///
    /// [`StorageError::WrittenAnew`] where they are not as the recorder made them; [`StorageError::UnequalSteps`]
    /// where some of these have more steps than the run, and no `rechunk` helps.
    pub(crate) fn open(
        path: &Path,
        storage: Arc<dyn Storage>,
        durable: bool,
        run: &StepTensors,
    ) -> Result<Self, StorageError> {
        let found = Self::find(path, storage, durable, run);
        if let Err(StorageError::WrittenAnew { .. }) = found {
            run.refuse_one_of(path, run.standing(Standing::Appended))?;
        }
        found
    }

    fn find(
        path: &Path,
        storage: Arc<dyn Storage>,
        durable: bool,
        run: &StepTensors,
    ) -> Result<Self, StorageError> {
        let log = CommitLog::open(path, storage, durable, run.committed)?;
        let tensors = find_tensors(&log, run)?;
        Ok(Self {
            tail: TailAllocator::after(log.end_of_file()),
            in_flight_bytes: 0,
            reserved: Reserved::default(),
            reserves: true,
            tensors,
            log,
        })
    }

    /// Checks that libhdf5 built exactly what was planned.
    pub(crate) fn check_plan(&self, plans: &[ChunkPlan]) -> Result<(), StorageError> {
        for (tensor, plan) in self.tensors.iter().zip(plans) {
            let (leading, expected) = match plan.compressed {
                true => (0, 0),
                false => (plan.steps.unwrap_or(plan.chunk_steps()), plan.chunks()),
            };
            let chunks = tensor.chunk_count();
            let packed = tensor.is_compressed();
            if tensor.extent != leading || chunks != expected || packed != plan.compressed {
                return Err(self.log.refuse(format!(
                    "tensor `{}` was created with {} steps in {chunks} chunks, where {leading} \
                     steps in {expected} chunks were asked for",
                    tensor.name, tensor.extent,
                )));
            }
        }
        Ok(())
    }

    /// The number of committed steps.
    pub(crate) fn committed(&self) -> u64 {
        self.log.committed
    }

    /// The end-of-file address in bytes: a shorter file is truncated.
    pub(crate) fn end_of_file(&self) -> u64 {
        self.log.end_of_file()
    }

    pub(crate) fn state(&self) -> RunState {
        self.log.state()
    }

    pub(crate) fn planned(&self) -> Option<u64> {
        self.log.planned()
    }

    /// Says in the file how the recording ended.
    pub(crate) fn set_state(&mut self, state: RunState) -> Result<(), StorageError> {
        self.log.set_state(state)
    }

    /// Says in the file how many steps are planned.
    pub(crate) fn set_planned(&mut self, planned: u64) -> Result<(), StorageError> {
        self.log.set_planned(planned)
    }

    /// Says in the file that a commit takes the run from its committed steps to `steps` of them.
    ///
    /// It has to be there before an extent moves: so a tensor that is ahead of the others in the file
    /// of a writer that died is so by this commit, or another program has appended to it.
    pub(crate) fn announce_commit(&mut self, steps: u64) -> Result<(), StorageError> {
        self.log.announce_commit(steps)
    }

    /// Goes on in the same file, open otherwise.
    pub(crate) fn move_to(&mut self, storage: Arc<dyn Storage>) {
        self.log.storage = storage;
    }

    /// The file, to be synced by another thread.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        self.log.storage.clone()
    }

    /// Fails if the file is no longer the one that is being recorded.
    pub(crate) fn verify(&self) -> Result<(), StorageError> {
        self.log.verify()
    }

    /// Puts everything written so far on the medium.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.log.sync()
    }

    /// What it means that the file could not be put on the medium.
    pub(crate) fn sync_failed(&self, error: io::Error) -> StorageError {
        self.log.sync_failed(error)
    }

    /// Goes on without reserving, before any write that is not covered: there is no room, or no such call.
    fn stop_reserving(&mut self) {
        self.reserves = false;
        self.release_reserved();
    }

    /// Gives back the blocks that are reserved and were not written.
    fn release_reserved(&mut self) {
        let storage = &*self.log.storage;
        for tensor in &mut self.tensors {
            if let ChunkLayout::Preallocated(preallocated) = &mut tensor.layout {
                preallocated.reserved.give_back(storage, 0);
            }
        }
        // Chunks that are being encoded take their places meanwhile.
        let taken = self.tail.end().saturating_add(self.in_flight_bytes);
        self.reserved.give_back(storage, taken);
    }

    /// Makes the first `steps` steps the committed ones: one 8-byte write for each tensor. A tensor
    /// that another program appended steps to keeps them.
    pub(crate) fn set_extents(&mut self, steps: u64) -> Result<(), StorageError> {
        for tensor in &mut self.tensors {
            if tensor.extent != steps && tensor.standing != Standing::Appended {
                self.log.write_number(tensor.extent_at, steps)?;
                tensor.extent = steps;
            }
        }
        self.log.committed = steps;
        Ok(())
    }

    /// Gives the committed steps from `steps` on up, to be recorded anew. The file says that it is being
    /// recorded.
    ///
    /// At every moment the file has the steps that it had, or `steps` of them: with the number that the
    /// last commit began at, the file first stops promising the steps after it, and a tensor that still has
    /// them is then ahead as by a commit that was cut short. Chunks stay where they are, and are written again.
    pub(crate) fn go_back(&mut self, steps: u64) -> Result<(), StorageError> {
        let most = self.tensors.iter().map(|tensor| tensor.extent).max();
        self.log.begin_branch(steps)?;
        self.log.span_commit(steps, most.unwrap_or(steps))?;
        self.log.barrier()?;
        self.set_extents(steps)?;
        self.log.barrier()?;
        self.announce_commit(steps)
    }

    /// Gives back what was reserved and not written, if the file is still the one that is being recorded.
    pub(crate) fn give_back(&mut self) -> Result<(), StorageError> {
        // What another program has written there is not ours.
        self.verify()?;
        self.release_reserved();
        Ok(())
    }

    /// Ends the recording: gives back the room announced ahead and chunks without steps, and says that the file is
    /// finished.
    pub(crate) fn finish(&mut self) -> Result<(), StorageError> {
        self.give_back()?;
        self.log.lower_end_of_file(self.tail.end())?;
        self.drop_unused_chunks()?;
        // A resumed run that committed nothing still has the commit that had been cut short.
        self.announce_commit(self.log.committed)?;
        self.set_state(RunState::Finished)?;
        self.log.barrier()
    }
}

/// The file at `path`, which somebody has open, to be recorded.
pub(crate) fn storage_of(file: &File, path: &Path) -> Result<Arc<dyn Storage>, StorageError> {
    let file = file.try_clone();
    let file = file.map_err(|error| StorageError::io(path, "open", error))?;
    Ok(Arc::new(file))
}

/// Finds the step tensors, which have to be as the recorder made them.
fn find_tensors(log: &CommitLog, run: &StepTensors) -> Result<Vec<StepTensor>, StorageError> {
    let ahead = ReadAhead::new(&*log.storage);
    let storage: &dyn ReadAt = match log.storage.reads_by_calls() {
        true => &ahead,
        false => &*log.storage,
    };
    let anew = |error: LayoutError| log.written_anew(LibraryError::from(error));
    let members = root_members(storage, &log.superblock).map_err(anew)?.names;
    let members: HashMap<String, u64> = members.into_iter().collect();
    let mut tensors = Vec::with_capacity(run.tensors.len());
    for (name, _, standing) in &run.tensors {
        let refuse = |what: &str| {
            log.written_anew(LibraryError::new(format!("step tensor `{name}` {what}")))
        };
        let address = members.get(name).copied();
        let address = address.ok_or_else(|| refuse("is no member of the root group"))?;
        let header = DatasetHeader::read(storage, address).map_err(anew)?;
        let header = header.ok_or_else(|| refuse("is in a later format of HDF5"))?;
        let dataset = header.step_dataset().map_err(anew)?;
        let dataset = dataset.ok_or_else(|| {
            refuse("has a fixed shape, or filters of another program, and cannot grow in place")
        })?;
        tensors.push(StepTensor::read(log, storage, name, &dataset, *standing)?);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests;
