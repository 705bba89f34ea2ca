//! Putting a file into a store.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select, try_join_all};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{
    Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode,
    PutOptions, PutPayload,
};
use selvedge_base::{FileError, Mutex};
use selvedge_hdf5::{Gathered, Reader, RunState, StorageError};
use tokio::time::{sleep, timeout};

use crate::error::{Failure, Kind};
use crate::interrupt::{Sending, ended};
use crate::object::HEAD;
use crate::request::Origin;
use crate::runtime::wait;
use crate::store::{self, Conditional};
use crate::url::ObjectUrl;
use crate::{ObjectError, ObjectFile, ObjectOptions};

/// Bytes of a part at least, but for the last one.
const PART: u64 = 8 << 20;
/// Parts of an upload at most.
const MOST_PARTS: u64 = 9000;
/// Parts that are on their way at once.
const AT_ONCE: usize = 8;
/// How often a part is sent.
const ATTEMPTS: usize = 5;
/// A part may take so many times as long as an answer.
const PATIENCE: u32 = 10;
/// Bytes that are read back at once.
const READ_BACK: u64 = 64 << 20;

/// What was put into a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Bytes of the object.
    pub bytes: u64,
    /// Bytes of chunk indexes at its end, which lay scattered over the file.
    pub gathered: u64,
}

/// Puts the file at `path` into a store as the object at `url`, and reads it back: each byte is held against the
/// file. The chunk indexes of an HDF5 file are [gathered](Gathered) on the way. `progress` is told how many bytes
/// of how many were sent and read back.
///
/// # Errors
///
/// [`ObjectError::AlreadyExists`] without `overwrite`, which the store itself decides; [`ObjectError::Write`], also
/// where something else is read back, where the run in the file is not finished, and where values lie in other files.
pub fn push(
    path: &Path,
    url: &str,
    overwrite: bool,
    options: &ObjectOptions,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Pushed, ObjectError> {
    let object = ObjectUrl::parse(url)?;
    let refused = |reason: &str| ObjectError::Write {
        url: object.name.clone(),
        reason: reason.to_owned(),
    };
    if object.scheme == ObjectStoreScheme::Http {
        return Err(refused(
            "an HTTP server takes no file in parts, and none only if there is none yet",
        ));
    }
    let (file, length) = contents(path).map_err(|error| match error {
        Unfit::Open(error) => ObjectError::Open(Box::new(error)),
        Unfit::NotFinished => refused(
            "the run in the file is not finished, and an object does not grow; `finish` or `recover` comes first",
        ),
    })?;
    if let Some(tensor) = file.elsewhere() {
        return Err(refused(&format!(
            "tensor `{tensor}` of the file takes its values from other files, and beside an object none is read; push a \
             copy that has all values, which `rechunk` makes, or the other files, each as an object of its own"
        )));
    }
    let origin = Origin::new(&object, options)?;
    let complete = match (overwrite, &object.scheme) {
        (false, ObjectStoreScheme::AmazonS3) => Some(store::open_s3(&object, options)?),
        _ => None,
    };
    let size = file.size();
    let upload = Upload {
        file: &file,
        origin: &origin,
        size,
        part: PART.max((size / MOST_PARTS).next_multiple_of(1 << 20)),
        progress: Mutex::new(Told {
            done: 0,
            tell: Box::new(progress),
        }),
    };
    let sending = Sending::begin();
    let sent = wait(upload.send(overwrite, complete));
    drop(sending);
    sent.map_err(FileError::io(
        object.name.as_ref(),
        "start threads to write",
    ))??;
    upload.read_back(url, options)?;
    Ok(Pushed {
        bytes: size,
        gathered: size - length,
    })
}

enum Unfit {
    Open(StorageError),
    NotFinished,
}

impl From<StorageError> for Unfit {
    fn from(error: StorageError) -> Self {
        Self::Open(error)
    }
}

/// The bytes of the object that is to be, and the length of the file.
fn contents(path: &Path) -> Result<(Gathered, u64), Unfit> {
    let plain = Gathered::unchanged(path)?;
    let length = plain.size();
    match Reader::open(path) {
        Err(StorageError::NotHdf5 { .. }) => Ok((plain, length)),
        Err(error) => Err(error.into()),
        Ok(file) if file.state() == RunState::Recording => Err(Unfit::NotFinished),
        Ok(_) => Ok((Gathered::open(path, HEAD)?, length)),
    }
}

/// Who is told of the bytes that were sent or read back, and how many these are.
struct Told<'a> {
    done: u64,
    tell: Box<dyn FnMut(u64, u64) + Send + 'a>,
}

struct Upload<'a> {
    file: &'a Gathered,
    origin: &'a Origin,
    size: u64,
    part: u64,
    progress: Mutex<Told<'a>>,
}

impl Upload<'_> {
    fn failed(&self, failure: Failure) -> ObjectError {
        let url = self.origin.name.clone();
        match failure.kind {
            Kind::Exists | Kind::Precondition => ObjectError::AlreadyExists { url },
            _ => ObjectError::Write {
                url,
                reason: failure.reason,
            },
        }
    }

    fn done(&self, bytes: u64) {
        let mut progress = self.progress.lock();
        progress.done += bytes;
        let done = progress.done;
        (progress.tell)(done, 2 * self.size);
    }

    /// The bytes of a part.
    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| {
            Failure::new(format!("the file does not give its bytes: {error}"), false)
        })?;
        Ok(bytes)
    }

    /// Tries `work` again, where that can help.
    async fn persist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let mut pause = Duration::from_millis(100);
        let mut attempts = 1..=ATTEMPTS;
        loop {
            attempts.next();
            let late = |_| Failure::new("the server does not take it in time", false);
            let limit = self.origin.timeout * PATIENCE;
            let failure = match timeout(limit, work()).map_err(late).await? {
                Ok(found) => return Ok(found),
                Err(error) => Failure::from(error),
            };
            if !failure.again || attempts.is_empty() {
                return Err(failure);
            }
            sleep(pause).await;
            pause *= 3;
        }
    }

    async fn send(
        &self,
        overwrite: bool,
        complete: Option<Conditional>,
    ) -> Result<(), ObjectError> {
        self.send_all(overwrite, complete)
            .await
            .map_err(|failure| self.failed(failure))
    }

    async fn send_all(
        &self,
        overwrite: bool,
        complete: Option<Conditional>,
    ) -> Result<(), Failure> {
        let Origin { store, path, .. } = self.origin;
        if !overwrite {
            // The store decides in the end, but nobody wants to send a file for nothing.
            match until_ended(self.persist(|| store.head(path))).await {
                Ok(_) => {
                    return Err(Failure {
                        reason: String::new(),
                        again: false,
                        kind: Kind::Exists,
                    });
                }
                Err(failure) if failure.kind == Kind::Missing => {}
                Err(failure) => return Err(failure),
            }
        }
        if self.size <= PART {
            let bytes = PutPayload::from(self.bytes(0, self.size)?);
            let mode = if overwrite {
                PutMode::Overwrite
            } else {
                PutMode::Create
            };
            let put = || store.put_opts(path, bytes.clone(), PutOptions::from(mode.clone()));
            until_ended(self.persist(put)).await?;
            self.done(self.size);
            return Ok(());
        }
        match complete {
            Some((parts, complete)) => self.send_conditional(&*parts, &*complete).await,
            None if overwrite => self.send_parts(store, path).await,
            None => {
                // The store copies it to its name, if there is no object of that.
                let partial = object_store::path::Path::from(format!("{path}.partial"));
                self.send_parts(store, &partial).await?;
                let copied = self
                    .persist(|| store.copy_if_not_exists(&partial, path))
                    .await;
                let removed = self.persist(|| store.delete(&partial)).await;
                copied.and(removed)
            }
        }
    }

    /// The places of the parts, with their numbers and lengths.
    fn parts(&self) -> impl Iterator<Item = (usize, u64, u64)> + use<> {
        let (size, part) = (self.size, self.part);
        (0..size.div_ceil(part)).map(move |nth| {
            let offset = nth * part;
            (
                usize::try_from(nth).unwrap_or(usize::MAX),
                offset,
                part.min(size - offset),
            )
        })
    }

    async fn send_conditional(
        &self,
        store: &dyn MultipartStore,
        complete: &dyn MultipartStore,
    ) -> Result<(), Failure> {
        let path = &self.origin.path;
        let id = self.persist(|| store.create_multipart(path)).await?;
        let sent = stream::iter(self.parts())
            .map(|(nth, offset, length)| {
                let id = &id;
                async move {
                    let payload = PutPayload::from(self.bytes(offset, length)?);
                    let part = self
                        .persist(|| store.put_part(path, id, nth, payload.clone()))
                        .await?;
                    self.done(length);
                    Ok::<PartId, Failure>(part)
                }
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<PartId>>();
        let completed = until_ended(async {
            let completed = complete.complete_multipart(path, &id, sent.await?);
            completed.await.map(drop).map_err(Failure::from)
        });
        let completed = completed.await;
        if completed.is_err() {
            // Parts without an object are paid for.
            let _ = timeout(self.origin.timeout, store.abort_multipart(path, &id)).await;
        }
        completed
    }

    async fn send_parts(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &object_store::path::Path,
    ) -> Result<(), Failure> {
        let mut upload: Box<dyn MultipartUpload> = store.put_multipart(path).await?;
        let sent = async {
            let parts: Vec<_> = self.parts().collect();
            for together in parts.chunks(AT_ONCE) {
                let mut sending = Vec::new();
                for &(_, offset, length) in together {
                    let payload = PutPayload::from(self.bytes(offset, length)?);
                    let part = upload.put_part(payload);
                    sending.push(async move {
                        part.await?;
                        self.done(length);
                        Ok::<(), Failure>(())
                    });
                }
                try_join_all(sending).await?;
            }
            upload.complete().await.map(drop).map_err(Failure::from)
        };
        let done = until_ended(sent).await;
        if done.is_err() {
            let _ = timeout(self.origin.timeout, upload.abort()).await;
        }
        done
    }

    /// Holds the object against the file.
    fn read_back(&self, url: &str, options: &ObjectOptions) -> Result<(), ObjectError> {
        use selvedge_hdf5::RangeReader as _;
        let other = |what: String| self.failed(Failure::new(what, false));
        let object = ObjectFile::open(url, options)?;
        if object.size() != self.size {
            return Err(other(format!(
                "it has {} bytes, and {} were sent",
                object.size(),
                self.size
            )));
        }
        let mut offset = 0;
        while offset < self.size {
            let length = READ_BACK.min(self.size - offset);
            let sent = self
                .bytes(offset, length)
                .map_err(|failure| self.failed(failure))?;
            let mut found = vec![0; sent.len()];
            object.fetch(&mut [(offset, &mut found)])?;
            if found != sent {
                return Err(other(format!(
                    "other bytes are read back than were sent, within {length} bytes from {offset} on; delete it"
                )));
            }
            self.done(length);
            offset += length;
        }
        Ok(())
    }
}

/// Does `work`, unless uploads [are to end](crate::abort_uploads) meanwhile.
async fn until_ended<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match select(pin!(work), pin!(ended())).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(Failure::new("it was interrupted", false)),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    /// A store that copies what was sent under another name, as Azure and Google Cloud Storage are used.
    #[test]
    fn an_object_that_is_there_is_kept_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("W.bin");
        for size in [1000_u32, 20 << 20] {
            let bytes: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[1]).collect();
            std::fs::write(&path, &bytes).unwrap();
            let file = Gathered::unchanged(&path).unwrap();
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let origin = Origin::of(Arc::clone(&store), Path::from("runs/W.bin"));
            let upload = Upload {
                file: &file,
                origin: &origin,
                size: size.into(),
                part: PART,
                progress: Mutex::new(Told {
                    done: 0,
                    tell: Box::new(|_, _| ()),
                }),
            };
            let send = |overwrite| wait(upload.send(overwrite, None)).unwrap();
            send(false).unwrap();
            assert!(matches!(
                send(false),
                Err(ObjectError::AlreadyExists { .. })
            ));
            send(true).unwrap();
            assert_eq!(upload.progress.lock().done, 2 * u64::from(size));
            let found = wait(async {
                let names = store.list(None).map_ok(|meta| meta.location.to_string());
                let found = store
                    .get(&origin.path)
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap();
                (names.try_collect::<Vec<_>>().await.unwrap(), found)
            });
            let (names, found) = found.unwrap();
            assert!(names == ["runs/W.bin"] && found == bytes, "{names:?}");
        }
    }
}
