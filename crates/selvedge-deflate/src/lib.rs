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
//! | have a stream of a chunk that does not compress | [`Encoder::store`] |
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
//! Elements are read once: the blocks of high bytes go to a buffer, which is put after those of the low
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
//! # In a dev build
//!
//! Without optimization it takes some 30 times longer. Cargo takes profiles from the workspace that is built, so the lines stand there:
//!
//! ```text
//! [profile.dev.package.selvedge-deflate]
//! opt-level = 2
//! ```
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
//!
//! `docs/compression.md` in the repository has the stream in detail and what was measured. The crate does no I/O.

mod bits;
mod blocks;
mod check;
mod decode;
mod decoder;
mod encode;
mod encoder;
mod entries;
mod header;
mod huffman;
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

pub use crate::decoder::Decoder;
pub use crate::encode::Strides;
pub use crate::encoder::{Encoder, max_encoded_len};
