//! `selvedge`: look into tensor files, plan recordings, recover, reshape, convert and compare files,
//! check a repository.
//!
//! One file per command under `commands/`. A command gathers plain facts (`facts/`, `stats/` and
//! `compare/` where the values are read, `check/` for a whole repository), or makes a file
//! (`convert/`), and has what there is to say put into words (`render/`); what gathers does not
//! print, and what prints does not open files.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod commands;
mod compare;
mod convert;
mod facts;
mod interrupt;
mod metadata;
mod outcome;
mod output;
mod progress;
mod render;
mod sizes;
mod source;
mod stats;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

fn main() -> ExitCode {
    // This program again, for one thread of a check: no command, and nothing for people.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == check::isolated::WORD)
    {
        return match check::isolated::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => outcome::Outcome::Failed.into(),
        };
    }
    let cli = cli::Cli::parse();
    cli.color.write_global();
    match commands::run(cli.command, cli::Cli::command) {
        Ok(outcome) => outcome.into(),
        // Whoever reads has seen enough: `selvedge inspect … | head`.
        Err(error) if error.is::<output::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            outcome::Outcome::Failed.into()
        }
    }
}
