//! What libhdf5 says.

use std::error::Error;

use selvedge_base::text::escaped;

use crate::layout::LayoutError;

/// A message from libhdf5, or of what was found in the file.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LibraryError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl LibraryError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let (message, source) = (message.into(), None);
        Self { message, source }
    }

    /// The same, of this cause.
    pub(crate) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        let source = Some(Box::from(source));
        Self { source, ..self }
    }
}

/// A message can have the name of a file in it, which need not be UTF-8, and which the binding makes a
/// `String` of unchecked.
impl From<hdf5::Error> for LibraryError {
    fn from(error: hdf5::Error) -> Self {
        Self::new(escaped(error.to_string().as_bytes()))
    }
}

impl From<LayoutError> for LibraryError {
    fn from(error: LayoutError) -> Self {
        let told = Self::new(error.to_string());
        match error {
            LayoutError::Read { source, .. } | LayoutError::Write { source, .. } => {
                told.because(source)
            }
            LayoutError::Unexpected { .. } => told,
        }
    }
}
