//! Which commands of a script run: what is known of conditions, and which files they single out.

use std::collections::{BTreeMap, HashMap};

use super::paths::Part;
use super::words::unset;
use super::{Lists, UNSET, is_unknown};
use crate::facts::has_groups;
use crate::{HookFiles, Narrowing};

/// What conditions are asked in.
pub(super) struct Context<'a> {
    pub(super) lists: &'a Lists,
    /// The files of the repository that texts name and that were found.
    pub(super) scripts: &'a BTreeMap<String, String>,
    pub(super) variables: &'a HashMap<String, Vec<String>>,
    /// The script.
    pub(super) text: &'a str,
}

impl Context<'_> {
    /// Whether there is a file of this path, where somebody has looked for it.
    fn exists(&self, path: &str) -> Option<bool> {
        let is_looked_for = path.contains(['.', '/'])
            && !path.contains("..")
            && !path.starts_with(['/', '~'])
            && !path.contains(['*', '?'])
            && !path.contains(is_unknown);
        let path = path.trim_start_matches("./");
        is_looked_for.then(|| self.scripts.contains_key(path))
    }
}

/// What a command ends with, as far as the text tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    /// Whether it succeeds.
    pub(super) known: Option<bool>,
    /// The files for which it does, where it asks for the path of one.
    pub(super) on: Narrowing,
}

impl Status {
    pub(super) fn known(is_success: bool) -> Self {
        Self {
            known: Some(is_success),
            on: Narrowing::default(),
        }
    }

    pub(super) fn inverted(&self) -> Self {
        Self {
            known: self.known.map(|is_success| !is_success),
            on: self.on.inverted(),
        }
    }
}

/// What decides whether a command runs, beside what it stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Joint {
    #[default]
    Always,
    /// Only after success.
    And,
    /// Only after failure.
    Or,
    /// With the one before it, whose output it reads.
    Pipe,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Group,
    Subshell,
    Loop,
    If,
    Case,
}

/// Commands that a script has between two words, such as `then` and `fi`.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// Whether its commands never run.
    pub(super) is_dead: bool,
    /// Whether they run for sure.
    pub(super) is_sure: bool,
    /// The files that conditions around it single out.
    pub(super) on: Narrowing,
    pub(super) function: Option<String>,
    /// How the next command hangs on the one before.
    pub(super) joint: Joint,
    pub(super) last: Status,
    /// The files that the commands before it, joined by `&&`, single out.
    chain: Narrowing,
    /// Whether a command or a block stands before the end of the line.
    pub(super) has_command: bool,
    /// Whether what is read is a part of a pipe that does not run.
    is_skipped: bool,
    /// Whether its commands end by leaving what is around it.
    leaves: bool,
    /// Whether a branch before was taken for sure, or may have been.
    is_settled: bool,
    is_open: bool,
    branches: usize,
    /// Whether the branch is that of all other words.
    is_other: bool,
    /// The condition of the branch that is read, or the patterns of a `case`.
    condition: Status,
    /// What holds of files where no branch so far was taken, and after all of it.
    rest: Narrowing,
    after: Narrowing,
    /// The word of a `case`, and whether its patterns are read.
    pub(super) subject: String,
    pub(super) in_pattern: bool,
    pub(super) patterns: Vec<String>,
    /// How many commands stand before it.
    pub(super) first: usize,
    /// What a function returns, where it says so by `return`.
    pub(super) returned: Option<Status>,
    /// The paths that a loop reads.
    pub(super) list: Option<char>,
    pub(super) folder: Option<String>,
}

impl Block {
    /// What a script as a whole is.
    pub(super) fn outermost() -> Self {
        Self {
            is_sure: true,
            ..Self::default()
        }
    }

    /// A block that begins where a command of this one would.
    pub(super) fn inner(&self, kind: Kind) -> Self {
        Self {
            kind,
            is_dead: self.is_dead || self.skips(),
            is_sure: self.is_sure_here() && kind != Kind::Loop,
            on: self.on_here(),
            function: self.function.clone(),
            ..Self::default()
        }
    }

    /// Whether the next command does not run because of the one before it.
    pub(super) fn skips(&self) -> bool {
        match self.joint {
            Joint::Always => false,
            Joint::And => self.last.known == Some(false),
            Joint::Or => self.last.known == Some(true),
            Joint::Pipe => self.is_skipped,
        }
    }

    /// Whether the next command runs for sure.
    pub(super) fn is_sure_here(&self) -> bool {
        self.is_sure
            && match self.joint {
                Joint::Always => true,
                Joint::And => self.last.known == Some(true),
                Joint::Or => self.last.known == Some(false),
                Joint::Pipe => false,
            }
    }

    /// The files that the next command is about, as conditions single them out.
    pub(super) fn on_here(&self) -> Narrowing {
        let mut on = self.on.clone();
        on.extend(&self.chain);
        if self.joint == Joint::Or {
            on.extend(&self.last.on.inverted());
        }
        on
    }

    /// Takes what a command ended with, and how the next one hangs on it.
    pub(super) fn ran(&mut self, status: Status, next: Joint) {
        self.is_skipped = self.skips();
        if !self.is_skipped {
            self.last = status;
        }
        self.join(next);
    }

    pub(super) fn join(&mut self, next: Joint) {
        match next {
            Joint::And => self.chain.extend(&self.last.on),
            Joint::Always | Joint::Or => self.chain = Narrowing::default(),
            Joint::Pipe => {}
        }
        self.has_command = false;
        self.joint = next;
    }

    /// `continue`, `exit` and the like: what follows is about the files for which it was not reached.
    pub(super) fn leave(&mut self) {
        match self.joint {
            _ if self.is_sure_here() => self.is_dead = true,
            Joint::And => self.on.extend(&self.last.on.inverted()),
            Joint::Or => self.on.extend(&self.last.on),
            Joint::Always | Joint::Pipe => self.leaves = true,
        }
    }

    /// `then` and `do`, behind a condition.
    pub(super) fn begin_branch(&mut self, outer: &Self) {
        self.condition = std::mem::take(&mut self.last);
        let known = match self.kind {
            Kind::If | Kind::Loop => self.condition.known,
            _ => None,
        };
        self.branches += 1;
        self.enter(outer, known);
        self.on.extend(&self.condition.on);
        self.rest.extend(&self.condition.on.inverted());
    }

    /// `elif` and `else`: what stands behind runs where no branch before did.
    pub(super) fn begin_other(&mut self, outer: &Self) {
        self.branches += 1;
        self.enter(outer, Some(true));
        self.is_settled = self.condition.known == Some(true) || self.is_dead && self.is_settled;
        self.leaves = false;
    }

    /// A branch with a condition of which this is known.
    fn enter(&mut self, outer: &Self, known: Option<bool>) {
        self.is_dead = outer.is_dead || outer.skips() || self.is_settled || known == Some(false);
        self.is_sure =
            outer.is_sure_here() && !self.is_open && known == Some(true) && self.kind != Kind::Loop;
        self.on = outer.on_here();
        self.on.extend(&self.rest);
        self.is_settled |= known == Some(true);
        self.is_open |= known.is_none();
        self.chain = Narrowing::default();
        self.joint = Joint::Always;
        self.last = Status::default();
    }

    /// The `)` behind the patterns of a `case`.
    pub(super) fn begin_case(&mut self, outer: &Self, lists: &Lists) {
        let patterns = std::mem::take(&mut self.patterns);
        self.in_pattern = false;
        self.leaves = false;
        self.is_other = patterns.iter().any(|pattern| pattern == "*");
        self.condition = if self.is_other {
            Status::known(true)
        } else if let Some(subject) = known(&self.subject) {
            Status {
                known: Narrowing::to(HookFiles::like(patterns)).has(&subject),
                on: Narrowing::default(),
            }
        } else {
            unknown_is(&self.subject, &patterns, lists)
        };
        let known = self.condition.known;
        self.enter(outer, known);
        self.on.extend(&self.condition.on);
        self.rest.extend(&self.condition.on.inverted());
    }

    /// `;;`
    pub(super) fn end_case(&mut self) {
        if std::mem::take(&mut self.leaves) {
            // Behind all others it leaves what they have not taken.
            let on = if self.is_other {
                one_of(&self.rest.exclude)
            } else {
                self.condition.on.inverted()
            };
            self.after.extend(&on);
        }
        self.in_pattern = true;
    }

    /// What holds of the files of commands behind the block.
    pub(super) fn on_after(&self) -> Narrowing {
        let mut after = self.after.clone();
        if self.leaves && self.kind == Kind::Case && self.is_other {
            after.extend(&one_of(&self.rest.exclude));
        } else if self.leaves && (self.kind == Kind::Case || self.branches == 1) {
            after.extend(&self.condition.on.inverted());
        }
        after
    }
}

/// The files that are one of these.
fn one_of(all: &[HookFiles]) -> Narrowing {
    let none = Narrowing {
        files: Vec::new(),
        exclude: all.to_vec(),
    };
    none.inverted()
}

/// What a word is, where the text tells: a variable that nobody sets is empty.
fn known(word: &str) -> Option<String> {
    let text = word.replace(UNSET, "");
    (!text.contains(is_unknown)).then_some(text)
}

fn is_empty(word: &str) -> Option<bool> {
    match known(word) {
        Some(text) => Some(text.is_empty()),
        None if word.chars().all(is_unknown) => None,
        None => Some(false),
    }
}

/// Whether a word that the text does not tell is like one of the patterns.
fn unknown_is(word: &str, patterns: &[String], lists: &Lists) -> Status {
    let of_paths = |pattern: &String| pattern.contains('/') || pattern.contains("ipynb");
    let is_known = patterns.iter().all(|pattern| known(pattern).is_some());
    let globs = match lists.part(word) {
        Some(Part::Path) if patterns.iter().all(of_paths) => patterns.to_vec(),
        Some(Part::Folder) => {
            let folders = patterns.iter().map(|pattern| format!("{pattern}/*"));
            folders.collect()
        }
        // No file is called like an option.
        Some(Part::Path) if patterns.iter().all(|pattern| pattern.starts_with('-')) => {
            return Status::known(false);
        }
        Some(Part::Path) => return Status::default(),
        // What a command prints or somebody types is rarely just that.
        None if !patterns.iter().any(|pattern| {
            of_paths(pattern) || pattern.is_empty() || pattern.bytes().all(|b| b.is_ascii_digit())
        }) =>
        {
            return Status::known(false);
        }
        None => return Status::default(),
    };
    Status {
        known: None,
        on: if is_known {
            Narrowing::to(HookFiles::like(globs))
        } else {
            Narrowing::default()
        },
    }
}

/// What `test` says, and `[[`: the words between its brackets.
pub(super) fn test(words: &[String], context: &Context<'_>) -> Status {
    let word = |text: &str| words.iter().position(|word| word == text);
    for or in ["||", "-o"] {
        if let Some(at) = word(or).filter(|at| *at > 0) {
            let (left, right) = (test(&words[..at], context), test(&words[at + 1..], context));
            return match (left.known, right.known) {
                (Some(true), _) | (_, Some(true)) => Status::known(true),
                (Some(false), _) => right,
                (_, Some(false)) => left,
                _ => Status {
                    known: None,
                    on: left.on.or(&right.on),
                },
            };
        }
    }
    for and in ["&&", "-a"] {
        if let Some(at) = word(and).filter(|at| *at > 0) {
            let (mut left, right) = (test(&words[..at], context), test(&words[at + 1..], context));
            left.on.extend(&right.on);
            left.known = match (left.known, right.known) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), known) => known,
                (None, _) => None,
            };
            return left;
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["!", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
            test(&rest, context).inverted()
        }
        [word] | ["-n", word] => Status {
            known: is_empty(word).map(|is_empty| !is_empty),
            on: Narrowing::default(),
        },
        ["-z", word] => Status {
            known: is_empty(word),
            on: Narrowing::default(),
        },
        ["-f" | "-e" | "-r" | "-s" | "-x", path] => Status {
            known: context.exists(path).filter(|is_there| !is_there),
            on: Narrowing::default(),
        },
        ["-v", name] => Status {
            known: match context.variables.contains_key(*name) {
                true => Some(true),
                false => (unset(name, context.text) == UNSET).then_some(false),
            },
            on: Narrowing::default(),
        },
        [left, "=" | "==", right] => compare(left, right, context.lists),
        [left, "!=", right] => compare(left, right, context.lists).inverted(),
        [left, "=~", right] if known(right).is_some() => Status {
            known: known(left)
                .and_then(|left| Narrowing::to(HookFiles::Pattern((*right).to_owned())).has(&left)),
            on: match context.lists.part(left) {
                Some(Part::Path) if right.contains('/') || right.contains("ipynb") => {
                    Narrowing::to(HookFiles::Pattern((*right).to_owned()))
                }
                _ => Narrowing::default(),
            },
        },
        [left, operator, right] => {
            // What is empty is 0 to a shell.
            let number = |word: &str| match &*known(word)? {
                "" => Some(0),
                text => text.parse::<i64>().ok(),
            };
            let (Some(left), Some(right)) = (number(left), number(right)) else {
                return Status::default();
            };
            match *operator {
                "-eq" => Status::known(left == right),
                "-ne" => Status::known(left != right),
                "-gt" => Status::known(left > right),
                "-ge" => Status::known(left >= right),
                "-lt" => Status::known(left < right),
                "-le" => Status::known(left <= right),
                _ => Status::default(),
            }
        }
        _ => Status::default(),
    }
}

fn compare(left: &str, right: &str, lists: &Lists) -> Status {
    match (known(left), known(right)) {
        (Some(left), Some(right)) if left == right => Status::known(true),
        (Some(left), Some(right)) if right.contains(['*', '?', '[']) || has_groups(&right) => {
            Status {
                known: Narrowing::to(HookFiles::like(vec![right])).has(&left),
                on: Narrowing::default(),
            }
        }
        (Some(_), Some(_)) => Status::known(false),
        (None, Some(right)) => unknown_is(left, &[right], lists),
        _ => Status::default(),
    }
}

/// `((…))`, where it asks for one variable: one that is not set is 0.
pub(super) fn arithmetic(text: &str, value: impl Fn(&str) -> Option<String>) -> Status {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| {
        let word = word.trim_start_matches('$').trim_matches(['{', '}']);
        if word.bytes().all(|b| b.is_ascii_digit()) {
            return word.parse::<i64>().ok();
        }
        match &*known(&value(word)?)? {
            "" => Some(0),
            text => text.parse().ok(),
        }
    };
    let known = match words[..] {
        [one] => number(one).map(|number| number != 0),
        [left, operator, right] => number(left).zip(number(right)).and_then(|(left, right)| {
            Some(match operator {
                "==" => left == right,
                "!=" => left != right,
                ">" => left > right,
                ">=" => left >= right,
                "<" => left < right,
                "<=" => left <= right,
                _ => return None,
            })
        }),
        _ => None,
    };
    Status {
        known,
        on: Narrowing::default(),
    }
}

/// `grep -q` of the path of a file that another command prints.
pub(super) fn asks_for(words: &[String], text: &str, lists: &Lists) -> Option<Status> {
    let mut words_of = text.split_whitespace();
    let is_of_file = words_of.any(|word| lists.part(word) == Some(Part::Path));
    let on = lists.of_grep(words)?;
    is_of_file.then_some(Status { known: None, on })
}
