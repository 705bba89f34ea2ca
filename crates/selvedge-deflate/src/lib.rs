//! bfloat16 into standard zlib streams at the speed of a disk.

mod bits;
mod blocks;
mod encode;
mod header;
mod huffman;
mod kernel;
mod matches;
#[cfg(test)]
mod naive;
mod path;
#[cfg(target_arch = "x86_64")]
mod pext;
mod sample;
mod split;
mod stored;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::blocks::Scratch;
use crate::encode::Chunk;
use crate::path::Path;

/// Most bytes that `encode` writes for `elements` elements.
#[must_use]
pub const fn max_encoded_len(elements: usize) -> usize {
    let bytes = 2 * elements;
    bytes + 6 + 5 * (bytes / 65_535 + 1)
}

/// Encodes chunks. Holds tables and buffers, so that an encoder that has seen a chunk of a size
/// allocates nothing for the next.
pub struct Encoder {
    planes: Vec<u8>,
    scratch: Scratch,
    path: Path,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder without buffers; the first call makes them.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Path::best())
    }

    /// An encoder for each set of instructions that this CPU has, the one that [`new`](Self::new)
    /// takes last: to hold them against each other.
    #[doc(hidden)]
    #[must_use]
    pub fn on_every_path() -> Vec<Self> {
        Path::all().into_iter().map(Self::on).collect()
    }

    /// The name of the instructions that this encoder uses.
    #[must_use]
    pub fn instructions(&self) -> &'static str {
        self.path.name()
    }

    fn on(path: Path) -> Self {
        Self {
            planes: Vec::new(),
            scratch: Scratch::new(),
            path,
        }
    }

    /// Appends one zlib stream (RFC 1950) of the byte-shuffled form of `elements` to `out`: all low
    /// bytes, then all high bytes, as HDF5's shuffle filter has them for little-endian elements of two
    /// bytes. Returns the bytes appended, at most [`max_encoded_len`].
    pub fn encode(&mut self, elements: &[u16], out: &mut Vec<u8>) -> usize {
        self.append(elements, None, out)
    }

    /// Like [`encode`](Self::encode), for a chunk of several steps: the element `step_elements`
    /// earlier is the same place of the previous step, and what has not changed since is named, not
    /// repeated. `step_elements` is from 3 to 32,768, deflate's longest distance; otherwise this is
    /// `encode`.
    pub fn encode_temporal(
        &mut self,
        elements: &[u16],
        step_elements: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let usable = (3..=32_768).contains(&step_elements);
        self.append(elements, usable.then_some(step_elements), out)
    }

    fn append(
        &mut self,
        elements: &[u16],
        step_elements: Option<usize>,
        out: &mut Vec<u8>,
    ) -> usize {
        let begin = out.len();
        out.reserve(max_encoded_len(elements.len()));
        self.path.encode(Chunk {
            elements,
            step_elements,
            planes: &mut self.planes,
            scratch: &mut self.scratch,
            out,
        });
        out.len() - begin
    }
}
