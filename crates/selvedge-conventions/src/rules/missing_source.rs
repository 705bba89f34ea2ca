//! A virtual dataset of which values are missing.
//!
//! ## What it does
//!
//! Looks for the datasets and files that the virtual datasets of an HDF5 file take their values from, as
//! HDF5 does: in the folder of the file and below it. A source that lies elsewhere is not looked at, and
//! nothing is said of it. The sources of a view of the ranks of a run have to be those that were joined.
//!
//! ## Why is this bad?
//!
//! HDF5 gives the fill value, mostly zero, for what is not there, without a word: a mean over the dataset
//! is wrong, and nobody is told. Mostly a source was moved or renamed, or only the file that names it was
//! copied.
//!
//! ## Example
//!
//! ```python
//! layout[0] = h5py.VirtualSource("run_1.h5", "W", shape=(10000, 64))   # which is called run_01.h5 now
//! ```
//!
//! ## Use instead
//!
//! Bring the source back, under the name that the file has for it; or write the values into one file, while
//! all of them are there:
//!
//! ```sh
//! selvedge rechunk all_runs.h5 all_runs_whole.h5
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct MissingSource;

impl Rule for MissingSource {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TRJ007",
            "missing-source",
            Severity::Error,
            include_str!("missing_source.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let missing = |tensor: &crate::TensorFacts| {
            let (first, others) = tensor.missing_sources.split_first()?;
            let more = match others.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            Some(
                Diagnosis::new(format!("virtual, and takes values from {first}{more}"))
                    .tensor(&tensor.name)
                    .help(
                        "bring the source back under this name: HDF5 reads fill values in its place",
                    ),
            )
        };
        let changed = artifact
            .hdf5()
            .and_then(|facts| facts.changed_source.as_ref());
        let changed = changed.map(|changed| {
            Diagnosis::new(format!(
                "a joined view of the ranks of a run, and its source {changed}"
            ))
            .help("put back what was joined, or join the ranks anew")
        });
        let tensors = artifact.tensors().iter();
        changed
            .into_iter()
            .chain(tensors.filter_map(missing))
            .collect()
    }
}
