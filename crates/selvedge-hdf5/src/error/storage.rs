//! What every work on a file can meet.

use std::io;
use std::path::{Path, PathBuf};

use selvedge_base::FileError;
use selvedge_base::units::Grouped;

use super::LibraryError;

/// What every work on a file can meet: the system and libhdf5 refuse, or the file is not what it should be.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The system refused an operation on the file, or it cannot be locked, written beside its name, or
    /// given it.
    #[error(transparent)]
    File(#[from] FileError),
    /// libhdf5 failed, or the file is not a sound HDF5 file.
    #[error("cannot {action} {}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: String,
        /// libhdf5's message, or what was found in the file.
        source: LibraryError,
    },
    /// The file is not HDF5.
    #[error("{} is not an HDF5 file: it does not start with the HDF5 signature", path.display())]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than it says.
    #[error(
        "{} is truncated: expected at least {expected} bytes, found {found}; it was not copied \
         whole, or another program cut it (h5py's mode 'w' does this); copy it anew from where it is whole",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The file has the mark of a program that has it open for writing (HDF5's status flags), and no lock
    /// of it.
    #[error(
        "{} is marked by a program that writes it (HDF5's status flags), and HDF5 opens it for nobody \
         else: its writer died, or is at work on another machine; if nobody writes it any more, \
         `recover` takes the mark out, as `h5clear -s` does", path.display()
    )]
    MarkedByWriter {
        /// The file.
        path: PathBuf,
    },
    /// A joined view whose sources are not as they were joined.
    #[error(
        "{} is a joined view of the ranks of a run, and its source {file} {what}; put back what was joined, \
         or join the ranks anew", path.display()
    )]
    ChangedSource {
        /// The view.
        path: PathBuf,
        /// The name of the source.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The file is not one that this recorder made.
    #[error("{} is not a trajectory that Selvedge recorded: {reason}", path.display())]
    NotATrajectory {
        /// The file.
        path: PathBuf,
        /// What is missing or different.
        reason: String,
    },
    /// The file is a trajectory, and is not stored as a recorder stores it: so it is not changed in place.
    #[error(
        "{} is not changed in place, since another program wrote it anew or stored a part of it in its \
         own way; {}", path.display(), what_is_there(*steps)
    )]
    WrittenAnew {
        /// The file.
        path: PathBuf,
        /// The steps that it has.
        steps: u64,
        /// What of it is different.
        source: LibraryError,
    },
    /// Another program shortened step tensors or appended to others: which steps are the run's is not ours to
    /// say.
    #[error(
        "another program changed {}: tensor `{tensor}` has {} steps and others have {}, since it appended to \
         that one or shortened the others; give all the same number there, as h5py's `resize` does, or delete \
         those that it changed",
        path.display(), Grouped(*steps), Grouped(*committed)
    )]
    UnequalSteps {
        /// The file.
        path: PathBuf,
        /// The first of the tensors that have another number of steps than the run.
        tensor: String,
        /// The steps that it has.
        steps: u64,
        /// The steps of the run, which every step tensor was to have.
        committed: u64,
    },
    /// A step could not be written.
    #[error("cannot write step {step} of tensor `{tensor}` to {}", path.display())]
    WriteStep {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first step that was being written.
        step: u64,
        /// The system's error.
        source: io::Error,
    },
    /// Another program wrote over the file.
    #[error(
        "{} was overwritten by another program (h5py's mode 'w' does this): its superblock is no \
         longer the recorder's; what had been recorded is lost", path.display()
    )]
    Overwritten {
        /// The file.
        path: PathBuf,
    },
    /// The file was deleted, or another one was renamed over it.
    #[error("{} was deleted or replaced while it was being recorded", path.display())]
    Deleted {
        /// The file.
        path: PathBuf,
    },
    /// The writer thread panicked: a defect of this crate.
    #[error("the writer thread panicked; please report this")]
    WriterPanicked,
}

/// What there is to do about a file of so many steps that is not changed in place.
fn what_is_there(steps: u64) -> String {
    match steps {
        0 => "it has no steps, and nothing to lose".to_owned(),
        _ => format!(
            "all of its steps ({}) can be read, and `rechunk` makes a trajectory of them again, with \
             checksums where they are wanted",
            Grouped(steps)
        ),
    }
}

impl StorageError {
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        FileError::io(path, action)(source).into()
    }

    /// There is no memory for this `action`.
    pub(crate) fn no_memory(path: &Path, action: &'static str) -> Self {
        Self::io(path, action, io::ErrorKind::OutOfMemory.into())
    }

    pub(crate) fn library(
        path: &Path,
        action: impl Into<String>,
        source: impl Into<LibraryError>,
    ) -> Self {
        Self::Library {
            path: path.to_owned(),
            action: action.into(),
            source: source.into(),
        }
    }
}
