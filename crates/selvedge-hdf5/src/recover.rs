//! Putting a file in order whose writer died.

use std::fmt;
use std::path::{Path, PathBuf};

use selvedge_base::LockedFile;

use crate::plan::Grouped;
use crate::reader::{Note, Reader};
use crate::run::Standing;
use crate::trajectory::TrajectoryFile;
use crate::unmark::unmark;
use crate::{RunState, StorageError};

/// What [`recover`] found, and whether it changed the file. Its [`Display`](fmt::Display) is a
/// sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The file.
    pub path: PathBuf,
    /// Committed steps: those that every step tensor has.
    pub committed: u64,
    /// How the recording had ended.
    pub state: RunState,
    /// Step tensors that were ahead of the others by a commit that was cut short, and the number of
    /// steps they had.
    pub ahead: Vec<(String, u64)>,
    /// Step tensors that another program gave another number of steps, and that number. They are left
    /// as they are.
    pub changed_by_others: Vec<(String, u64)>,
    /// What else is no part of the run, or not as the run left it. It stays so.
    pub notes: Vec<Note>,
    /// Whether the file was changed. One that was finished or recovered never is.
    pub changed: bool,
    /// Whether it is a file of another program that had left HDF5's mark of a writer in it. Then
    /// [`committed`](Self::committed) is known when the mark was taken out.
    pub marked: bool,
}

impl Recovery {
    /// Whether steps or step tensors of the run are not as it left them, since another program changed
    /// them.
    #[must_use]
    pub fn is_changed_by_others(&self) -> bool {
        let gone = |note: &Note| matches!(note, Note::Missing { .. } | Note::Shortened { .. });
        !self.changed_by_others.is_empty() || self.notes.iter().any(gone)
    }

    /// What is found of a file of another program that has the mark of its writer.
    fn unmarked(path: &Path, committed: u64) -> Self {
        Self {
            path: path.to_owned(),
            committed,
            state: RunState::Unknown,
            ahead: Vec::new(),
            changed_by_others: Vec::new(),
            notes: Vec::new(),
            changed: true,
            marked: true,
        }
    }
}

/// Puts the file at `path` in order if its writer died: all step tensors get the extent of the
/// committed steps, and the file is marked as recovered.
///
/// It takes back one commit at most, the one that was cut short. Steps that another program appended,
/// and datasets that it added, stay as they are.
///
/// Writes a few bytes in place and no chunk, whatever the size of the file. A file whose recording
/// was finished, or recovered before, is not changed. Without `recover` the file is as readable; the committed steps are
/// there in any case. A run that another program wrote anew and that had not ended is not changed, either: that
/// is an error that tells what to do.
///
/// A file that another program wrote in the latest format of HDF5, or in SWMR mode, keeps the mark of its
/// writer if that dies, and HDF5 refuses to open it. The mark is taken out, if nobody writes the file.
///
/// # Errors
///
/// [`StorageError::File`] while a recorder or another program writes the file, or where there is none;
/// [`StorageError::MarkedByWriter`] where nobody can tell; [`StorageError::Truncated`] for a file that lost
/// its end; [`StorageError::NotATrajectory`] for a file of another program; [`StorageError::WrittenAnew`]
/// for a run that another program wrote anew before it had ended; [`StorageError::Library`].
pub fn recover(path: impl AsRef<Path>) -> Result<Recovery, StorageError> {
    look(path.as_ref(), true)
}

/// What [`recover`] would find and do, without a write. [`Recovery::changed`] tells whether it would
/// change the file.
///
/// It takes the same locks for a moment, and so refuses what `recover` would refuse.
///
/// # Errors
///
/// The errors of [`recover`].
pub fn plan_recovery(path: impl AsRef<Path>) -> Result<Recovery, StorageError> {
    look(path.as_ref(), false)
}

fn look(path: &Path, write: bool) -> Result<Recovery, StorageError> {
    if let Some(committed) = unmark(path, write)? {
        return Ok(Recovery::unmarked(path, committed));
    }
    let file = LockedFile::open(path)?;
    file.share(path)?;
    let reader = Reader::open_held(&file, path)?;
    reader.check_recorded()?;
    let (run, state) = (reader.step_tensors(), reader.state());
    let changed = state == RunState::Recording;
    let is_other = |note: &&Note| {
        !matches!(
            note,
            Note::CutShort { .. } | Note::Appended { .. } | Note::Short { .. }
        )
    };
    let notes = reader.notes().iter().filter(is_other).cloned().collect();
    if changed {
        let trajectory = reader.trajectory(&file, true)?;
        // libhdf5 keeps what it has read as long as it has a file open.
        drop(reader);
        if write {
            put_in_order(trajectory)?;
        }
    }
    let owned = |(name, steps): (&str, u64)| (name.to_owned(), steps);
    Ok(Recovery {
        path: path.to_owned(),
        committed: run.committed,
        state,
        ahead: run.standing(Standing::CutShort).map(owned).collect(),
        changed_by_others: run.changed_by_others().map(owned).collect(),
        notes,
        changed,
        marked: false,
    })
}

/// Gives all step tensors the committed steps.
fn put_in_order(mut trajectory: TrajectoryFile) -> Result<(), StorageError> {
    let committed = trajectory.committed();
    // The extents first: a file that says it was recovered has been, and a tensor that is ahead is so by
    // a commit that the file still tells of.
    trajectory.set_extents(committed)?;
    trajectory.sync()?;
    trajectory.announce_commit(committed)?;
    trajectory.set_state(RunState::Recovered)?;
    trajectory.sync()
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.marked {
            return write!(
                f,
                "{}: another program that wrote it died; HDF5's mark of a writer is taken out",
                self.path.display()
            );
        }
        let how = match self.state {
            RunState::Recording => "its writer died",
            RunState::Finished => "it was finished",
            RunState::Recovered => "it was recovered before",
            RunState::Unknown => "its state is unknown",
        };
        write!(
            f,
            "{}: {how}; {} committed steps",
            self.path.display(),
            Grouped(self.committed)
        )?;
        for (tensor, steps) in &self.ahead {
            write!(f, "; tensor `{tensor}` had {}", Grouped(*steps))?;
        }
        for (tensor, steps) in &self.changed_by_others {
            let steps = Grouped(*steps);
            write!(
                f,
                "; another program gave tensor `{tensor}` {steps}, which stay"
            )?;
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        f.write_str(if self.changed {
            "; put in order"
        } else {
            "; nothing to do"
        })
    }
}
