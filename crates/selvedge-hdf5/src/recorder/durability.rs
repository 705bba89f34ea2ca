//! When recorded steps are put on the medium.

use std::num::NonZeroU64;

/// When recorded steps are put on the medium with `fdatasync`.
///
/// A killed process loses nothing that is committed either way: what was written is in the
/// operating system's memory. A power cut or a crash of the system loses what is only there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Never: the operating system writes when it sees fit. The default.
    #[default]
    Never,
    /// After every so many steps, at `commit` and at `finish`. Steps are committed only then: an
    /// extent advances after the `fdatasync` of the data it uncovers, and is then synced itself.
    ///
    /// The recorder writes later steps while it waits for the medium, but never gets further ahead of
    /// the committed steps than two times so many, beside those in the queue.
    EverySteps(NonZeroU64),
}

impl Durability {
    /// `fdatasync` after every `steps` steps; 0 counts as 1.
    #[must_use]
    pub fn every(steps: u64) -> Self {
        Self::EverySteps(NonZeroU64::new(steps).unwrap_or(NonZeroU64::MIN))
    }

    /// The most steps between two commits.
    pub(crate) fn interval(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::EverySteps(steps) => Some(steps.get()),
        }
    }
}
