//! How long, and how much.

use std::time::{Duration, Instant};

/// What an attempt may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When it ends.
    deadline: Instant,
    /// Most points that are tried of one row.
    pub(crate) most: usize,
    /// Where what is random begins.
    pub(crate) seed: u64,
}

impl Budget {
    /// `time` from now on, and at most `most` points of each row.
    #[must_use]
    pub fn new(time: Duration, most: usize, seed: u64) -> Self {
        let deadline = Instant::now() + time;
        Self {
            deadline,
            most,
            seed,
        }
    }

    /// The most of the time left that one of `parts` may use: three times its part, since others need less.
    pub(crate) fn share(&self, parts: usize) -> Self {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let parts = u32::try_from(parts.max(3)).unwrap_or(u32::MAX);
        Self::new(left * 3 / parts, self.most, self.seed)
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
