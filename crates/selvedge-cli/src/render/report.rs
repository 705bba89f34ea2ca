//! What `selvedge report` says when it is done.

use std::path::Path;

use selvedge_hdf5::Bytes;

use super::text::{counted, shown};

/// The page, whether it has all steps, and how many tensors it has not.
pub(crate) fn summary(page: &Path, bytes: u64, is_sampled: bool, left_out: u64) -> String {
    let size = Bytes(bytes);
    let mut text = format!("{}: {size}\n", shown(page));
    if is_sampled {
        text.push_str("  some of the steps, each against the one before it; without --quick it is all of them\n");
    }
    if left_out > 0 {
        let others = counted(left_out, "other tensor");
        text.push_str(&format!(
            "  the largest tensors of each kind, without {others}; --tensor chooses\n"
        ));
    }
    text
}
