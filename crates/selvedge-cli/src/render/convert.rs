//! What `selvedge convert` says when it is done.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use selvedge_base::text::escaped;
use selvedge_hdf5::Bytes;
use serde::Serialize;

use super::text::{counted, shown};
use super::{Page, families};
use crate::convert::Summary;

/// What `--json` prints.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    selvedge_version: &'static str,
    path: String,
    tensors: u64,
    /// Bytes of values.
    bytes: u64,
    notes: &'a [String],
}

impl<'a> Report<'a> {
    pub(crate) fn new(path: &Path, summary: &'a Summary) -> Self {
        Self {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            path: escaped(path.as_os_str().as_bytes()),
            tensors: summary.tensors,
            bytes: summary.bytes,
            notes: &summary.notes,
        }
    }
}

/// What was made, and what there is to know of it.
pub(crate) fn summary(path: &Path, summary: &Summary, page: Page) -> String {
    let count = counted(summary.tensors, "tensor");
    let bytes = Bytes(summary.bytes);
    let mut text = format!("{}: {count}, {bytes}\n", shown(path));
    for note in &summary.notes {
        text.push_str(&format!("  note: {}\n", shown(note)));
    }
    families::lines(&text, page)
}
