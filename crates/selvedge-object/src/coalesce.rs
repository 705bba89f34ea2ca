//! Which requests the pieces of a read become.

use std::ops::Range;

use selvedge_hdf5::Piece;

/// Bytes between two pieces that are fetched with them: twelve requests at once that wait 20 ms each cost as much as
/// some 150 kB that come at 100 MB/s.
const GAP: u64 = 256 << 10;
/// Bytes of a request at most.
const MOST: usize = 8 << 20;

/// A request: its bytes, and the pieces that are filled from them, in their order.
#[derive(Debug)]
pub(crate) struct Request<'p> {
    pub(crate) range: Range<u64>,
    pub(crate) pieces: Vec<(u64, &'p mut [u8])>,
}

impl Request<'_> {
    /// Puts bytes of the file, from `offset` on, where they are wanted.
    pub(crate) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let first = self
            .pieces
            .partition_point(|(start, piece)| start + piece.len() as u64 <= offset);
        for (start, piece) in self.pieces[first..]
            .iter_mut()
            .take_while(|(start, _)| *start < end)
        {
            let (low, high) = (offset.max(*start), end.min(*start + piece.len() as u64));
            let from = to_usize(low - offset)..to_usize(high - offset);
            piece[to_usize(low - *start)..to_usize(high - *start)].copy_from_slice(&bytes[from]);
        }
    }
}

/// Only for differences that are within memory.
fn to_usize(difference: u64) -> usize {
    usize::try_from(difference).unwrap_or(usize::MAX)
}

/// The requests for `pieces`: neighbours together, and what is large in parts.
pub(crate) fn requests<'p>(pieces: &'p mut [Piece<'_>]) -> Vec<Request<'p>> {
    let parts = pieces.iter_mut().flat_map(|(offset, bytes)| {
        let places = (*offset..).step_by(MOST);
        places.zip(bytes.chunks_mut(MOST))
    });
    let mut parts: Vec<(u64, &mut [u8])> = parts.collect();
    parts.sort_by_key(|(offset, _)| *offset);
    let mut requests: Vec<Request<'p>> = Vec::new();
    for (start, bytes) in parts {
        let end = start.saturating_add(bytes.len() as u64);
        match requests.last_mut() {
            // Pieces that overlap go into requests of their own, so that those of one are in order.
            Some(last)
                if start >= last.range.end
                    && start - last.range.end <= GAP
                    && end - last.range.start <= MOST as u64 =>
            {
                last.range.end = end;
                last.pieces.push((start, bytes));
            }
            _ => requests.push(Request {
                range: start..end,
                pieces: vec![(start, bytes)],
            }),
        }
    }
    requests
}

#[cfg(test)]
#[allow(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges can have one"
)]
mod tests {
    use super::*;

    fn ranges(pieces: &[Range<u64>]) -> Vec<Range<u64>> {
        let lengths = pieces.iter().map(|piece| piece.end - piece.start);
        let mut memory: Vec<Vec<u8>> = lengths.map(|length| vec![0; to_usize(length)]).collect();
        let places = pieces.iter().zip(&mut memory);
        let mut pieces: Vec<Piece<'_>> = places
            .map(|(piece, bytes)| (piece.start, &mut bytes[..]))
            .collect();
        let file = |offset: u64| (offset % 251) as u8;
        let mut all = requests(&mut pieces);
        for request in &mut all {
            // An answer comes in parts of any length.
            for start in request.range.clone().step_by(100_003) {
                let end = request.range.end.min(start + 100_003);
                let bytes: Vec<u8> = (start..end).map(file).collect();
                request.put(start, &bytes);
            }
        }
        let found = all.into_iter().map(|request| request.range).collect();
        for (offset, bytes) in pieces {
            assert!(
                (offset..)
                    .zip(&*bytes)
                    .all(|(offset, byte)| *byte == file(offset))
            );
        }
        found
    }

    #[test]
    fn neighbours_are_one_request_and_large_pieces_several() {
        assert_eq!(ranges(&[0..10]), [0..10]);
        assert_eq!(ranges(&[500..510, 0..10, 10..20]), [0..510]);
        let far = 20 + GAP + 1;
        assert_eq!(
            ranges(&[0..10, 10..20, far..far + 5]),
            [0..20, far..far + 5]
        );
        let most = MOST as u64;
        assert_eq!(
            ranges(&[7..2 * most + 10]),
            [
                7..most + 7,
                most + 7..2 * most + 7,
                2 * most + 7..2 * most + 10
            ]
        );
        assert_eq!(
            ranges(&[0..most - 5, most..most + 5]),
            [0..most - 5, most..most + 5]
        );
        // The same bytes twice.
        assert_eq!(ranges(&[0..10, 0..10, 5..20]), [0..10, 0..10, 5..20]);
        assert_eq!(ranges(&[]), []);
    }
}
