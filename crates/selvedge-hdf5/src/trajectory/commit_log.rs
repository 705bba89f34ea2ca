//! The numbers of the file that say which of its bytes count, each written in place: the end-of-file
//! address, the last commit that was begun, the extents, how many steps are planned, and how the
//! recording ended.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::branches::{Branches, NUMBERS};
use crate::error::LibraryError;
use crate::layout::{AttributeValue, LayoutError, Superblock, attribute};
use crate::provenance::{BRANCHES, COMMIT, FORMAT, FORMAT_VERSION, STATE, STEPS_PLANNED};
use crate::storage::Storage;
use crate::{RunState, StorageError};

/// A trajectory file, and the numbers in it.
pub(super) struct CommitLog {
    pub(super) path: PathBuf,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) superblock: Superblock,
    /// The number of committed steps.
    pub(super) committed: u64,
    state: AttributeValue,
    planned: AttributeValue,
    /// The last commit that was begun; `None` in a file of a version before 3.
    commit: Option<AttributeValue<2>>,
    /// The branches of a file of a rank; `None` of other files, and of those of earlier versions.
    branches: Option<AttributeValue<NUMBERS>>,
    /// Whether the order of writes matters on the medium too.
    durable: bool,
}

impl CommitLog {
    /// Finds the numbers of the file at `path`, open as `storage`, of which so many steps are committed.
    pub(super) fn open(
        path: &Path,
        storage: Arc<dyn Storage>,
        durable: bool,
        committed: u64,
    ) -> Result<Self, StorageError> {
        let anew = |what: LibraryError| written_anew(path, committed, what);
        let structure = |error: LayoutError| anew(error.into());
        let status = storage
            .status()
            .map_err(|e| StorageError::io(path, "ask for the length of", e))?;
        if Superblock::user_block(&*storage, status.len).is_some() {
            return Err(anew(LibraryError::new("HDF5 begins after a user block")));
        }
        if let Some(version @ 1..) = Superblock::version(&*storage) {
            return Err(anew(LibraryError::new(format!(
                "it is in a later format of HDF5 (superblock {version}, a recorder makes 0)"
            ))));
        }
        let superblock = Superblock::read(&*storage).map_err(structure)?;
        if status.len < superblock.end_of_file {
            return Err(StorageError::Truncated {
                path: path.to_owned(),
                expected: superblock.end_of_file,
                found: status.len,
            });
        }
        let root = superblock.root_header;
        let root_attribute = |name: &str| {
            attribute::<1>(&*storage, root, name)
                .map_err(structure)?
                .ok_or_else(|| anew(LibraryError::new(format!("it has no attribute `{name}`"))))
        };
        let format = root_attribute(FORMAT)?.values[0];
        if !(1..=FORMAT_VERSION).contains(&format) {
            return Err(StorageError::NotATrajectory {
                path: path.to_owned(),
                reason: format!(
                    "its format version is {format}, and this version of Selvedge knows 1 to \
                     {FORMAT_VERSION}"
                ),
            });
        }
        let (state, planned) = (root_attribute(STATE)?, root_attribute(STEPS_PLANNED)?);
        let commit = attribute::<2>(&*storage, root, COMMIT).map_err(structure)?;
        let branches = attribute(&*storage, root, BRANCHES).map_err(structure)?;
        Ok(Self {
            path: path.to_owned(),
            storage,
            superblock,
            committed,
            state,
            planned,
            commit,
            branches,
            durable,
        })
    }

    pub(super) fn written_anew(&self, what: LibraryError) -> StorageError {
        written_anew(&self.path, self.committed, what)
    }

    pub(super) fn refuse(&self, reason: String) -> StorageError {
        StorageError::NotATrajectory {
            path: self.path.clone(),
            reason,
        }
    }

    pub(super) fn failed(&self, action: &str) -> impl Fn(LayoutError) -> StorageError + use<> {
        let (path, action) = (self.path.clone(), action.to_owned());
        move |error| StorageError::library(&path, action.as_str(), error)
    }

    /// The end-of-file address in bytes: a shorter file is truncated.
    pub(super) fn end_of_file(&self) -> u64 {
        self.superblock.end_of_file
    }

    /// Announces `room` bytes after `end`, where all that lies in the file ends, and makes the file
    /// longer by as much again.
    ///
    /// An HDF5 reader asks for the file's length, reads the end-of-file address a moment later, and the
    /// extents after that. So room is announced ahead of its use, and the file is longer than it says by
    /// as much: what the reader finds later lies inside what it found before.
    pub(super) fn raise_end_of_file(&mut self, end: u64, room: u64) -> Result<(), StorageError> {
        let announced = end.saturating_add(room);
        // First the file, then the address: a file that is shorter than it says does not open.
        self.set_len(announced.saturating_add(room), "grow")?;
        self.barrier()?;
        self.write_end_of_file(announced, "grow")?;
        self.barrier()
    }

    /// Gives back what was announced after `end` and is not used.
    pub(super) fn lower_end_of_file(&mut self, end: u64) -> Result<(), StorageError> {
        let status = self
            .storage
            .status()
            .map_err(|e| StorageError::io(&self.path, "finish", e))?;
        if end < status.len {
            // First the address, then the file.
            self.write_end_of_file(end, "finish")?;
            self.barrier()?;
            self.set_len(end, "finish")?;
        }
        Ok(())
    }

    fn write_end_of_file(&mut self, end: u64, action: &str) -> Result<(), StorageError> {
        Superblock::write_end_of_file(&*self.storage, end).map_err(self.failed(action))?;
        self.superblock.end_of_file = end;
        Ok(())
    }

    fn set_len(&self, len: u64, action: &'static str) -> Result<(), StorageError> {
        let set = self.storage.set_len(len);
        set.map_err(|error| StorageError::io(&self.path, action, error))
    }

    pub(super) fn state(&self) -> RunState {
        RunState::from_value(self.state.values[0])
    }

    pub(super) fn planned(&self) -> Option<u64> {
        u64::try_from(self.planned.values[0]).ok()
    }

    pub(super) fn set_state(&mut self, state: RunState) -> Result<(), StorageError> {
        self.state.values = [state.value()];
        self.write_number(self.state.at, self.state.values[0].cast_unsigned())
    }

    pub(super) fn set_planned(&mut self, planned: u64) -> Result<(), StorageError> {
        self.planned.values = [planned.cast_signed()];
        self.write_number(self.planned.at, planned)
    }

    /// Says in the file that a commit takes the run from its committed steps to `steps` of them.
    pub(super) fn announce_commit(&mut self, steps: u64) -> Result<(), StorageError> {
        match &self.commit {
            Some(commit) if commit.values[1] != steps.cast_signed() => {
                self.span_commit(self.committed, steps)
            }
            _ => Ok(()),
        }
    }

    /// Says in a file of a rank that its steps from `step` on are recorded anew. It has to be there before one of them is
    /// given up.
    pub(super) fn begin_branch(&mut self, step: u64) -> Result<(), StorageError> {
        let Some(found) = &mut self.branches else {
            return Ok(());
        };
        let mut branches = Branches::from_values(found.values);
        let path = &self.path;
        let failed = |action| move |error| StorageError::io(path, action, error);
        let begun = branches.begin(step);
        begun.map_err(failed("draw a number for a branch of"))?;
        found.values = branches.values();
        let bytes = found.values.map(i64::to_le_bytes);
        self.storage
            .write_all_at(bytes.as_flattened(), found.at)
            .map_err(failed("write to"))?;
        self.barrier()
    }

    /// Says in the file that its last commit takes the run from `before` steps to `after` of them.
    pub(super) fn span_commit(&mut self, before: u64, after: u64) -> Result<(), StorageError> {
        let Some(commit) = &mut self.commit else {
            return Ok(());
        };
        let values = [before, after].map(u64::cast_signed);
        commit.values = values;
        let bytes = bytemuck::cast::<[[u8; 8]; 2], [u8; 16]>(values.map(i64::to_le_bytes));
        self.storage
            .write_all_at(&bytes, commit.at)
            .map_err(|error| StorageError::io(&self.path, "write to", error))
    }

    /// Writes a number of 8 bytes: an extent, or one of the above.
    pub(super) fn write_number(&self, at: u64, value: u64) -> Result<(), StorageError> {
        self.storage
            .write_all_at(&value.to_le_bytes(), at)
            .map_err(|error| StorageError::io(&self.path, "write to", error))
    }

    /// Fails if the file is no longer the one that is being recorded.
    pub(super) fn verify(&self) -> Result<(), StorageError> {
        check_status(&self.path, &*self.storage, self.superblock.end_of_file)?;
        match Superblock::read(&*self.storage) {
            Ok(superblock) if superblock == self.superblock => Ok(()),
            _ => Err(StorageError::Overwritten {
                path: self.path.clone(),
            }),
        }
    }

    /// Puts everything written so far on the medium.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.storage
            .sync_data()
            .map_err(|error| self.sync_failed(error))
    }

    /// What it means that the file could not be put on the medium.
    pub(super) fn sync_failed(&self, error: io::Error) -> StorageError {
        StorageError::io(&self.path, "sync", error)
    }

    /// Puts on the medium what was written, where the order of writes matters there.
    pub(super) fn barrier(&self) -> Result<(), StorageError> {
        if self.durable { self.sync() } else { Ok(()) }
    }

    /// The same, between the writes of the chunk index.
    pub(super) fn index_barrier(&self) -> Result<(), LayoutError> {
        let synced = match self.durable {
            true => self.storage.sync_data(),
            false => Ok(()),
        };
        synced.map_err(|source| LayoutError::Write {
            structure: "the chunk index",
            address: 0,
            source,
        })
    }
}

/// The error about a file that is not as a recorder made it.
fn written_anew(path: &Path, steps: u64, source: LibraryError) -> StorageError {
    StorageError::WrittenAnew {
        path: path.to_owned(),
        steps,
        source,
    }
}

/// Fails if the file at `path` has no name any more or is shorter than `least` bytes.
pub(crate) fn check_status(
    path: &Path,
    storage: &dyn Storage,
    least: u64,
) -> Result<(), StorageError> {
    let status = storage
        .status()
        .map_err(|e| StorageError::io(path, "ask for the length of", e))?;
    if status.links == 0 {
        return Err(StorageError::Deleted {
            path: path.to_owned(),
        });
    }
    if status.len < least {
        let path = path.to_owned();
        return Err(StorageError::Truncated {
            path,
            expected: least,
            found: status.len,
        });
    }
    Ok(())
}
