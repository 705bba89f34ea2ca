//! The commands, one file each: arguments with their help, and what is done.

mod check;
mod checksum;
mod clean;
mod completions;
mod convert;
mod diff;
mod hdf5_only;
mod inspect;
mod join;
mod man;
mod meant;
mod new_file;
mod other_files;
mod plan;
mod pull;
mod push;
mod rechunk;
mod recover;
mod references;
mod report;
mod rules;
mod show;
mod steps;
mod tensor_spec;
mod verify;
mod view;

use clap::Subcommand;

use crate::check::Program;
use crate::interrupt;
use crate::outcome::Outcome;

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Args),
    Show(show::Args),
    Report(report::Args),
    View(view::Args),
    Plan(plan::Args),
    Recover(recover::Args),
    Join(join::Args),
    References(references::Args),
    Push(push::Args),
    Pull(pull::Args),
    Clean(clean::Args),
    Rechunk(rechunk::Args),
    Convert(convert::Args),
    Verify(verify::Args),
    Checksum(checksum::Args),
    Check(check::Args),
    Rules(rules::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs a command. `program` starts this program once more; manual pages and completions are made of the
/// `interface`.
///
/// # Errors
///
/// What kept the command from being done at all. Of several files that it could not do with one, it
/// has told itself, and returns [`Outcome::Failed`].
pub(crate) fn run(
    command: Command,
    program: &Program,
    interface: fn() -> clap::Command,
) -> anyhow::Result<Outcome> {
    // There are no other threads yet. A browser, which `view` starts, would inherit what is waited for.
    if !matches!(command, Command::View(_)) {
        interrupt::end_in_order();
    }
    match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Report(args) => report::run(&args),
        Command::View(args) => view::run(&args),
        Command::Plan(args) => plan::run(args),
        Command::Recover(args) => recover::run(&args),
        Command::Clean(args) => clean::run(&args),
        Command::Check(args) => check::run(&args, program),
        Command::Rules(args) => rules::run(&args),
        Command::Join(args) => join::run(&args),
        Command::References(args) => references::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Rechunk(args) => rechunk::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Checksum(args) => checksum::run(&args),
        Command::Completions(args) => completions::run(&args, interface()),
        Command::Man(args) => man::run(&args, interface()),
    }
}
