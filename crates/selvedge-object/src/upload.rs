//! An object on its way into a store, in parts that an earlier call may have sent, and reading it back.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use selvedge_base::Mutex;
use selvedge_hdf5::{Gathered, RangeReader as _};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::error::{Failure, Kind};
use crate::interrupt::{Stage, ended};
use crate::journal::{Begun, Journal, Part};
use crate::object::ObjectFile;
use crate::request::Origin;
use crate::told::Told;
use crate::url::ObjectUrl;
use crate::{ObjectError, ObjectOptions};

/// Parts of a new upload at most.
const MOST_PARTS: u64 = 9000;
/// Parts that a store takes of an upload.
const LIMIT_OF_PARTS: u64 = 10_000;
/// Parts that are on their way at once.
const AT_ONCE: usize = 8;
/// How often a part is sent.
const ATTEMPTS: usize = 5;
/// A part may take so many times as long as an answer.
const PATIENCE: u32 = 10;
/// Parts of the least size that are read back at once.
const READ_BACK: u64 = 8;

/// Where an object goes.
pub(crate) struct Target<'a> {
    pub(crate) url: &'a ObjectUrl,
    pub(crate) options: &'a ObjectOptions,
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// The same store, as it takes parts.
    pub(crate) parts: Arc<dyn MultipartStore>,
    /// The same, as it makes an object of parts only if there is none of the name. A store that has no such thing gets
    /// the parts under [another name](Self::partial).
    pub(crate) only_new: Option<Arc<dyn MultipartStore>>,
}

impl Target<'_> {
    pub(crate) fn path(&self) -> &Path {
        &self.url.path
    }

    /// The object that the parts become where the store then copies it to its name, if there is none of that.
    fn partial(&self) -> Path {
        Path::from(format!("{}.partial", self.path()))
    }

    /// Removes what the store has of an upload. That there is nothing any more is right, too.
    pub(crate) async fn abort(&self, begun: &Begun) -> Result<(), Failure> {
        let key = Path::from(&*begun.key);
        let done = |done: Result<(), Failure>| match done {
            Err(failure) if !matches!(failure.kind, Kind::Gone | Kind::Missing) => Err(failure),
            _ => Ok(()),
        };
        let aborted = self.persist(|| self.parts.abort_multipart(&key, &begun.id));
        let aborted = done(aborted.await);
        if key == *self.path() {
            return aborted;
        }
        let removed = done(self.persist(|| self.objects.delete(&key)).await);
        aborted.and(removed)
    }

    /// Bytes of an object, if there is one.
    pub(crate) async fn length_of(&self, path: &Path) -> Result<Option<u64>, Failure> {
        match self.persist(|| self.objects.head(path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(failure) if failure.kind == Kind::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tries `work` again, where that can help.
    async fn persist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let mut pause = Duration::from_millis(100);
        let (mut attempts, mut is_unsure) = (1..=ATTEMPTS, false);
        loop {
            attempts.next();
            let limit = self.options.timeout * PATIENCE;
            let mut failure = match timeout(limit, work()).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => Failure::from(error),
                Err(_) => Failure {
                    is_unsure: true,
                    ..Failure::new("the server does not take it in time", false)
                },
            };
            is_unsure |= failure.is_unsure;
            if !failure.again || attempts.is_empty() {
                failure.is_unsure = is_unsure;
                return Err(failure);
            }
            sleep(pause).await;
            pause *= 3;
        }
    }
}

/// What is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The object that this call has completed.
    Object,
    /// One of the same length, which an earlier call may have completed, or somebody else.
    Perhaps,
}

pub(crate) struct Upload<'a> {
    pub(crate) file: &'a Gathered,
    pub(crate) target: &'a Target<'a>,
    pub(crate) overwrite: bool,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) told: Mutex<Told<'a>>,
    /// Bytes that an earlier call had sent, and that are not sent again.
    pub(crate) resumed: AtomicU64,
}

/// Why an object was not read back.
pub(crate) enum Unread {
    /// It has other bytes than the file.
    Other(ObjectError),
    /// It or the file could not be read.
    Failed(ObjectError),
}

impl From<ObjectError> for Unread {
    fn from(error: ObjectError) -> Self {
        Self::Failed(error)
    }
}

impl Upload<'_> {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn reach(&self, done: u64) {
        self.told.lock().reach(done);
    }

    fn written(&self, written: io::Result<()>) {
        self.told.lock().written(written);
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

    /// Sends what the store does not have. What is left there of an upload that fails is in the journal; it is aborted
    /// where that cannot be.
    pub(crate) async fn send(&self) -> Result<Sent, (Failure, Stage)> {
        let failure = match until_ended(self.send_all()).await {
            Ok(sent) => return Ok(sent),
            Err(failure) => failure,
        };
        let begun = self.journal.lock().begun().cloned();
        let Some(begun) = begun else {
            return Err((failure, Stage::Aborted));
        };
        if self.journal.lock().is_kept() && failure.kind != Kind::Gone {
            let written = self.journal.lock().sync();
            self.written(written);
            return Err((failure, Stage::Kept));
        }
        // Parts without an object are paid for.
        let aborted = timeout(self.target.options.timeout, self.target.abort(&begun)).await;
        let stage = match aborted {
            Ok(Ok(())) => Stage::Aborted,
            _ => Stage::Left,
        };
        Err((failure, stage))
    }

    async fn send_all(&self) -> Result<Sent, Failure> {
        let (target, path) = (self.target, self.target.path());
        if !self.overwrite {
            // The store decides in the end, but nobody wants to send a file for nothing.
            match target.length_of(path).await? {
                Some(size) if size == self.size() && self.journal.lock().is_completing() => {
                    return Ok(Sent::Perhaps);
                }
                Some(_) => return Err(exists()),
                None => {}
            }
        }
        if self.size() <= target.options.part {
            return self.send_whole().await;
        }
        let key = match (self.overwrite, &target.only_new) {
            (false, None) => target.partial(),
            _ => path.clone(),
        };
        let sent = self.send_parts(&key).await?;
        if key == *path {
            return Ok(sent);
        }
        let copied = target.persist(|| target.objects.copy_if_not_exists(&key, path));
        let sent = match copied.await {
            Ok(()) => Sent::Object,
            Err(failure) if failure.kind == Kind::Exists && failure.is_unsure => Sent::Perhaps,
            Err(failure) => return Err(failure),
        };
        target.persist(|| target.objects.delete(&key)).await?;
        Ok(sent)
    }

    async fn send_whole(&self) -> Result<Sent, Failure> {
        let (target, path) = (self.target, self.target.path());
        self.give_up("the file has become so small that it is sent as a whole")
            .await?;
        let bytes = PutPayload::from(self.bytes(0, self.size())?);
        let mode = match self.overwrite {
            true => PutMode::Overwrite,
            false => PutMode::Create,
        };
        let options = PutOptions::from(mode);
        let put = || {
            target
                .objects
                .put_opts(path, bytes.clone(), options.clone())
        };
        match target.persist(put).await {
            Ok(_) => {}
            Err(failure) if failure.is_unsure && is_of_another(failure.kind) => {
                return self.perhaps(path, failure).await;
            }
            Err(failure) => return Err(failure),
        }
        self.reach(self.size());
        Ok(Sent::Object)
    }

    /// Whether there is an object now of our length, after a request that may have been done and of which the answer
    /// was lost.
    async fn perhaps(&self, path: &Path, failure: Failure) -> Result<Sent, Failure> {
        match self.target.length_of(path).await? {
            Some(size) if size == self.size() => Ok(Sent::Perhaps),
            _ => Err(failure),
        }
    }

    /// Sends parts, on from where an earlier call was, or anew where the store has nothing of that any more.
    async fn send_parts(&self, key: &Path) -> Result<Sent, Failure> {
        let is_begun = self.journal.lock().begun().is_some();
        match self.try_parts(key).await {
            Err(failure) if is_begun && failure.kind == Kind::Gone => {
                let reason = failure.reason;
                self.anew(format!(
                    "the store has nothing any more of what was sent ({reason})"
                ));
                self.try_parts(key).await
            }
            sent => sent,
        }
    }

    /// What an earlier call had sent is of no use.
    fn anew(&self, reason: String) {
        let forgotten = self.journal.lock().forget();
        self.written(forgotten);
        self.resumed.store(0, Ordering::Relaxed);
        self.told.lock().anew(reason);
    }

    /// Gives up what an earlier call began, if there is something.
    async fn give_up(&self, why: &str) -> Result<(), Failure> {
        let begun = self.journal.lock().begun().cloned();
        let Some(begun) = begun else { return Ok(()) };
        let mut reason = why.to_owned();
        match self.target.abort(&begun).await {
            Ok(()) => {}
            // The next call can give it up, too.
            Err(failure) if failure.again => return Err(failure),
            Err(failure) => {
                reason += &format!(
                    "; the store does not abort that upload, and may keep parts of it, which are paid for: {}",
                    failure.reason
                );
            }
        }
        self.anew(reason);
        Ok(())
    }

    /// The upload that parts of this object go to, and bytes of each but the last.
    async fn begin(&self, key: &Path) -> Result<Begun, Failure> {
        let least = self.target.options.part;
        let part_bytes = part_bytes(self.size(), least);
        let begun = self.journal.lock().begun().cloned();
        if let Some(begun) = begun {
            if begun.key == key.as_ref() && is_fit(begun.part_bytes, self.size(), least) {
                return Ok(begun);
            }
            self.give_up(
                "what was sent was for a file of another size, or to be completed in another way",
            )
            .await?;
        }
        let id = self
            .target
            .persist(|| self.target.parts.create_multipart(key));
        let begun = Begun {
            id: id.await?,
            key: key.to_string(),
            part_bytes,
        };
        let written = self.journal.lock().begin(begun.clone());
        self.written(written);
        Ok(begun)
    }

    async fn try_parts(&self, key: &Path) -> Result<Sent, Failure> {
        let (target, size) = (self.target, self.size());
        let may_be_complete = self.journal.lock().is_completing();
        let begun = self.begin(key).await?;
        let there = self.journal.lock().parts().clone();
        let count = size.div_ceil(begun.part_bytes);
        self.reach(there.range(..count).map(|(_, part)| part.length).sum());
        // What is missing comes first: whether the store still has the upload turns out at once.
        let (mut order, checked): (Vec<u64>, Vec<u64>) =
            (0..count).partition(|nth| !there.contains_key(nth));
        order.extend(checked);
        let parts = stream::iter(order).map(|nth| self.part(key, &begun, nth, there.get(&nth)));
        let ids = parts.buffer_unordered(AT_ONCE);
        let ids: BTreeMap<u64, PartId> = ids.try_collect().await?;
        let ids: Vec<PartId> = ids.into_values().collect();
        let written = self.journal.lock().complete();
        self.written(written);
        let store = match &target.only_new {
            Some(only_new) if !self.overwrite => only_new,
            _ => &target.parts,
        };
        let completed = target.persist(|| store.complete_multipart(key, &begun.id, ids.clone()));
        let failure = match completed.await {
            Ok(_) => return Ok(Sent::Object),
            Err(failure) => gone(failure),
        };
        let is_unsure =
            failure.is_unsure || (may_be_complete && self.resumed.load(Ordering::Relaxed) == size);
        // What a store says of an upload that has become an object differs, and so does when it says so.
        match is_unsure && !failure.again {
            true => self.perhaps(key, failure).await,
            false => Err(failure),
        }
    }

    /// Sends a part, if the store does not have it already as it is.
    async fn part(
        &self,
        key: &Path,
        begun: &Begun,
        nth: u64,
        there: Option<&Part>,
    ) -> Result<(u64, PartId), Failure> {
        let offset = nth * begun.part_bytes;
        let bytes = self.bytes(offset, begun.part_bytes.min(self.size() - offset))?;
        if let Some(part) = there {
            if part.is(&bytes) {
                // Without a pause nothing else would be looked at while gigabytes are held against each other.
                yield_now().await;
                self.resumed.fetch_add(part.length, Ordering::Relaxed);
                let content_id = part.id.clone();
                return Ok((nth, PartId { content_id }));
            }
            self.told.lock().take_back(part.length);
        }
        let length = bytes.len() as u64;
        let mut part = Part::new(&bytes, String::new());
        let payload = PutPayload::from(bytes);
        let number = usize::try_from(nth).unwrap_or(usize::MAX);
        let parts = &self.target.parts;
        let sent = self
            .target
            .persist(|| parts.put_part(key, &begun.id, number, payload.clone()));
        let sent = sent.await.map_err(gone)?;
        part.id.clone_from(&sent.content_id);
        let written = self.journal.lock().part(nth, part);
        self.written(written);
        self.told.lock().add(length);
        Ok((nth, sent))
    }

    /// Holds the object against the file, but for what an earlier call did.
    pub(crate) fn read_back(&self, sent: Sent) -> Result<(), Unread> {
        let Target {
            url,
            options,
            objects,
            ..
        } = self.target;
        let failed = |reason: String| ObjectError::Write {
            url: url.name.clone(),
            reason,
            kept: None,
        };
        let other = |reason: String| match (sent, self.overwrite) {
            (Sent::Perhaps, false) => Unread::Other(ObjectError::AlreadyExists {
                url: url.name.clone(),
                kept: None,
            }),
            _ => Unread::Other(failed(reason)),
        };
        let size = self.size();
        let object = ObjectFile::open_at(Origin::of(Arc::clone(objects), url, options), None)?;
        if object.size() != size {
            let (found, reason) = (object.size(), "bytes, and those that were sent are");
            return Err(other(format!("it has {found} {reason} {size}")));
        }
        if sent == Sent::Perhaps {
            self.resumed.store(size, Ordering::Relaxed);
        }
        let version = object.version();
        let known = self.journal.lock().read_back(&version);
        self.reach(size + known.values().map(|piece| piece.length).sum::<u64>());
        let mut offset = 0;
        while offset < size {
            let length = (READ_BACK * options.part).min(size - offset);
            let bytes = self.bytes(offset, length);
            let bytes = bytes.map_err(|failure| failed(failure.reason))?;
            let known = known.get(&offset);
            if !known.is_some_and(|piece| piece.is(&bytes)) {
                let mut found = vec![0; bytes.len()];
                object.fetch(&mut [(offset, &mut found)])?;
                if found != bytes {
                    return Err(other(format!(
                        "other bytes are read back than were sent, within {length} bytes from {offset} on; delete it"
                    )));
                }
                let written = self.journal.lock().read(offset, &bytes, &version);
                self.written(written);
                let known = known.map_or(0, |piece| piece.length);
                self.told.lock().add(length.saturating_sub(known));
            }
            offset += length;
        }
        Ok(())
    }
}

/// Bytes of each part but the last of a new upload of so many, which are the `least` or, where that would be too many
/// parts, whole mebibytes.
fn part_bytes(size: u64, least: u64) -> u64 {
    match size.div_ceil(least) {
        0..=MOST_PARTS => least,
        _ => size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20),
    }
}

/// Whether a file of `size` bytes can be sent in parts of so many.
fn is_fit(bytes: u64, size: u64, least: u64) -> bool {
    (least..=2 * part_bytes(size, least)).contains(&bytes) && size.div_ceil(bytes) <= LIMIT_OF_PARTS
}

/// That there is an object of the name.
fn exists() -> Failure {
    Failure {
        kind: Kind::Exists,
        ..Failure::new("", false)
    }
}

/// Whether it failed since there is an object that was not to be there.
pub(crate) fn is_of_another(kind: Kind) -> bool {
    matches!(kind, Kind::Exists | Kind::Precondition)
}

/// What is missing where a part is sent, or an upload completed, is the upload.
fn gone(failure: Failure) -> Failure {
    match failure.kind {
        Kind::Missing => Failure {
            kind: Kind::Gone,
            ..failure
        },
        _ => failure,
    }
}

/// Does `work`, unless uploads [are to end](crate::end_uploads) meanwhile.
async fn until_ended<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match select(pin!(work), pin!(ended())).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(Failure::new("it was interrupted", false)),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_fit, part_bytes};

    const LEAST: u64 = 8 << 20;

    #[test]
    fn a_file_of_any_size_has_parts_that_a_store_takes() {
        for (size, bytes) in [
            (1, 8 << 20),
            (9000 * LEAST, 8 << 20),
            (9000 * LEAST + 1, 9 << 20),
            (300_000_000_000, 32 << 20),
            (5 << 40, 583 << 20),
        ] {
            assert_eq!(part_bytes(size, LEAST), bytes, "{size}");
            assert!(size.div_ceil(bytes) <= 9000 && is_fit(bytes, size, LEAST));
        }
        // What an earlier call chose is kept where it makes not too many parts, and no part that is too large.
        for (bytes, size, expected) in [
            (8 << 20, 9500 * LEAST, true),
            (8 << 20, 10_001 * LEAST, false),
            (17 << 20, 1 << 30, false),
            (1 << 20, 1 << 30, false),
            (64 << 20, 300_000_000_000, true),
        ] {
            assert_eq!(is_fit(bytes, size, LEAST), expected, "{bytes} {size}");
        }
    }
}
