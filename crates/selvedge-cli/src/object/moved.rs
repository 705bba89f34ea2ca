//! What became of a file that went into a store or came out of it.

/// What was put into a store.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "nothing is put anywhere")
)]
pub(crate) struct Pushed {
    /// Bytes of the object.
    pub(crate) bytes: u64,
    /// Bytes of these that the store had already.
    pub(crate) resumed: u64,
    /// Bytes of chunk indexes that were gathered at its end.
    pub(crate) gathered: u64,
}

/// What was given up of an upload.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "nothing is put anywhere")
)]
pub(crate) enum Discarded {
    /// So many bytes, which the store does not have any more.
    Upload(u64),
    /// So many bytes, which are an object now.
    Object(u64),
    /// A journal that is damaged.
    Journal,
    /// There was nothing.
    Nothing,
}

/// What became of uploads when the program was interrupted: how many there are of each kind.
#[derive(Default)]
pub(crate) struct Ended {
    /// The next `push` goes on with them.
    pub(crate) kept: usize,
    /// The next `push` goes on reading the object back.
    pub(crate) read_back: usize,
    pub(crate) aborted: usize,
    /// They were to be aborted.
    pub(crate) left: usize,
}

/// What was fetched.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "nothing is fetched")
)]
pub(crate) struct Pulled {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Bytes of these that were there already.
    pub(crate) resumed: u64,
    /// Bytes of values that were held against checksums.
    pub(crate) verified: u64,
}
