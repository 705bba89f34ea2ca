//! Large memory: allocated without a panic where there is not so much, and in huge pages where there
//! is.

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use crate::sys;

/// Bytes from which on huge pages are asked for.
const LARGE: usize = 4 << 20;

/// `length` elements that are zero; `None` where the system has not so much memory.
///
/// Much of it is in huge pages, where the system has some: with pages of 4 KB each takes a fault, and
/// these take longer together than what is read into them.
#[must_use]
pub fn zeroed<T: Zeroable>(length: usize) -> Option<Vec<T>> {
    let mut memory = try_zeroed_vec(length).ok()?;
    sys::advise_huge_pages(&mut memory, LARGE);
    Some(memory)
}

/// Memory of a fixed size that is used again and again. It is of words, so that elements in it are
/// aligned.
#[derive(Debug)]
pub struct Buffer(Vec<u64>);

impl Buffer {
    /// Memory of at least `bytes` bytes; `None` where the system has not so much.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        let words = usize::try_from(bytes.div_ceil(8)).ok()?;
        zeroed(words).map(Self)
    }

    /// The first `bytes` bytes of it.
    ///
    /// # Panics
    ///
    /// Where it has fewer.
    pub fn get(&mut self, bytes: usize) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_and_what_there_is_not_is_no_panic() {
        assert_eq!(zeroed::<f32>(3).unwrap(), [0.0; 3]);
        let large = zeroed::<u16>(5 << 20).unwrap();
        assert_eq!(large.len(), 5 << 20);
        assert!(large.iter().all(|&element| element == 0));
        assert!(zeroed::<u64>(1 << 60).is_none());
        assert!(Buffer::new(u64::MAX).is_none());
        assert_eq!(Buffer::new(13).unwrap().get(13), [0; 13]);
    }
}
