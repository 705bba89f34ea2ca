//! What became of a file that went into a store or came out of it.

/// What was put into a store.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "nothing is put anywhere")
)]
pub(crate) struct Pushed {
    /// Bytes of the object.
    pub(crate) bytes: u64,
    /// Bytes of chunk indexes that were gathered at its end.
    pub(crate) gathered: u64,
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
