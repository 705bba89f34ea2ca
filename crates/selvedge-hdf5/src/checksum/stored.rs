//! Checksums as attributes of a dataset.

use std::ops::Range;

use crate::error::LibraryError;
use crate::ffi;

/// Rows of a range: those of one checksum.
pub(crate) const STEPS: &str = "selvedge_checksum_steps";
/// Rows that the checksums cover.
pub(crate) const COVERED: &str = "selvedge_checksum_covered";
/// The checksums.
pub(crate) const SUMS: &str = "selvedge_checksums";

/// More would not fit an attribute of the oldest HDF5 format, which has 64 KiB.
const MOST: u64 = 4000;
/// A range has at least about so many bytes, so that checksums are few and their ranges read fast.
const RANGE_BYTES: u64 = 1 << 20;

/// Whether the attribute `name` of a dataset is a part of its checksums.
pub(crate) fn is_own(name: &str) -> bool {
    matches!(name, STEPS | COVERED | SUMS)
}

/// The checksums of a dataset; `None` where it has none.
pub(crate) fn read(dataset: &hdf5::Dataset) -> Result<Option<Checksums>, LibraryError> {
    if !ffi::has_attribute(dataset, SUMS) {
        return Ok(None);
    }
    let number = |name: &str| -> hdf5::Result<u64> {
        let value = dataset.attr(name)?.read_scalar::<i64>()?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    let checksums = Checksums {
        steps: number(STEPS)?,
        covered: number(COVERED)?,
        sums: dataset.attr(SUMS)?.read_raw::<u64>()?,
    };
    if checksums.is_sound() {
        return Ok(Some(checksums));
    }
    let (count, steps, covered) = (checksums.sums.len(), checksums.steps, checksums.covered);
    Err(LibraryError::new(format!(
        "{count} checksums of {steps} steps each do not make {covered} steps"
    )))
}

/// The checksums of a tensor. A row is a step; of a constant what lies at one index of its first
/// axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// Rows of a range; the last may be shorter.
    pub(crate) steps: u64,
    /// Rows that they cover: a run that was resumed has more since.
    pub(crate) covered: u64,
    /// One for each range.
    pub(crate) sums: Vec<u64>,
}

impl Checksums {
    /// Rows of a range of a tensor of `rows` rows of `row_bytes` bytes.
    ///
    /// A function of the shape and the dtype alone, so that files of one run have the same ranges
    /// whatever their layouts.
    pub(crate) fn range_rows(rows: u64, row_bytes: u64) -> u64 {
        let few = rows.div_ceil(MOST);
        let large = RANGE_BYTES.div_ceil(row_bytes.max(1));
        few.max(large).clamp(1, rows.max(1))
    }

    /// The rows of range `nth`.
    pub(crate) fn range(&self, nth: usize) -> Range<u64> {
        let first = (nth as u64).saturating_mul(self.steps);
        first..first.saturating_add(self.steps).min(self.covered)
    }

    /// Whether there are as many as the ranges they claim to be of.
    pub(crate) fn is_sound(&self) -> bool {
        self.steps > 0 && self.sums.len() as u64 == self.covered.div_ceil(self.steps)
    }
}
