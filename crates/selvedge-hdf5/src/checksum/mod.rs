//! Checksums of the values: XXH3-64 of ranges of rows, independent of how they lie in the file.

mod add;
mod hasher;
mod stored;
mod verify;

pub(crate) use add::write_checksums;
pub use add::{ChecksumOptions, add_checksums};
pub(crate) use hasher::RangeHasher;
pub use stored::Checksums;
pub(crate) use stored::{COVERED, STEPS, SUMS, is_own, read};
pub(crate) use verify::check_values;
pub use verify::{ChecksumReport, TensorChecksums, verify_checksums, verify_tensor_checksums};
