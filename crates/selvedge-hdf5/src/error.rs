//! Everything that can go wrong, with what was expected, what was found and what to do: an enum for each
//! verb, over what every work on a file can meet.

mod declare;
mod join;
mod library;
mod read;
mod record;
mod rewrite;
mod storage;

pub use declare::DeclareError;
pub use join::JoinError;
pub use library::LibraryError;
pub use read::ReadError;
pub use record::RecordError;
pub use rewrite::RewriteError;
use selvedge_base::{FileError, debug_as_chain};
pub use storage::StorageError;

/// Any error of this crate, for those who do not tell the verbs apart: `?` makes one of each.
///
/// What several verbs have in common is in one place, whichever function it came from:
/// [`StorageError::Truncated`] is in [`Error::Storage`] also where a step was read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A run cannot start, or a tensor cannot be made.
    #[error(transparent)]
    Declare(DeclareError),
    /// A step is not recorded.
    #[error(transparent)]
    Record(RecordError),
    /// Values are not read.
    #[error(transparent)]
    Read(ReadError),
    /// A file is not written anew, or not changed.
    #[error(transparent)]
    Rewrite(RewriteError),
    /// The files of the ranks of a run do not go together.
    #[error(transparent)]
    Join(JoinError),
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Makes `?` take one error into another that has a variant for it. What both have in common goes to the
/// place that it has in the other, so that nothing has two places.
macro_rules! into {
    ($($from:ident in $to:ident::$variant:ident but $($shared:ident)*;)*) => {$(
        impl From<$from> for $to {
            fn from(error: $from) -> Self {
                match error {
                    $($from::$shared(error) => error.into(),)*
                    error => Self::$variant(error),
                }
            }
        }
    )*};
}

into! {
    ReadError in DeclareError::Read but Storage;
    ReadError in RewriteError::Read but Storage;
    DeclareError in RewriteError::Declare but Storage Read;
    ReadError in JoinError::Read but Storage;
    DeclareError in JoinError::Declare but Storage Read;
    DeclareError in Error::Declare but Storage Read;
    RecordError in Error::Record but Storage;
    ReadError in Error::Read but Storage;
    RewriteError in Error::Rewrite but Storage Read Declare;
    JoinError in Error::Join but Storage Read Declare;
}

/// What all verbs have.
macro_rules! verbs {
    ($($error:ident)*) => {
        $(impl From<FileError> for $error {
            fn from(error: FileError) -> Self {
                Self::Storage(error.into())
            }
        })*
        debug_as_chain!(StorageError $(, $error)*);
    };
}

verbs!(DeclareError RecordError ReadError RewriteError JoinError Error);

#[cfg(test)]
mod tests;
