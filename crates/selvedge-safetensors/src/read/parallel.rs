//! Filling a large buffer with several threads.

use selvedge_base::pool;

/// Bytes below which starting a thread costs more than it saves, and that one takes at a time.
const PER_THREAD: usize = 4 << 20;
/// More threads than this are no faster: memory is the limit.
const MOST_THREADS: usize = 8;

/// Calls `fill` with pieces of `buffer` and the offset of each, from several threads where the
/// buffer is large and the system has threads to give. An error ends it; of several, one is returned.
pub(super) fn fill<E: Send>(
    buffer: &mut [u8],
    fill: impl Fn(&mut [u8], usize) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let threads = pool::threads_for(buffer.len() / PER_THREAD, MOST_THREADS);
    if threads < 2 {
        return fill(buffer, 0);
    }
    let pieces = buffer.chunks_mut(PER_THREAD).zip((0..).step_by(PER_THREAD));
    pool::each(threads, pieces, |(piece, offset)| fill(piece, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_filled_once_with_its_offset() {
        for len in [0, 1, PER_THREAD, 3 * PER_THREAD + 5, 9 * PER_THREAD + 1] {
            let mut buffer = vec![0; len];
            let pattern = |at: usize| at.to_le_bytes()[0] ^ at.to_le_bytes()[2];
            fill(&mut buffer, |bytes, offset| {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    // So that a byte that is filled twice is wrong, too.
                    *byte = byte.wrapping_add(pattern(offset + index)).wrapping_add(1);
                }
                Ok::<(), ()>(())
            })
            .unwrap();
            let expected = (0..len).map(|at| pattern(at).wrapping_add(1));
            assert!(buffer.iter().copied().eq(expected), "{len}");
        }
    }

    #[test]
    fn an_error_is_told() {
        let mut buffer = vec![0; 4 * PER_THREAD];
        // One thread gets all in one piece.
        let result = fill(&mut buffer, |piece, offset| match offset + piece.len() {
            end if end > 3 * PER_THREAD => Err("the last piece"),
            _ => Ok(()),
        });
        assert_eq!(result, Err("the last piece"));
    }
}
