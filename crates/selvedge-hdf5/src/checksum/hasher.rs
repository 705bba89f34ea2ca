//! Checksums of ranges, of bytes that come in pieces.

use std::hash::Hasher as _;

use twox_hash::XxHash3_64;

use crate::chunks::to_usize;

/// Cuts a stream of bytes into ranges, and hashes each.
pub(crate) struct RangeHasher {
    range_bytes: u64,
    /// Bytes that the range in the making still lacks.
    left: u64,
    hasher: XxHash3_64,
    sums: Vec<u64>,
}

impl RangeHasher {
    /// For ranges of `range_bytes` bytes each.
    pub(crate) fn new(range_bytes: u64) -> Self {
        Self {
            range_bytes,
            left: range_bytes,
            hasher: XxHash3_64::new(),
            sums: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(to_usize(self.left)));
            self.hasher.write(now);
            self.left -= now.len() as u64;
            if self.left == 0 {
                self.end_range();
            }
            bytes = later;
        }
    }

    /// The checksums of all ranges; the last may be shorter.
    pub(crate) fn finish(mut self) -> Vec<u64> {
        if self.left < self.range_bytes {
            self.end_range();
        }
        self.sums
    }

    fn end_range(&mut self) {
        self.sums.push(self.hasher.finish());
        self.hasher = XxHash3_64::new();
        self.left = self.range_bytes;
    }
}

#[cfg(test)]
mod tests {
    use twox_hash::XxHash3_64;

    use super::RangeHasher;

    #[test]
    fn pieces_make_no_difference() {
        let bytes: Vec<u8> = (0..1000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
        let expected: Vec<u64> = bytes.chunks(300).map(XxHash3_64::oneshot).collect();
        for piece in [1, 7, 299, 300, 301, 1000] {
            let mut hasher = RangeHasher::new(300);
            bytes.chunks(piece).for_each(|piece| hasher.add(piece));
            assert_eq!(hasher.finish(), expected, "pieces of {piece}");
        }
    }
}
