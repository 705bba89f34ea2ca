//! Planning a run before anything is written: chunk shapes, file size, memory, disk.

mod budget;
mod chunks;
mod compression;

pub use budget::{Limits, QueuePlan, RunPlan};
pub(crate) use budget::{free_disk, region_bytes};
pub use chunks::{ChunkPlan, MAX_CHUNK_BYTES, ReadPattern};
pub use compression::EncodingPlan;
pub use selvedge_base::shape::Shape;
pub use selvedge_base::units::{Bytes, Grouped};
