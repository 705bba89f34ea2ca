//! The commands, one file each: arguments with their help, and what is done.

pub(crate) mod check;
pub(crate) mod checksum;
pub(crate) mod completions;
pub(crate) mod convert;
mod diff;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod rechunk;
pub(crate) mod recover;
pub(crate) mod rules;
mod tensor_spec;
pub(crate) mod verify;

use crate::cli::Command;
use crate::outcome::Outcome;

/// Runs a command.
///
/// # Errors
///
/// What kept the command from being done at all. Of several files that it could not do with one, it
/// has told itself, and returns [`Outcome::Failed`].
pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Plan(args) => plan::run(args),
        Command::Recover(args) => recover::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Rechunk(args) => rechunk::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Checksum(args) => checksum::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
