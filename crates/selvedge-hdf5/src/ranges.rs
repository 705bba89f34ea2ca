//! What a reader reads from: a file of this machine, or the bytes of one that lies elsewhere, such as an object
//! in a store, which somebody else fetches.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use selvedge_base::{Mutex, disk};

use crate::storage::ReadAt;

/// Bytes that are wanted: where they begin in the file, and the room for them.
pub type Piece<'a> = (u64, &'a mut [u8]);

/// The bytes of a file that lies elsewhere: an object in a store, which never changes. Offsets and lengths are in
/// bytes.
///
/// A [`Reader`](crate::Reader) that was opened [by it](crate::ReaderOptions::open_ranges) asks for the structures
/// of the file by [`read_structure`](Self::read_structure), one after the other, and for values by
/// [`read_many`](Self::read_many), all of a read at once. Any number of threads do so at once.
///
/// # Errors
///
/// Whoever answers fails rather than to give bytes of anything but the file of which [`size`](Self::size) is the
/// length: where the object was replaced meanwhile, no values may be put together of both.
pub trait RangeReader: fmt::Debug + Send + Sync {
    /// Length of the file.
    fn size(&self) -> u64;

    /// Fills `bytes` from `offset` on with a part of the file's structure. It is small mostly, and others near it
    /// are wanted soon: more may be fetched with it, and kept.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the file ends on the way, and why the bytes cannot
    /// be had.
    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills all pieces with values, which are wanted once. They come in any order.
    ///
    /// # Errors
    ///
    /// As [`read_structure`](Self::read_structure); the pieces hold anything then.
    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()>;

    /// Says that this part of the file is structure only, and that much of it will be wanted.
    fn will_read_structure(&self, _part: Range<u64>) {}
}

/// What an open file is read from.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// A file of this machine.
    File(Arc<File>),
    /// One that lies elsewhere.
    Ranges(Ranges),
}

/// A file that lies elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    reader: Arc<dyn RangeReader>,
    /// Why the first part that could not be read was not. Whoever looks into a file takes a structure that cannot
    /// be read for one of another program, and goes on, and a chunk for a damaged one.
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Ranges {
    /// The same file, of which `reader` has a part.
    pub(crate) fn with(&self, reader: Arc<dyn RangeReader>) -> Self {
        let failure = Arc::clone(&self.failure);
        Self { reader, failure }
    }

    /// Takes note of a failure.
    fn note(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            let failure = io::Error::new(error.kind(), error.to_string());
            self.failure.lock().get_or_insert(failure);
        }
    }
}

impl From<Arc<dyn RangeReader>> for Ranges {
    fn from(reader: Arc<dyn RangeReader>) -> Self {
        let failure = Arc::default();
        Self { reader, failure }
    }
}

impl Deref for Ranges {
    type Target = Arc<dyn RangeReader>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl From<File> for Data {
    fn from(file: File) -> Self {
        Self::File(Arc::new(file))
    }
}

impl Data {
    /// The file of this machine, if it is one.
    pub(crate) fn file(&self) -> Option<&File> {
        match self {
            Self::File(file) => Some(file),
            Self::Ranges(_) => None,
        }
    }

    /// Who fetches its bytes, if it lies elsewhere.
    pub(crate) fn ranges(&self) -> Option<&Ranges> {
        match self {
            Self::File(_) => None,
            Self::Ranges(ranges) => Some(ranges),
        }
    }

    /// Fails if a part could not be read since this was called the last time, but for one that the file does not
    /// have: of a file that lies elsewhere, where that can happen to any.
    pub(crate) fn check(&self) -> io::Result<()> {
        let failure = self
            .ranges()
            .and_then(|ranges| ranges.failure.lock().take());
        failure.map_or(Ok(()), Err)
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Ranges(ranges) => Ok(ranges.size()),
        }
    }

    /// Fills `bytes` from `offset` on with values.
    pub(crate) fn read_values(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => FileExt::read_exact_at(&**file, bytes, offset),
            Self::Ranges(ranges) => ranges
                .read_many(&mut [(offset, bytes)])
                .inspect_err(|error| ranges.note(error)),
        }
    }

    /// Says that these bytes will be read soon.
    pub(crate) fn will_read(&self, offset: u64, len: u64) {
        if let Self::File(file) = self {
            disk::will_read(file, offset, len);
        }
    }
}

/// What is read so is structure.
impl ReadAt for Data {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => FileExt::read_exact_at(&**file, bytes, offset),
            Self::Ranges(ranges) => ranges
                .read_structure(bytes, offset)
                .inspect_err(|error| ranges.note(error)),
        }
    }
}
