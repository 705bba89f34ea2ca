//! Putting a file into a store.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStoreScheme;
use selvedge_base::{Chain, FileError, Mutex};
use selvedge_hdf5::{Gathered, Reader, RunState, StorageError};

use crate::error::Failure;
use crate::interrupt::{Sending, Stage};
use crate::journal::{Found, Journal};
use crate::object::HEAD;
use crate::runtime::wait;
use crate::store::{self, Store};
use crate::told::{PushEvent, Told};
use crate::upload::{Sent, Target, Unread, Upload, is_of_another};
use crate::url::ObjectUrl;
use crate::{ObjectError, ObjectOptions};

/// What was put into a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Bytes of the object.
    pub bytes: u64,
    /// Bytes of these that an earlier, interrupted call had sent.
    pub resumed: u64,
    /// Bytes of chunk indexes at its end, which lay scattered over the file.
    pub gathered: u64,
}

/// What was given up of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discarded {
    /// The store had so many bytes of it, and has none any more.
    Upload {
        /// The bytes of the parts.
        bytes: u64,
    },
    /// The store was asked to make the object of them, of which the answer was lost, and has one of so many bytes. It is
    /// not removed.
    Object {
        /// The bytes of the object.
        bytes: u64,
    },
    /// Its journal is damaged, and was removed: what the store has is not known.
    Journal,
    /// There is no journal of an upload of this file to there.
    Nothing,
}

/// Puts the file at `path` into a store as the object at `url`, and reads it back: each byte is held against the
/// file. The chunk indexes of an HDF5 file are [gathered](Gathered) on the way. `follow` is told how far it is, and
/// what else happens.
///
/// A file of more than 8 MiB is sent in parts. Which of them the store has is in a journal beside the file,
/// `NAME.push-….unfinished`, until all is read back: the next call for the same file and URL goes on there. Each part
/// of the journal is held against the file first, and sent again where the file has other bytes now; an upload that
/// the store does not know any more is begun anew. Where no journal can be, the file is sent all the same, and an
/// upload that fails is aborted.
///
/// # Errors
///
/// [`ObjectError::AlreadyExists`] without `overwrite`, which the store itself decides; [`ObjectError::Write`], also
/// where something else is read back, where the run in the file is not finished, where values lie in other files, and
/// while another call sends the same file there. Both say what the store keeps of the upload, until the next call or
/// [`discard_push`].
pub fn push(
    path: &Path,
    url: &str,
    overwrite: bool,
    options: &ObjectOptions,
    follow: impl FnMut(PushEvent) + Send,
) -> Result<Pushed, ObjectError> {
    let url = ObjectUrl::parse(url)?;
    if url.scheme == ObjectStoreScheme::Http {
        return Err(refused(
            &url,
            "an HTTP server takes no file in parts, and none only if there is none yet",
        ));
    }
    // What cannot be sent is told before the store is asked anything.
    let contents = contents(path, &url)?;
    let store = store::open(&url, options)?;
    let mut target = target(&url, options, store)?;
    if !overwrite && url.scheme == ObjectStoreScheme::AmazonS3 {
        target.only_new = Some(store::open_only_new(&url, options)?);
    }
    push_to(path, &contents, &target, overwrite, follow)
}

/// Gives up the upload of the file at `path` to `url` that an earlier [`push`] began and did not end: the store removes
/// the parts that it has, and the journal goes. The file itself need not be there any more.
///
/// # Errors
///
/// [`ObjectError::Write`] where the store does not do so, or while a call sends the file there: then the journal stays.
pub fn discard_push(
    path: &Path,
    url: &str,
    options: &ObjectOptions,
) -> Result<Discarded, ObjectError> {
    let url = ObjectUrl::parse(url)?;
    let open = || target(&url, options, store::open(&url, options)?);
    discard(path, &url, open)
}

/// The same, of a store that is opened where there is something to give up.
fn discard<'a>(
    path: &Path,
    url: &ObjectUrl,
    open: impl FnOnce() -> Result<Target<'a>, ObjectError>,
) -> Result<Discarded, ObjectError> {
    let journal = match find(path, url)? {
        Found::Upload(journal) => journal,
        Found::Nothing(journal) => {
            journal.remove();
            return Ok(Discarded::Nothing);
        }
        Found::Damaged(journal) => {
            journal.remove();
            return Ok(Discarded::Journal);
        }
        Found::InTheWay(_, why) => return Err(refused(url, why)),
    };
    let target = open()?;
    let bytes = journal.bytes();
    let failed = |failure: Failure| ObjectError::Write {
        url: url.name.clone(),
        reason: format!("the upload is not given up: {}", failure.reason),
        kept: Some(bytes),
    };
    if let Some(begun) = journal.begun() {
        let aborted = wait(target.abort(begun)).map_err(no_threads(url))?;
        aborted.map_err(failed)?;
    }
    let length = match journal.is_completing() {
        true => wait(target.length_of(target.path())).map_err(no_threads(url))?,
        false => Ok(None),
    };
    let is_there = length.map_err(failed)? == Some(bytes);
    journal.remove();
    Ok(match is_there {
        true => Discarded::Object { bytes },
        false => Discarded::Upload { bytes },
    })
}

fn refused(url: &ObjectUrl, reason: impl Into<String>) -> ObjectError {
    ObjectError::Write {
        url: url.name.clone(),
        reason: reason.into(),
        kept: None,
    }
}

fn no_threads(url: &ObjectUrl) -> impl FnOnce(std::io::Error) -> FileError {
    FileError::io(url.name.as_ref(), "start threads to write")
}

fn target<'a>(
    url: &'a ObjectUrl,
    options: &'a ObjectOptions,
    store: Store,
) -> Result<Target<'a>, ObjectError> {
    let in_parts = || refused(url, "its store takes no file in parts");
    Ok(Target {
        url,
        options,
        objects: store.objects,
        parts: store.parts.ok_or_else(in_parts)?,
        only_new: None,
    })
}

/// What an earlier call left of an upload.
fn find(path: &Path, url: &ObjectUrl) -> Result<Found, ObjectError> {
    match Journal::find(path, &store::place(url)) {
        Err(FileError::InUse { .. }) => Err(refused(
            url,
            "another `push` of this file to there is at work; wait for it, or stop it",
        )),
        found => Ok(found?),
    }
}

/// The journal of an upload of so many bytes.
fn journal(
    path: &Path,
    target: &Target<'_>,
    size: u64,
    told: &mut Told<'_>,
) -> Result<Journal, ObjectError> {
    let is_in_parts = size > target.options.part;
    let mut journal = match find(path, target.url)? {
        Found::Upload(journal) | Found::Nothing(journal) => journal,
        Found::Damaged(journal) => {
            told.anew(
                "the journal of an earlier upload is damaged, and what the store keeps of that is not known: let it remove \
                 parts without an object"
                    .to_owned(),
            );
            journal
        }
        Found::InTheWay(journal, why) => {
            if is_in_parts {
                told.not_resumable(why);
            }
            return Ok(journal);
        }
    };
    if is_in_parts && let Err(why) = journal.make() {
        told.not_resumable(why);
    }
    Ok(journal)
}

/// Puts a file into a store that is open.
fn push_to(
    path: &Path,
    contents: &Contents,
    target: &Target<'_>,
    overwrite: bool,
    follow: impl FnMut(PushEvent) + Send,
) -> Result<Pushed, ObjectError> {
    let Contents { file, length } = contents;
    let size = file.size();
    let mut told = Told::new(size, follow);
    let journal = journal(path, target, size, &mut told)?;
    let resumed = put(Upload {
        file,
        target,
        overwrite,
        journal: Mutex::new(journal),
        told: Mutex::new(told),
        resumed: AtomicU64::new(0),
    })?;
    Ok(Pushed {
        bytes: size,
        resumed,
        gathered: size - length,
    })
}

/// Sends a file, and reads it back; returns how many of its bytes the store had already.
fn put(upload: Upload<'_>) -> Result<u64, ObjectError> {
    let url = upload.target.url;
    let mut sending = Sending::begin();
    let sent = wait(upload.send()).map_err(no_threads(url))?;
    let sent = match sent {
        Ok(sent) => sent,
        Err((failure, stage)) => {
            sending.reach(stage);
            return Err(failed(upload, failure, stage));
        }
    };
    sending.reach(Stage::ReadBack);
    let read = upload.read_back(sent);
    let resumed = upload.resumed.load(Ordering::Relaxed);
    let journal = upload.journal.into_inner();
    if let Err(Unread::Failed(error)) = read {
        return Err(match journal.is_kept() {
            true => refused(
                url,
                format!(
                    "the object is there, but was not read back to its end: {}; the next `push` of this file to there goes \
                     on with that",
                    Chain(&error)
                ),
            ),
            false => error,
        });
    }
    let begun = journal.begun().filter(|_| sent == Sent::Perhaps);
    if let Some(begun) = begun
        // If the object is somebody else's, the parts are there still.
        && let Err(failure) = wait(upload.target.abort(begun)).map_err(no_threads(url))?
        && failure.again
        && read.is_ok()
    {
        let reason = failure.reason;
        return Err(ObjectError::Write {
            url: url.name.clone(),
            reason: format!(
                "the object is there, but not all was removed that belonged to it on its way: {reason}"
            ),
            kept: Some(journal.bytes()),
        });
    }
    journal.remove();
    match read {
        Err(Unread::Other(error) | Unread::Failed(error)) => Err(error),
        Ok(()) => Ok(resumed),
    }
}

/// Why nothing was put into the store, and what it keeps.
fn failed(upload: Upload<'_>, failure: Failure, stage: Stage) -> ObjectError {
    let url = upload.target.url.name.clone();
    let journal = upload.journal.into_inner();
    let kept = match stage {
        Stage::Kept => Some(journal.bytes()),
        _ => None,
    };
    if stage != Stage::Kept {
        journal.remove();
    }
    if is_of_another(failure.kind) {
        return ObjectError::AlreadyExists { url, kept };
    }
    let reason = match stage {
        Stage::Left => format!(
            "{}; the store did not abort the upload, and may keep parts of it, which are paid for: abort it there",
            failure.reason
        ),
        _ => failure.reason,
    };
    ObjectError::Write { url, reason, kept }
}

/// What is to be sent.
struct Contents {
    /// The bytes of the object that is to be.
    file: Gathered,
    /// The length of the file.
    length: u64,
}

fn contents(path: &Path, url: &ObjectUrl) -> Result<Contents, ObjectError> {
    let not_opened = |error: StorageError| ObjectError::Open(Box::new(error));
    let plain = Gathered::unchanged(path).map_err(not_opened)?;
    let length = plain.size();
    let file = match Reader::open(path) {
        Err(StorageError::NotHdf5 { .. }) => plain,
        Err(error) => return Err(not_opened(error)),
        Ok(file) if file.state() == RunState::Recording => {
            return Err(refused(
                url,
                "the run in the file is not finished, and an object does not grow; `finish` or `recover` comes first",
            ));
        }
        Ok(_) => Gathered::open(path, HEAD).map_err(not_opened)?,
    };
    if let Some(tensor) = file.elsewhere() {
        return Err(refused(
            url,
            format!(
                "tensor `{tensor}` of the file takes its values from other files, and beside an object none is read; push a \
                 copy that has all values, which `rechunk` makes, or the other files, each as an object of its own"
            ),
        ));
    }
    Ok(Contents { file, length })
}

#[cfg(test)]
mod tests;
