//! The command line: what `--help`, the man pages and the completions are made of.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::Command;
use crate::output::UNBROKEN;

/// What all commands return to the shell.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  done, and the answer is no: files differ,
     a run does not fit, there are findings,
     a checksum is wrong
  2  something could not be done, or the command
     line is wrong";

/// Looks into tensor files, plans recordings, recovers, reshapes, converts and compares files, and
/// checks a repository against the conventions.
#[derive(Debug, Parser)]
#[command(
    name = "selvedge",
    version,
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads a command line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and help that was asked for.
    pub(crate) fn read<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let interface = Self::command().after_help(whole_lines(EXIT_CODES));
        let interface = interface.mut_subcommands(|command| {
            let after = command.get_after_help().map(ToString::to_string);
            command.after_help(whole_lines(&after.unwrap_or_default()))
        });
        let matches = interface.try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }
}

/// The text, of which lines that begin with two spaces are not broken, however narrow the terminal: examples
/// are copied. What prints it takes the [`UNBROKEN`] spaces for what they are.
fn whole_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.starts_with("  ") {
        true => line.replace(' ', UNBROKEN),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every command says what it does and gives an example; every argument says what it is.
    #[test]
    fn everything_has_help() {
        let mut program = Cli::command();
        program.build();
        for command in program.get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}: no help");
            let after = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(after.starts_with("Examples:\n"), "{name}: no example");
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some_and(|help| {
                        let help = help.to_string();
                        !help.is_empty() && !help.ends_with('.')
                    }),
                    "{name} {}: no help, or with a full stop",
                    argument.get_id()
                );
            }
        }
    }
}
