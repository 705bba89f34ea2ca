//! The commands of a shell script, as its text has them: quotes, variables with a value that is known,
//! functions that are called, and what is data (comments, here documents) or never reached. Nothing is
//! run, and what only a run could tell is [`UNKNOWN`].

mod words;

use std::collections::{HashMap, HashSet};

use words::{Word, assignment, is_end};

/// Stands for what the text does not tell: `$1`, a file of a loop.
pub(super) const UNKNOWN: char = '\0';
/// Stands for options that the text does not tell: `$OPTIONS`, which comes from outside.
pub(super) const UNKNOWN_OPTIONS: char = '\u{1}';

/// One command with its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    /// Its line, from 1.
    pub(super) line: usize,
    pub(super) output: Output,
    /// The text that it reads, where the script has it.
    pub(super) input: Option<String>,
    /// Whether it reads a file or another command.
    pub(super) is_fed: bool,
    /// The function that it is a part of.
    function: Option<String>,
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

/// The commands that run when the script does, in order.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut reader = Reader {
        rest: text,
        line: 1,
        variables: HashMap::new(),
        budget: 1 << 20,
        found: Vec::new(),
        documents: Vec::new(),
        depth: 0,
        is_backquoted: false,
        is_list: false,
    };
    reader.program(None);
    let all = reader.found;
    // A function is called by its name, maybe in the text of another shell.
    let mut bodies: HashMap<Option<&str>, Vec<&Command>> = HashMap::new();
    for command in &all {
        let body = bodies.entry(command.function.as_deref()).or_default();
        body.push(command);
    }
    let mut open = bodies.remove(&None).unwrap_or_default();
    let mut called: HashSet<String> = HashSet::new();
    while let Some(command) = open.pop() {
        let words = command
            .words
            .iter()
            .flat_map(|word| word.split_whitespace());
        for word in words {
            if let Some(body) = bodies.remove(&Some(word)) {
                open.extend(body);
                called.insert(word.to_owned());
            }
        }
    }
    let is_called = |command: &Command| {
        let function = command.function.as_ref();
        function.is_none_or(|name| called.contains(name))
    };
    all.into_iter().filter(is_called).collect()
}

/// What a word of the script opens, and another closes.
#[derive(Default)]
struct Block {
    is_case: bool,
    /// Whether patterns of a `case` are read.
    in_pattern: bool,
    /// Whether it is a condition that is the command `false`.
    is_false: bool,
    /// Whether its commands never run.
    is_dead: bool,
    function: Option<String>,
}

/// A command that is being read.
#[derive(Default)]
struct Pending {
    words: Vec<String>,
    /// Variables that are set before it.
    set: Vec<(String, Vec<String>)>,
    output: Output,
    input: Option<String>,
    is_fed: bool,
    line: usize,
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    variables: HashMap<String, Vec<String>>,
    /// The bytes that variables may still become.
    budget: usize,
    found: Vec<Command>,
    /// Here documents whose text begins in the next line: their ends, whether tabs are taken off, and the
    /// command that reads each.
    documents: Vec<(String, bool, Option<usize>)>,
    /// How deep what is read stands in other words.
    depth: usize,
    /// Whether it stands between backquotes.
    is_backquoted: bool,
    /// Whether the last variable was a list, and meant as one.
    is_list: bool,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = self.rest.starts_with(text);
        if eaten {
            text.chars().for_each(|_| {
                self.next();
            });
        }
        eaten
    }

    /// The text up to a character, which is taken too.
    fn until(&mut self, end: char) -> &'t str {
        let (text, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.line += self.rest[..self.rest.len() - rest.len()]
            .matches('\n')
            .count();
        self.rest = rest;
        text
    }

    /// Reads commands up to the end, or to a character that closes what they stand in.
    fn program(&mut self, end: Option<char>) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut pending = Pending::default();
        let mut function: Option<String> = None;
        // Whether the command before decides if this one runs.
        let mut is_conditional = false;
        while let Some(next) = self.peek() {
            if end == Some(next) && (next != ')' || blocks.is_empty()) {
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
                        continue;
                    }
                    self.next();
                    let doubled = next != '\n' && self.peek() == Some(next);
                    if doubled || next == '|' && self.peek() == Some('&') {
                        self.next();
                    }
                    if next == ';' {
                        self.eat("&");
                        if let Some(block) =
                            blocks.last_mut().filter(|block| block.is_case && doubled)
                        {
                            block.in_pattern = true;
                        }
                    }
                    let pipes = next == '|' && !doubled;
                    let ends = self.finish(&mut pending, &mut blocks, pipes, is_conditional);
                    if ends && !pipes && (doubled || next == '\n' || next == ';') && end.is_none() {
                        return;
                    }
                    if pipes {
                        pending.is_fed = true;
                    }
                    is_conditional = next == '|' || next == '&' && doubled;
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
                        self.until(')');
                        self.eat(")");
                    } else {
                        blocks.push(opened(&blocks, &mut function));
                    }
                }
                ')' => {
                    self.next();
                    match blocks.last_mut() {
                        Some(block) if block.in_pattern => {
                            block.in_pattern = false;
                            pending = Pending::default();
                        }
                        _ => {
                            self.finish(&mut pending, &mut blocks, false, is_conditional);
                            blocks.pop();
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
        self.finish(&mut pending, &mut blocks, false, is_conditional);
    }

    /// Takes a word, which is a part of the command or one of the shell's own.
    fn add(
        &mut self,
        word: Word,
        pending: &mut Pending,
        blocks: &mut Vec<Block>,
        function: &mut Option<String>,
    ) {
        let plain = word.fields.first().map_or("", String::as_str);
        if blocks.last().is_some_and(|block| block.in_pattern) {
            if plain == "esac" {
                blocks.pop();
            }
            return;
        }
        if !word.is_plain || !pending.words.is_empty() {
            pending.words.extend(word.fields);
            return;
        }
        match plain {
            "if" | "while" | "until" | "{" => blocks.push(opened(blocks, function)),
            "then" | "do" => {
                if let Some(block) = blocks.last_mut() {
                    block.is_dead |= block.is_false;
                }
            }
            "else" | "elif" => {
                let is_dead = blocks
                    .iter()
                    .rev()
                    .nth(1)
                    .is_some_and(|block| block.is_dead);
                if let Some(block) = blocks.last_mut() {
                    block.is_dead = is_dead;
                    block.is_false = false;
                }
            }
            "for" | "select" => {
                blocks.push(opened(blocks, function));
                // What it goes through is a list of words, and not a command.
                let mut is_name = true;
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
                    let word = self.word(false);
                    if std::mem::take(&mut is_name) {
                        self.forget(&word.fields);
                    }
                }
            }
            "case" => {
                let mut block = opened(blocks, function);
                (block.is_case, block.in_pattern) = (true, true);
                blocks.push(block);
                while let Some(next) = self.peek() {
                    if is_end(Some(next)) || next == '`' {
                        self.next();
                    } else {
                        let word = self.word(false);
                        if word.is_plain && word.fields == ["in"] {
                            break;
                        }
                    }
                }
            }
            "fi" | "done" | "esac" | "}" => {
                blocks.pop();
            }
            "!" | "coproc" => {}
            "function" => {
                while matches!(self.peek(), Some(' ' | '\t')) {
                    self.next();
                }
                *function = self.word(false).fields.pop();
                let after = self.rest.trim_start();
                if after.starts_with('(') {
                    self.until(')');
                }
            }
            "[[" => {
                // Its operators are no commands.
                let end = self.rest.find("]]").map_or(self.rest.len(), |at| at + 2);
                self.line += self.rest[..end].matches('\n').count();
                self.rest = &self.rest[end..];
                pending.words.push("[[".to_owned());
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

    /// Ends a command. Whether nothing after it is reached.
    fn finish(
        &mut self,
        pending: &mut Pending,
        blocks: &mut [Block],
        pipes: bool,
        is_conditional: bool,
    ) -> bool {
        const SETTING: [&str; 5] = ["export", "local", "declare", "readonly", "typeset"];
        let Pending {
            words,
            mut set,
            output,
            input,
            is_fed,
            line,
        } = std::mem::take(pending);
        if blocks.last().is_some_and(|block| block.is_dead) {
            return false;
        }
        if words
            .first()
            .is_some_and(|word| SETTING.contains(&word.as_str()))
        {
            let more = words.iter().filter_map(|word| assignment(word));
            set.extend(more.map(|(name, value, _)| (name.to_owned(), vec![value.to_owned()])));
        } else if !words.is_empty() {
            set.clear();
        }
        if words.first().is_some_and(|word| word == "read") {
            self.forget(&words[1..]);
        }
        self.variables.extend(set);
        let Some(first) = words.first() else {
            return false;
        };
        if let Some(block) = blocks.last_mut() {
            block.is_false = words == ["false"] && !is_conditional;
        }
        let stops = first == "exit" || first == "exec" && words.len() > 1;
        let index = self.found.len();
        for (_, _, command) in &mut self.documents {
            command.get_or_insert(index);
        }
        self.found.push(Command {
            words,
            line,
            output: if pipes { Output::Next } else { output },
            input,
            is_fed,
            function: blocks.last().and_then(|block| block.function.clone()),
        });
        stops && blocks.is_empty() && !is_conditional
    }

    /// Variables that get a value which the text does not have.
    fn forget(&mut self, names: &[String]) {
        for name in names {
            self.variables.remove(name);
        }
    }

    /// `<` and `>` with what follows.
    fn redirect(&mut self, pending: &mut Pending, number: Option<&str>) {
        if self.eat("<<<") {
            pending.input = Some(self.target());
        } else if self.eat("<<") {
            let strips_tabs = self.eat("-");
            let end = self.target();
            self.documents.push((end, strips_tabs, None));
        } else if self.eat("<(") || self.eat(">(") {
            self.inner(')');
            pending.words.push(UNKNOWN.to_string());
        } else if self.eat("<") {
            self.eat("&");
            self.target();
            pending.is_fed = true;
        } else {
            self.next();
            let copies = !(self.eat(">") || self.eat("|")) && self.eat("&");
            let target = self.target();
            if !copies && number.is_none_or(|number| number == "1") {
                pending.output = output_to(&target);
            }
        }
    }

    /// The word behind an operator.
    fn target(&mut self) -> String {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
        self.word(false).fields.join(" ")
    }

    /// The texts of here documents, which begin in this line.
    fn read_documents(&mut self) {
        for (end, strips_tabs, command) in std::mem::take(&mut self.documents) {
            let mut text = String::new();
            while !self.rest.is_empty() {
                let line = self.until('\n');
                let line = if strips_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line.trim_end_matches('\r') == end {
                    break;
                }
                text.push_str(line);
                text.push('\n');
            }
            if let Some(command) = command.and_then(|index| self.found.get_mut(index)) {
                command.input = Some(text);
            }
        }
    }
}

/// A block within others, which begins the body of a function where one was named.
fn opened(blocks: &[Block], function: &mut Option<String>) -> Block {
    let outer = blocks.last();
    Block {
        is_dead: outer.is_some_and(|block| block.is_dead),
        function: function.take().or_else(|| outer?.function.clone()),
        ..Block::default()
    }
}

fn output_to(target: &str) -> Output {
    match target {
        "/dev/null" => Output::Dropped,
        "/dev/stdout" | "/dev/stderr" | "/dev/tty" => Output::Inherited,
        _ => Output::File,
    }
}
