//! Letting the disk begin while a file is still written.

use std::fs::File;
use std::ops::Range;

use selvedge_base::disk;

/// Bytes that follow each other before the disk is told of them: little enough that at the end not
/// much is left to wait for, and enough for the disk's largest requests.
const STEP: u64 = 8 << 20;

/// What was written and is not on its way to the disk yet.
///
/// A file that is put on the disk in the end takes as long as the longer of writing and storing it
/// then, and not as both together.
#[derive(Debug, Default)]
pub(super) struct Writeback {
    /// In bytes from the start of the file.
    pending: Range<u64>,
}

impl Writeback {
    /// Takes note of bytes that were written.
    pub(super) fn wrote(&mut self, file: &File, bytes: Range<u64>) {
        if self.pending.end != bytes.start {
            // Tensors can take turns: what is left behind is not forgotten.
            self.start(file);
            self.pending = bytes.start..bytes.start;
        }
        self.pending.end = bytes.end;
        if self.pending.end - self.pending.start >= STEP {
            self.start(file);
        }
    }

    fn start(&mut self, file: &File) {
        if !self.pending.is_empty() {
            disk::start_writeback(file, &self.pending);
        }
        self.pending.start = self.pending.end;
    }
}
