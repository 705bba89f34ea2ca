//! How long, and how much.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What an attempt may use.
#[derive(Clone, Debug)]
pub struct Budget {
    /// When it ends.
    deadline: Instant,
    /// Most points that are tried of one row.
    pub(crate) most: usize,
    /// Where what is random begins.
    pub(crate) seed: u64,
    /// Where files are kept that a reader crashes on, or does not come back from.
    pub(crate) keep: Option<PathBuf>,
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
            keep: None,
        }
    }

    /// The part of the time left that falls to one of `parts`, which all need about as much.
    pub(crate) fn even_share(&self, parts: usize) -> Self {
        self.part(1, parts.max(1))
    }

    /// The most of the time left that one of `parts` may use where others need less: three times its part, but not
    /// all of it while others wait.
    pub(crate) fn share(&self, parts: usize) -> Self {
        self.part(3, (parts + 2).max(3))
    }

    fn part(&self, numerator: u32, denominator: usize) -> Self {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let denominator = u32::try_from(denominator).unwrap_or(u32::MAX);
        Self {
            deadline: Instant::now() + left * numerator / denominator,
            ..self.clone()
        }
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
