//! The few structures of the HDF5 file format that the recorder reads and patches in place.
//!
//! libhdf5 builds the file; here is what is needed to find, in the file it built, the bytes that
//! change during a run: the extents, the chunk index, the end-of-file address and some attributes.
//! Offsets and sizes are those of the [HDF5 File Format Specification][spec], version 3.0, for the
//! oldest format only (superblock 0, object header 1, symbol-table groups, version-1 B-trees),
//! which has no checksums. Everything else is refused.
//!
//! The bytes are not trusted: arithmetic is checked, every size has a bound, and a structure that
//! is not exactly what is expected is an error that names it and its address.
//!
//! [spec]: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html

mod bytes;
mod chunk_index;
mod chunk_lookup;
mod extensible_array;
mod global_heap;
mod group;
mod index_copy;
mod local_heap;
mod object_header;
mod plain_tensor;
mod superblock;
mod tree_order;
mod writer_mark;

pub(crate) use bytes::{LayoutError, Result};
pub(crate) use chunk_index::{ChunkEntry, ChunkIndex, ChunkKey};
pub(crate) use chunk_lookup::ChunkLookup;
pub(crate) use extensible_array::{Element, visit_array};
pub(crate) use global_heap::{GlobalHeap, is_endless};
pub(crate) use group::{Members, root_members};
pub(crate) use index_copy::{IndexCopy, gather};
pub(crate) use local_heap::is_circular;
pub(crate) use object_header::{
    AttributeValue, ChunkTree, DatasetHeader, StepDataset, attribute, chunk_tree,
};
pub(crate) use plain_tensor::PlainTensor;
pub(crate) use superblock::{Addressing, Superblock};
pub(crate) use tree_order::TreeOrder;
pub(crate) use writer_mark::WriterMark;
