//! The command line: what `--help`, the man pages and the completions are made of.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use selvedge_base::text::shell_path;

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
        let arguments = with_indices(arguments.into_iter().map(Into::into));
        let matches = interface.clone().try_get_matches_from(arguments);
        let matches = matches.map_err(|error| with_tip(error, &interface))?;
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
        let is_counted = text.strip_prefix('-').is_some_and(starts_with_digit);
        let of_flag = |flag: &&mut OsString| OF_INDICES.iter().any(|known| **flag == **known);
        match joined.last_mut().filter(|_| is_counted).filter(of_flag) {
            Some(flag) => flag.push(format!("={text}")),
            None => joined.push(argument),
        }
    }
    joined
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// What other programs call what this one does, and what it is called here.
const ELSEWHERE: [(&[&str], &[&str]); 15] = [
    (
        &["diff", "compare", "cmp"],
        &[
            "'selvedge verify A B' compares values",
            "'selvedge inspect --diff A B' compares what else is in two files",
        ],
    ),
    (
        &[
            "info", "ls", "list", "header", "describe", "summary", "dump", "open",
        ],
        &["'selvedge inspect FILE' shows what is in a file"],
    ),
    (
        &["cat", "print", "get", "values", "head", "tail", "read"],
        &["'selvedge show FILE TENSOR' shows values"],
    ),
    (
        &["stats", "stat", "nan"],
        &["'selvedge inspect --stats FILE' reads all values"],
    ),
    (
        &["plot", "graph", "chart", "html", "page"],
        &[
            "'selvedge report FILE' makes a page of charts",
            "'selvedge view FILE' shows them while a run goes on",
        ],
    ),
    (
        &["watch", "follow", "live", "monitor", "serve", "tui"],
        &[
            "'selvedge view FILE' follows a run in the browser",
            "'selvedge view --term FILE' follows it in the terminal",
        ],
    ),
    (
        &["repair", "fix", "restore", "rescue"],
        &["'selvedge recover FILE' puts a file in order whose writer died"],
    ),
    (
        &["compress", "repack", "decompress", "rewrite"],
        &["'selvedge rechunk IN OUT --compression temporal' compresses a file"],
    ),
    (
        &["merge", "combine", "concat"],
        &["'selvedge join SHARD…' is for the files of ranks"],
    ),
    (
        &["export", "import", "slice", "copy"],
        &["'selvedge convert IN OUT' takes a file, or a part of it"],
    ),
    (
        &["hash", "sha256", "digest", "sum"],
        &["'selvedge checksum FILE' adds checksums"],
    ),
    (
        &["lint", "validate", "test"],
        &["'selvedge check' holds a repository to the conventions"],
    ),
    (
        &["rm", "prune", "gc"],
        &["'selvedge clean' removes what dead writers left"],
    ),
    (&["version"], &["'selvedge --version' tells it"]),
    (
        &["help"],
        &[
            "'selvedge --help' lists the commands",
            "'selvedge COMMAND --help' tells of one",
        ],
    ),
];

/// The flag of commands in which it has a value, and of which it has none elsewhere.
const ASSUME_BF16: &str = "--assume-bf16 <TENSOR>";
const NAMES_A_TENSOR: &str = "--assume-bf16 names a tensor in this command: --assume-bf16 W";

/// The error, with what was probably meant: a command under the name that it has here, negative indices; or an
/// example of the `interface`, where something is missing.
fn with_tip(mut error: clap::Error, interface: &clap::Command) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let tips: Vec<String> = match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, _) => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            match ELSEWHERE.iter().find(|(words, _)| words.contains(&&*word)) {
                Some((_, tips)) => tips.iter().map(|tip| (*tip).to_owned()).collect(),
                None if Path::new(&word).is_file() => {
                    vec![format!(
                        "'selvedge inspect {}' shows what is in the file",
                        shell_path(&word)
                    )]
                }
                None => return error,
            }
        }
        (ErrorKind::UnknownArgument, Some(flag)) => {
            // A name that begins with a minus is not what is meant by others.
            let usage = error.get(ContextKind::Usage).map(ToString::to_string);
            let is_plan = usage.is_some_and(|usage| usage.contains("selvedge plan"));
            match flag.strip_prefix('-') {
                Some(rest) if starts_with_digit(rest) => {
                    vec!["indices follow their flag: --steps -500..".to_owned()]
                }
                None if is_plan && Path::new(&flag).is_file() => vec![
                    format!("'selvedge inspect {flag}' tells of a file that is there"),
                    format!("'selvedge rechunk --dry-run {flag} NEW.h5' plans another one of it"),
                ],
                None if is_plan && flag.contains(':') => {
                    vec![format!("tensors follow their flag: --tensor {flag}")]
                }
                _ => Vec::new(),
            }
        }
        (ErrorKind::InvalidValue, Some(flag)) if flag == ASSUME_BF16 => {
            vec![NAMES_A_TENSOR.to_owned()]
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            let usage = error.get(ContextKind::Usage).map(ToString::to_string);
            let usage = usage.unwrap_or_default();
            let example = example(&usage, interface);
            let example = example.map(|example| format!("for example, '{example}'"));
            // It may have taken a file for its name.
            let named = usage
                .contains(ASSUME_BF16)
                .then(|| NAMES_A_TENSOR.to_owned());
            example.into_iter().chain(named).collect()
        }
        _ => return error,
    };
    if !tips.is_empty() {
        error.remove(ContextKind::SuggestedSubcommand);
    }
    let tips = tips.into_iter().map(Into::into).collect();
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

/// The first example of the command whose usage this is.
fn example(usage: &str, interface: &clap::Command) -> Option<String> {
    let mut words = usage.split_whitespace();
    let command = words.find_map(|word| interface.find_subcommand(word))?;
    let after = command.get_after_help()?.to_string().replace(UNBROKEN, " ");
    let first = after.lines().find(|line| line.starts_with("  selvedge "))?;
    // What it is for stands behind it.
    let example = first.trim_start().split("  ").next()?;
    Some(example.trim_end_matches(" \\").to_owned())
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

    /// No word of another program is one of this one, and no tip names a command that there is not.
    #[test]
    fn tips_name_commands_that_there_are() {
        let program = Cli::command();
        let has = |name: &str| {
            program
                .get_subcommands()
                .any(|found| found.get_name() == name)
        };
        for (words, tips) in super::ELSEWHERE {
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

    /// The example of `view` was refused: `--steps -500..`.
    #[test]
    fn every_example_is_read() {
        let mut examples = 0;
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().unwrap().to_string();
            let after = after.replace("\\\n", " ");
            for line in after.lines().filter(|line| line.starts_with("  selvedge ")) {
                // Behind it stands what it is for, or what the shell does with what it prints.
                let end = ["   (", " | ", " > "]
                    .iter()
                    .filter_map(|end| line.find(end));
                let typed = &line[..end.min().unwrap_or(line.len())];
                if let Err(error) = Cli::read(typed.split_whitespace()) {
                    panic!("{typed}: {error}");
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
