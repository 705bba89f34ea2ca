//! `selvedge man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::outcome::Outcome;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  selvedge man | man -l -
  selvedge man --out ~/.local/share/man/man1";

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Write selvedge.1, selvedge-inspect.1, … into this folder, and make it where there is none
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, program: clap::Command) -> anyhow::Result<Outcome> {
    match &args.out {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            output::print_own(&page)?;
        }
        Some(folder) => {
            let failed = || format!("cannot write the manual pages into {}", folder.display());
            fs::create_dir_all(folder).with_context(failed)?;
            clap_mangen::generate_to(program, folder).with_context(failed)?;
        }
    }
    Ok(Outcome::Success)
}
