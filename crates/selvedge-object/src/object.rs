//! An object that is open: what a reader reads from.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, TryStreamExt, stream};
use selvedge_base::{FileError, Mutex, Process, pool};
use selvedge_hdf5::{Piece, RangeReader};

use crate::coalesce::{self, Request};
use crate::request::{Origin, Traffic, Version};
use crate::runtime::wait_to_read;
use crate::url::ObjectUrl;
use crate::{ObjectError, ObjectOptions};

/// Bytes that are fetched when an object is opened: the structure of a file that the recorder has made with all of
/// its chunks, of any number of steps.
pub(crate) const HEAD: u64 = 128 << 10;
/// Bytes that are fetched at least where a structure is wanted that lies elsewhere.
const BLOCK: u64 = 64 << 10;
/// A larger read is of values, and not kept.
const LARGEST_STRUCTURE: u64 = 1 << 20;
/// Bytes of structures that are kept.
const KEPT: usize = 64 << 20;
/// Requests at once.
const AT_ONCE: usize = 12;
/// Threads that put together what comes.
const MOST_THREADS: usize = 4;

/// An object of a store, open for reading: [`open`](crate::open) makes a reader of it.
///
/// Its beginning stays in memory, and what else was read of the file's structure. Whatever is fetched is held
/// against the ETag of the first answer.
#[derive(Debug)]
pub struct ObjectFile {
    origin: Origin,
    version: Version,
    head: Vec<u8>,
    structures: Mutex<Structures>,
    /// What a later answer said of the object, which is another one since.
    changed: OnceLock<String>,
    /// Whose threads have its connections.
    process: Process,
}

/// Parts of the file that are kept.
#[derive(Debug, Default)]
struct Structures {
    /// By where they begin.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// Parts that are structure only, and are fetched as a whole.
    expected: Vec<Range<u64>>,
}

impl Structures {
    fn copy(&self, bytes: &mut [u8], offset: u64) -> bool {
        let before = self.blocks.range(..=offset).next_back();
        before.is_some_and(|(start, block)| copy(block, *start, bytes, offset))
    }

    fn keep(&mut self, start: u64, block: Vec<u8>) {
        self.blocks.insert(start, block);
        while self.blocks.values().map(Vec::len).sum::<usize>() > KEPT && self.blocks.len() > 1 {
            self.blocks.pop_first();
        }
    }
}

/// Fills `bytes`, from `offset` on, from a part of the file that begins at `start`, if it has all of them.
fn copy(part: &[u8], start: u64, bytes: &mut [u8], offset: u64) -> bool {
    let from = offset
        .checked_sub(start)
        .and_then(|from| usize::try_from(from).ok());
    let found = from.and_then(|from| part.get(from..from.checked_add(bytes.len())?));
    if let Some(found) = found {
        bytes.copy_from_slice(found);
    }
    found.is_some()
}

impl ObjectFile {
    /// Opens the object at `url` by one request.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Url`], [`ObjectError::Store`], [`ObjectError::NotFound`], [`ObjectError::Read`] and
    /// [`ObjectError::Interrupted`]; [`ObjectError::Changed`] where it is to be [another one](ObjectOptions::version).
    pub fn open(url: &str, options: &ObjectOptions) -> Result<Arc<Self>, ObjectError> {
        let origin = Origin::new(&ObjectUrl::parse(url)?, options)?;
        Self::open_at(origin, options.version.as_ref())
    }

    /// Opens an object of a store that is open: the one that goes by `expected`, if that is given.
    pub(crate) fn open_at(
        origin: Origin,
        expected: Option<&String>,
    ) -> Result<Arc<Self>, ObjectError> {
        let mut head = Vec::new();
        let asked = origin.get(0..HEAD, None, |_, bytes| head.extend_from_slice(bytes));
        let version = finished(&origin, wait_to_read(asked))?;
        if let Some(expected) = expected {
            let found = version.to_string();
            if *expected != found {
                let url = origin.name;
                let expected = expected.clone();
                return Err(ObjectError::Changed {
                    url,
                    expected,
                    found,
                });
            }
        }
        Ok(Arc::new(Self {
            origin,
            version,
            head,
            structures: Mutex::default(),
            changed: OnceLock::new(),
            process: Process::current(),
        }))
    }

    /// Its URL, as it is told: without what can be secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.origin.name
    }

    /// Which object it is, in words: those of its ETag and its length, or of when it was changed. Another object of the
    /// same name has others, and [`ObjectOptions::version`] takes them.
    #[must_use]
    pub fn version(&self) -> String {
        self.version.to_string()
    }

    /// What was asked of the store for it so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.origin.traffic()
    }

    /// Fills pieces by as few requests as are of use, several at once.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Read`], [`ObjectError::Interrupted`] and [`ObjectError::Changed`]; from that on all reads fail that
    /// ask the store. [`ObjectError::File`] in a process that was forked from the one that opened it.
    pub fn fetch(&self, pieces: &mut [Piece<'_>]) -> Result<(), ObjectError> {
        self.process
            .check("this object", self.origin.name.as_ref())?;
        if let Some(found) = self.changed.get() {
            return Err(self.origin.changed(&self.version, found.clone()));
        }
        let requests = coalesce::requests(pieces);
        // Copying what comes into memory that the system has to find and clear takes as long as its way here: all
        // answers would wait for one thread that does so.
        let threads = pool::threads_for(requests.len() / AT_ONCE, MOST_THREADS);
        // Without requests that are left, after an error.
        let requests = Mutex::new(Some(requests.into_iter()));
        let done = pool::together(threads, || {
            let next = iter::from_fn(|| requests.lock().as_mut()?.next());
            let answers = stream::iter(next.map(|request| self.answer(request)));
            let answers = answers.buffer_unordered(AT_ONCE.div_ceil(threads));
            let done = finished(&self.origin, wait_to_read(answers.try_collect::<()>()));
            done.inspect_err(|_| *requests.lock() = None)
        });
        if let Err(ObjectError::Changed { found, .. }) = &done {
            self.changed.get_or_init(|| found.clone());
        }
        done
    }

    /// Asks the store, by one request of one byte, whether the object is still the one that was opened.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    pub fn check_unchanged(&self) -> Result<(), ObjectError> {
        self.fetch(&mut [(0, &mut [0])])
    }

    async fn answer(&self, mut request: Request<'_>) -> Result<(), ObjectError> {
        let (range, version) = (request.range.clone(), Some(&self.version));
        let take = |offset: u64, bytes: &[u8]| request.put(offset, bytes);
        self.origin.get(range, version, take).await.map(drop)
    }

    /// Fails where the object has no such bytes.
    fn check(&self, offset: u64, length: usize) -> io::Result<()> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.version.size => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// What came of a read that was waited for.
fn finished<T>(
    origin: &Origin,
    waited: io::Result<Option<Result<T, ObjectError>>>,
) -> Result<T, ObjectError> {
    let no_threads = FileError::io(origin.name.as_ref(), "start threads to read");
    waited.map_err(no_threads)?.unwrap_or_else(|| {
        Err(ObjectError::Interrupted {
            url: origin.name.clone(),
        })
    })
}

impl RangeReader for ObjectFile {
    fn size(&self) -> u64 {
        self.version.size
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        if copy(&self.head, 0, bytes, offset) {
            return Ok(());
        }
        let length = bytes.len() as u64;
        if length > LARGEST_STRUCTURE {
            return self.fetch(&mut [(offset, bytes)]).map_err(io::Error::other);
        }
        // Who waits here mostly wants what is being fetched.
        let mut structures = self.structures.lock();
        if structures.copy(bytes, offset) {
            return Ok(());
        }
        let expected = structures
            .expected
            .iter()
            .find(|part| part.start <= offset && offset + length <= part.end);
        let end = (offset + length.max(BLOCK)).min(self.version.size);
        let part = expected.cloned().unwrap_or(offset..end);
        let mut block = vec![0; usize::try_from(part.end - part.start).unwrap_or(usize::MAX)];
        self.fetch(&mut [(part.start, &mut block)])
            .map_err(io::Error::other)?;
        copy(&block, part.start, bytes, offset);
        structures.keep(part.start, block);
        Ok(())
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        let mut missing = Vec::with_capacity(pieces.len());
        for (offset, bytes) in pieces {
            self.check(*offset, bytes.len())?;
            if !copy(&self.head, 0, bytes, *offset) {
                missing.push((*offset, &mut **bytes));
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => self.fetch(&mut missing).map_err(io::Error::other),
        }
    }

    fn will_read_structure(&self, part: Range<u64>) {
        let part = part.start..part.end.min(self.version.size);
        if part.end.saturating_sub(part.start) <= KEPT as u64 {
            self.structures.lock().expected.push(part);
        }
    }
}
