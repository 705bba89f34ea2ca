//! Where in the file the next bytes go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The address behind all that lies in the file. Its copies are one: threads that write chunks take
/// their places from it.
#[derive(Clone, Debug)]
pub(crate) struct Space(Arc<AtomicU64>);

impl Space {
    pub(super) fn behind(address: u64) -> Self {
        Self(Arc::new(AtomicU64::new(address)))
    }

    /// Behind all that was allocated.
    pub(super) fn end(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes `bytes` bytes at a multiple of `alignment`, and returns their address.
    pub(crate) fn allocate(&self, bytes: u64, alignment: u64) -> u64 {
        let aligned = |end: u64| end.next_multiple_of(alignment);
        let behind = |end| Some(aligned(end) + bytes);
        let order = Ordering::Relaxed;
        match self.0.fetch_update(order, order, behind) {
            Ok(end) | Err(end) => aligned(end),
        }
    }
}
