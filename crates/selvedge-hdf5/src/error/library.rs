//! What libhdf5 says.

use selvedge_base::text::escaped;

/// A message from libhdf5.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LibraryError(String);

impl LibraryError {
    pub(crate) fn new(message: String) -> Self {
        Self(message)
    }
}

/// A message can have the name of a file in it, which need not be UTF-8, and which the binding makes a
/// `String` of unchecked.
impl From<hdf5::Error> for LibraryError {
    fn from(error: hdf5::Error) -> Self {
        Self(escaped(error.to_string().as_bytes()))
    }
}

impl From<crate::layout::LayoutError> for LibraryError {
    fn from(error: crate::layout::LayoutError) -> Self {
        use std::error::Error as _;
        let source = error
            .source()
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        Self(format!("{error}{source}"))
    }
}
