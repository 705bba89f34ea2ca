//! Commands, scripts and filters that take the outputs out of notebooks, by their text. Nothing of a
//! repository is run, and where the text does not tell, nothing is found.

mod jq;
mod make;
mod package;
mod python;
mod settings;
mod shell;
mod substitute;
mod tools;

use std::collections::{BTreeMap, HashSet};

use python::Step;
use settings::Settings;
use shell::{Command, Lists, Output, TEMPORARY, UNKNOWN_OPTIONS, UNSET, is_unknown};

use crate::Narrowing;

/// What takes outputs out, in which line of the text, from 1, and of which files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) tool: &'static str,
    pub(super) line: usize,
    pub(super) on: Narrowing,
}

impl Found {
    /// Whether the tool leaves the outputs of notebooks that say so themselves.
    pub(super) fn heeds_notebooks(&self) -> bool {
        tools::heeds_notebooks(self.tool)
    }
}

/// The tool with which a filter takes outputs out of what it reads.
pub(super) fn in_filter(clean: &str, scripts: &BTreeMap<String, String>) -> Option<Found> {
    let mut search = Search::new(true, scripts);
    // Git puts the path of the file there.
    let path = search.lists.add(Narrowing::default());
    let clean = clean.replace("%f", &path.to_string());
    search.in_shell(&clean, Some(&[]), 0, &Call::default())
}

/// The tool of this name, which is not configured here.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    tools::stripping(name, &[], true, &Settings::default()).map(|(tool, _)| tool)
}

/// The tool with which a hook takes outputs out of files. The paths of notebooks may be put behind its
/// command.
pub(super) fn in_hook(
    text: &str,
    is_given_files: bool,
    scripts: &BTreeMap<String, String>,
) -> Option<Found> {
    let mut search = Search::new(false, scripts);
    let call = Call {
        is_given_files,
        ..Call::default()
    };
    search.in_text(text, "", Some(&[]), 0, &call)
}

/// How a command is called.
#[derive(Clone, Default)]
struct Call<'t> {
    /// Whether what it prints comes into a file, or is what a filter prints.
    is_written: bool,
    /// Whether the paths of files are put behind it, and what is known of them.
    is_given_files: bool,
    given: Narrowing,
    /// The text that it reads.
    input: Option<&'t str>,
    /// The folder that it runs in.
    folder: Option<&'t str>,
    /// The commands of the script that it is one of, and which.
    script: &'t [Command],
    index: usize,
}

struct Search<'s> {
    is_filter: bool,
    scripts: &'s BTreeMap<String, String>,
    settings: Settings,
    lists: Lists,
    /// Those that were looked into.
    seen: HashSet<String>,
}

impl<'s> Search<'s> {
    fn new(is_filter: bool, scripts: &'s BTreeMap<String, String>) -> Self {
        Self {
            is_filter,
            scripts,
            settings: Settings::of(scripts),
            lists: Lists::default(),
            seen: HashSet::new(),
        }
    }

    /// A script in the language that its first line or its name tells.
    fn in_text(
        &mut self,
        text: &str,
        name: &str,
        arguments: Option<&[String]>,
        depth: usize,
        call: &Call<'_>,
    ) -> Option<Found> {
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("#!").unwrap_or_default();
        let has = |word: &str| first.contains(word);
        if has("python") || has("uv run") || first.is_empty() && name.ends_with(".py") {
            self.in_python(text, arguments, depth, call)
        } else if has("sh") || first.is_empty() {
            self.in_shell(text, arguments, depth, call)
        } else {
            None
        }
    }

    fn in_shell(
        &mut self,
        text: &str,
        arguments: Option<&[String]>,
        depth: usize,
        outer: &Call<'_>,
    ) -> Option<Found> {
        // `sh -c '…'` in a line of a script of a hook.
        const DEEPEST: usize = 6;
        if depth == DEEPEST {
            return None;
        }
        let commands = shell::commands(text, arguments, self.scripts, &mut self.lists);
        let last = commands.len().saturating_sub(1);
        for (index, command) in commands.iter().enumerate() {
            // They are put behind the last one.
            let is_given_files = outer.is_given_files && index == last;
            let call = Call {
                is_written: self.is_filter && command.output != Output::Dropped
                    || written_to(&commands[index..]).is_some(),
                is_given_files,
                given: if is_given_files {
                    outer.given.clone()
                } else {
                    Narrowing::default()
                },
                input: command.input.as_deref(),
                folder: command.folder.as_deref().or(outer.folder),
                script: &commands,
                index,
            };
            if let Some(mut found) = self.in_words(&command.words, call, text, depth) {
                found.line = command.line;
                found.on.extend(&command.on);
                return Some(found);
            }
        }
        None
    }

    fn in_python(
        &mut self,
        text: &str,
        arguments: Option<&[String]>,
        depth: usize,
        outer: &Call<'_>,
    ) -> Option<Found> {
        let steps = python::steps(text, arguments, self.is_filter, &mut self.lists);
        steps.into_iter().find_map(|step| {
            let call = Call {
                is_written: step.is_written,
                folder: outer.folder,
                ..Call::default()
            };
            let mut found = match &step.step {
                Step::Words(words) => self.in_words(words, call, text, depth),
                Step::Text(text) => self.in_shell(text, Some(&[]), depth + 1, &call),
                Step::TakesOutputs => Some(Found {
                    tool: "a script",
                    line: 1,
                    on: Narrowing::default(),
                }),
            }?;
            found.line = step.line;
            found.on.extend(&step.on);
            Some(found)
        })
    }

    /// The tool in one command with its arguments.
    fn in_words(
        &mut self,
        words: &[String],
        mut call: Call<'_>,
        text: &str,
        depth: usize,
    ) -> Option<Found> {
        let mut words = words;
        // Each takes a word at least.
        while let Some((name, rest)) = words.split_first() {
            if let Some(script) = self.script(name) {
                return self.in_script(&script, rest, &call, depth);
            }
            match tools::base(name) {
                // A variable that is empty is no command.
                name if name.chars().all(|c| c == UNSET) => words = rest,
                "command"
                    if rest
                        .first()
                        .is_some_and(|word| word.starts_with("-v") || word.starts_with("-V")) =>
                {
                    return None;
                }
                "eval" => return self.in_line(&rest.join(" "), &[], &call, depth),
                "." | "source" => words = rest,
                "sh" | "bash" | "zsh" | "dash" | "ksh" => {
                    return self.in_interpreter(rest, &call, depth, false);
                }
                "find" | "fd" | "fdfind" => {
                    const FLAGS: [&str; 7] = [
                        "-exec",
                        "-execdir",
                        "-ok",
                        "-x",
                        "-X",
                        "--exec",
                        "--exec-batch",
                    ];
                    let at = rest
                        .iter()
                        .position(|word| FLAGS.contains(&word.as_str()))?;
                    call.is_given_files = true;
                    call.given = self.lists.of_command(words, false, call.folder);
                    words = &rest[at + 1..];
                }
                "nix-shell" | "nix" => {
                    let at = rest
                        .iter()
                        .position(|word| matches!(&**word, "--run" | "--command"))?;
                    return self.in_line(rest.get(at + 1)?, &[], &call, depth);
                }
                "make" | "gmake" | "just" => return self.in_recipes(words, &call, depth),
                "npm" | "yarn" | "pnpm" | "bun" | "lint-staged" => {
                    return self.in_package(words, &call, depth);
                }
                python if tools::is_python(python) => {
                    let rest = tools::after_options(rest, &["-W", "-X"], &["-c", "-m", "-"]);
                    match rest.split_first() {
                        Some((flag, rest)) if flag == "-m" => words = rest,
                        Some((flag, rest)) if flag.starts_with("-m") => {
                            let module = flag[2..].to_owned();
                            return self.of_tool(&[&[module], rest].concat(), &call, text);
                        }
                        _ => return self.in_interpreter(rest, &call, depth, true),
                    }
                }
                name => match tools::run_by(words) {
                    Some(rest) => {
                        if matches!(name, "xargs" | "parallel") {
                            call.is_given_files = true;
                            if let Some(command) = call.script.get(call.index) {
                                call.given = command.fed.clone();
                            }
                            let behind = words.len() - rest.len();
                            if let Some(sign) = tools::replaced(&words[..behind]) {
                                let path = self.lists.add(call.given.clone()).to_string();
                                let rest = rest.iter().map(|word| word.replace(&sign, &path));
                                let rest: Vec<String> = rest.collect();
                                return self.in_words(&rest, call, text, depth + 1);
                            }
                        }
                        words = rest;
                    }
                    None => return self.of_tool(words, &call, text),
                },
            }
        }
        None
    }

    /// A text that is one command, or several.
    fn in_line(
        &mut self,
        text: &str,
        arguments: &[String],
        call: &Call<'_>,
        depth: usize,
    ) -> Option<Found> {
        self.in_shell(text, Some(arguments), depth + 1, call)
    }

    /// What an interpreter is given: a text, a file, or what it reads.
    fn in_interpreter(
        &mut self,
        rest: &[String],
        call: &Call<'_>,
        depth: usize,
        is_python: bool,
    ) -> Option<Found> {
        let is_flag = |word: &&String| word.starts_with('-') && word.len() > 1;
        let is_text = |word: &String| !word.starts_with("--") && word.ends_with('c');
        let flags = rest.iter().take_while(is_flag).count();
        let mut arguments = rest.get(flags + 1..).unwrap_or_default().to_vec();
        let text = if rest[..flags].iter().any(is_text) {
            // The first one is the name of the script.
            arguments = arguments
                .into_iter()
                .skip(usize::from(!is_python))
                .collect();
            rest.get(flags)?.as_str()
        } else {
            match rest.get(flags) {
                Some(name) if name != "-" => {
                    let script = self.script(name)?;
                    return self.in_script(&script, &rest[flags + 1..], call, depth);
                }
                _ => call.input?,
            }
        };
        let arguments = self.with_given(arguments, call);
        if is_python {
            return self.in_python(text, Some(&arguments), depth + 1, call);
        }
        self.in_line(text, &arguments, call, depth)
    }

    /// Arguments with the paths that are put behind them.
    fn with_given(&mut self, mut arguments: Vec<String>, call: &Call<'_>) -> Vec<String> {
        if call.is_given_files {
            arguments.push(self.lists.add(call.given.clone()).to_string());
        }
        arguments
    }

    /// The script of the repository that a word names.
    fn script(&self, word: &str) -> Option<String> {
        let path = word.rsplit(is_unknown).next().unwrap_or(word);
        let path = path.trim_start_matches('/').trim_start_matches("./");
        let (path, _) = self.scripts.get_key_value(path)?;
        // What is read by other programs is none.
        (!settings::is_settings(path)).then(|| path.clone())
    }

    fn in_script(
        &mut self,
        name: &str,
        options: &[String],
        call: &Call<'_>,
        depth: usize,
    ) -> Option<Found> {
        // What its own options mean can only be guessed.
        const LOOKING: [&str; 4] = ["keep", "check", "verify", "dry"];
        let mut given = options.iter().filter(|word| word.starts_with('-'));
        if given.any(|word| LOOKING.iter().any(|part| word.contains(part)))
            || !self.seen.insert(name.to_owned())
        {
            return None;
        }
        let text = self.scripts.get(name)?;
        let arguments = self.with_given(options.to_vec(), call);
        self.in_text(text, name, Some(&arguments), depth + 1, call)
    }

    /// The recipes of a target of `make` or `just`.
    fn in_recipes(&mut self, words: &[String], call: &Call<'_>, depth: usize) -> Option<Found> {
        let recipes = make::recipes(words, self.scripts)?;
        if !self.seen.insert(words.join(" ")) {
            return None;
        }
        let mut lines = recipes.iter();
        lines.find_map(|line| self.in_line(line, &[], call, depth))
    }

    /// Scripts of a `package.json`, and what lint-staged runs.
    fn in_package(&mut self, words: &[String], call: &Call<'_>, depth: usize) -> Option<Found> {
        let commands = package::commands(words, self.scripts);
        if !self.seen.insert(words.join(" ")) {
            return None;
        }
        commands.into_iter().find_map(|command| {
            let mut call = call.clone();
            if let Some(given) = &command.given {
                call.is_given_files = true;
                call.given = given.clone();
            }
            self.in_line(&command.text, &command.arguments, &call, depth)
        })
    }

    fn of_tool(&self, words: &[String], call: &Call<'_>, text: &str) -> Option<Found> {
        let (name, options) = words.split_first()?;
        if options.iter().any(|word| word.contains(UNKNOWN_OPTIONS)) {
            return None;
        }
        let base = tools::base(name);
        let found = if tools::is_jq(base) {
            let program = tools::program_of_jq(options)?;
            let is_in_place = options
                .iter()
                .any(|word| matches!(&**word, "-i" | "--in-place"));
            let program = match program {
                tools::Program::Text(program) => program,
                tools::Program::File(file) => self.scripts.get(&self.script(file)?)?,
            };
            let is_about_notebooks = self.is_filter
                || ["cell", "execution_count"]
                    .iter()
                    .any(|word| program.contains(word))
                || text.contains("ipynb");
            let takes = is_about_notebooks && jq::takes_outputs(program);
            takes.then_some(("jq", !is_in_place))
        } else if matches!(base, "perl" | "sed" | "gsed") {
            substitute::stripping(base, options)
        } else {
            tools::stripping(name, options, call.is_given_files, &self.settings)
        };
        let (tool, prints) = found?;
        if prints && !call.is_written {
            return None;
        }
        let on = if call.is_given_files {
            call.given.clone()
        } else if self.is_filter {
            Narrowing::default()
        } else {
            self.files(options, call, prints)?
        };
        Some(Found { tool, line: 1, on })
    }

    /// Which files are changed; none if only a copy of one is.
    fn files(&self, options: &[String], call: &Call<'_>, prints: bool) -> Option<Narrowing> {
        let of_words = |words: &[String]| self.lists.of_words(words, call.folder);
        let (before, behind) = call.script.split_at(call.index.min(call.script.len()));
        if prints {
            let Some(target) = written_to(behind).flatten() else {
                // Through a pipe, or from `git show :PATH`.
                let upstream = before.iter().rev();
                let upstream = upstream.take_while(|command| command.output == Output::Next);
                let words = upstream.flat_map(|command| command.words.iter().skip(1));
                let words = words.map(|word| word.trim_start_matches(':').to_owned());
                let words: Vec<String> = words.chain(options.iter().cloned()).collect();
                return Some(of_words(&words));
            };
            let is_bare = target.chars().all(is_unknown);
            return if is_bare || options.contains(&target) {
                Some(of_words(&[target]))
            } else {
                comes_back(&target, behind).then(Narrowing::default)
            };
        }
        let is_copy = |word: &&String| {
            word.contains(TEMPORARY) || before.iter().any(|command| copies_to(command, word))
        };
        match options.iter().find(is_copy) {
            Some(copy) if comes_back(copy, behind) => Some(Narrowing::default()),
            Some(_) => None,
            None => Some(of_words(options)),
        }
    }
}

/// Where the output of the first of the commands comes: to a file, or into the index, which has no name;
/// none where it goes elsewhere.
fn written_to(commands: &[Command]) -> Option<Option<String>> {
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            let (name, rest) = command.words.split_first()?;
            let file = rest.iter().find(|word| !word.starts_with('-'));
            match tools::base(name) {
                "sponge" | "tee" => return Some(file.cloned()),
                "dd" => {
                    let file = rest.iter().find_map(|word| word.strip_prefix("of="));
                    return Some(file.map(str::to_owned));
                }
                "git" if rest.iter().any(|word| word == "hash-object") => return Some(None),
                _ => {}
            }
        }
        if command.output == Output::File {
            return Some(command.target.clone());
        }
        if command.output != Output::Next {
            return None;
        }
    }
    None
}

/// Whether the command copies something to the path.
fn copies_to(command: &Command, path: &str) -> bool {
    let is_copy = command
        .words
        .first()
        .is_some_and(|name| matches!(tools::base(name), "cp" | "rsync" | "install" | "ln"));
    is_copy
        && command.words.len() > 2
        && command.words.last().is_some_and(|to| {
            let to = to.trim_end_matches('/');
            path.strip_prefix(to)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Whether one of the commands moves or copies the file to where it belongs.
fn comes_back(path: &str, commands: &[Command]) -> bool {
    let is_it =
        |word: &String| word == path || word.contains(TEMPORARY) && path.contains(TEMPORARY);
    commands.iter().skip(1).any(|command| {
        let Some((name, rest)) = command.words.split_first() else {
            return false;
        };
        match tools::base(name) {
            "mv" | "cp" | "install" | "rsync" => {
                rest[..rest.len().saturating_sub(1)].iter().any(is_it)
            }
            "cat" => command.output == Output::File && rest.iter().any(is_it),
            "git" => {
                rest.first().is_some_and(|word| word == "hash-object") && rest.iter().any(is_it)
            }
            "dd" => rest
                .iter()
                .any(|word| word.strip_prefix("if=") == Some(path)),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests;
