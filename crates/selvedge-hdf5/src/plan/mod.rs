//! Planning a run before anything is written: chunk shapes, file size, memory, disk.

mod budget;
mod chunks;
mod units;

pub(crate) use budget::region_bytes;
pub use budget::{Limits, QueuePlan, RunPlan};
pub use chunks::{ChunkPlan, MAX_CHUNK_BYTES, ReadPattern};
pub use units::{Bytes, Grouped, Shape};
