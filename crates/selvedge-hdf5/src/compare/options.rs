//! What is compared, and in how much memory.

use crate::bulk::MEMORY;

/// How [`compare`](super::compare) works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareOptions {
    pub(super) memory: u64,
    pub(super) count: bool,
    pub(super) attributes: bool,
    pub(super) trust_checksums: bool,
    pub(super) skip_unsupported: bool,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            count: false,
            attributes: false,
            trust_checksums: false,
            skip_unsupported: false,
        }
    }
}

impl CompareOptions {
    /// The most memory it takes, in bytes. Default: 256 MiB. A filtered tensor needs memory for its chunks, which
    /// are unpacked whole.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Counts the elements that differ. Without it a tensor is left at its first difference.
    #[must_use]
    pub fn count(mut self, count: bool) -> Self {
        self.count = count;
        self
    }

    /// Compares the attributes of the root and of the tensors, too: all but `created` and those
    /// whose names begin with `selvedge_` and do not say which part of a run of several ranks it is.
    #[must_use]
    pub fn attributes(mut self, attributes: bool) -> Self {
        self.attributes = attributes;
        self
    }

    /// Takes ranges of steps for equal that have equal checksums in both files, without reading
    /// them. That is as good as the checksums: [`verify_checksums`](crate::verify_checksums) tells
    /// whether they are still those of the values.
    #[must_use]
    pub fn trust_checksums(mut self, trust: bool) -> Self {
        self.trust_checksums = trust;
        self
    }

    /// Leaves tensors out that only one file has and that cannot be read here, as a conversion does:
    /// [`Comparison::left_out`](super::Comparison::left_out) lists them.
    #[must_use]
    pub fn skip_unsupported(mut self, skip: bool) -> Self {
        self.skip_unsupported = skip;
        self
    }
}
