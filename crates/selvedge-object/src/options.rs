//! How a store is asked.

use std::time::Duration;

/// How a store is asked: made by [`default`](Default::default).
#[derive(Clone, Debug)]
#[must_use]
pub struct ObjectOptions {
    pub(crate) timeout: Duration,
    /// Bytes of a part at least, but for the last one; an object of no more than these is sent as a whole.
    pub(crate) part: u64,
    pub(crate) version: Option<String>,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            part: 8 << 20,
            version: None,
        }
    }
}

impl ObjectOptions {
    /// How long nothing may come from a server before a request is given up, and how long failed requests are made
    /// anew. After so long an answer is given up, too, that brings less than 1 KiB a second. Default: 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens the object only if it is this one, as [`ObjectFile::version`](crate::ObjectFile::version) has told of it
    /// elsewhere: for several processes that read the same. Default: the one that there is.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }
}
