//! Why the values of a tensor cannot be read, where it is not for their type: filters that are not there,
//! and sources.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use hdf5::Dataset;
use selvedge_base::text::escaped;

use selvedge_base::Stride;

use super::data_layout::Filter;
use super::dtype::Form;
use super::external::{ExternalStorage, Unreadable};
use super::open_sources::OpenSources;
use super::place::Place;
use super::sources::MissingSource;
use super::{Reader, Tensor, library, sources};
use crate::chunks::to_usize;
use crate::error::LibraryError;
use crate::{Dtype, ReadError, StorageError, ffi};

/// Where the values of a dataset are, if they are not its own.
#[derive(Debug)]
pub(super) enum Elsewhere {
    /// They are its own.
    Nowhere,
    /// In the files of external storage.
    Files(Box<ExternalStorage>),
    /// In the sources of a virtual dataset.
    Sources(Box<OpenSources>),
}

impl Tensor {
    /// The sources of a virtual tensor that are missing or not read: values of theirs are not there, and
    /// reading is an error. The first ones; none for a tensor that is not virtual.
    ///
    /// # Errors
    ///
    /// [`StorageError::Library`].
    pub fn missing_sources(&self) -> Result<Vec<MissingSource>, StorageError> {
        Ok(self.search_sources()?.1)
    }

    /// What its sources take to be read, if it has some, and those that are missing.
    fn search_sources(&self) -> Result<(Option<OpenSources>, Vec<MissingSource>), StorageError> {
        if self.parts().is_some() {
            // They were found when the view was opened.
            return Ok(Default::default());
        }
        let found = self.dataset();
        let found =
            found.and_then(|dataset| sources::search(&file_of(&dataset), &dataset, self.others()));
        found.map_err(|error| self.not_looked_for(error))
    }

    fn not_looked_for(&self, error: hdf5::Error) -> StorageError {
        let action = format!("look for the sources of tensor `{}` of", self.name());
        StorageError::library(self.path(), action, error)
    }

    /// The names of the files that hold its values, where they are others than its own: HDF5's external
    /// storage, which can be any file.
    #[must_use]
    pub fn external_files(&self) -> Vec<String> {
        let plan = self.dataset().and_then(|dataset| dataset.dcpl());
        let files = plan.and_then(|plan| ffi::external_files(&plan));
        let files = files.unwrap_or_default();
        files.iter().map(|file| escaped(&file.name)).collect()
    }

    /// Where its values are, if they are not its own. Refuses where they are missing or not read. When all were found they are
    /// not looked for again.
    pub(super) fn elsewhere(&self) -> Result<&Elsewhere, ReadError> {
        if let Some(known) = self.elsewhere.get() {
            return Ok(known);
        }
        if let Some(storage) = self.find_external()? {
            return Ok(self
                .elsewhere
                .get_or_init(|| Elsewhere::Files(Box::new(storage))));
        }
        let (sources, missing) = self.search_sources()?;
        if let Some(missing) = missing.into_iter().next() {
            if missing.is_damaged() {
                let why = format!("it takes values from {missing}");
                return Err(self.damaged_values(LibraryError::new(why)));
            }
            let (path, tensor) = (self.path().to_owned(), self.name().to_owned());
            return Err(match missing.is_refused() {
                true => ReadError::NotFollowed {
                    path,
                    tensor,
                    values: missing.to_string(),
                },
                false => ReadError::MissingSource {
                    path,
                    tensor,
                    missing: missing.to_string(),
                },
            });
        }
        let found = sources.map(Box::new);
        let found = found.map_or(Elsewhere::Nowhere, Elsewhere::Sources);
        Ok(self.elsewhere.get_or_init(|| found))
    }

    /// What the sources of a virtual tensor take to be read, if all are there.
    pub(super) fn sources(&self) -> Option<&OpenSources> {
        // Only a dataset without chunks can be virtual.
        let known = self.chunk_shape().is_none().then(|| self.elsewhere());
        match known?.ok()? {
            Elsewhere::Sources(sources) => Some(sources),
            Elsewhere::Nowhere | Elsewhere::Files(_) => None,
        }
    }

    fn find_external(&self) -> Result<Option<ExternalStorage>, ReadError> {
        let found = self.dataset().and_then(|dataset| {
            let files = ffi::external_files(&dataset.dcpl()?)?;
            Ok((files, file_of(&dataset)))
        });
        let (files, file) = found.map_err(|error| self.not_looked_for(error))?;
        if files.is_empty() {
            return Ok(None);
        }
        let (path, tensor) = (self.path().to_owned(), self.name().to_owned());
        if self.stored.is_converted() {
            return Err(ReadError::UnsupportedDtype {
                tensor,
                found: format!("{} in other files (external storage)", self.stored_type()),
                hint: "only integers of whole bytes are read there",
            });
        }
        let file = file.canonicalize().unwrap_or(file);
        let folder = file.parent().unwrap_or(Path::new(""));
        match ExternalStorage::open(files, self.all_bytes()?, folder, self.others()) {
            Ok(storage) => Ok(Some(storage)),
            Err(Unreadable::Refused(values)) => Err(ReadError::NotFollowed {
                path,
                tensor,
                values,
            }),
            Err(Unreadable::Failed(values)) => Err(ReadError::ExternalStorage {
                path,
                tensor,
                values,
            }),
        }
    }

    /// Fills `bytes` with indices of the first axis, of values that lie in other files.
    pub(super) fn read_external(
        &self,
        storage: &ExternalStorage,
        (dtype, form): (Dtype, Form),
        rows: Stride,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let row_bytes = bytes.len() / to_usize(rows.count).max(1);
        let mut row = rows.first;
        for part in bytes.chunks_exact_mut(row_bytes.max(1)) {
            let start = row.saturating_mul(row_bytes as u64);
            let read = storage.read_at(start, part);
            read.map_err(|why| self.damaged_values(LibraryError::new(why)))?;
            row = row.saturating_add(rows.stride);
        }
        library::arrange(bytes, (dtype, form));
        Ok(())
    }

    /// Whether its values can be read, as far as that can be told without reading them. (A bitfield is
    /// read: its type does not tell whether it holds bools.)
    ///
    /// # Errors
    ///
    /// [`ReadError::UnsupportedDtype`]; [`ReadError::MissingSource`], [`ReadError::ExternalStorage`] and
    /// [`ReadError::MissingFilter`] for what is not here; [`ReadError::NotFollowed`] for what is in other
    /// files that are not read; [`StorageError::Library`].
    pub fn check_readable(&self) -> Result<(), ReadError> {
        self.dtype()?;
        if self.stored.is_bitfield() {
            // A bool is 0 or 1.
            return self.check_all();
        }
        // Only a dataset without chunks can be virtual, and only one with chunks has filters.
        if self.chunk_shape().is_none() {
            return self.elsewhere().map(|_| ());
        }
        if let Some(filter) = self.missing_filter() {
            return Err(self.without(filter));
        }
        self.check_filters()
    }

    /// The filter that its values went through and that this program does not have, if there is one:
    /// neither of its own, nor a plugin that [may be loaded](crate::ReaderOptions::load_plugins).
    #[must_use]
    pub fn missing_filter(&self) -> Option<Filter> {
        let dataset = self.is_filtered().then(|| self.dataset().ok());
        Filter::missing(&dataset??)
    }

    /// Reads all of it, some rows at a time.
    fn check_all(&self) -> Result<(), ReadError> {
        const BLOCK: u64 = 4 << 20;
        let (rows, row_bytes) = (self.rows(), self.row_bytes()?.max(1));
        let each = (BLOCK / row_bytes).max(1);
        let mut bytes = Vec::new();
        for first in (0..rows).step_by(to_usize(each)) {
            let rows = first..rows.min(first + each);
            bytes.resize(to_usize((rows.end - rows.start) * row_bytes), 0);
            self.read_raw_rows(rows, &mut bytes)?;
        }
        Ok(())
    }

    /// What a bitfield is whose values are no bools.
    pub(super) fn no_bools(&self) -> ReadError {
        ReadError::UnsupportedDtype {
            tensor: self.name().to_owned(),
            found: format!("{} that are not all 0 or 1", self.stored_type()),
            hint: "only bools are read of a bitfield; store flags as `array.view(\"uint8\")`",
        }
    }

    fn without(&self, filter: Filter) -> ReadError {
        ReadError::MissingFilter {
            path: self.path().to_owned(),
            tensor: self.name().to_owned(),
            advice: filter.advice(),
            filter: filter.name,
            id: filter.id,
        }
    }

    /// The system did not give bytes of its values.
    pub(super) fn read_failed(&self, error: io::Error) -> ReadError {
        if self.data().ranges().is_some() && error.kind() != io::ErrorKind::UnexpectedEof {
            return self.not_fetched(error);
        }
        self.damaged_values(match error.kind() {
            io::ErrorKind::UnexpectedEof => LibraryError::new("the file ends before they do"),
            _ => LibraryError::new("the system does not give them").because(error),
        })
    }

    /// That a file which lies elsewhere did not give what was asked for: that says nothing of its values.
    fn not_fetched(&self, error: io::Error) -> ReadError {
        StorageError::io(self.path(), "read", error).into()
    }

    pub(crate) fn damaged_values(&self, source: LibraryError) -> ReadError {
        if let Err(error) = self.data().check() {
            return self.not_fetched(error);
        }
        ReadError::DamagedValues {
            path: self.path().to_owned(),
            tensor: self.name().to_owned(),
            source: self.in_its_file(source),
        }
    }

    /// What is wrong, with the name of the file that a link led to.
    fn in_its_file(&self, source: LibraryError) -> LibraryError {
        let file = self.dataset().map(|dataset| file_of(&dataset));
        match file {
            Ok(file) if file != self.path() => {
                LibraryError::new(format!("they lie in {}", file.display())).because(source)
            }
            _ => source,
        }
    }

    /// An error in the chunk with this number in the order of the chunk index.
    pub(super) fn damaged_chunk(&self, number: u64, reason: String) -> ReadError {
        if let Err(error) = self.data().check() {
            return self.not_fetched(error);
        }
        let chunk = match self.place() {
            Some(Place::Compressed(map, _)) => map.grid().offset(number),
            _ => Vec::new(),
        };
        self.damaged_chunk_at(chunk, reason)
    }

    /// An error in the chunk that begins at this offset.
    pub(super) fn damaged_chunk_at(&self, chunk: Vec<u64>, reason: String) -> ReadError {
        ReadError::DamagedChunk {
            path: self.path().to_owned(),
            tensor: self.name().to_owned(),
            chunk,
            source: Box::new(self.in_its_file(LibraryError::new(reason))),
        }
    }

    /// Why libhdf5 did not read it.
    pub(super) fn why_unread(&self, error: LibraryError) -> ReadError {
        match self.missing_filter() {
            Some(filter) => self.without(filter),
            None => self.damaged_values(self.after_filters(error)),
        }
    }

    /// Why libhdf5 did not read these rows. It does not name the source of a virtual dataset that is damaged: so
    /// each is read by itself.
    pub(super) fn why_rows_unread(
        &self,
        dataset: &Dataset,
        rows: Stride,
        error: LibraryError,
    ) -> ReadError {
        let path = file_of(dataset);
        let end = rows.at(rows.count.saturating_sub(1)).saturating_add(1);
        let sources = sources::of_rows(dataset, rows.first..end).unwrap_or_default();
        let damaged = sources
            .into_iter()
            .find_map(|(file, name)| self.damaged_source(&path, &file, &name));
        match damaged {
            Some(found) => self.damaged_values(found),
            None => self.why_unread(error),
        }
    }

    /// What is wrong with the values of a source that the file at `path` names.
    fn damaged_source(&self, path: &Path, file: &[u8], name: &[u8]) -> Option<LibraryError> {
        let (found, opened) = match file {
            b"." => (path.to_owned(), None),
            file => {
                let (found, opened) = sources::find(path, file, self.others()).ok()?;
                (found, Some(opened))
            }
        };
        let shown = found.display().to_string();
        let reader = Reader::open_beside(found, opened.as_ref(), self.others()).ok()?;
        let name = escaped(name);
        let source = reader.tensor(name.trim_start_matches('/')).ok()?;
        let error = source.check_all().err().filter(ReadError::is_damage)?;
        let told = format!("they come from dataset `{name}` of {shown}");
        Some(LibraryError::new(told).because(error))
    }

    /// What libhdf5 says, which does not name the filter that failed, with those that it can be.
    fn after_filters(&self, error: LibraryError) -> LibraryError {
        let filters = self.dataset().and_then(|dataset| Filter::all_of(&dataset));
        let filters: Vec<String> = match filters {
            Ok(filters) if !filters.is_empty() => filters.iter().map(Filter::to_string).collect(),
            _ => return error,
        };
        let filters = filters.join(", ");
        LibraryError::new(format!("they went through the filters {filters}")).because(error)
    }
}

/// The file that a dataset is in: another one, where a link led to it.
pub(super) fn file_of(dataset: &Dataset) -> PathBuf {
    PathBuf::from(OsString::from_vec(
        ffi::file_name(dataset).unwrap_or_default(),
    ))
}
