//! The chunks of a tensor: which bytes of a step are in which chunk ([`grid`]), where in the file each
//! chunk lies ([`map`]), how it is stored there ([`codec`]), which are kept decoded ([`decoded`]), how
//! large one becomes where libhdf5 decodes it ([`bounds`]), and writing it ([`writer`]). Readers and
//! writers share them.

mod bounds;
mod codec;
mod decoded;
mod fletcher;
mod grid;
mod map;
mod writer;

pub(crate) use bounds::{Bounds, Packed};
pub(crate) use codec::{
    ChunkEncoder, ChunkFormat, DecodedChunk, Pipeline, ToDecode, Unpacker, UnpackerCache,
};
pub(crate) use codec::{ENCODER_NAME, MASK_DEFLATE, MASK_UNFILTERED};
pub(crate) use decoded::DecodedCache;
pub(crate) use grid::{Grid, Run, to_usize};
pub(crate) use map::{ChunkMap, Stored};
pub(crate) use writer::{ALIGNMENT, ChunkWriter, TailAllocator, Written};
