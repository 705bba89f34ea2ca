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
use outcome::Outcome;
use selvedge_base::text::shown;

fn main() -> ExitCode {
    // This program again, for one thread of a check: no command, and nothing for people.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == check::isolated::WORD)
    {
        return match check::isolated::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => Outcome::Failed.into(),
        };
    }
    std::panic::set_hook(Box::new(output::panicked));
    match run() {
        Ok(outcome) => outcome.into(),
        // Whoever reads has seen enough: `selvedge inspect … | head`.
        Err(error) if error.is::<output::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            Outcome::Failed.into()
        }
    }
}

fn run() -> anyhow::Result<Outcome> {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            // What is wrong is said of the arguments as they are shown, each on one line.
            let shown = std::env::args_os().map(|argument| shown(&argument).to_string());
            let said = cli::Cli::try_parse_from(shown).err().unwrap_or(said);
            output::command_line(&said)?;
            return Ok(if said.use_stderr() {
                Outcome::Failed
            } else {
                Outcome::Success
            });
        }
    };
    cli.color.write_global();
    commands::run(cli.command, cli::Cli::command)
}
