//! The command line: what `--help`, the man pages and the completions are made of.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::Command;
use crate::output::UNBROKEN;
use crate::tips;

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
        let arguments = with_indices(arguments.into_iter().map(Into::into));
        let matches = interface.clone().try_get_matches_from(&arguments);
        let matches = matches.map_err(|error| tips::with_tips(error, &interface, &arguments))?;
        Self::from_arg_matches(&matches)
    }
}

/// The flags that take indices.
const OF_INDICES: [&str; 4] = ["--step", "--steps", "--rows", "--columns"];

/// The arguments, of which indices that count from the end are one with their flag: the parser would take the last two
/// of `--steps -500..` for flags, or every flag after `--steps` for indices.
fn with_indices(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        let text = argument.to_str().unwrap_or_default();
        let is_counted = tips::counts_from_end(text);
        let of_flag = |flag: &&mut OsString| OF_INDICES.iter().any(|known| **flag == **known);
        match joined.last_mut().filter(|_| is_counted).filter(of_flag) {
            Some(flag) => flag.push(format!("={text}")),
            None => joined.push(argument),
        }
    }
    joined
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
    use std::collections::HashSet;
    use std::ffi::OsString;

    use clap::CommandFactory as _;

    use super::{Cli, tips, with_indices};

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// No word of another program is one of this one, and no tip names a command that there is not.
    #[test]
    fn tips_name_commands_that_there_are() {
        let program = Cli::command();
        let has = |name: &str| {
            program
                .get_subcommands()
                .any(|found| found.get_name() == name)
        };
        for (words, tips) in tips::ELSEWHERE {
            assert!(words.iter().all(|word| !has(word)), "{words:?}");
            for tip in tips {
                let named = tip.strip_prefix("'selvedge ").unwrap();
                let name = named.split([' ', '\'']).next().unwrap();
                assert!(
                    has(name) || name == "COMMAND" || name.starts_with("--"),
                    "{tip}"
                );
                assert!(tip.len() <= 72, "{tip}");
            }
        }
    }

    /// The example of `view` was refused: `--steps -500..`. Others failed one after the other, for they made a file that
    /// one before them had made or read.
    #[test]
    fn every_example_is_read_and_makes_a_file_of_its_own() {
        let mut examples = 0;
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().unwrap().to_string();
            let after = after.replace("\\\n", " ");
            let mut there = HashSet::new();
            for line in after.lines().filter(|line| line.starts_with("  ")) {
                let Some(start) = line.find("selvedge ") else {
                    continue;
                };
                // Behind it stands what it is for, or what the shell does with what it prints.
                let end = ["   #", " | ", " > ", " >> "].iter();
                let end = end.filter_map(|end| line.find(end)).min();
                let typed = &line[start..end.unwrap_or(line.len())];
                let words = with_indices(typed.split_whitespace().map(Into::into));
                let read = Cli::command().try_get_matches_from(words);
                let read = read.unwrap_or_else(|error| panic!("{typed}: {error}"));
                let (name, read) = read.subcommand().unwrap();
                let values = |id: &str| -> Vec<OsString> {
                    let values = read.try_get_raw(id).ok().flatten();
                    values.into_iter().flatten().map(Into::into).collect()
                };
                let has = |id: &str| read.try_get_one(id).ok().flatten() == Some(&true);
                let makes = match name {
                    _ if has("dry_run") => Vec::new(),
                    "report" if values("output").is_empty() => vec!["as it is called".into()],
                    _ => values("output"),
                };
                there.extend(["file", "files", "input"].iter().flat_map(|id| values(id)));
                for file in makes {
                    let is_new = there.insert(file);
                    assert!(
                        is_new || has("overwrite"),
                        "{typed}: its file is there already"
                    );
                }
                examples += 1;
            }
        }
        assert!(examples > 50, "{examples}");
    }

    #[test]
    fn indices_may_count_from_the_end() {
        for (line, is_read) in [
            ("show a.h5 W --step -1 --rows -5.. --columns -3..-1", true),
            ("convert a.h5 b.npy --steps -2, 3", false),
            ("convert a.h5 b.npy --steps -2,3 --rows=-2..", true),
            ("report --steps -500.. a.h5", true),
            ("report a.h5 --steps --quick", true),
            ("show a.h5 W --step --rows 3", false),
            ("show a.h5 W -5..", false),
            ("plan --steps -5", false),
        ] {
            let words = format!("selvedge {line}");
            assert_eq!(Cli::read(words.split(' ')).is_ok(), is_read, "{line}");
        }
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
