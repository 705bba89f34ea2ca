//! Filling a large buffer with several threads.

use std::thread;

/// Bytes below which starting a thread costs more than it saves.
const PER_THREAD: usize = 4 << 20;
/// More threads than this are no faster: memory is the limit.
const MOST_THREADS: usize = 8;

/// Calls `fill` with pieces of `buffer` and the offset of each, from several threads where the
/// buffer is large. The first error, by offset, is returned.
pub(super) fn fill<E: Send>(
    buffer: &mut [u8],
    fill: impl Fn(&mut [u8], usize) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (buffer.len() / PER_THREAD).min(cores).min(MOST_THREADS);
    if threads < 2 {
        return fill(buffer, 0);
    }
    // Whole pages, so that no page is touched by two threads.
    let piece = buffer.len().div_ceil(threads).next_multiple_of(4096);
    let fill = &fill;
    thread::scope(|scope| {
        let mut pieces = buffer.chunks_mut(piece).enumerate();
        let own = pieces.next();
        let others: Vec<_> = pieces
            .map(|(index, bytes)| scope.spawn(move || fill(bytes, index * piece)))
            .collect();
        let mut result = own.map_or(Ok(()), |(_, bytes)| fill(bytes, 0));
        for other in others {
            let other = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(other);
        }
        result
    })
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
    fn the_first_error_is_told() {
        let mut buffer = vec![0; 4 * PER_THREAD];
        let result = fill(&mut buffer, |_, offset| Err::<(), usize>(offset));
        assert_eq!(result, Err(0));
    }
}
