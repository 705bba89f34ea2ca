//! The words of a script: quotes, variables, and commands in words.

use super::{Output, Reader, UNKNOWN, UNKNOWN_OPTIONS};

/// A word, split as the shell splits it.
#[derive(Default)]
pub(super) struct Word {
    pub(super) fields: Vec<String>,
    /// Whether it is written without quotes and variables.
    pub(super) is_plain: bool,
}

impl<'a> Reader<'a> {
    /// A word. The first of a command may set a variable.
    pub(super) fn word(&mut self, is_first: bool) -> Word {
        let mut done = Vec::new();
        let mut open = String::new();
        let mut is_there = false;
        let mut is_plain = true;
        while let Some(next) = self.peek() {
            match next {
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
                self.value(name).unwrap_or_else(|| unknown(name))
            }
            Some(special) if !special.is_whitespace() => {
                self.next();
                vec![UNKNOWN.to_string()]
            }
            _ => vec!["$".to_owned()],
        }
    }

    /// Takes what can be a name.
    fn name(&mut self) -> &'a str {
        let length = self.rest.find(|c: char| !is_of_name(c));
        let (name, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    /// `${NAME}`, of which the first part is read.
    fn parameter(&mut self) -> Vec<String> {
        let name = self.name();
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
        match &*operation {
            "" => self.value(name).map(|mut all| {
                all.truncate(1);
                all
            }),
            "[@]" | "[*]" => {
                self.is_list = true;
                self.value(name)
            }
            _ => {
                let signs = [":-", "-", ":=", "="];
                let default = signs.iter().find_map(|sign| operation.strip_prefix(sign));
                default.map(|text| {
                    let text = text.trim_matches('"').to_owned();
                    let values = self.value(name).unwrap_or_else(|| vec![text]);
                    if operation.starts_with('=') || operation.starts_with(":=") {
                        self.variables.insert(name.to_owned(), values.clone());
                    }
                    values
                })
            }
        }
        .unwrap_or_else(|| unknown(name))
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
        self.program(Some(end));
        self.is_backquoted = was_backquoted;
        self.depth -= 1;
        for command in &mut self.found[first..] {
            if command.output == Output::Inherited {
                command.output = Output::Captured;
            }
        }
        let words = match &self.found[first..] {
            [one] => &one.words[..],
            _ => &[],
        };
        // Where a tool is.
        let known = match words {
            [which, tool] if which == "which" => tool,
            [look, option, tool]
                if (look == "command" && option == "-v")
                    || (look == "type" && matches!(&**option, "-p" | "-P")) =>
            {
                tool
            }
            _ => return vec![UNKNOWN.to_string()],
        };
        vec![known.clone()]
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

fn unknown(name: &str) -> Vec<String> {
    let name = name.to_ascii_uppercase();
    let is_option = ["OPT", "ARG", "FLAG"]
        .iter()
        .any(|part| name.contains(part));
    let unknown = if is_option { UNKNOWN_OPTIONS } else { UNKNOWN };
    vec![unknown.to_string()]
}
