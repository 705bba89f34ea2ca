//! The program `selvedge`: looks into tensor files, plans recordings, recovers files whose writer died, rechunks, converts
//! and compares them.
//!
//! ```sh
//! selvedge inspect thimble_7.h5                 # tensors, chunks, provenance, and the Python that reads them
//! selvedge inspect --stats mask.safetensors     # NaN, Inf, least, greatest, mean, unchanged from step to step
//! selvedge inspect --diff thimble_7.h5 thimble_8.h5
//! selvedge show thimble_7.h5 W --step last --rows 0..5    # values: as numbers, as csv, as .npy
//! selvedge show thimble_7.h5 losses --step log:50 --format csv
//! selvedge report thimble_7.h5                  # a page for a browser: what moved, when, and where it stopped
//! selvedge plan --steps 6001 --tensor W:bf16:10000x64 --tensor loss:f32:
//! selvedge recover thimble_7.h5
//! selvedge rechunk thimble_7.h5 thimble_7_tokens.h5 --for tokens
//! selvedge convert thimble_7.h5 last.safetensors --tensor W --steps last
//! selvedge verify thimble_7.h5 thimble_7_tokens.h5
//! ```
//!
//! - HDF5 and safetensors, of any program. Headers only, unless `--stats` asks for the values.
//! - Tells a recording that is at work from one whose writer died.
//! - The line of Python for each dtype, with all of its bits: `torch.from_numpy(f["W"][:]).view(torch.bfloat16)`.
//! - `--json` for programs; exit codes 0, 1 and 2; tables that fit 80 columns, and whole names in a pipe.
//! - `selvedge completions SHELL` and `selvedge man`.
//!
//! `docs/cli.md` in the repository describes all of it, with examples of the output.
//!
//! `cargo install --locked selvedge-cli` builds it, which needs a C compiler and cmake 3.26 or newer (`pip install cmake`):
//! libhdf5 is built from source and linked statically.
//!
//! # As a library
//!
//! This is the program as a library of one function, [`run`], for those who bring it in a shape of their
//! own; the Python package does.
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
mod object;
mod outcome;
mod output;
mod progress;
mod references;
mod render;
mod report;
mod show;
mod sizes;
mod source;
mod stats;
mod tips;
mod view;
mod words;

use std::ffi::OsString;

pub use check::Program;
use clap::CommandFactory as _;
use outcome::Outcome;
use selvedge_base::raise_open_files;
use selvedge_base::text::shown;

/// The most files that the program asks to have open; macOS allows so many.
const OPEN_FILES: u64 = 10_240;

/// Runs the program with the arguments of its command line, its own name first, and returns its exit
/// code: 0 done, 1 done and the answer is no, 2 not done.
///
/// `program` tells how the program is started once more, which `selvedge check` does for each thread
/// that reads HDF5. It prints to standard output and standard error, panics of this process among them.
#[must_use]
pub fn run(arguments: &[OsString], program: &Program) -> u8 {
    // This program again, for one thread of a check: no command, and nothing for people.
    if arguments
        .get(1)
        .is_some_and(|word| word == check::isolated::WORD)
    {
        interrupt::end_at_once();
        return match check::isolated::serve() {
            Ok(()) => Outcome::Success.code(),
            Err(_) => Outcome::Failed.code(),
        };
    }
    std::panic::set_hook(Box::new(output::panicked));
    interrupt::survive_file_limit();
    // A view of ranks, and a virtual dataset, have a file open for each source.
    raise_open_files(OPEN_FILES);
    match command(arguments, program) {
        Ok(outcome) => outcome.code(),
        // Whoever reads has seen enough: `selvedge inspect … | head`.
        Err(error) if error.is::<output::Closed>() => Outcome::Success.code(),
        Err(error) => {
            output::error(&error);
            Outcome::Failed.code()
        }
    }
}

fn command(arguments: &[OsString], program: &Program) -> anyhow::Result<Outcome> {
    let cli = match cli::Cli::read(arguments) {
        Ok(cli) => cli,
        Err(said) => {
            // What is wrong is said of the arguments as they are shown, each on one line.
            let shown = arguments.iter().map(|argument| shown(argument).to_string());
            let said = cli::Cli::read(shown).err().unwrap_or(said);
            output::command_line(&said)?;
            return Ok(if said.use_stderr() {
                Outcome::Failed
            } else {
                Outcome::Success
            });
        }
    };
    cli.color.write_global();
    commands::run(cli.command, program, cli::Cli::command)
}
