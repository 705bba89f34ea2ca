//! What a script is made of beside commands: conditions, loops, functions, and what stands between words
//! such as `case` and `esac`.

use super::Command;
use super::flow::{Block, Kind, Status};
use super::reader::{Pending, Reader};
use super::words::{Word, assignment, is_end};
use super::{UNKNOWN, UNSET, is_unknown};
use crate::HookFiles;

impl Reader<'_, '_> {
    /// Begins a block, which is the body of a function where one was named.
    pub(super) fn open(
        &mut self,
        kind: Kind,
        blocks: &mut Vec<Block>,
        function: &mut Option<String>,
    ) {
        let Some(outer) = blocks.last() else {
            return;
        };
        let mut block = outer.inner(kind);
        if let Some(name) = function.take() {
            // Conditions hold where it is called.
            let is_dead = block.is_dead;
            block = Block::outermost();
            (block.kind, block.is_dead) = (kind, is_dead);
            block.function = Some(name);
            self.functions += 1;
        } else if kind == Kind::Loop {
            let fed = self.lists.of_pipe(self.upstream());
            block.list = Some(self.lists.add(fed));
        }
        self.loops += usize::from(kind == Kind::Loop);
        block.folder.clone_from(&self.folder);
        block.first = self.found.len();
        blocks.push(block);
    }

    pub(super) fn close(&mut self, blocks: &mut Vec<Block>) {
        if blocks.len() == 1 {
            return;
        }
        let Some(block) = blocks.pop() else {
            return;
        };
        self.loops -= usize::from(block.kind == Kind::Loop);
        if block.kind == Kind::Subshell {
            self.folder.clone_from(&block.folder);
        }
        if block.kind == Kind::Loop {
            self.closed_loop = block.list;
        }
        if let Some(outer) = blocks.last_mut() {
            if let Some(name) = block.function.as_ref().filter(|_| outer.function.is_none()) {
                self.functions -= 1;
                let status = block.returned.clone().unwrap_or(block.last.clone());
                self.predicates.insert(name.clone(), status);
                let runs_arguments = |command: &Command| {
                    let first = command.words.first().and_then(|word| word.chars().next());
                    let all = ['@', '*'].map(|name| self.positional.get(&name).copied());
                    command.function.as_ref() == Some(name)
                        && all.contains(&first)
                        && first.is_some()
                };
                if self.found[block.first..].iter().any(runs_arguments) {
                    self.runners.insert(name.clone());
                }
            }
            outer.on.extend(&block.on_after());
            outer.last = match block.kind {
                Kind::Group | Kind::Subshell => block.last,
                _ => Status::default(),
            };
            outer.has_command = true;
        }
    }

    /// Takes a word, which is a part of the command or one of the shell's own.
    pub(super) fn add(
        &mut self,
        word: Word,
        pending: &mut Pending,
        blocks: &mut Vec<Block>,
        function: &mut Option<String>,
    ) {
        let plain = word.fields.first().map_or("", String::as_str);
        if let Some(block) = blocks.last_mut()
            && block.in_pattern
        {
            if plain == "esac" && word.is_plain {
                self.close(blocks);
            } else {
                block.patterns.extend(word.fields);
            }
            return;
        }
        if !word.is_plain || !pending.words.is_empty() {
            pending.words.extend(word.fields);
            return;
        }
        match plain {
            "if" => self.open(Kind::If, blocks, function),
            "while" | "until" => {
                self.open(Kind::Loop, blocks, function);
                pending.is_fed = false;
            }
            "{" => self.open(Kind::Group, blocks, function),
            "then" | "do" => {
                if let [.., outer, block] = &mut blocks[..] {
                    block.begin_branch(outer);
                }
            }
            "else" | "elif" => {
                if let [.., outer, block] = &mut blocks[..] {
                    block.begin_other(outer);
                }
            }
            "for" | "select" => self.for_loop(blocks, function),
            "case" => {
                self.open(Kind::Case, blocks, function);
                let mut subject = None;
                while let Some(next) = self.peek() {
                    if is_end(Some(next)) || next == '`' {
                        self.next();
                    } else {
                        let word = self.word(false);
                        if word.is_plain && word.fields == ["in"] {
                            break;
                        }
                        subject.get_or_insert(word.fields.join(" "));
                    }
                }
                if let Some(block) = blocks.last_mut() {
                    block.in_pattern = true;
                    block.subject = subject.unwrap_or_default();
                }
            }
            "fi" | "done" | "esac" | "}" => self.close(blocks),
            "!" => pending.is_negated = !pending.is_negated,
            "coproc" => {}
            "function" => {
                self.skip_blanks();
                *function = self.word(false).fields.pop();
                let after = self.rest.trim_start();
                if after.starts_with('(') {
                    self.until(')');
                }
            }
            "[[" => {
                pending.words.push("[[".to_owned());
                self.test_words(pending);
            }
            _ => match assignment(plain) {
                Some((name, value, adds)) => {
                    let mut values = vec![value.to_owned()];
                    if value.is_empty() && self.peek() == Some('(') {
                        self.next();
                        values = self.list();
                    } else if adds
                        && let Some([before]) = self.variables.get(name).map(Vec::as_slice)
                    {
                        values = vec![format!("{before}{value}")];
                    }
                    if adds && values.len() != 1 {
                        let before = self.variables.get(name).cloned().unwrap_or_default();
                        values = [before, values].concat();
                    }
                    pending.set.push((name.to_owned(), values));
                }
                None => pending.words.extend(word.fields),
            },
        }
    }

    /// `for NAME in …`
    fn for_loop(&mut self, blocks: &mut Vec<Block>, function: &mut Option<String>) {
        // What it goes through is a list of words, and not a command.
        let mut words = Vec::new();
        while let Some(next) = self.peek() {
            if matches!(next, '\n' | ';' | '#' | '`')
                || self.rest.starts_with("do") && is_end(self.rest.chars().nth(2))
            {
                break;
            }
            if is_end(Some(next)) {
                self.next();
                continue;
            }
            words.extend(self.word(false).fields);
        }
        self.open(Kind::Loop, blocks, function);
        let Some((name, rest)) = words.split_first() else {
            return;
        };
        let rest = rest.strip_prefix(&["in".to_owned()]).unwrap_or(rest);
        let folder = self.folder.as_deref();
        let is_literal = |word: &String| !word.contains(is_unknown);
        let on = if rest.iter().all(is_literal) {
            self.lists.of_paths(rest, folder, HookFiles::expanded)
        } else {
            self.lists.of_words(rest, folder)
        };
        // A list of one is that one.
        let value = match rest {
            [one] if !one.contains(['*', '?', '[', '(', UNKNOWN, UNSET]) => one.clone(),
            _ => self.lists.add(on).to_string(),
        };
        self.variables.insert(name.clone(), vec![value]);
    }

    /// The words up to `]]`: its operators are no commands.
    fn test_words(&mut self, pending: &mut Pending) {
        while let Some(next) = self.peek() {
            if self.eat("]]") {
                break;
            }
            if next.is_whitespace() {
                self.next();
            } else if pending.words.last().is_some_and(|word| word == "=~") {
                let end = self.rest.find(char::is_whitespace);
                let (pattern, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                let pattern = pattern.trim_matches(['"', '\'']);
                // A variable in it is not read.
                let is_known = !pattern.trim_end_matches('$').contains('$');
                let pattern = if is_known { pattern } else { "\0" };
                pending.words.push(pattern.to_owned());
            } else if let Some(operator) = ["&&", "||"]
                .into_iter()
                .find(|operator| self.rest.starts_with(operator))
            {
                self.eat(operator);
                pending.words.push(operator.to_owned());
            } else if is_end(Some(next)) || next == '`' {
                self.next();
                pending.words.push(next.to_string());
            } else {
                let last = pending.words.last().map(String::as_str);
                let is_pattern = matches!(last, Some("=" | "==" | "!="));
                let extends = self.extends;
                self.extends |= is_pattern;
                let word = self.word(false);
                self.extends = extends;
                // What is empty is a word here.
                let word = word.fields.join(" ");
                pending.words.push(word);
            }
        }
    }

    /// The words of `NAME=(…)`.
    fn list(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(next) = self.peek() {
            match next {
                ')' => {
                    self.next();
                    break;
                }
                '#' => {
                    self.until('\n');
                }
                _ if is_end(Some(next)) || next == '`' => {
                    self.next();
                }
                _ => all.extend(self.word(false).fields),
            }
        }
        all
    }
}
