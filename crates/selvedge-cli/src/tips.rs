//! What was probably meant by a command line that cannot be read.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use selvedge_base::Indices;
use selvedge_base::text::shell_path;

use crate::output::UNBROKEN;

/// What other programs call what this one does, and what it is called here.
pub(crate) const ELSEWHERE: [(&[&str], &[&str]); 15] = [
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

/// The flags that other programs have for going on without asking, or over a file that is there.
const FORCE: [&str; 4] = ["-f", "--force", "-y", "--assume-yes"];
/// The flags for the name of a new file, here and elsewhere.
const OUTPUT: [&str; 4] = ["-o", "--output", "--out", "-O"];

/// The error, with what was probably meant: a command under the name that it has here, negative indices, what the
/// flags of other programs are here; or an example of the `interface`, where something is missing.
pub(crate) fn with_tips(
    mut error: clap::Error,
    interface: &clap::Command,
    arguments: &[OsString],
) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let usage = usage.unwrap_or_default();
    let command = || command(&usage, interface);
    let tips: Vec<String> = match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, _) => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            of_word(&word)
        }
        (ErrorKind::UnknownArgument, Some(flag)) => {
            let mut tips = match (command(), flag.starts_with('-')) {
                (None, _) if flag == "-v" => vec!["-V tells the version".to_owned()],
                (Some(command), true) => of_flag(&flag, command, arguments),
                (Some(command), false) => of_value(&flag, command, interface, arguments),
                (None, _) => Vec::new(),
            };
            // Spelt much like one of this command, it is probably that.
            if text(ContextKind::SuggestedArg).is_none() && tips.is_empty() {
                tips.extend(elsewhere(&flag, interface));
            }
            // A name that begins with a minus is not what is meant by others.
            let is_value = error.get(ContextKind::Suggested).map(ToString::to_string);
            if is_value.is_some_and(|tip| tip.starts_with("to pass ")) {
                error.remove(ContextKind::Suggested);
            }
            tips
        }
        (ErrorKind::InvalidValue, Some(flag)) if flag == ASSUME_BF16 => {
            vec![NAMES_A_TENSOR.to_owned()]
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            let example = command().and_then(example);
            let example = example.map(|example| format!("for example, '{example}'"));
            // It may have taken a file for its name.
            let named = usage
                .contains(ASSUME_BF16)
                .then(|| NAMES_A_TENSOR.to_owned());
            example.into_iter().chain(named).collect()
        }
        _ => return error,
    };
    // An empty list of tips would be shown as empty lines.
    if tips.is_empty() {
        return error;
    }
    error.remove(ContextKind::SuggestedSubcommand);
    let tips = tips.into_iter().map(Into::into).collect();
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

/// What a word was meant for where a command is expected.
fn of_word(word: &str) -> Vec<String> {
    match ELSEWHERE.iter().find(|(words, _)| words.contains(&word)) {
        Some((_, tips)) => tips.iter().map(|tip| (*tip).to_owned()).collect(),
        None if Path::new(word).is_file() => vec![format!(
            "'selvedge inspect {}' shows what is in the file",
            shell_path(word)
        )],
        None => Vec::new(),
    }
}

/// What a flag was meant for that the command has not.
fn of_flag(flag: &str, command: &clap::Command, arguments: &[OsString]) -> Vec<String> {
    // Only its first letter is taken for the flag.
    let mut files = arguments.iter().filter_map(|argument| argument.to_str());
    let file = files.find(|name| name.starts_with(flag) && Path::new(name).is_file());
    let new = command
        .get_positionals()
        .any(|value| value.get_id() == "output");
    let yes = [("yes", "--yes"), ("overwrite", "--overwrite")];
    let has = |id: &str| command.get_arguments().any(|found| found.get_id() == id);
    let yes = yes.into_iter().find(|(id, _)| has(id));
    if let Some(file) = file {
        vec![format!(
            "'./' stands before the name of a file that begins with a minus: {}",
            shell_path(file)
        )]
    } else if counts_from_end(flag) {
        vec!["indices follow their flag: --steps -500..".to_owned()]
    } else if new && OUTPUT.contains(&flag) {
        vec![format!(
            "the new file is named without a flag: '{}'",
            taken(command)
        )]
    } else if let (true, Some((_, yes))) = (FORCE.contains(&flag), yes) {
        vec![format!("the flag for that is {yes}")]
    } else {
        Vec::new()
    }
}

/// What a value was meant for that is one more than the command takes.
fn of_value(
    value: &str,
    command: &clap::Command,
    interface: &clap::Command,
    arguments: &[OsString],
) -> Vec<String> {
    let name = command.get_name();
    let is_file = Path::new(value).is_file();
    let is_steps = |found: &clap::Arg| ["step", "steps"].contains(&found.get_id().as_str());
    let has_steps = || command.get_arguments().any(is_steps);
    if let Some(whole) = spaced(value, arguments) {
        let whole = shell_path(&whole);
        vec![format!("a name with spaces stands in quotes: {whole}")]
    } else if name == "plan" && is_file {
        let file = shell_path(value);
        vec![
            format!("'selvedge inspect {file}' tells of a file that is there"),
            format!("'selvedge rechunk --dry-run {file} NEW.h5' plans another one of it"),
        ]
    } else if name == "plan" && value.contains(':') {
        vec![format!("tensors follow their flag: --tensor {value}")]
    } else if name == "man" && interface.find_subcommand(value).is_some() {
        vec![
            format!("'selvedge {value} --help' tells the same"),
            "'selvedge man --out DIR' writes the pages of all commands".to_owned(),
        ]
    } else if has_steps() && value.parse::<Indices>().is_ok() {
        vec![format!("indices follow their flag: --steps {value}")]
    } else {
        vec![format!(
            "this command takes no more than '{}'",
            taken(command)
        )]
    }
}

/// The name of a file that the value is the end of: a shell cuts names at their spaces.
fn spaced(value: &str, arguments: &[OsString]) -> Option<String> {
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let words = words?;
    let at = words.iter().position(|word| *word == value)?;
    let wholes = (1..at).map(|start| words[start..=at].join(" "));
    wholes.rev().find(|whole| Path::new(whole).is_file())
}

/// The flag, of commands that have it.
fn elsewhere(flag: &str, interface: &clap::Command) -> Option<String> {
    let is_flag = |argument: &clap::Arg| {
        let long = flag.strip_prefix("--");
        let mut letters = flag.strip_prefix('-').unwrap_or_default().chars();
        let short = letters.next().filter(|_| letters.next().is_none());
        let named = argument.get_long_and_visible_aliases().unwrap_or_default();
        long.is_some_and(|long| named.contains(&long))
            || short.is_some_and(|short| argument.get_short() == Some(short))
    };
    let having = interface.get_subcommands();
    let having = having.filter(|command| command.get_arguments().any(is_flag));
    let having: Vec<&str> = having.map(clap::Command::get_name).collect();
    let (last, others) = having.split_last()?;
    let others = match others {
        [] => String::new(),
        others => format!("{} and ", others.join(", ")),
    };
    Some(format!("{flag} is a flag of {others}{last}"))
}

/// The command with all that it takes without a flag: `selvedge convert IN OUT`.
fn taken(command: &clap::Command) -> String {
    let positionals = command.get_positionals().map(|value| {
        let names = value.get_value_names().unwrap_or_default();
        let name = names.first().map_or("VALUE", |name| name.as_str());
        match value.is_required_set() {
            true => name.to_owned(),
            false => format!("[{name}]"),
        }
    });
    let words = ["selvedge", command.get_name()].map(str::to_owned);
    words
        .into_iter()
        .chain(positionals)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether an argument is an index that counts from the end, or a range from one on.
pub(crate) fn counts_from_end(argument: &str) -> bool {
    let rest = argument.strip_prefix('-');
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The command whose usage this is.
fn command<'i>(usage: &str, interface: &'i clap::Command) -> Option<&'i clap::Command> {
    let mut words = usage.split_whitespace();
    words.find_map(|word| interface.find_subcommand(word))
}

/// The first example of a command.
fn example(command: &clap::Command) -> Option<String> {
    let after = command.get_after_help()?.to_string().replace(UNBROKEN, " ");
    let first = after.lines().find(|line| line.starts_with("  selvedge "))?;
    // What it is for stands behind it.
    let example = first.trim_start().split("  ").next()?;
    Some(example.trim_end_matches(" \\").to_owned())
}
