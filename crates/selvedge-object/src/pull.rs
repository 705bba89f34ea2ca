//! Fetching an object into a file.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use selvedge_base::{
    Chain, FileError, Leftover, LockedFile, PULL_MARK, Partial, check_target, target,
};
use selvedge_hdf5::{
    ChecksumReport, Piece, RangeReader, ReadError, ReaderOptions, verify_checksums,
};

use crate::{ObjectError, ObjectFile, ObjectOptions};

/// Bytes that are fetched and put on the disk together.
const BATCH: u64 = 64 << 20;
/// The beginning of a file on its way, which says how far it has come. What belongs there is written last.
const JOURNAL: u64 = 4096;

/// What was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulled {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of these that an earlier, interrupted call had fetched.
    pub resumed: u64,
    /// Bytes of values that were held against the file's own checksums.
    pub verified: u64,
}

/// Fetches the object at `url` into the file at `path`. It gets its name when it is complete, and, where it is a
/// trajectory with checksums, right; a call that is interrupted leaves `NAME.unfinished`, and the next one goes on
/// there, if the object is still the same, and anew after one whose values were not right. `progress` is told how many
/// bytes of how many are there.
///
/// # Errors
///
/// [`ObjectError::Read`] and [`ObjectError::Changed`]; [`ObjectError::File`], such as where there is a file of this
/// name and `overwrite` is false; [`ObjectError::Values`] for checksums that do not match.
pub fn pull(
    url: &str,
    path: &Path,
    overwrite: bool,
    options: &ObjectOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<Pulled, ObjectError> {
    let object = ObjectFile::open(url, options)?;
    let name = target(path)?;
    let old = check_target(&name, overwrite)?;
    let (size, version) = (object.size(), object.version());
    // One that replaces a file begins anew each time.
    let resumes = old.is_none() && size > BATCH;
    let mut head = vec![0; usize::try_from(JOURNAL.min(size)).unwrap_or(usize::MAX)];
    let write = |error: io::Error| FileError::io(path, "write")(error);
    object.read_structure(&mut head, 0).map_err(write)?;
    let (mut partial, resumed) = match resumes {
        true => begin(path, &version, &head, size)?,
        false => (Partial::create(path, overwrite)?, 0),
    };
    if resumes {
        partial.keep();
    }
    let mut done = resumed.max(JOURNAL.min(size));
    let mut buffer = Vec::new();
    while done < size {
        let length = BATCH.min(size - done);
        buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        object.fetch(&mut [(done, &mut buffer)])?;
        partial.file().write_all_at(&buffer, done).map_err(write)?;
        done += length;
        if resumes {
            partial.file().sync_data().map_err(write)?;
            mark(partial.file(), &version, done).map_err(write)?;
        }
        progress(done, size);
    }
    let file = Arc::clone(partial.file());
    let whole = Arc::new(Whole { file, head, size });
    let failed = |reason: String| ObjectError::Values {
        url: url.to_owned(),
        reason,
    };
    let report = verify(url, &whole).map_err(|error| failed(Chain(&error).to_string()))?;
    if let Some(report) = report.as_ref().filter(|report| !report.is_clean()) {
        // Fetched anew it may be right.
        partial.discard();
        return Err(failed(wrong(report)));
    }
    // Until here the beginning says how far the file has come.
    let file = &whole.file;
    file.write_all_at(&whole.head, 0).map_err(write)?;
    if let Err(error) = partial.publish(true) {
        if file.is_named(partial.path()) {
            mark(file, &version, size).map_err(write)?;
        }
        return Err(error.into());
    }
    let verified = report.map_or(0, |report| report.verified);
    Ok(Pulled {
        bytes: size,
        resumed,
        verified,
    })
}

/// A file on its way that has all bytes, but for its head.
#[derive(Debug)]
struct Whole {
    file: Arc<LockedFile>,
    head: Vec<u8>,
    size: u64,
}

impl RangeReader for Whole {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_structure(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let head = usize::try_from(offset).ok();
        let head = head.and_then(|offset| self.head.get(offset..));
        let head = head.unwrap_or_default();
        let (first, rest) = bytes.split_at_mut(head.len().min(bytes.len()));
        first.copy_from_slice(&head[..first.len()]);
        self.file.read_exact_at(rest, offset + first.len() as u64)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> io::Result<()> {
        let mut pieces = pieces.iter_mut();
        pieces.try_for_each(|(offset, bytes)| self.read_structure(bytes, *offset))
    }
}

/// Writes into the beginning of a file on its way which object it is of, and how far it has come.
fn mark(file: &LockedFile, version: &str, done: u64) -> io::Result<()> {
    let journal = format!("{PULL_MARK}{version}\n{done}\n");
    file.write_all_at(journal.as_bytes(), 0)
}

/// The file on its way that an earlier call left, and how far it has come; or a new one. The object begins with
/// `head`, and has `size` bytes.
fn begin(
    path: &Path,
    version: &str,
    head: &[u8],
    size: u64,
) -> Result<(Partial, u64), ObjectError> {
    let leftover = match Partial::reopen(path) {
        Ok(partial) => {
            let mut start = vec![0; head.len()];
            let found = partial.file().read_at(&mut start, 0).unwrap_or(0);
            let text = String::from_utf8_lossy(&start[..found]);
            let mut lines = text.strip_prefix(PULL_MARK).map(str::lines);
            let is_same = lines.as_mut().and_then(Iterator::next) == Some(version);
            let done = lines.as_mut().and_then(Iterator::next);
            let done = done.and_then(|line| line.parse().ok());
            if let Some(done) = done.filter(|_| is_same) {
                return Ok((partial, done));
            }
            // A call can have been ended between writing the head and giving the file its name.
            let length = partial.file().metadata().map_or(0, |found| found.len());
            let is_whole = length == size && start == head;
            match lines.is_some() || is_whole {
                true => Leftover::Discard,
                // What a recorder left is not ours to write over.
                false => Leftover::Keep,
            }
        }
        Err(FileError::NothingLeft { .. }) => Leftover::Keep,
        Err(error) => return Err(error.into()),
    };
    Ok((Partial::create_growing(path, false, leftover)?, 0))
}

/// Holds the values of a trajectory against its checksums. What is no HDF5 file has none.
fn verify(url: &str, whole: &Arc<Whole>) -> Result<Option<ChecksumReport>, ReadError> {
    let whole: Arc<dyn RangeReader> = Arc::clone(whole) as _;
    let opened = ReaderOptions::default().open_ranges(url, whole);
    opened.map_or(Ok(None), |file| verify_checksums(&file, |_| ()).map(Some))
}

/// The first tensor whose values are wrong.
fn wrong(report: &ChecksumReport) -> String {
    let mut tensors = report.tensors.iter();
    let wrong = tensors.find(|tensor| !tensor.mismatched.is_empty());
    let tensor = wrong.map_or("a tensor", |wrong| &wrong.tensor);
    format!("the values of `{tensor}` are not those that its checksums were made of")
}
