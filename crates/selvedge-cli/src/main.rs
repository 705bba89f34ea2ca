//! `selvedge`: look into tensor files, plan recordings, recover, reshape, convert and compare files.
//!
//! One file per command under `commands/`. A command gathers plain facts (`facts/`, and `stats/`
//! and `compare/` where the values are read), or makes a file (`convert/`), and has what there is to
//! say put into words (`render/`); what gathers does not print, and what prints does not open files.

mod cli;
mod commands;
mod compare;
mod convert;
mod facts;
mod metadata;
mod outcome;
mod output;
mod progress;
mod render;
mod sizes;
mod stats;
mod values;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli.color.write_global();
    match commands::run(cli.command) {
        Ok(outcome) => outcome.into(),
        // Whoever reads has seen enough: `selvedge inspect … | head`.
        Err(error) if error.is::<output::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            outcome::Outcome::Failed.into()
        }
    }
}
