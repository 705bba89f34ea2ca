//! What `selvedge convert` says when it is done.

use std::path::Path;

use selvedge_hdf5::Bytes;

use super::text::{counted, shown};
use crate::convert::Summary;

/// What was made, and what there is to know of it.
pub(crate) fn summary(path: &Path, summary: &Summary) -> String {
    let count = counted(summary.tensors, "tensor");
    let bytes = Bytes(summary.bytes);
    let mut text = format!("{}: {count}, {bytes}\n", shown(path));
    for note in &summary.notes {
        text.push_str(&format!("  note: {}\n", shown(note)));
    }
    text
}
