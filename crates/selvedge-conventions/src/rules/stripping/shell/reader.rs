//! Going through the text of a script, command by command.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::flow::{Block, Context, Joint, Kind, Status, arithmetic, asks_for, test};
use super::paths::Part;
use super::words::{assignment, output_to, unset};
use super::{Command, Lists, Output, TEMPORARY, UNKNOWN, UNSET, is_unknown};
use crate::Narrowing;

/// The longest path of a folder that is kept, in bytes.
const LONGEST: usize = 4096;

/// A command that is being read.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) words: Vec<String>,
    /// Variables that are set before it.
    pub(super) set: Vec<(String, Vec<String>)>,
    pub(super) output: Output,
    pub(super) target: Option<String>,
    pub(super) input: Option<String>,
    pub(super) is_fed: bool,
    /// The words whose output it reads, as `<(…)` gives them.
    pub(super) fed: Vec<String>,
    pub(super) is_negated: bool,
    pub(super) line: usize,
}

pub(super) struct Reader<'t, 'l> {
    /// The whole text, and what is left of it.
    pub(super) text: &'t str,
    pub(super) rest: &'t str,
    /// How many texts it is read within, by `source`.
    sourced: usize,
    pub(super) scripts: &'l BTreeMap<String, String>,
    pub(super) line: usize,
    pub(super) variables: HashMap<String, Vec<String>>,
    /// The bytes that variables may still become.
    pub(super) budget: usize,
    pub(super) found: Vec<Command>,
    /// Here documents whose text begins in the next line: their ends, whether tabs are taken off, and the
    /// command that reads each.
    pub(super) documents: Vec<(String, bool, Option<usize>)>,
    /// How deep what is read stands in other words.
    pub(super) depth: usize,
    /// Whether it stands between backquotes.
    pub(super) is_backquoted: bool,
    /// Whether the last variable was a list, and meant as one.
    pub(super) is_list: bool,
    /// `$1` and those behind it, where they are known.
    pub(super) arguments: Option<Vec<String>>,
    /// What functions say of a path, and those that run what they are given.
    pub(super) predicates: HashMap<String, Status>,
    pub(super) runners: HashSet<String>,
    /// The lists that stand for those that are not known.
    pub(super) positional: HashMap<char, char>,
    /// How many loops and functions what is read stands in: there, arguments change.
    pub(super) loops: usize,
    pub(super) functions: usize,
    /// Where `cd` has gone to.
    pub(super) folder: Option<String>,
    /// The list of the loop that has just ended, which may be told now what it reads.
    pub(super) closed_loop: Option<char>,
    /// Whether `!(…)` is a part of a pattern, and no command.
    pub(super) extends: bool,
    pub(super) lists: &'l mut Lists,
}

impl<'t, 'l> Reader<'t, 'l> {
    pub(super) fn of(
        text: &'t str,
        arguments: Option<&[String]>,
        scripts: &'l BTreeMap<String, String>,
        lists: &'l mut Lists,
    ) -> Self {
        Self {
            text,
            rest: text,
            sourced: 0,
            scripts,
            line: 1,
            variables: HashMap::new(),
            budget: 1 << 20,
            found: Vec::new(),
            documents: Vec::new(),
            depth: 0,
            is_backquoted: false,
            is_list: false,
            arguments: arguments.map(<[String]>::to_vec),
            positional: HashMap::new(),
            predicates: HashMap::new(),
            runners: HashSet::new(),
            loops: 0,
            functions: 0,
            folder: None,
            closed_loop: None,
            extends: text.contains("extglob"),
            lists,
        }
    }

    /// All commands of the script, with those of functions that nobody calls.
    pub(super) fn found(mut self) -> Vec<Command> {
        self.program(None);
        self.found
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += usize::from(next == '\n');
        Some(next)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let eaten = self.rest.starts_with(text);
        if eaten {
            text.chars().for_each(|_| {
                self.next();
            });
        }
        eaten
    }

    /// The text up to a character, which is taken too.
    pub(super) fn until(&mut self, end: char) -> &'t str {
        let (text, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.line += self.rest[..self.rest.len() - rest.len()]
            .matches('\n')
            .count();
        self.rest = rest;
        text
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    /// Reads commands up to the end, or to a character that closes what they stand in.
    pub(super) fn program(&mut self, end: Option<char>) {
        let mut blocks = vec![Block::outermost()];
        let mut pending = Pending::default();
        let mut function: Option<String> = None;
        while let Some(next) = self.peek() {
            if end == Some(next) && (next != ')' || blocks.len() == 1) {
                self.next();
                break;
            }
            match next {
                _ if next != '\n' && next.is_whitespace() => {
                    self.next();
                }
                '\n' if pending.words.is_empty() && pending.set.is_empty() => {
                    self.next();
                    self.read_documents();
                    if let Some(block) = blocks.last_mut()
                        && block.has_command
                    {
                        block.join(Joint::Always);
                        self.closed_loop = None;
                    }
                }
                '\\' if self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n") => {
                    self.until('\n');
                }
                '#' => {
                    let (_, rest) = self
                        .rest
                        .split_at(self.rest.find('\n').unwrap_or(self.rest.len()));
                    self.rest = rest;
                }
                '\n' | ';' | '&' | '|' => {
                    if next == '&' && (self.eat("&>>") || self.eat("&>")) {
                        let target = self.target();
                        pending.output = output_to(&target);
                        pending.target = Some(target);
                        continue;
                    }
                    self.next();
                    let doubled = next != '\n' && self.peek() == Some(next);
                    if doubled || next == '|' && self.peek() == Some('&') {
                        self.next();
                    }
                    let joint = match next {
                        '|' if doubled => Joint::Or,
                        '|' => Joint::Pipe,
                        '&' if doubled => Joint::And,
                        _ => Joint::Always,
                    };
                    let ends = self.finish(&mut pending, &mut blocks, joint);
                    if next == ';' {
                        self.eat("&");
                        if let Some(block) = blocks.last_mut()
                            && block.kind == Kind::Case
                            && doubled
                        {
                            block.end_case();
                        }
                    }
                    if ends && end.is_none() {
                        return;
                    }
                    if joint == Joint::Pipe {
                        pending.is_fed = true;
                    }
                    if next == '\n' {
                        self.read_documents();
                    }
                }
                '(' => {
                    self.next();
                    if blocks.last().is_some_and(|block| block.in_pattern) {
                        continue;
                    }
                    if pending.words.len() == 1 && self.rest.trim_start().starts_with(')') {
                        self.until(')');
                        function = pending.words.pop();
                    } else if self.eat("(") {
                        let text = self.until(')');
                        self.eat(")");
                        if pending.words.is_empty() {
                            pending.words.extend(["((".to_owned(), text.to_owned()]);
                        }
                    } else {
                        self.open(Kind::Subshell, &mut blocks, &mut function);
                    }
                }
                ')' => {
                    self.next();
                    match &mut blocks[..] {
                        [.., outer, block] if block.in_pattern => {
                            block.begin_case(outer, self.lists);
                            pending = Pending::default();
                        }
                        _ => {
                            self.finish(&mut pending, &mut blocks, Joint::Always);
                            self.close(&mut blocks);
                        }
                    }
                }
                '<' | '>' => self.redirect(&mut pending, None),
                _ => {
                    if pending.words.is_empty() {
                        pending.line = self.line;
                    }
                    let word = self.word(pending.words.is_empty());
                    if word.is_plain
                        && matches!(self.peek(), Some('<' | '>'))
                        && let [number] = &word.fields[..]
                        && number.bytes().all(|byte| byte.is_ascii_digit())
                    {
                        let number = number.clone();
                        self.redirect(&mut pending, Some(&number));
                        continue;
                    }
                    self.add(word, &mut pending, &mut blocks, &mut function);
                }
            }
        }
        self.finish(&mut pending, &mut blocks, Joint::Always);
    }

    /// The commands whose output the next one reads.
    pub(super) fn upstream(&self) -> &[Command] {
        let others = self.found.iter().rev();
        let length = others
            .take_while(|command| command.output == Output::Next)
            .count();
        &self.found[self.found.len() - length..]
    }

    /// Ends a command. Whether nothing after it is reached.
    pub(super) fn finish(
        &mut self,
        pending: &mut Pending,
        blocks: &mut [Block],
        next: Joint,
    ) -> bool {
        let pending = std::mem::take(pending);
        let Some(block) = blocks.last_mut() else {
            return false;
        };
        if pending.words.is_empty() && pending.set.is_empty() {
            block.join(next);
            return false;
        }
        self.closed_loop = None;
        let is_skipped = block.is_dead || block.skips();
        if is_skipped {
            block.ran(Status::default(), next);
            return false;
        }
        let mut status = self.status(&pending);
        if pending.is_negated {
            status = status.inverted();
        }
        let is_sure = block.is_sure_here();
        self.set(&pending, blocks);
        let Some(block) = blocks.last_mut() else {
            return false;
        };
        let Some(first) = pending.words.first() else {
            // To set a variable succeeds, unless a command says what it is.
            let mut values = pending.set.iter().flat_map(|(_, values)| values);
            let is_plain = !values.any(|value| value.contains(is_unknown));
            let known = is_plain.then_some(true);
            let status = Status {
                known,
                on: Narrowing::default(),
            };
            block.ran(status, next);
            return false;
        };
        let leaves = matches!(&**first, "exit" | "return" | "continue" | "break")
            || first == "exec" && pending.words.len() > 1;
        let on = block.on_here();
        let function = block.function.clone();
        let mut returned = None;
        let stops = leaves && next != Joint::Pipe && is_sure && blocks.len() == 1;
        if let Some(block) = blocks.last_mut() {
            let said = match pending.words.get(1).map(String::as_str) {
                Some("0") => Some(true),
                Some("1") => Some(false),
                _ => None,
            };
            returned = said.filter(|_| first == "return" && !on.is_empty());
            if leaves && next != Joint::Pipe {
                block.leave();
            }
            block.ran(status, next);
        }
        if let Some(is_success) = returned {
            let status = Status {
                known: None,
                on: if is_success {
                    on.clone()
                } else {
                    on.inverted()
                },
            };
            let mut of_function = blocks
                .iter_mut()
                .filter(|block| block.function == function && function.is_some());
            if let Some(outermost) = of_function.next() {
                outermost.returned.get_or_insert(status);
            }
        }
        if leaves && is_sure && first != "continue" && first != "break" {
            // What is around is left, too, up to the function.
            for block in blocks.iter_mut().rev() {
                block.is_dead |= block.function == function;
                if matches!(block.kind, Kind::Subshell) {
                    break;
                }
            }
        }
        let index = self.found.len();
        for (_, _, command) in &mut self.documents {
            command.get_or_insert(index);
        }
        let fed = if pending.is_fed {
            self.lists.of_pipe(self.upstream())
        } else {
            Narrowing::default()
        };
        let mut words = pending.words;
        // What a function only passes on.
        if words.len() > 1 && self.runners.contains(&words[0]) {
            words.remove(0);
        }
        self.found.push(Command {
            words,
            line: pending.line,
            output: if next == Joint::Pipe {
                Output::Next
            } else {
                pending.output
            },
            target: pending.target,
            input: pending.input,
            is_fed: pending.is_fed,
            fed,
            on,
            folder: self.folder.clone(),
            function,
        });
        stops
    }

    /// What the command ends with.
    pub(super) fn status(&self, pending: &Pending) -> Status {
        let words = &pending.words;
        let context = Context {
            lists: self.lists,
            scripts: self.scripts,
            variables: &self.variables,
            text: self.text,
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["true" | ":", ..] => Status::known(true),
            ["false", ..] => Status::known(false),
            ["test", ..] => test(&words[1..], &context),
            ["[", .., "]"] => test(&words[1..words.len() - 1], &context),
            ["[[", ..] => test(&words[1..], &context),
            ["((", text] => {
                let value = |name: &str| match self.variables.get(name).map(Vec::as_slice) {
                    Some([one]) => Some(one.clone()),
                    None => Some(unset(name, self.text).to_string()),
                    Some(_) => None,
                };
                arithmetic(text, value)
            }
            // Mostly nobody configures what a script asks for.
            ["git", "config", ref rest @ ..]
                if rest.iter().filter(|word| !word.starts_with('-')).count() == 1 =>
            {
                Status::known(false)
            }
            ["getopts", ..] if self.arguments.as_ref().is_some_and(Vec::is_empty) => {
                Status::known(false)
            }
            // A function that asks for something of a path.
            [name, .., path]
                if self.predicates.contains_key(name)
                    && self.lists.part(path) == Some(Part::Path) =>
            {
                let on = self.predicates[name].on.clone();
                Status { known: None, on }
            }
            // A variable that is the word `true` or `false`.
            [one] if one.chars().all(|c| c == UNSET) && !one.is_empty() => Status::known(true),
            ["grep" | "egrep" | "rg", ..] => {
                let printed = self.upstream();
                let text = match (&pending.input, printed) {
                    (Some(text), _) => Some(text.clone()),
                    (None, [one]) if matches!(&*one.words[0], "echo" | "printf") => {
                        Some(one.words[1..].join(" "))
                    }
                    _ => None,
                };
                let text = text.filter(|_| pending.input.is_some() || pending.is_fed);
                text.and_then(|text| asks_for(words, &text, self.lists))
                    .unwrap_or_default()
            }
            _ => Status::default(),
        }
    }

    /// Takes what the command sets: variables, arguments, the folder.
    pub(super) fn set(&mut self, pending: &Pending, blocks: &mut [Block]) {
        const SETTING: [&str; 5] = ["export", "local", "declare", "readonly", "typeset"];
        let words = &pending.words;
        let mut set = pending.set.clone();
        match words.first().map(String::as_str) {
            Some(first) if SETTING.contains(&first) => {
                let more = words.iter().filter_map(|word| assignment(word));
                set.extend(more.map(|(name, value, _)| (name.to_owned(), vec![value.to_owned()])));
            }
            Some("read" | "mapfile" | "readarray") => {
                let list = blocks.iter().rev().find_map(|block| block.list);
                let list = match &pending.fed[..] {
                    [] => list.unwrap_or(UNKNOWN),
                    words => {
                        let on = self.lists.of_words(words, self.folder.as_deref());
                        self.lists.add(on)
                    }
                };
                let value = list.to_string();
                for name in words[1..].iter().filter(|word| !word.starts_with('-')) {
                    self.variables.insert(name.clone(), vec![value.clone()]);
                }
                return;
            }
            Some("shift") => {
                if let Some(arguments) = self.arguments.as_mut().filter(|all| !all.is_empty()) {
                    arguments.remove(0);
                }
            }
            Some("set") if words.get(1).is_some_and(|word| word == "--") => {
                self.arguments = Some(words[2..].to_vec());
            }
            Some("cd" | "pushd") => {
                let to = words[1..].iter().find(|word| !word.starts_with('-'));
                self.folder = to.and_then(|to| self.below(to));
            }
            Some("popd") => self.folder = None,
            Some("." | "source") => {
                if let Some(path) = words.get(1) {
                    self.source(path);
                }
            }
            None => {}
            Some(_) => set.clear(),
        }
        self.variables.extend(set);
    }

    /// Takes the variables of another script. Who looks into scripts reads its commands.
    fn source(&mut self, path: &str) {
        const DEEPEST: usize = 4;
        let path = path.rsplit(is_unknown).next().unwrap_or(path);
        let path = path.trim_start_matches('/').trim_start_matches("./");
        let Some(text) = self.scripts.get(path).filter(|_| self.sourced < DEEPEST) else {
            return;
        };
        let mut inner = Reader::of(text, self.arguments.as_deref(), self.scripts, self.lists);
        inner.sourced = self.sourced + 1;
        inner.budget = self.budget;
        inner.variables = std::mem::take(&mut self.variables);
        inner.program(None);
        self.budget = inner.budget / 2;
        self.variables = inner.variables;
    }

    /// The folder that `cd` goes to; none where the text does not tell.
    pub(super) fn below(&self, to: &str) -> Option<String> {
        if to.contains(TEMPORARY) {
            return Some("\0".to_owned());
        }
        if to.contains(is_unknown) || to.contains("..") || to.starts_with('~') {
            return None;
        }
        let to = to.trim_start_matches("./").trim_end_matches('/');
        match &self.folder {
            _ if matches!(to, "" | ".") => self.folder.clone(),
            Some(folder) if !to.starts_with('/') => {
                Some(format!("{folder}/{to}")).filter(|path| path.len() < LONGEST)
            }
            _ => Some(to.to_owned()),
        }
    }
}
