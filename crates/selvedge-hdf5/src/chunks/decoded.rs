//! Decoded chunks of an open file that later reads take again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use selvedge_base::Mutex;

/// What a chunk holds.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// Bytes of an element that lie in a plane each; 1 where the bytes are in their order.
    pub(super) planes: usize,
}

/// Decoded chunks of an open file, each by its address in it.
///
/// A loop over the steps of an archive reads one step at a time, and a chunk there holds 16: without this
/// each chunk would be decoded 16 times. The chunks that came first are dropped first, so reads in the order
/// of the steps find theirs, of several tensors in turns, too.
#[derive(Debug, Default)]
pub(crate) struct DecodedCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    chunks: HashMap<u64, Arc<Decoded>>,
    /// Their addresses, from the oldest on.
    order: VecDeque<u64>,
    /// Bytes of all of them.
    bytes: usize,
}

impl DecodedCache {
    /// The most that is kept of a file, in bytes.
    pub(crate) const MOST: usize = 128 << 20;

    pub(super) fn get(&self, address: u64) -> Option<Arc<Decoded>> {
        self.0.lock().chunks.get(&address).cloned()
    }

    /// Whether it has the chunk at this address.
    pub(crate) fn has(&self, address: u64) -> bool {
        self.0.lock().chunks.contains_key(&address)
    }

    pub(super) fn keep(&self, address: u64, chunk: Decoded) {
        let mut kept = self.0.lock();
        let bytes = chunk.bytes.len();
        // Another thread may have decoded it, too.
        if bytes > Self::MOST || kept.chunks.contains_key(&address) {
            return;
        }
        while kept.bytes > Self::MOST - bytes {
            let Some(oldest) = kept.order.pop_front() else {
                break;
            };
            let dropped = kept.chunks.remove(&oldest);
            kept.bytes -= dropped.map_or(0, |chunk| chunk.bytes.len());
        }
        kept.bytes += bytes;
        kept.order.push_back(address);
        kept.chunks.insert(address, Arc::new(chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoded, DecodedCache};

    fn chunk(bytes: usize) -> Decoded {
        let bytes = vec![0; bytes];
        Decoded { bytes, planes: 1 }
    }

    #[test]
    fn the_oldest_chunks_make_room_for_new_ones() {
        let cache = DecodedCache::default();
        let third = DecodedCache::MOST / 3;
        for address in 0..5 {
            cache.keep(address, chunk(third));
            // What is kept already is kept once.
            cache.keep(address, chunk(third));
            assert!(cache.0.lock().bytes <= DecodedCache::MOST);
        }
        let kept = (0..5).filter(|&address| cache.get(address).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), [2, 3, 4]);
        cache.keep(5, chunk(DecodedCache::MOST + 1));
        assert!(cache.get(5).is_none() && cache.get(4).is_some());
        cache.keep(6, chunk(DecodedCache::MOST));
        let kept = cache.0.lock();
        assert_eq!((kept.chunks.len(), kept.order.len()), (1, 1));
        assert_eq!(kept.bytes, DecodedCache::MOST);
    }
}
