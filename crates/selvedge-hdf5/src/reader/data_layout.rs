//! How a tensor lies in its file, as HDF5 says it.

use std::fmt;

use hdf5::Dataset;
use hdf5::dataset::Layout;
use hdf5::filters::Filter as Known;
use hdf5_sys::h5z::H5Z_FILTER_SZIP;

use crate::ffi;

/// How the values of a tensor lie in the file: HDF5's data layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataLayout {
    /// Within the header of the dataset.
    Compact,
    /// One after the other.
    Contiguous,
    /// In chunks.
    Chunked {
        /// Shape of a chunk in elements; of a step tensor its steps first.
        shape: Vec<u64>,
        /// Chunks that have a place in the file: all that were planned where the recorder made
        /// them, those that were written where h5py did.
        stored: u64,
        /// What a chunk goes through when it is written, in order.
        filters: Vec<Filter>,
    },
    /// In datasets of other files.
    Virtual,
}

/// A step of HDF5's filter pipeline. Its [`Display`](fmt::Display) is `zstd (number 32015)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// The number that HDF5 knows it by: 1 is deflate.
    pub id: i32,
    /// Its name for people: `gzip-1`, `shuffle`, `lzf`.
    pub name: String,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (number {})", self.name, self.id)
    }
}

impl Filter {
    /// What there is to do where the program does not have it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self.id {
            H5Z_FILTER_SZIP => {
                "it is a filter of HDF5 that many builds leave out, and `hdf5plugin` does not have it: write the file \
                 again with a program that has it, without the filter (`h5repack -f NONE`, h5py)"
                    .to_owned()
            }
            _ => ffi::plugin_advice(),
        }
    }

    /// The filters of a pipeline, in their order.
    pub(super) fn all_of(dataset: &Dataset) -> hdf5::Result<Vec<Self>> {
        let filters = dataset.dcpl()?.get_filters()?;
        Ok(filters.iter().map(Self::new).collect())
    }

    /// The one of a dataset that its values went through and that this program does not have, if there is
    /// one.
    pub(super) fn missing(dataset: &Dataset) -> Option<Self> {
        let filters = Self::all_of(dataset).ok()?;
        let missing = |(_, filter): &(u32, Self)| !ffi::is_filter_available(filter.id);
        let (nth, filter) = (0..).zip(filters).find(missing)?;
        // Chunks can have been stored without it.
        let mut needed = false;
        let visited = dataset.chunks_visit(|chunk| {
            needed = chunk.filter_mask & (1 << nth) == 0;
            i32::from(needed)
        });
        (needed || visited.is_err()).then_some(filter)
    }

    pub(super) fn new(filter: &Known) -> Self {
        let name = match filter {
            Known::Deflate(level) => format!("gzip-{level}"),
            Known::Shuffle => "shuffle".to_owned(),
            Known::Fletcher32 => "fletcher32".to_owned(),
            Known::SZip(..) => "szip".to_owned(),
            Known::NBit => "nbit".to_owned(),
            Known::ScaleOffset(_) => "scale-offset".to_owned(),
            other => registered(other.id()),
        };
        Self {
            id: filter.id(),
            name,
        }
    }
}

/// The name of a filter that is not part of HDF5: the ones of its registry that Python packages
/// bring along.
fn registered(id: i32) -> String {
    match id {
        305 => "lzo",
        307 => "bzip2",
        32_000 => "lzf",
        32_001 => "blosc",
        32_003 => "snappy",
        32_004 => "lz4",
        32_008 => "bitshuffle",
        32_013 => "zfp",
        32_015 => "zstd",
        32_017 => "sz",
        32_018 => "fcidecomp",
        32_019 => "jpeg",
        32_022 => "bitgroom",
        32_024 => "sz3",
        32_026 => "blosc2",
        other => return format!("filter {other}"),
    }
    .to_owned()
}

/// `stored` counts the chunks of one that has some.
pub(super) fn read(
    dataset: &Dataset,
    stored: impl FnOnce(&Dataset) -> u64,
) -> hdf5::Result<DataLayout> {
    let plan = dataset.dcpl()?;
    Ok(match plan.get_layout()? {
        Layout::Compact => DataLayout::Compact,
        Layout::Contiguous => DataLayout::Contiguous,
        Layout::Virtual => DataLayout::Virtual,
        Layout::Chunked => {
            let shape = plan.get_chunk()?.unwrap_or_default();
            DataLayout::Chunked {
                shape: shape.into_iter().map(|axis| axis as u64).collect(),
                stored: stored(dataset),
                filters: Filter::all_of(dataset)?,
            }
        }
    })
}
