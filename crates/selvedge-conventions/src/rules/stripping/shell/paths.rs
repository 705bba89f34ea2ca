//! The paths that a script goes through, where its text tells which they are.

use super::super::tools::base;
use super::{Command, Output, TEMPORARY, UNKNOWN, is_unknown};
use crate::{HookFiles, Narrowing};

const FIRST: u32 = 0xF_0000;
/// More of them are not kept apart.
const MOST: u32 = 4096;

/// Lists of paths that only a run could tell, each with what narrows it down. A character of Unicode's
/// private use stands for each in words.
#[derive(Default)]
pub(in super::super) struct Lists(Vec<(Narrowing, Part)>);

/// What of its paths a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    Path,
    /// The folder that each is in, or the first of its folders.
    Folder,
}

impl Lists {
    /// A new list, which goes on as the character.
    pub(in super::super) fn add(&mut self, narrowing: Narrowing) -> char {
        self.add_part(narrowing, Part::Path)
    }

    pub(super) fn add_part(&mut self, narrowing: Narrowing, part: Part) -> char {
        let index = u32::try_from(self.0.len()).unwrap_or(MOST);
        match char::from_u32(FIRST + index) {
            Some(list) if index < MOST => {
                self.0.push((narrowing, part));
                list
            }
            _ => UNKNOWN,
        }
    }

    pub(super) fn set(&mut self, list: char, narrowing: Narrowing) {
        if let Some(known) = self.index(list).and_then(|index| self.0.get_mut(index)) {
            known.0 = narrowing;
        }
    }

    fn index(&self, list: char) -> Option<usize> {
        (list as u32).checked_sub(FIRST).map(|index| index as usize)
    }

    fn get(&self, list: char) -> Option<&Narrowing> {
        let (narrowing, part) = self.0.get(self.index(list)?)?;
        (*part == Part::Path).then_some(narrowing)
    }

    /// What of paths the word is, if it is a list.
    pub(super) fn part(&self, word: &str) -> Option<Part> {
        let word = word.strip_prefix("./").unwrap_or(word);
        let mut characters = word.chars();
        let list = characters
            .next()
            .filter(|_| characters.as_str().is_empty())?;
        Some(self.0.get(self.index(list)?)?.1)
    }

    /// What is known of the files that the words of a command name, below a folder.
    pub(in super::super) fn of_words(&self, words: &[String], folder: Option<&str>) -> Narrowing {
        // Programs are words, too.
        let is_of_program = |c: char| c.is_whitespace() || "\"\\(){}|;<>".contains(c);
        let is_path = |word: &&String| {
            !word.starts_with('-')
                && !word.contains(is_of_program)
                && (word.contains('/') || word.ends_with(".ipynb") || word.contains(is_unknown))
        };
        self.of_paths(words.iter().filter(is_path), folder, HookFiles::expanded)
    }

    /// What is known of the files that are these, as the shell reads them, or git.
    pub(super) fn of_paths<'w>(
        &self,
        words: impl IntoIterator<Item = &'w String>,
        folder: Option<&str>,
        read: fn(&[String]) -> HookFiles,
    ) -> Narrowing {
        let mut paths = Vec::new();
        let mut lists = Vec::new();
        for word in words {
            let bare = word.strip_prefix("./").unwrap_or(word);
            if word.contains(TEMPORARY) {
                // Nothing of the repository is there.
                paths.push("\0".to_owned());
                continue;
            }
            let Some(at) = bare.rfind(is_unknown) else {
                paths.push(match folder {
                    Some(folder) if !word.starts_with('/') => format!("{folder}/{bare}"),
                    _ => word.clone(),
                });
                continue;
            };
            let last = bare[at..].chars().next().unwrap_or(UNKNOWN);
            let behind = &bare[at + last.len_utf8()..];
            let is_known = self
                .get(last)
                .is_some_and(|narrowing| !narrowing.is_empty());
            if at == 0 && (behind.is_empty() || behind.starts_with('/') && is_known) {
                match self.get(last) {
                    Some(narrowing) => lists.push(narrowing),
                    None if word.starts_with(UNKNOWN) => return Narrowing::default(),
                    None => {}
                }
            } else if behind.starts_with('/') && behind.len() > 1 {
                paths.push(format!("**{behind}"));
                paths.push(behind[1..].to_owned());
            } else {
                return Narrowing::default();
            }
        }
        let of_paths = (!paths.is_empty()).then(|| Narrowing::to(read(&paths)));
        let all = lists.into_iter().cloned().chain(of_paths);
        all.reduce(|one, other| one.or(&other)).unwrap_or_default()
    }

    /// What is known of the paths that the commands print, each of which reads what the one before does.
    pub(super) fn of_pipe(&self, commands: &[Command]) -> Narrowing {
        let mut all = Narrowing::default();
        for (index, command) in commands.iter().enumerate() {
            if index + 1 < commands.len() && command.output != Output::Next {
                return Narrowing::default();
            }
            let folder = command.folder.as_deref();
            all.extend(&self.of_command(&command.words, command.is_fed, folder));
        }
        all
    }

    /// What the command leaves of paths, or which it prints.
    pub(in super::super) fn of_command(
        &self,
        words: &[String],
        is_fed: bool,
        folder: Option<&str>,
    ) -> Narrowing {
        let Some((name, rest)) = words.split_first() else {
            return Narrowing::default();
        };
        match base(name) {
            "grep" | "egrep" | "rg" if is_fed => self.of_grep(words).unwrap_or_default(),
            "find" | "fd" | "fdfind" => self.of_find(rest),
            "awk" | "gawk" | "mawk" if is_fed => of_awk(rest).unwrap_or_default(),
            "sed" | "gsed" if is_fed => of_sed(rest).unwrap_or_default(),
            "git" => self.of_git(rest, folder),
            "ls" | "echo" | "printf" | "cat" => self.of_words(rest, folder),
            _ => Narrowing::default(),
        }
    }

    fn of_git(&self, words: &[String], folder: Option<&str>) -> Narrowing {
        const LISTING: [&str; 5] = ["diff", "ls-files", "diff-index", "diff-tree", "status"];
        let mut rest = words.iter();
        let Some(lists) = rest.find(|word| LISTING.contains(&word.as_str())) else {
            return Narrowing::default();
        };
        let rest = rest.as_slice();
        let specs: Vec<&String> = match rest.iter().position(|word| word == "--") {
            Some(at) => rest[at + 1..].iter().collect(),
            None => {
                let is_spec = |word: &&String| {
                    // Others may be of revisions.
                    let is_path =
                        lists == "ls-files" || word.contains(['*', '/']) || word.starts_with(':');
                    !word.starts_with('-') && is_path
                };
                rest.iter().filter(is_spec).collect()
            }
        };
        let (mut among, mut except) = (Vec::new(), Vec::new());
        for spec in specs {
            let long = spec
                .strip_prefix(":(")
                .and_then(|rest| rest.split_once(')'));
            let (is_out, path) = match long {
                Some((magic, path)) => (magic.contains("exclude"), path),
                None => match spec.strip_prefix(":!").or_else(|| spec.strip_prefix(":^")) {
                    Some(path) => (true, path),
                    None => (false, spec.strip_prefix(":/").unwrap_or(spec)),
                },
            };
            if is_out {
                except.push(path.to_owned());
            } else {
                among.push(path.to_owned());
            }
        }
        let mut all = self.of_paths(&among, folder, HookFiles::paths);
        if !except.is_empty() && !except.iter().any(|path| path.contains(is_unknown)) {
            all.exclude.push(HookFiles::paths(&except));
        }
        all
    }

    /// What `find` goes through.
    fn of_find(&self, words: &[String]) -> Narrowing {
        let is_expression = |word: &&String| word.starts_with(['-', '(', '!']);
        let start = words.iter().position(|word| is_expression(&word));
        let (folders, tests) = words.split_at(start.unwrap_or(words.len()));
        let mut all = Narrowing::default();
        let is_all = |folder: &String| matches!(folder.trim_end_matches('/'), "." | "");
        if !folders.is_empty() && !folders.iter().any(is_all) {
            all.extend(&self.of_paths(folders, None, HookFiles::paths));
        }
        let is_one_of_some = tests.iter().any(|word| word == "-o" || word == "-or");
        let mut is_out = false;
        let mut tests = tests.iter().peekable();
        while let Some(word) = tests.next() {
            match word.as_str() {
                "!" | "-not" => {
                    is_out = true;
                    continue;
                }
                "-path" | "-wholename" => {
                    let path = tests.next().map_or("", String::as_str);
                    let path = path.strip_prefix("./").unwrap_or(path).to_owned();
                    let is_pruned = tests.peek().is_some_and(|next| *next == "-prune");
                    if !path.contains(is_unknown) {
                        let paths = [path.clone(), path.trim_start_matches("*/").to_owned()];
                        let paths = HookFiles::paths(&paths);
                        if is_out || is_pruned {
                            all.exclude.push(paths);
                        } else if !is_one_of_some {
                            all.files.push(paths);
                        }
                    }
                }
                "-name" | "-iname" => {
                    let name = tests.next().map_or("", String::as_str);
                    let is_pruned = tests.peek().is_some_and(|next| *next == "-prune");
                    if is_pruned && !name.contains(is_unknown) {
                        let paths = [name.to_owned(), format!("*/{name}")];
                        all.exclude.push(HookFiles::paths(&paths));
                    }
                }
                _ => {}
            }
            is_out = false;
        }
        all
    }

    /// What a `grep` leaves of paths that it reads; none if that is not what it does.
    pub(super) fn of_grep(&self, words: &[String]) -> Option<Narrowing> {
        let (name, words) = words.split_first()?;
        let name = base(name);
        if !matches!(name, "grep" | "egrep" | "rg") {
            return None;
        }
        let mut is_inverted = false;
        let mut is_extended = name != "grep";
        let mut is_fixed = false;
        let mut is_lenient = false;
        let mut pattern = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--") {
                match long {
                    "invert-match" => is_inverted = true,
                    "extended-regexp" | "perl-regexp" => is_extended = true,
                    "fixed-strings" => is_fixed = true,
                    "ignore-case" => is_lenient = true,
                    "quiet" | "silent" | "color=never" | "null-data" | "line-buffered" => {}
                    _ => match long.split_once('=') {
                        Some(("regexp", text)) => pattern = Some(text.to_owned()),
                        _ => return None,
                    },
                }
                continue;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                if pattern.is_some() {
                    // It reads a file.
                    return None;
                }
                pattern = Some(word.clone());
                continue;
            };
            for letter in letters.chars() {
                match letter {
                    'v' => is_inverted = true,
                    'E' | 'P' => is_extended = true,
                    'F' => is_fixed = true,
                    'i' => is_lenient = true,
                    'q' | 's' | 'z' | 'h' | 'a' => {}
                    'e' if pattern.is_none() => pattern = Some(words.next()?.clone()),
                    _ => return None,
                }
            }
        }
        let pattern = pattern?;
        if pattern.contains(is_unknown) {
            return None;
        }
        let mut pattern = if is_fixed {
            regex_lite::escape(&pattern)
        } else if is_extended {
            pattern
        } else {
            extended(&pattern)
        };
        // `find` prints paths so.
        for start in ["^\\./", "^./"] {
            if let Some(rest) = pattern.strip_prefix(start) {
                pattern = format!("^{rest}");
            }
        }
        if is_lenient {
            pattern = format!("(?i:{pattern})");
        }
        let found = Narrowing::to(HookFiles::Pattern(pattern));
        Some(if is_inverted { found.inverted() } else { found })
    }
}

/// A basic regular expression of POSIX, as an extended one.
fn extended(basic: &str) -> String {
    const SPECIAL: [char; 7] = ['(', ')', '{', '}', '|', '+', '?'];
    let mut text = String::new();
    let mut characters = basic.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some(escaped) if SPECIAL.contains(&escaped) => text.push(escaped),
                Some(escaped) => text.extend(['\\', escaped]),
                None => {}
            },
            _ if SPECIAL.contains(&c) => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text
}

/// `/PATTERN/` and `!/PATTERN/`, with `{print}` behind it or nothing.
fn of_awk(words: &[String]) -> Option<Narrowing> {
    let program = words.iter().find(|word| !word.starts_with('-'))?.trim();
    let (is_inverted, program) = match program.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, program),
    };
    let (pattern, action) = program.strip_prefix('/')?.rsplit_once('/')?;
    let action: String = action.chars().filter(|c| !c.is_whitespace()).collect();
    let is_whole = matches!(&*action, "" | "{print}" | "{print$0}" | "{print$1}");
    let found = Narrowing::to(HookFiles::Pattern(pattern.replace("\\/", "/")));
    is_whole.then(|| if is_inverted { found.inverted() } else { found })
}

/// `-n /PATTERN/p` and `/PATTERN/d`.
fn of_sed(words: &[String]) -> Option<Narrowing> {
    let is_quiet = words.iter().any(|word| word == "-n");
    let program = words.iter().find(|word| !word.starts_with('-'))?.trim();
    let (pattern, action) = program.strip_prefix('/')?.rsplit_once('/')?;
    let found = Narrowing::to(HookFiles::Pattern(extended(&pattern.replace("\\/", "/"))));
    match (is_quiet, action) {
        (true, "p") => Some(found),
        (false, "d") => Some(found.inverted()),
        _ => None,
    }
}
