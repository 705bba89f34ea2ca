//! Going through whole files in bounded memory, by several threads: what `Rechunk`, `compare` and
//! checksums have in common.
//!
//! Each thread takes some rows of a tensor, and does all there is to do with them before it takes the
//! next: so they are still in its cache when they are looked at again, and no thread waits for
//! another. A system that lets one thread at a time write to a file lets the others read meanwhile.

mod progress;
mod walk;

pub use progress::Progress;
pub(crate) use progress::{Callback, Meter};
pub(crate) use selvedge_base::buffer::Buffer;
use selvedge_base::pool;
pub(crate) use selvedge_base::pool::{threads_for, together};
pub(crate) use walk::{Piece, Walk};

use crate::ReadError;

/// The memory limit of those who are not told one: 256 MiB.
pub(crate) const MEMORY: u64 = 256 << 20;

/// More threads than this are no faster: memory and the lock of the file written to are the limit.
const MOST_THREADS: usize = 4;

/// What libhdf5, the allocator and the threads take beside the buffers, at most: this part of the
/// memory limit is left to them.
const RESERVE: u64 = 32 << 20;

/// The part of a memory limit that is there for buffers, in bytes.
pub(crate) fn buffer_memory(memory: u64) -> u64 {
    memory.saturating_sub(RESERVE).max(memory / 4)
}

/// How many threads fit into `memory` bytes, of `each` bytes each; 0 where not even one does.
pub(crate) fn threads(memory: u64, each: u64) -> usize {
    let room = usize::try_from(memory / each.max(1)).unwrap_or(usize::MAX);
    pool::cores().min(MOST_THREADS).min(room)
}

/// That a tensor needs so many bytes for buffers, where the memory limit is `limit` bytes.
pub(crate) fn too_large(tensor: &str, buffers: u64, limit: u64) -> ReadError {
    ReadError::WorkingMemory {
        tensor: tensor.to_owned(),
        needed: least_memory(buffers),
        limit,
    }
}

/// The least memory limit that leaves `buffers` bytes for buffers.
fn least_memory(buffers: u64) -> u64 {
    let beside = buffers.saturating_add(RESERVE);
    beside.min(buffers.saturating_mul(4))
}

#[cfg(test)]
mod tests {
    use super::{buffer_memory, least_memory};

    /// An error told a limit of 250 B where 1 kB had been given: the limit of the buffers.
    #[test]
    fn the_limit_that_is_asked_for_is_enough_and_a_smaller_one_is_not() {
        for buffers in [1, 1000, 5 << 20, 12 << 20, 500 << 20] {
            let least = least_memory(buffers);
            assert!(buffer_memory(least) >= buffers, "{buffers}");
            assert!(buffer_memory(least - 1) < buffers, "{buffers}");
        }
    }
}
