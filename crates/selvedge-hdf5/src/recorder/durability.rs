//! When recorded steps are put on the medium.

use std::num::NonZeroU64;
use std::time::Duration;

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
    /// The same, and as soon as a step has waited so long for its turn. In a run of a step a minute nobody
    /// wants to lose an hour to a kill, which is what fifty steps are.
    EveryStepsOrAfter(NonZeroU64, Duration),
}

impl Durability {
    /// `fdatasync` after every `steps` steps; 0 counts as 1.
    #[must_use]
    pub fn every(steps: u64) -> Self {
        Self::EverySteps(NonZeroU64::new(steps).unwrap_or(NonZeroU64::MIN))
    }

    /// The same, and as soon as a step has waited so long for its turn: `Durability::every(50)` steps,
    /// `.or_after(Duration::from_secs(10))`. [`Never`](Self::Never) becomes a limit in time alone.
    #[must_use]
    pub fn or_after(self, limit: Duration) -> Self {
        let steps = self.interval().and_then(NonZeroU64::new);
        Self::EveryStepsOrAfter(steps.unwrap_or(NonZeroU64::MAX), limit)
    }

    /// The most steps between two commits.
    pub(crate) fn interval(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::EverySteps(steps) | Self::EveryStepsOrAfter(steps, _) => Some(steps.get()),
        }
    }

    /// How long a step waits at most before a commit begins.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::Never | Self::EverySteps(_) => None,
            Self::EveryStepsOrAfter(_, limit) => Some(limit),
        }
    }
}
