//! Fetching an object into a file.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use selvedge_base::{FileError, Leftover, Partial, check_target, target};
use selvedge_hdf5::{RangeReader as _, ReadError, Reader, verify_checksums};

use crate::{ObjectError, ObjectFile, ObjectOptions};

/// Bytes that are fetched and put on the disk together.
const BATCH: u64 = 64 << 20;
/// The beginning of a file on its way, which says how far it has come. What belongs there is written last.
const JOURNAL: u64 = 4096;
/// What such a beginning starts with.
const MARK: &str = "selvedge pull\n";

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
/// there, if the object is still the same. `progress` is told how many bytes of how many are there.
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
    let (mut partial, resumed) = match resumes {
        true => begin(path, &version)?,
        false => (Partial::create(path, overwrite)?, 0),
    };
    if resumes {
        partial.keep();
    }
    let write = |error: io::Error| FileError::io(path, "write")(error);
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
            let journal = format!("{MARK}{version}\n{done}\n");
            partial
                .file()
                .write_all_at(journal.as_bytes(), 0)
                .map_err(write)?;
        }
        progress(done, size);
    }
    let mut head = vec![0; usize::try_from(JOURNAL.min(size)).unwrap_or(usize::MAX)];
    object.read_structure(&mut head, 0).map_err(write)?;
    partial.file().write_all_at(&head, 0).map_err(write)?;
    let verified = verify(&partial, url)?;
    partial.publish(true)?;
    Ok(Pulled {
        bytes: size,
        resumed,
        verified,
    })
}

/// The file on its way that an earlier call left, and how far it has come; or a new one.
fn begin(path: &Path, version: &str) -> Result<(Partial, u64), ObjectError> {
    match Partial::reopen(path) {
        Ok(partial) => {
            let mut start = [0; 512];
            let found = partial.file().read_at(&mut start, 0).unwrap_or(0);
            let text = String::from_utf8_lossy(&start[..found]);
            let Some(rest) = text.strip_prefix(MARK) else {
                // What a recorder left is not ours to write over.
                drop(partial);
                return Ok((Partial::create_growing(path, false, Leftover::Keep)?, 0));
            };
            let mut lines = rest.lines();
            let is_same = lines.next() == Some(version);
            let done = lines.next().and_then(|line| line.parse().ok());
            match done.filter(|_| is_same) {
                Some(done) => Ok((partial, done)),
                None => {
                    drop(partial);
                    Ok((Partial::create_growing(path, false, Leftover::Discard)?, 0))
                }
            }
        }
        Err(FileError::NothingLeft { .. }) => {
            Ok((Partial::create_growing(path, false, Leftover::Keep)?, 0))
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds the values of a trajectory against its checksums; returns how many bytes have some.
fn verify(partial: &Partial, url: &str) -> Result<u64, ObjectError> {
    partial.share()?;
    let failed = |error: ReadError| ObjectError::Values {
        url: url.to_owned(),
        reason: selvedge_base::Chain(&error).to_string(),
    };
    // What is no HDF5 file has no checksums.
    let Ok(file) = Reader::open(partial.path()) else {
        return Ok(0);
    };
    let report = verify_checksums(&file, |_| ()).map_err(failed)?;
    if !report.is_clean() {
        let wrong = report
            .tensors
            .iter()
            .find(|tensor| !tensor.mismatched.is_empty());
        let tensor = wrong.map_or("a tensor", |wrong| &wrong.tensor);
        return Err(ObjectError::Values {
            url: url.to_owned(),
            reason: format!(
                "the values of `{tensor}` are not those that its checksums were made of"
            ),
        });
    }
    Ok(report.verified)
}
