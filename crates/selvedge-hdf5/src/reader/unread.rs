//! Why the values of a tensor cannot be read, where it is not for their type: filters that are not there,
//! and sources.

use super::data_layout::{self, Filter};
use super::{Tensor, sources};
use crate::error::LibraryError;
use crate::text::escaped;
use crate::{Error, ffi};

impl Tensor {
    /// The sources of a virtual tensor that are missing, each in words with the name of its file: values of
    /// theirs are not there, and reading is an error. The first ones; none for a tensor that is not
    /// virtual.
    ///
    /// # Errors
    ///
    /// [`Error::Library`].
    pub fn missing_sources(&self) -> Result<Vec<String>, Error> {
        let found = self.dataset();
        let found = found.and_then(|dataset| sources::missing(self.path(), &dataset));
        let found = found.map_err(|error| {
            let action = format!("look for the sources of tensor `{}` of", self.name());
            Error::library(self.path(), action, error)
        })?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    /// The names of the files that hold its values, where they are others than its own: HDF5's external
    /// storage, which can be any file.
    #[must_use]
    pub fn external_files(&self) -> Vec<String> {
        let plan = self.dataset().and_then(|dataset| dataset.dcpl());
        let names = plan
            .map(|plan| ffi::external_files(&plan))
            .unwrap_or_default();
        names.iter().map(|name| escaped(name)).collect()
    }

    /// Refuses where a source is missing. When all were found they are not looked for again.
    pub(super) fn check_sources(&self) -> Result<(), Error> {
        if self.has_sources.get().is_some() {
            return Ok(());
        }
        if let Some(missing) = self.missing_sources()?.into_iter().next() {
            return Err(Error::MissingSource {
                path: self.path().to_owned(),
                tensor: self.name().to_owned(),
                missing,
            });
        }
        self.has_sources.get_or_init(|| ());
        Ok(())
    }

    /// The filter that its values went through and that this program does not have, if there is one:
    /// neither of its own, nor a plugin in a folder of `HDF5_PLUGIN_PATH`.
    #[must_use]
    pub fn missing_filter(&self) -> Option<Filter> {
        let filters = data_layout::filters(&self.dataset().ok()?).ok()?;
        filters
            .into_iter()
            .find(|filter| !ffi::is_filter_available(filter.id))
    }

    /// Why libhdf5 did not read it.
    pub(super) fn why_unread(&self, error: LibraryError) -> Error {
        match self.missing_filter() {
            Some(filter) => Error::MissingFilter {
                path: self.path().to_owned(),
                tensor: self.name().to_owned(),
                filter: filter.name,
                id: filter.id,
            },
            None => {
                let action = format!("read tensor `{}` from", self.name());
                Error::library(self.path(), action, error)
            }
        }
    }
}
