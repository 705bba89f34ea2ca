//! How a command ended, for the shell.

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

impl Outcome {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Negative => 1,
            Self::Failed => 2,
        }
    }
}
