//! What a tensor says of itself: its own attributes.

use super::super::attributes::{self, Attributes};
use super::super::note::Note;
use super::Tensor;
use crate::error::LibraryError;
use crate::provenance::{ENCODER, GLOBAL_SHAPE, OFFSET, STEP_TENSOR};
use crate::{Attribute, StorageError, checksum};

impl Tensor {
    /// Its own attributes, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`StorageError::Library`].
    pub fn attributes(&self) -> Result<Vec<(String, Attribute)>, StorageError> {
        Ok(self.listed()?.0)
    }

    /// Its own attributes of a type that has no counterpart here: names and types.
    ///
    /// # Errors
    ///
    /// [`StorageError::Library`].
    pub fn skipped_attributes(&self) -> Result<Vec<(String, String)>, StorageError> {
        Ok(self.listed()?.1)
    }

    fn listed(&self) -> Result<Attributes, StorageError> {
        let found = self.own_attributes();
        found.map_err(|error| self.failed("read the attributes of", "of", error))
    }

    /// Its own attributes, in the order of their names, and those of a type that has no counterpart here: names and
    /// types.
    ///
    /// # Errors
    ///
    /// What is to be told where they cannot be listed: its values are read all the same.
    pub fn all_attributes(&self) -> Result<Attributes, Note> {
        self.own_attributes()
            .map_err(|error| Note::UnreadAttributes {
                object: self.name.clone(),
                reason: LibraryError::from(error).to_string(),
            })
    }

    /// Its checksums are no attributes of its own, nor are the name of its encoder, its mark, and what it is a
    /// part of.
    fn own_attributes(&self) -> hdf5::Result<Attributes> {
        let dataset = self.dataset()?;
        let (mut read, mut skipped) = attributes::read(&dataset)?;
        let is_own = |name: &str| {
            checksum::is_own(name) || [ENCODER, STEP_TENSOR, GLOBAL_SHAPE, OFFSET].contains(&name)
        };
        read.retain(|(name, _)| !is_own(name));
        skipped.retain(|(name, _)| !is_own(name));
        Ok((read, skipped))
    }
}
