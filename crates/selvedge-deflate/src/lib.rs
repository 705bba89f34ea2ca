//! bfloat16 into standard zlib streams at the speed of the disk.
#![forbid(unsafe_op_in_unsafe_fn)]

mod bits;
mod block;
mod encoder;
mod histogram;
mod huffman;
mod planes;
mod runs;

pub use encoder::{Encoder, max_encoded_len};
