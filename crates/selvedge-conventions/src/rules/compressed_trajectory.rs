//! A trajectory whose chunks are compressed.
//!
//! ## What it does
//!
//! Finds chunked tensors of HDF5 files that go through a compressor, such as gzip. Shuffle and
//! checksums alone do not count, nor do tensors of less than 16 MB in files of other programs, nor
//! chunks with the mark of an encoder that is known to keep up with the disk.
//!
//! ## Why is this bad?
//!
//! Recording waits for the compressor, and so does every read: gzip-1 writes bfloat16 weights 20 to
//! 50 times slower than no compression, and makes them a fifth smaller. A run took 14.0 minutes in
//! place of 7.9, and a tensor almost a minute to load.
//!
//! ## Example
//!
//! ```python
//! f.create_dataset("W", shape=shape, dtype="uint16", chunks=chunks, compression="gzip")
//! ```
//!
//! ## Use instead
//!
//! ```python
//! f.create_dataset("W", shape=shape, dtype="uint16", chunks=chunks)
//! ```

use super::large_tensors;
use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Filter, Rule, Severity, Storage};

pub(super) struct CompressedTrajectory;

impl Rule for CompressedTrajectory {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ001",
            "compressed-trajectory",
            Severity::Warning,
            include_str!("compressed_trajectory.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let facts = artifact.hdf5();
        // What Selvedge recorded was not compressed so, whatever its size: another program wrote it anew.
        let is_ours = facts.is_some_and(|facts| facts.selvedge_version.is_some());
        let all = facts.into_iter().flat_map(|facts| &facts.tensors);
        let large = large_tensors(facts).filter(|_| !is_ours);
        large
            .chain(all.filter(|_| is_ours))
            .filter_map(|tensor| {
                let Storage::Chunked {
                    filters,
                    fast_encoder: None,
                    ..
                } = &tensor.storage
                else {
                    return None;
                };
                let names: Vec<_> = filters
                    .iter()
                    .filter(|filter| filter.compresses())
                    .map(|filter| filter.name.as_str())
                    .collect();
                if names.is_empty() {
                    return None;
                }
                Some(
                    Diagnosis::new(format!(
                        "compressed with {}, which every write and read waits for",
                        names.join(" and ")
                    ))
                    .tensor(&tensor.name)
                    .help(help(filters)),
                )
            })
            .collect()
    }
}

fn help(filters: &[Filter]) -> &'static str {
    const SHUFFLE: i32 = 2;
    if filters.iter().any(|filter| filter.id == SHUFFLE) {
        "record without `compression` and `shuffle`; `selvedge rechunk` rewrites the file"
    } else {
        "record without `compression`; `selvedge rechunk` rewrites the file"
    }
}
