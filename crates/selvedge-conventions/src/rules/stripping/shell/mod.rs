//! The commands of a shell script, as its text has them: quotes, variables with a value that is known,
//! functions that are called, and what is data (comments, here documents) or never reached. Nothing is
//! run, and what only a run could tell is [`UNKNOWN`].

mod compound;
mod flow;
mod paths;
mod reader;
mod words;

use std::collections::{BTreeMap, HashMap};

pub(super) use paths::Lists;
use reader::Reader;

use crate::Narrowing;

/// Stands for what the text does not tell: what a command prints, an argument.
pub(super) const UNKNOWN: char = '\0';
/// Stands for options that the text does not tell: `$OPTIONS`, which comes from outside.
pub(super) const UNKNOWN_OPTIONS: char = '\u{1}';
/// Stands for a variable that the script does not set, and so mostly nobody.
pub(super) const UNSET: char = '\u{2}';
/// Stands for a folder or a file outside of the repository, for the time of the script.
pub(super) const TEMPORARY: char = '\u{3}';

/// Whether it stands for something that the text does not tell.
pub(super) fn is_unknown(c: char) -> bool {
    matches!(c, '\0'..='\u{3}' | '\u{F0000}'..='\u{FFFFD}')
}

/// One command with its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    /// Its line, from 1.
    pub(super) line: usize,
    pub(super) output: Output,
    /// The file that its output goes to.
    pub(super) target: Option<String>,
    /// The text that it reads, where the script has it.
    pub(super) input: Option<String>,
    /// Whether it reads a file or another command.
    pub(super) is_fed: bool,
    /// What is known of the paths that it reads.
    pub(super) fed: Narrowing,
    /// The files that it is about, as conditions single them out.
    pub(super) on: Narrowing,
    /// The folder that it runs in, below that of the script.
    pub(super) folder: Option<String>,
    /// The function that it is a part of.
    pub(super) function: Option<String>,
}

/// Where the output of a command goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Output {
    #[default]
    Inherited,
    File,
    Dropped,
    /// To the command that is next in the list.
    Next,
    /// Into a word of another command.
    Captured,
}

/// The commands that run when the script does, in order. Its arguments are known, or not.
pub(super) fn commands(
    text: &str,
    arguments: Option<&[String]>,
    scripts: &BTreeMap<String, String>,
    lists: &mut Lists,
) -> Vec<Command> {
    let all = Reader::of(text, arguments, scripts, lists).found();
    // A function is called by its name, maybe in the text of another shell.
    let mut bodies: HashMap<Option<&str>, Vec<&Command>> = HashMap::new();
    for command in &all {
        let body = bodies.entry(command.function.as_deref()).or_default();
        body.push(command);
    }
    let mut open = bodies.remove(&None).unwrap_or_default();
    // What is known of the files that each is called for.
    let mut called: HashMap<String, Narrowing> = HashMap::new();
    while let Some(command) = open.pop() {
        let words = command
            .words
            .iter()
            .flat_map(|word| word.split_whitespace());
        for word in words {
            if !bodies.contains_key(&Some(word)) && !called.contains_key(word) {
                continue;
            }
            let mut on = command.on.clone();
            if command.words.first().is_some_and(|name| name == word) {
                on.extend(&lists.of_words(&command.words[1..], command.folder.as_deref()));
            }
            if let Some(body) = bodies.remove(&Some(word)) {
                let name = body.first().and_then(|first| first.function.clone());
                called.extend(name.map(|name| (name, on)));
                open.extend(body);
            } else if let Some(known) = called.get_mut(word)
                && *known != on
            {
                *known = Narrowing::default();
            }
        }
    }
    all.into_iter()
        .filter_map(|mut command| {
            if let Some(function) = &command.function {
                command.on.extend(called.get(function)?);
            }
            Some(command)
        })
        .collect()
}
