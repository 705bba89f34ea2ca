//! What `selvedge report` says when it is done.

use std::path::Path;

use selvedge_hdf5::Bytes;

use super::text::shown;

/// The page, and whether it has all steps.
pub(crate) fn summary(page: &Path, bytes: u64, is_sampled: bool) -> String {
    let size = Bytes(bytes);
    let mut text = format!("{}: {size}\n", shown(page));
    if is_sampled {
        text.push_str("  some of the steps, each against the one before it; without --quick it is all of them\n");
    }
    text
}
