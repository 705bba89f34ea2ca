//! Blocks of the disk that are taken before they are written to.
//!
//! A write into a hole makes the file system promise a place for each of its blocks, one by one, and
//! ext4 takes longer for that than for copying the bytes. Blocks that it was asked for in one call are
//! found, and writing to them takes some 0.7 of the time. They read as zeros until then, as the hole did.

use std::io;
use std::ops::Range;

use crate::storage::Storage;

/// Bytes that are reserved and not written, at most: of all tensors …
const MOST_AHEAD: u64 = 64 << 20;
/// … of one, where they are few …
const MOST_OF_ONE: u64 = 16 << 20;
/// … and where they are many.
const LEAST_OF_ONE: u64 = 1 << 20;
/// So many are reserved in any case: calls are not to be frequent. Before as many are written none are: to give a piece back
/// takes ext4 milliseconds, and a run of many small tensors that ends after some steps has one of each.
const LEAST_AHEAD: u64 = 64 << 10;
/// What is given back is whole pages. A part of one has no block of its own, and before ext4 takes a part of a page with
/// values in it, it waits for the disk to have them: 1,000 tensors took seconds.
const PAGE: u64 = 4096;

/// The most bytes that may be reserved and not written for each of `tensors` tensors.
pub(super) fn most_ahead(tensors: usize) -> u64 {
    (MOST_AHEAD / tensors.max(1) as u64).clamp(LEAST_OF_ONE, MOST_OF_ONE)
}

/// A stretch of the file that is written from its beginning to its end, as far as it is reserved.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    begin: u64,
    /// What lies before was written, or is about to be.
    written: u64,
    end: u64,
}

impl Reserved {
    /// Reserves the `bytes` of the file, which are written next, and some of those after them, up to
    /// `limit`: about as many as there are up to here, because a run may end at any step, and `most`. Where those are
    /// few there is nothing reserved.
    ///
    /// # Errors
    ///
    /// The errors of [`Storage::reserve`]. The bytes can be written nevertheless, if there is room. But
    /// [`give_back`](Self::give_back) goes by what was covered: it has to come before any write that is not.
    pub(super) fn cover(
        &mut self,
        storage: &dyn Storage,
        bytes: Range<u64>,
        limit: u64,
        most: u64,
    ) -> io::Result<()> {
        if !(self.begin..=self.end).contains(&bytes.start) {
            (self.begin, self.end) = (bytes.start, bytes.start);
        }
        self.written = bytes.end;
        if bytes.end <= self.end {
            return Ok(());
        }
        let written = bytes.end - self.begin;
        if written < LEAST_AHEAD {
            self.end = bytes.end;
            return Ok(());
        }
        let ahead = written.min(most);
        let end = bytes.end.saturating_add(ahead).min(limit).max(bytes.end);
        storage.reserve(self.end, end - self.end)?;
        self.end = end;
        Ok(())
    }

    /// Gives back the pages that are reserved after the bytes that were covered last, and after `floor`. No error
    /// counts: they stay with the file then.
    pub(super) fn give_back(&mut self, storage: &dyn Storage, floor: u64) {
        let begin = self.written.max(floor).div_ceil(PAGE);
        let end = self.end / PAGE;
        if begin < end {
            let _ = storage.release(begin * PAGE, (end - begin) * PAGE);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::storage::{ReadAt, Status};

    /// Notes what is reserved, and what is given back.
    #[derive(Default)]
    struct Notes(Mutex<Vec<Range<u64>>>, Mutex<Vec<Range<u64>>>);

    impl ReadAt for Notes {
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            unreachable!("nothing is read")
        }
    }

    impl Storage for Notes {
        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            unreachable!("nothing is written")
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            unreachable!("the length stays")
        }

        fn status(&self) -> io::Result<Status> {
            unreachable!("nobody asks")
        }

        fn sync_data(&self) -> io::Result<()> {
            unreachable!("nothing is synced")
        }

        fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
            self.0.lock().unwrap().push(offset..offset + len);
            Ok(())
        }

        fn release(&self, offset: u64, len: u64) -> io::Result<()> {
            self.1.lock().unwrap().push(offset..offset + len);
            Ok(())
        }
    }

    #[test]
    fn no_more_is_ahead_than_was_written_and_nothing_beyond_the_limit() {
        let (notes, mut reserved) = (Notes::default(), Reserved::default());
        const STEP: u64 = 1 << 20;
        const BEGIN: u64 = 5000;
        const LIMIT: u64 = BEGIN + 100 * STEP;
        let most = most_ahead(1);
        for step in 0..100 {
            let start = BEGIN + step * STEP;
            reserved
                .cover(&notes, start..start + STEP, LIMIT, most)
                .unwrap();
            let ahead = reserved.end - start - STEP;
            assert!(ahead <= most.min((step + 1) * STEP), "step {step}: {ahead}");
        }
        let asked = notes.0.lock().unwrap();
        assert_eq!((asked[0].start, asked[asked.len() - 1].end), (BEGIN, LIMIT));
        assert!(asked.windows(2).all(|two| two[0].end == two[1].start));
        assert!(asked.len() < 12, "{asked:?}");
    }

    #[test]
    fn a_jump_begins_anew() {
        let (notes, mut reserved) = (Notes::default(), Reserved::default());
        const STEP: u64 = LEAST_AHEAD;
        let mut cover = |bytes: Range<u64>, limit| {
            reserved.cover(&notes, bytes, limit, 1 << 20).unwrap();
        };
        cover(0..STEP, STEP + 90);
        cover(5 * STEP..6 * STEP, 6 * STEP + 10);
        cover(6 * STEP..6 * STEP + 10, 6 * STEP + 10);
        cover(0..STEP, 8);
        let expected = [0..STEP + 90, 5 * STEP..6 * STEP + 10, 0..STEP];
        assert_eq!(*notes.0.lock().unwrap(), expected);
    }

    #[test]
    fn nothing_is_reserved_before_some_is_written() {
        let (notes, mut reserved) = (Notes::default(), Reserved::default());
        const STEP: u64 = LEAST_AHEAD / 4;
        for step in 0..4 {
            reserved.give_back(&notes, 0);
            let bytes = 7 + step * STEP..7 + (step + 1) * STEP;
            reserved.cover(&notes, bytes, u64::MAX, 1 << 20).unwrap();
        }
        for step in 0..4 {
            assert!(notes.0.lock().unwrap().is_empty(), "step {step}");
            let bytes = step * STEP..(step + 1) * STEP;
            reserved.cover(&notes, bytes, u64::MAX, 1 << 20).unwrap();
        }
        let asked = notes.0.lock().unwrap();
        let first = 3 * STEP..4 * STEP + LEAST_AHEAD;
        assert_eq!((asked.len(), &asked[0]), (1, &first));
        assert!(notes.1.lock().unwrap().is_empty());
    }

    #[test]
    fn what_was_not_written_is_given_back_once() {
        let (notes, mut reserved) = (Notes::default(), Reserved::default());
        reserved.give_back(&notes, 0);
        const LIMIT: u64 = 40 * PAGE + 1;
        const BEGIN: u64 = LEAST_AHEAD + 100;
        reserved.cover(&notes, 100..BEGIN, LIMIT, 1 << 20).unwrap();
        let next = BEGIN..BEGIN + 10;
        reserved.cover(&notes, next, LIMIT, 1 << 20).unwrap();
        reserved.give_back(&notes, 0);
        reserved.give_back(&notes, 0);
        // The run goes on.
        let again = 0..LEAST_AHEAD;
        reserved.cover(&notes, again, LIMIT, 1 << 20).unwrap();
        let asked = [100..BEGIN + LEAST_AHEAD, 0..2 * LEAST_AHEAD];
        assert_eq!(*notes.0.lock().unwrap(), asked);
        reserved.give_back(&notes, 20 * PAGE + 1);
        // The pages that have values, and the one that the next tensor may begin in, stay.
        let given_back = [17 * PAGE..32 * PAGE, 21 * PAGE..32 * PAGE];
        assert_eq!(*notes.1.lock().unwrap(), given_back);
        // Less than a page is none.
        let limit = LEAST_AHEAD + PAGE - 1;
        reserved
            .cover(&notes, 0..LEAST_AHEAD, limit, 1 << 20)
            .unwrap();
        reserved.give_back(&notes, 0);
        assert_eq!(notes.1.lock().unwrap().len(), 2);
    }
}
