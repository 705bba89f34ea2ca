//! Everything that can go wrong, with what was expected, what was found and what to do: an enum for each
//! verb.

mod read;
mod save;
mod size;

pub use read::ReadError;
pub use save::{MissingBytes, SaveError};
use selvedge_base::{FileError, debug_as_chain};
pub use size::SizeError;

/// Any error of this crate, for those who do not tell the verbs apart: `?` makes one of each.
///
/// What both have in common is in one place: a [`FileError`] is in [`Error::File`], whichever function it
/// came from.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not saved, or not recovered.
    #[error(transparent)]
    Save(SaveError),
    /// A file or a tensor is not read.
    #[error(transparent)]
    Read(ReadError),
    /// A shape that a tensor or a row of its dtype cannot have.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// The system refused an operation on the file, or it cannot be locked, written beside its name, or
    /// given it.
    #[error(transparent)]
    File(#[from] FileError),
}

debug_as_chain!(SizeError, SaveError, ReadError, Error);

impl From<SaveError> for Error {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::File(error) => error.into(),
            SaveError::Size(error) => error.into(),
            error => Self::Save(error),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::File(error) => error.into(),
            ReadError::Size(error) => error.into(),
            error => Self::Read(error),
        }
    }
}

#[cfg(test)]
mod tests;
