//! For every rule worlds that pass and worlds that fail.

use super::{World, git, names, notebooks, tensors, trajectories};

/// The fixtures of one rule.
pub(crate) struct Fixture {
    pub(crate) code: &'static str,
    /// Each with what it shows.
    pub(crate) passing: Vec<(&'static str, World)>,
    pub(crate) failing: Vec<(&'static str, World)>,
}

/// The fixtures of all rules, by code.
pub(crate) fn all() -> Vec<Fixture> {
    let mut all = git::fixtures();
    all.extend(names::fixtures());
    all.extend(notebooks::fixtures());
    all.extend(tensors::fixtures());
    all.extend(trajectories::fixtures());
    all
}
