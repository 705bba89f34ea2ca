//! Training trajectories, and any HDF5 file, read from object stores: S3, Google Cloud Storage, Azure, HTTP.
//!
//! ```no_run
//! use selvedge_object::ObjectOptions;
//!
//! let file = selvedge_object::open("s3://thimble/runs/thimble_7.h5", &ObjectOptions::default())?;
//! let step = file.tensor("W")?.read_step::<selvedge_hdf5::bf16>(4000)?;   // one request, of these bytes
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The reader is that of `selvedge-hdf5`, to which an object is [its bytes](ObjectFile). One request opens a file
//! whose structure lies at its beginning, as the recorder makes them; a step is one range of exactly its bytes, rows
//! of many steps are ranges that are fetched together. Every answer is held against the ETag of the first: if the
//! object is replaced meanwhile the next read is an error, and no values are put together of both.
//!
//! Credentials and endpoints come from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`), as the `object_store` crate
//! reads them, and are in no error.

#![forbid(unsafe_code)]

mod error;
mod interrupt;
mod journal;
mod options;
mod runtime;
mod store;
mod told;
mod url;

mod coalesce;
mod request;

mod object;
mod pull;
mod push;
mod upload;

pub use error::ObjectError;
pub use interrupt::{EndedUploads, end_uploads, interrupt_reads};
pub use object::ObjectFile;
pub use options::ObjectOptions;
pub use pull::{Pulled, pull};
pub use push::{Discarded, Pushed, discard_push, push};
pub use request::Traffic;
pub use told::PushEvent;

use selvedge_hdf5::{Reader, ReaderOptions};

/// Opens the trajectory, or any HDF5 file, that is the object at `url`: to be read, and in errors to go by its URL.
///
/// # Errors
///
/// [`ObjectError`].
pub fn open(url: &str, options: &ObjectOptions) -> Result<Reader, ObjectError> {
    open_with(url, options, &ReaderOptions::default())
}

/// The same, with what is said of files of HDF5. No other file is opened beside an object, whatever is said.
///
/// # Errors
///
/// [`ObjectError`].
pub fn open_with(
    url: &str,
    options: &ObjectOptions,
    reader: &ReaderOptions,
) -> Result<Reader, ObjectError> {
    let file = ObjectFile::open(url, options)?;
    let name = file.name().to_owned();
    let reader = reader.open_ranges(name, file);
    reader.map_err(|error| ObjectError::Open(Box::new(error)))
}
