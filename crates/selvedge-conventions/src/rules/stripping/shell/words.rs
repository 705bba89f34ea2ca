//! The words of a script: quotes, variables, commands in words, and what is read and written.

use super::paths::Part;
use super::reader::{Pending, Reader};
use super::{Output, TEMPORARY, UNKNOWN, UNKNOWN_OPTIONS, UNSET};
use crate::Narrowing;

/// A word, split as the shell splits it.
#[derive(Default)]
pub(super) struct Word {
    pub(super) fields: Vec<String>,
    /// Whether it is written without quotes and variables.
    pub(super) is_plain: bool,
}

impl<'t> Reader<'t, '_> {
    /// A word. The first of a command may set a variable.
    pub(super) fn word(&mut self, is_first: bool) -> Word {
        let mut done = Vec::new();
        let mut open = String::new();
        let mut is_there = false;
        let mut is_plain = true;
        while let Some(next) = self.peek() {
            match next {
                '(' if self.is_group(&open) => {
                    open.push_str(&self.group());
                    is_there = true;
                }
                _ if is_end(Some(next)) => break,
                '`' if self.is_backquoted => break,
                '\'' => {
                    self.next();
                    is_plain &= is_first && assignment(&open).is_some();
                    open.push_str(self.until('\''));
                    is_there = true;
                }
                '"' => {
                    self.next();
                    is_there = true;
                    is_plain &= is_first && assignment(&open).is_some();
                    self.quoted(&mut open, &mut done);
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped) => open.push(escaped),
                    }
                    is_there = true;
                }
                '$' | '`' => {
                    let sets = is_first && assignment(&open).is_some();
                    is_plain &= sets;
                    let text = self.expansion().join(" ");
                    self.is_list = false;
                    if sets {
                        open.push_str(&text);
                        continue;
                    }
                    let mut parts = text.split_whitespace();
                    open.push_str(parts.next().unwrap_or_default());
                    for part in parts {
                        done.push(std::mem::replace(&mut open, part.to_owned()));
                    }
                }
                _ => {
                    self.next();
                    open.push(next);
                    is_there = true;
                }
            }
        }
        // A variable that is empty is no word.
        if is_there || !open.is_empty() {
            done.push(open);
        }
        Word {
            fields: done,
            is_plain,
        }
    }

    /// Whether the `(` behind this text begins a part of a pattern, such as `@(a|b)`.
    fn is_group(&self, open: &str) -> bool {
        let is_negated = open.ends_with('!') && (self.extends || open.len() > 1);
        open.ends_with(['@', '?', '*', '+']) || is_negated
    }

    /// A part of a pattern with its brackets, which may have others within.
    fn group(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 0;
        while let Some(next) = self.next() {
            text.push(next);
            match next {
                '(' => depth += 1,
                ')' => depth -= 1,
                // What only a run tells.
                '$' | '`' => text.push(UNKNOWN),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        text
    }

    /// What is between double quotes.
    fn quoted(&mut self, open: &mut String, done: &mut Vec<String>) {
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.next();
                    return;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped) => {
                            if !matches!(escaped, '$' | '`' | '"' | '\\') {
                                open.push('\\');
                            }
                            open.push(escaped);
                        }
                    }
                }
                '$' | '`' => {
                    let values = self.expansion();
                    if std::mem::take(&mut self.is_list) {
                        let mut values = values.into_iter();
                        open.push_str(&values.next().unwrap_or_default());
                        for value in values {
                            done.push(std::mem::replace(open, value));
                        }
                    } else {
                        open.push_str(&values.join(" "));
                    }
                }
                _ => {
                    self.next();
                    open.push(next);
                }
            }
        }
    }

    /// What stands behind a `$`, or between backquotes.
    fn expansion(&mut self) -> Vec<String> {
        if self.eat("`") {
            return self.inner('`');
        }
        self.next();
        match self.peek() {
            Some('(') => {
                self.next();
                if self.eat("(") {
                    self.until(')');
                    self.eat(")");
                    return vec![UNKNOWN.to_string()];
                }
                self.inner(')')
            }
            Some('{') => {
                self.next();
                self.parameter()
            }
            Some('\'') => {
                self.next();
                vec![self.until('\'').to_owned()]
            }
            Some('"') => Vec::new(),
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let name = self.name();
                self.value(name).unwrap_or_else(|| self.unknown(name))
            }
            Some(special) if !special.is_whitespace() => {
                self.next();
                self.argument(special)
            }
            _ => vec!["$".to_owned()],
        }
    }

    /// `$1`, `$@`, `$#` and the like.
    fn argument(&mut self, name: char) -> Vec<String> {
        let known = self.arguments.as_ref();
        // A loop may take them off, one by one.
        let known = known.filter(|all| self.functions == 0 && (all.is_empty() || self.loops == 0));
        let Some(all) = known else {
            // It may be the path of a file.
            return vec![self.positional_list(name).to_string()];
        };
        match name {
            '@' | '*' => {
                self.is_list = name == '@';
                all.clone()
            }
            '#' => vec![all.len().to_string()],
            '0' => vec![self.positional_list(name).to_string()],
            '1'..='9' => {
                let at = name as usize - '1' as usize;
                vec![all.get(at).cloned().unwrap_or_else(|| UNSET.to_string())]
            }
            _ => vec![UNKNOWN.to_string()],
        }
    }

    /// The list that stands for an argument that is not known.
    fn positional_list(&mut self, name: char) -> char {
        match self.positional.get(&name) {
            Some(list) => *list,
            None if name.is_ascii_digit() || matches!(name, '@' | '*') => {
                let list = self.lists.add(Narrowing::default());
                self.positional.insert(name, list);
                list
            }
            None => UNKNOWN,
        }
    }

    /// Takes what can be a name.
    fn name(&mut self) -> &'t str {
        let length = self.rest.find(|c: char| !is_of_name(c));
        let (name, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    /// `${NAME}`, of which the first part is read.
    fn parameter(&mut self) -> Vec<String> {
        let mut name = self.name();
        let digit = name.chars().next().filter(char::is_ascii_digit);
        let argument = match digit {
            Some(digit) if name.len() == 1 => Some(digit),
            _ if name.is_empty() && (self.eat("@") || self.eat("*")) => Some('@'),
            _ => None,
        };
        if argument.is_some() {
            name = "";
        }
        let mut operation = String::new();
        let mut depth = 1;
        while let Some(next) = self.next() {
            match next {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            operation.push(next);
        }
        let values = match argument {
            Some(argument) => Some(self.argument(argument)),
            None => self.value(name),
        };
        let is_nothing = |values: &Vec<String>| {
            let mut all = values.iter();
            all.all(|value| value.is_empty() || value.contains(UNSET) && value.len() == 1)
        };
        let signs = [":-", "-", ":=", "=", ":+", "+"];
        let with = signs.iter().find_map(|sign| {
            let text = operation.strip_prefix(sign)?;
            Some((*sign, text.trim_matches(['"', '\''])))
        });
        match (&*operation, with) {
            ("", _) => values.map(|mut all| {
                all.truncate(if argument == Some('@') { all.len() } else { 1 });
                all
            }),
            ("[@]" | "[*]", _) => {
                self.is_list = true;
                values
            }
            // An unset variable is empty.
            (_, Some((sign, text))) => {
                let values = values.filter(|values| !is_nothing(values));
                let other = vec![text.to_owned()];
                match (values, sign.trim_start_matches(':')) {
                    (Some(_), "+") => Some(other),
                    (None, "+") => Some(vec![UNSET.to_string()]),
                    (Some(values), _) => Some(values),
                    (None, "=") => {
                        self.variables.insert(name.to_owned(), other.clone());
                        Some(other)
                    }
                    (None, _) => Some(other),
                }
            }
            (",," | "^^" | "," | "^", _) => values.map(|mut values| {
                for value in &mut values {
                    *value = if operation.starts_with(',') {
                        value.to_lowercase()
                    } else {
                        value.to_uppercase()
                    };
                }
                values
            }),
            // The folder of a path, or the first of its folders.
            ("%/*" | "%%/*", _) => values.map(|values| match &values[..] {
                [one] if self.lists.part(one) == Some(Part::Path) => {
                    let of = std::slice::from_ref(one);
                    let narrowing = self.lists.of_words(of, None);
                    vec![self.lists.add_part(narrowing, Part::Folder).to_string()]
                }
                _ => vec![UNKNOWN.to_string()],
            }),
            _ => Some(vec![UNKNOWN.to_string()]),
        }
        .unwrap_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Vec<String> {
        vec![unset(name, self.text).to_string()]
    }

    /// The value of a variable that was set in the script.
    fn value(&mut self, name: &str) -> Option<Vec<String>> {
        let values = self.variables.get(name)?;
        self.budget = self
            .budget
            .checked_sub(values.iter().map(|value| value.len() + 1).sum())?;
        Some(values.clone())
    }

    /// Commands whose output becomes a word.
    pub(super) fn inner(&mut self, end: char) -> Vec<String> {
        const DEEPEST: usize = 16;
        if self.depth == DEEPEST {
            self.until(end);
            return vec![UNKNOWN.to_string()];
        }
        self.depth += 1;
        let was_backquoted = std::mem::replace(&mut self.is_backquoted, end == '`');
        let first = self.found.len();
        let closed_loop = self.closed_loop;
        self.program(Some(end));
        self.closed_loop = closed_loop;
        self.is_backquoted = was_backquoted;
        self.depth -= 1;
        let commands = &self.found[first..];
        let words = match commands {
            [one] => &one.words[..],
            _ => &[],
        };
        // Where a tool is, a file for a time, and what mostly nobody configures.
        let known = match words {
            [which, tool] if which == "which" => tool.clone(),
            [look, option, tool]
                if (look == "command" && option == "-v")
                    || (look == "type" && matches!(&**option, "-p" | "-P")) =>
            {
                tool.clone()
            }
            [mktemp, ..] if mktemp == "mktemp" => TEMPORARY.to_string(),
            [git, config, rest @ ..] if git == "git" && config == "config" => {
                let default = rest.iter().position(|word| word == "--default");
                let value = default.and_then(|at| rest.get(at + 1));
                value.cloned().unwrap_or_else(|| UNSET.to_string())
            }
            [echo, text] if echo == "echo" => text.clone(),
            [dirname, .., path]
                if dirname == "dirname" && self.lists.part(path) == Some(Part::Path) =>
            {
                let narrowing = self.lists.of_words(std::slice::from_ref(path), None);
                let list = self.lists.add_part(narrowing, Part::Folder);
                list.to_string()
            }
            _ => {
                let paths = self.lists.of_pipe(commands);
                let is_known = !paths.is_empty();
                let list = if is_known {
                    self.lists.add(paths)
                } else {
                    UNKNOWN
                };
                list.to_string()
            }
        };
        for command in &mut self.found[first..] {
            if command.output == Output::Inherited {
                command.output = Output::Captured;
            }
        }
        vec![known]
    }

    /// `<` and `>` with what follows.
    pub(super) fn redirect(&mut self, pending: &mut Pending, number: Option<&str>) {
        if self.eat("<<<") {
            let text = self.target();
            self.feed_loop(std::slice::from_ref(&text));
            pending.input = Some(text);
        } else if self.eat("<<") {
            let strips_tabs = self.eat("-");
            let end = self.target();
            self.documents.push((end, strips_tabs, None));
        } else if self.eat("<(") || self.eat(">(") {
            let words = self.inner(')');
            pending.words.extend(words);
        } else if self.eat("<") {
            self.eat("&");
            self.skip_blanks();
            if self.eat("<(") {
                let words = self.inner(')');
                self.feed_loop(&words);
                pending.fed = words;
            } else {
                self.target();
            }
            pending.is_fed = true;
        } else {
            self.next();
            let copies = !(self.eat(">") || self.eat("|")) && self.eat("&");
            let target = self.target();
            if !copies && number.is_none_or(|number| number == "1") {
                pending.output = output_to(&target);
                pending.target = Some(target);
            }
        }
    }

    /// Tells the loop that has just ended what it reads.
    fn feed_loop(&mut self, words: &[String]) {
        if let Some(list) = self.closed_loop.take() {
            let on = self.lists.of_words(words, self.folder.as_deref());
            self.lists.set(list, on);
        }
    }

    /// The word behind an operator.
    pub(super) fn target(&mut self) -> String {
        self.skip_blanks();
        self.word(false).fields.join(" ")
    }

    /// The texts of here documents, which begin in this line.
    pub(super) fn read_documents(&mut self) {
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

pub(super) fn is_end(next: Option<char>) -> bool {
    next.is_none_or(|next| {
        next.is_whitespace() || matches!(next, ';' | '&' | '|' | '<' | '>' | '(' | ')')
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `NAME=value` and `NAME+=value`.
pub(super) fn assignment(word: &str) -> Option<(&str, &str, bool)> {
    let (name, value) = word.split_once('=')?;
    let (name, adds) = match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_of_name);
    is_name.then_some((name, value, adds))
}

/// What stands for a variable that the script has not set, whose text is this.
pub(super) fn unset(name: &str, text: &str) -> char {
    // Somebody else takes care of these, and of those in small letters another script.
    const SET: [&str; 10] = [
        "HOME", "PWD", "PATH", "USER", "SHELL", "ENV", "PREFIX", "ROOT", "DIR", "GIT_",
    ];
    let upper = name.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
    let is_set_elsewhere = || *name != *upper && !text.contains(&format!("{name}="));
    if has(&["OPT", "ARG", "FLAG"]) {
        UNKNOWN_OPTIONS
    } else if matches!(&*upper, "TMP" | "TEMP" | "TMPDIR" | "RUNNER_TEMP") {
        TEMPORARY
    } else if has(&SET) || is_set_elsewhere() {
        UNKNOWN
    } else {
        UNSET
    }
}

pub(super) fn output_to(target: &str) -> Output {
    match target {
        "/dev/null" => Output::Dropped,
        "/dev/stdout" | "/dev/stderr" | "/dev/tty" => Output::Inherited,
        _ => Output::File,
    }
}
