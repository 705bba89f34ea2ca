//! What a reader has to tell of a file beside its tensors.

use std::fmt;

use crate::plan::Grouped;

/// Something in a file that is no part of the run, or is not as the run left it. Its
/// [`Display`](fmt::Display) is a clause for people, which begins with the name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A dataset that another program added to a recorded file.
    Added {
        /// Its name.
        dataset: String,
    },
    /// A step tensor that is ahead of the others by a commit that was cut short.
    CutShort {
        /// Its name.
        tensor: String,
        /// Steps that are not committed.
        steps: u64,
    },
    /// A step tensor that another program appended steps to, and not to all others.
    Appended {
        /// Its name.
        tensor: String,
        /// Steps that it has beyond the committed ones.
        steps: u64,
        /// Steps that all step tensors have.
        committed: u64,
    },
    /// Steps that another program appended to all step tensors. They count.
    AppendedToAll {
        /// The number of them.
        steps: u64,
    },
    /// A dataset that is marked as a step tensor and lacks steps that the run has: another program
    /// shortened it, or copied it from another run.
    Short {
        /// Its name.
        tensor: String,
        /// Steps that it has.
        steps: u64,
        /// Steps that the run has.
        committed: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { dataset } => write!(
                f,
                "`{dataset}` was added by another program, and is no part of the run"
            ),
            Self::CutShort { tensor, steps } => write!(
                f,
                "`{tensor}` is ahead: {} of a commit that was cut short are left out",
                Counted(*steps)
            ),
            Self::Appended {
                tensor,
                steps,
                committed,
            } => write!(
                f,
                "`{tensor}` is ahead: another program appended {} to it, and the run has {}",
                Counted(*steps),
                Counted(*committed)
            ),
            Self::AppendedToAll { steps } => write!(
                f,
                "{} at the end were appended to all step tensors by another program",
                Counted(*steps)
            ),
            Self::Short {
                tensor,
                steps,
                committed,
            } => write!(
                f,
                "`{tensor}` is no part of the run: it is marked as a step tensor, and has {} of {}; \
                 another program shortened it, or copied it from another run",
                Grouped(*steps),
                Counted(*committed)
            ),
        }
    }
}

/// A number of steps in words.
struct Counted(u64);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} step{plural}", Grouped(self.0))
    }
}
