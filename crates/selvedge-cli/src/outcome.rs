//! How a command ended, for the shell.

use std::process::ExitCode;

/// The exit codes of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// 0: done, and nothing found.
    Success,
    /// 1: done, and the answer is no: the files differ, the run does not fit, there are findings.
    Negative,
    /// 2: it could not be done, at least not all of it.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Success => 0,
            Outcome::Negative => 1,
            Outcome::Failed => 2,
        })
    }
}
