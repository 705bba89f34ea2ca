//! Memory that is used again and again.

use bytemuck::allocation::try_zeroed_vec;

use crate::chunks::to_usize;

/// Memory of a fixed size. It is of words, so that elements in it are aligned.
pub(crate) struct Buffer(Vec<u64>);

impl Buffer {
    /// Memory of at least `bytes` bytes; `None` where the system has not so much.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let words = to_usize(bytes.div_ceil(8));
        try_zeroed_vec(words).ok().map(Self)
    }

    /// The first `bytes` bytes of it.
    pub(crate) fn get(&mut self, bytes: usize) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..bytes]
    }
}
