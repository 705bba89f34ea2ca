//! `selvedge man`: the manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::new_file;
use crate::object;
use crate::outcome::Outcome;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  selvedge man | man -l -
  selvedge man --out ~/.local/share/man/man1 --parents";

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Write selvedge.1, selvedge-inspect.1, … into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Make the folder, and those above it, where there is none
    #[arg(long, requires = "out")]
    parents: bool,
}

pub(super) fn run(args: &Args, program: clap::Command) -> anyhow::Result<Outcome> {
    match &args.out {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            output::print_own(&page)?;
        }
        Some(folder) => {
            object::check_written_here(folder)?;
            let failed = || format!("cannot write the manual pages into {}", folder.display());
            if folder.exists() && !folder.is_dir() {
                let folder = folder.display();
                bail!(
                    "{folder} is a file; --out takes a folder, which gets a page for each command"
                );
            }
            if args.parents {
                fs::create_dir_all(folder).with_context(failed)?;
            } else if !folder.exists() {
                let folder = folder.display();
                bail!(
                    "there is no folder {folder}, to write the manual pages into; --parents makes it"
                );
            }
            let mut program = program.disable_help_subcommand(true);
            program.build();
            write_pages(&program, folder).with_context(failed)?;
        }
    }
    Ok(Outcome::Success)
}

/// Writes the page of a command and those of the commands below it. Pages of an earlier version are replaced.
fn write_pages(command: &clap::Command, folder: &Path) -> anyhow::Result<()> {
    let below = command.get_subcommands();
    for command in below.filter(|command| !command.is_hide_set()) {
        write_pages(command, folder)?;
    }
    let manual = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    manual.render(&mut page)?;
    new_file::write(&folder.join(manual.get_filename()), &page, true)
}
