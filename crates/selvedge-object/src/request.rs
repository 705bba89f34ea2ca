//! One range of an object: asked for again where that helps, and held against what is known of the object.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryFutureExt};
use object_store::path::Path;
use object_store::{Attribute, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};
use tokio::time::{sleep, timeout};

use crate::error::{Failure, Kind};
use crate::url::ObjectUrl;
use crate::{ObjectError, ObjectOptions, store};

/// How often a range is asked for.
const ATTEMPTS: usize = 5;
/// How long is waited after the first failure; it is three times as long after each that follows.
const PAUSE: Duration = Duration::from_millis(20);

/// After the time in which something has to come, an answer has to bring so many bytes a second in all.
const SLOWEST: u64 = 1 << 10;

/// Encodings under which bytes are others. (Some stores tell how an object came to them: `aws-chunked`.)
const ENCODINGS: [&str; 6] = ["gzip", "x-gzip", "deflate", "compress", "br", "zstd"];

/// What a store says of an object that tells it from another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Length in bytes.
    pub(crate) size: u64,
    tag: Tag,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    /// What the store calls it.
    ETag(String),
    /// When it was changed, in milliseconds; of a server without ETags.
    Modified(i64),
}

impl Version {
    fn of(meta: &ObjectMeta) -> Result<Self, Failure> {
        let modified = meta.last_modified.timestamp_millis();
        let tag = match &meta.e_tag {
            Some(tag) => Tag::ETag(tag.clone()),
            None if modified > 0 => Tag::Modified(modified),
            None => {
                let why = "the server sends neither ETag nor Last-Modified, and nobody would see it if the object \
                           were replaced";
                return Err(Failure::new(why, false));
            }
        };
        let size = meta.size;
        Ok(Self { size, tag })
    }

    /// What a server can hold a request against: it takes a weak ETag for no object's.
    fn if_match(&self) -> Option<String> {
        match &self.tag {
            Tag::ETag(tag) if !tag.starts_with("W/") => Some(tag.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Tag::ETag(tag) => write!(f, "ETag {tag}, {} bytes", self.size),
            Tag::Modified(when) => write!(f, "changed {when} ms after 1970, {} bytes", self.size),
        }
    }
}

/// What was asked of a store so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests, those that failed among them.
    pub requests: u64,
    /// Bytes of the object that came.
    pub bytes: u64,
}

/// An object in its store.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// Its URL, as it is told.
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Origin {
    pub(crate) fn new(object: &ObjectUrl, options: &ObjectOptions) -> Result<Self, ObjectError> {
        let store = store::open(object, options)?.objects;
        Ok(Self::of(store, object, options))
    }

    /// An object of a store that is open.
    pub(crate) fn of(
        store: Arc<dyn ObjectStore>,
        object: &ObjectUrl,
        options: &ObjectOptions,
    ) -> Self {
        Self {
            store,
            path: object.path.clone(),
            name: object.name.clone(),
            timeout: options.timeout,
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Gives `take` the bytes of `range`, in their order, each with its place in the object, and returns which
    /// object they are of: of the one that is `expected`, or of the one that there is.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Changed`] and [`ObjectError::Read`].
    pub(crate) async fn get(
        &self,
        range: Range<u64>,
        expected: Option<&Version>,
        mut take: impl FnMut(u64, &[u8]),
    ) -> Result<Version, ObjectError> {
        let (began, mut pause) = (Instant::now(), PAUSE);
        let (mut version, mut at) = (expected.cloned(), range.start);
        for attempt in 1.. {
            let start = at;
            let mut take = |bytes: &[u8]| {
                take(at, bytes);
                at += bytes.len() as u64;
            };
            let asked = self.attempt(start..range.end, &mut version, &mut take);
            let failure = match asked.await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            if failure.kind == Kind::Precondition
                && let Some(version) = &version
            {
                return Err(self.changed(version, failure.reason));
            }
            if failure.kind == Kind::Missing && expected.is_none() {
                return Err(ObjectError::NotFound {
                    url: self.name.clone(),
                    reason: failure.reason,
                });
            }
            if !failure.again || attempt == ATTEMPTS || began.elapsed() >= self.timeout {
                let tried = match attempt {
                    1 => String::new(),
                    _ => format!(" (after {attempt} attempts)"),
                };
                return Err(ObjectError::Read {
                    url: self.name.clone(),
                    range,
                    reason: failure.reason + &tried,
                });
            }
            sleep(pause).await;
            pause *= 3;
        }
        Ok(version.expect("an answer says which object it is of"))
    }

    pub(crate) fn changed(&self, version: &Version, found: String) -> ObjectError {
        ObjectError::Changed {
            url: self.name.clone(),
            expected: version.to_string(),
            found,
        }
    }

    /// Waits for a part of an answer.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let late = |_| {
            let seconds = self.timeout.as_secs_f64();
            Failure::new(
                format!("nothing came from the server for {seconds} s"),
                true,
            )
        };
        timeout(self.timeout, work).map_err(late).await
    }

    async fn attempt(
        &self,
        range: Range<u64>,
        version: &mut Option<Version>,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: version.as_ref().and_then(Version::if_match),
            ..GetOptions::default()
        };
        let asked = self.store.get_opts(&self.path, options);
        let answer: GetResult = self.in_time(asked).await??;
        if let Some(encoding) = encoding(&answer) {
            let reason =
                format!("the server sends it encoded ({encoding}), and these are not its bytes");
            return Err(Failure::new(reason, false));
        }
        let found = Version::of(&answer.meta)?;
        if *version.get_or_insert_with(|| found.clone()) != found {
            return Err(Failure {
                reason: found.to_string(),
                again: false,
                is_unsure: false,
                kind: Kind::Precondition,
            });
        }
        let expected = range.start..range.end.min(found.size);
        if answer.range != expected {
            let (start, end) = (answer.range.start, answer.range.end);
            let reason = format!("the server sends bytes {start} to {end} of it");
            return Err(Failure::new(reason, false));
        }
        let length = expected.end - expected.start;
        let (mut left, mut body, began) = (length, answer.into_stream(), Instant::now());
        while let Some(bytes) = self.in_time(body.next()).await? {
            let bytes = bytes?;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let more = left.checked_sub(bytes.len() as u64);
            left = more
                .ok_or_else(|| Failure::new("the server sends more than was asked for", false))?;
            take(&bytes);
            let (came, took) = (length - left, began.elapsed());
            if took > self.timeout + Duration::from_secs(came / SLOWEST) {
                let seconds = took.as_secs_f64();
                let reason = format!("only {came} bytes came from the server in {seconds:.1} s");
                return Err(Failure::new(reason, true));
            }
        }
        match left {
            0 => Ok(()),
            left => Err(Failure::new(format!("{left} bytes did not come"), true)),
        }
    }
}

/// The encoding by which the bytes of an answer are others than those of the object.
fn encoding(answer: &GetResult) -> Option<&'static str> {
    let said = answer.attributes.get(&Attribute::ContentEncoding)?;
    let said = said.to_ascii_lowercase();
    let is_said = |known: &&str| said.split(',').any(|one| one.trim() == *known);
    ENCODINGS.into_iter().find(is_said)
}
