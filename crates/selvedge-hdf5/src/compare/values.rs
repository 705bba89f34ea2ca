//! The values of two tensors of the same dtype and shape.

use std::sync::atomic::{AtomicU64, Ordering};

use selvedge_base::{Chain, Mutex};

use super::{CompareOptions, Difference, Found};
use crate::bulk::Piece;
use crate::checksum::Checksums;
use crate::source::TensorSource;

/// Two tensors, and what was found so far.
pub(super) struct Pair<'a, S> {
    tensors: [&'a S; 2],
    rows: u64,
    /// Bytes of an element.
    element: usize,
    /// Shape of a row in elements.
    row_shape: Vec<u64>,
    count: bool,
    /// Checksums of both, where they are of the same ranges and trusted.
    checksums: Option<[Checksums; 2]>,
    /// The row of the first difference so far: later ones are of no interest.
    first_row: AtomicU64,
    first: Mutex<Option<Difference>>,
    differing: AtomicU64,
    /// Bytes that were not read for their checksums.
    trusted: AtomicU64,
    /// The row of the first piece so far that cannot be read, and why.
    unread_row: AtomicU64,
    unread: Mutex<Option<String>>,
}

impl<'a, S: TensorSource> Pair<'a, S> {
    pub(super) fn new(left: &'a S, right: &'a S, rows: u64, options: &CompareOptions) -> Self {
        // Where they are broken there are none to trust, and values are read.
        let found = |tensor: &S| tensor.checksums().ok().flatten();
        let checksums = match options.trust_checksums {
            true => found(left).zip(found(right)),
            false => None,
        };
        Self {
            tensors: [left, right],
            rows,
            element: left.element_bytes().unwrap_or(1).max(1),
            row_shape: left.shape().get(1..).unwrap_or_default().to_vec(),
            count: options.count,
            checksums: checksums
                .filter(|(left, right)| left.steps == right.steps)
                .map(|(left, right)| [left, right]),
            first_row: AtomicU64::new(u64::MAX),
            first: Mutex::new(None),
            differing: AtomicU64::new(0),
            trusted: AtomicU64::new(0),
            unread_row: AtomicU64::new(u64::MAX),
            unread: Mutex::new(None),
        }
    }

    /// Whether the checksums tell that these rows are equal.
    fn have_equal_checksums(&self, piece: &Piece) -> bool {
        let Some([left, right]) = &self.checksums else {
            return false;
        };
        if piece.rows.end > left.covered.min(right.covered) {
            return false;
        }
        let ranges = piece.rows.start / left.steps..(piece.rows.end - 1) / left.steps + 1;
        ranges.into_iter().all(|range| {
            let range = usize::try_from(range).unwrap_or(usize::MAX);
            let same_rows = left.range(range) == right.range(range);
            let sums = left.sums.get(range).zip(right.sums.get(range));
            same_rows && sums.is_some_and(|(left, right)| left == right)
        })
    }

    /// Compares a piece, with two buffers of its length.
    pub(super) fn compare(&self, piece: &Piece, left: &mut [u8], right: &mut [u8]) {
        let row = piece.rows.start;
        let is_past = row > self.first_row.load(Ordering::Relaxed);
        let is_lost = row > self.unread_row.load(Ordering::Relaxed);
        if (is_past && !self.count) || is_lost {
            return;
        }
        if self.have_equal_checksums(piece) {
            self.trusted.fetch_add(piece.len as u64, Ordering::Relaxed);
            return;
        }
        let read = piece.read(self.tensors[0], left);
        if let Err(error) = read.and_then(|()| piece.read(self.tensors[1], right)) {
            let mut unread = self.unread.lock();
            if row < self.unread_row.fetch_min(row, Ordering::Relaxed) {
                *unread = Some(Chain(&error).to_string());
            }
            return;
        }
        if left == right {
            return;
        }
        let elements = || {
            let left = left.chunks_exact(self.element);
            left.zip(right.chunks_exact(self.element)).enumerate()
        };
        if self.count {
            let differing = elements()
                .filter(|(_, (left, right))| left != right)
                .count();
            self.differing
                .fetch_add(differing as u64, Ordering::Relaxed);
        }
        if let Some((nth, (left, right))) = elements().find(|(_, (left, right))| left != right) {
            let (row, byte) = piece.row_of(nth * self.element);
            self.first_row.fetch_min(row, Ordering::Relaxed);
            let difference = Difference {
                step: row,
                index: self.index((byte / self.element) as u64),
                left: bits(left),
                right: bits(right),
                element: self.element,
            };
            let mut first = self.first.lock();
            let place = |difference: &Difference| (difference.step, difference.index.clone());
            if first
                .as_ref()
                .is_none_or(|first| place(&difference) < place(first))
            {
                *first = Some(difference);
            }
        }
    }

    /// The index along each axis of an element of a row.
    fn index(&self, mut element: u64) -> Vec<u64> {
        let mut index = vec![0; self.row_shape.len()];
        for (at, &axis) in index.iter_mut().zip(&self.row_shape).rev() {
            let axis = axis.max(1);
            (*at, element) = (element % axis, element / axis);
        }
        index
    }

    pub(super) fn into_found(self) -> Found {
        Found {
            first: self.first.into_inner(),
            differing: self.differing.into_inner(),
            rows: self.rows,
            trusted: self.trusted.into_inner(),
            unread: self.unread.into_inner(),
            too_large: false,
        }
    }
}

/// The bits of an element: of at most 16 bytes, which complex numbers have.
fn bits(bytes: &[u8]) -> u128 {
    let mut all = [0; 16];
    let length = bytes.len().min(all.len());
    all[..length].copy_from_slice(&bytes[..length]);
    u128::from_le_bytes(all)
}
