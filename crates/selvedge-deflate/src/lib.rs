//! bfloat16 into standard zlib streams at the speed of a disk.
//!
//! A stream is what HDF5's shuffle and deflate filters make of a chunk of little-endian elements of two
//! bytes: any HDF5 reads it, without a plugin. What is unusual is how little is done for it. The low byte
//! of a bfloat16 is noise: it is *stored*, and searching it for repetitions, which is what makes zlib
//! slow, is a waste. The high byte is a sign and seven bits of exponent, and a Huffman code of it takes
//! some 2.7 bits. So a third of the bytes is saved, for a table look-up a byte.
//!
//! | to do | use |
//! |---|---|
//! | encode a chunk | [`Encoder::encode`] |
//! | encode a chunk of several steps of some rows, most of which stay as they are | [`Encoder::encode_temporal`] |
//! | know the size of a buffer | [`max_encoded_len`] |
//! | decode what `encode` wrote, into elements, faster than others do | [`Decoder`] |
//!
//! # The stream
//!
//! ```text
//! 78 01                    zlib's header: deflate, a window of 32 KB, the fastest level
//! blocks of the low bytes  of 32,768 elements each
//! blocks of the high bytes of 32,768 elements each
//! a stored block           the last, and often empty; or the last of the above, where that is stored
//! 4 bytes                  Adler-32 of all low bytes and all high bytes, big-endian
//! ```
//!
//! A block is one of three, and which is decided for each by itself:
//!
//! - *Stored*: 3 bits, zeros up to a byte, the length and its complement, and the bytes. Stored blocks
//!   that follow one another are one, up to 65,535 bytes.
//! - *Coded* (deflate's dynamic Huffman, without repetitions): 3 bits, the two codes, a code for each
//!   byte, and the code of the end. A sixteenth of the bytes is counted to make the code; every other byte
//!   that may occur has a count of one, so that there is a code for it. Which those are is known exactly
//!   and at no cost: the least and the greatest exponent are minima and maxima. A block that is not at
//!   least 6 bytes shorter than stored is stored.
//! - *With repetitions* at up to eight distances: those of the step and of the rows before, or 1 where bytes
//!   come in runs. Bytes are compared with those at each distance, which gives masks of bits, and ones in a
//!   row become repetitions. Then literals, lengths and distances are *tokens*, which are counted and written
//!   one after the other, without a branch for their kind.
//!
//! Elements are read once: the blocks of high bytes go to a buffer, which is put behind those of the low
//! bytes. Codes have at most 10 bits, and 14 beside repetitions, so four of them and the 7 bits of an
//! unfinished byte are written with one store of 64 bits. With AVX2 the codes of 32 bytes are looked up at
//! once and joined in registers, with AVX-512 those of 64, and those of 16 bytes are written at once. All
//! paths write the same stream.
//!
//! # Trade-offs
//!
//! - Ratios are those of the high bytes' entropy. Where tensors have more structure, as gradients of
//!   rows that were not seen have, zstd and zlib find it, at a tenth of the speed and less.
//! - What the encoder does not know is not looked for: give it elements of two bytes. Other bytes come out
//!   right, but hardly smaller.
//!
//! # Example
//!
//! ```
//! use selvedge_deflate::{Encoder, max_encoded_len};
//!
//! let elements: Vec<u16> = (0..10_000).map(|i| 0x3F80 | i % 128).collect();
//! let mut stream = Vec::new();
//! let written = Encoder::new().encode(&elements, &mut stream);
//! assert_eq!(written, stream.len());
//! assert!(written <= max_encoded_len(elements.len()));
//!
//! let shuffled = miniz_oxide::inflate::decompress_to_vec_zlib(&stream).unwrap();
//! let (low, high) = shuffled.split_at(elements.len());
//! assert_eq!(u16::from_le_bytes([low[7], high[7]]), elements[7]);
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod blocks;
mod check;
mod decode;
mod encode;
mod header;
mod huffman;
#[cfg(target_arch = "x86_64")]
mod joined;
mod kernel;
mod matches;
#[cfg(test)]
// Its numbers are small, and some are cut to a byte on purpose.
#[allow(clippy::cast_possible_truncation)]
mod naive;
mod path;
mod sample;
mod split;
mod stored;
mod tokens;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use crate::decode::Decoder;

use crate::blocks::Scratch;
use crate::encode::Chunk;
use crate::matches::FARTHEST;
use crate::path::Path;

/// Most bytes that an [`Encoder`] writes for `elements` elements: two for each, 11, and 5 more for each
/// whole 65,535 bytes.
///
/// Header and check take 6. Stored blocks of `n` bytes in all, with nothing between them, are at most
/// `n / 65,535 + 1` with 5 bytes each. A coded block between stored ones makes one more stored block
/// necessary, which takes at most 42 bits more than its bytes (3, up to 7 to the next byte, and 32), and
/// there is no coded block that does not save 48.
///
/// ```
/// assert_eq!(selvedge_deflate::max_encoded_len(640_000), 1_280_106);
/// ```
#[must_use]
pub const fn max_encoded_len(elements: usize) -> usize {
    let bytes = 2 * elements;
    bytes + 6 + 5 * (bytes / 65_535 + 1)
}

/// Encodes chunks. Holds tables and buffers, so that an encoder that has seen a chunk of a size
/// allocates nothing for the next.
pub struct Encoder {
    planes: Vec<u8>,
    scratch: [Scratch; 2],
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

    /// An encoder that has all it needs to [`encode`](Self::encode) chunks of up to `elements` elements:
    /// not even the first one makes it allocate.
    #[must_use]
    pub fn with_capacity(elements: usize) -> Self {
        let mut encoder = Self::new();
        encoder.planes.reserve_exact(encode::room(elements));
        encoder
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
            scratch: [Scratch::new(), Scratch::new()],
            path,
        }
    }

    /// Appends one zlib stream (RFC 1950) of the byte-shuffled form of `elements` to `out`: all low
    /// bytes, then all high bytes, as HDF5's shuffle filter has them for little-endian elements of two
    /// bytes. Returns the bytes appended, at most [`max_encoded_len`].
    pub fn encode(&mut self, elements: &[u16], out: &mut Vec<u8>) -> usize {
        self.append(elements, None, out)
    }

    /// Like [`encode`](Self::encode), for a chunk of several steps of several rows: what has not changed
    /// since the previous step is named, not repeated, and so are high bytes that are those of a row
    /// before. Without a usable [`Strides::step`] this is `encode`.
    pub fn encode_temporal(
        &mut self,
        elements: &[u16],
        strides: Strides,
        out: &mut Vec<u8>,
    ) -> usize {
        self.append(elements, strides.usable(), out)
    }

    fn append(&mut self, elements: &[u16], strides: Option<Strides>, out: &mut Vec<u8>) -> usize {
        let begin = out.len();
        out.reserve(max_encoded_len(elements.len()));
        self.path.encode(Chunk {
            elements,
            strides,
            planes: &mut self.planes,
            scratch: &mut self.scratch,
            out,
        });
        out.len() - begin
    }
}

/// How many elements lie between an element and the same place elsewhere in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// In the next step: usable from 3 to 32,768, deflate's longest distance.
    pub step: usize,
    /// In the next row: used from 3 to one less than `step`.
    pub row: usize,
}

impl Strides {
    /// The same with a row that is not less than the step where it is not to be used.
    fn usable(self) -> Option<Self> {
        let row = if self.row < 3 { self.step } else { self.row };
        (3..=FARTHEST)
            .contains(&self.step)
            .then_some(Self { row, ..self })
    }
}

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
