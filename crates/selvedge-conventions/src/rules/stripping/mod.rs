//! Commands, scripts and filters that take the outputs out of notebooks, by their text. Nothing of a
//! repository is run, and where the text does not tell, nothing is found.

mod jq;
mod python;
mod shell;
mod tools;

use std::collections::{BTreeMap, HashSet};

use python::Step;
use shell::{Command, Output, UNKNOWN, UNKNOWN_OPTIONS};

/// What takes outputs out, and in which line of the text, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) tool: &'static str,
    pub(super) line: usize,
}

/// The tool with which a filter takes outputs out of what it reads.
pub(super) fn in_filter(clean: &str, scripts: &BTreeMap<String, String>) -> Option<&'static str> {
    let mut search = Search::new(true, scripts);
    Some(search.in_shell(clean, 0, false)?.tool)
}

/// The tool of this name, which is not configured here.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    tools::stripping(name, &[], true).map(|(tool, _)| tool)
}

/// The tool with which a hook takes outputs out of files. The paths of notebooks may be put behind its
/// command.
pub(super) fn in_hook(
    text: &str,
    is_given_files: bool,
    scripts: &BTreeMap<String, String>,
) -> Option<Found> {
    let mut search = Search::new(false, scripts);
    search.in_text(text, "", 0, is_given_files)
}

/// How a command is called.
#[derive(Clone, Copy, Default)]
struct Call<'t> {
    /// Whether what it prints comes into a file.
    is_written: bool,
    /// Whether the paths of files are put behind it.
    is_given_files: bool,
    /// The text that it reads.
    input: Option<&'t str>,
}

struct Search<'s> {
    is_filter: bool,
    scripts: &'s BTreeMap<String, String>,
    /// Those that were looked into.
    seen: HashSet<&'s str>,
}

impl<'s> Search<'s> {
    fn new(is_filter: bool, scripts: &'s BTreeMap<String, String>) -> Self {
        Self {
            is_filter,
            scripts,
            seen: HashSet::new(),
        }
    }

    /// A script in the language that its first line or its name tells.
    fn in_text(
        &mut self,
        text: &str,
        name: &str,
        depth: usize,
        is_given_files: bool,
    ) -> Option<Found> {
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("#!").unwrap_or_default();
        let has = |word: &str| first.contains(word);
        if has("python") || has("uv run") || first.is_empty() && name.ends_with(".py") {
            self.in_python(text, depth)
        } else if has("sh") || first.is_empty() {
            self.in_shell(text, depth, is_given_files)
        } else {
            None
        }
    }

    fn in_shell(&mut self, text: &str, depth: usize, is_given_files: bool) -> Option<Found> {
        // `sh -c '…'` in a line of a script of a hook.
        const DEEPEST: usize = 6;
        if depth == DEEPEST {
            return None;
        }
        let commands = shell::commands(text);
        let last = commands.len().saturating_sub(1);
        commands.iter().enumerate().find_map(|(index, command)| {
            let call = Call {
                is_written: self.is_filter && command.output != Output::Dropped
                    || is_written(&commands[index..]),
                // They are put behind the last one.
                is_given_files: is_given_files && index == last,
                input: command.input.as_deref(),
            };
            let tool = self.in_words(&command.words, &call, text, depth)?;
            Some(Found {
                tool,
                line: command.line,
            })
        })
    }

    fn in_python(&mut self, text: &str, depth: usize) -> Option<Found> {
        let steps = python::steps(text, self.is_filter);
        steps.into_iter().find_map(|found| {
            let call = Call {
                is_written: found.is_written,
                ..Call::default()
            };
            let tool = match &found.step {
                Step::Words(words) => self.in_words(words, &call, text, depth),
                Step::Text(text) => self
                    .in_shell(text, depth + 1, false)
                    .map(|found| found.tool),
                Step::TakesOutputs => Some("a script"),
            };
            Some(Found {
                tool: tool?,
                line: found.line,
            })
        })
    }

    /// The tool in one command with its arguments.
    fn in_words(
        &mut self,
        words: &[String],
        call: &Call<'_>,
        text: &str,
        depth: usize,
    ) -> Option<&'static str> {
        let mut words = words;
        let mut call = *call;
        // Each takes a word at least.
        while let Some((name, rest)) = words.split_first() {
            if let Some(script) = self.script(name) {
                return self.in_script(script, rest, &call, depth);
            }
            match tools::base(name) {
                "command"
                    if rest
                        .first()
                        .is_some_and(|word| word.starts_with("-v") || word.starts_with("-V")) =>
                {
                    return None;
                }
                "eval" => return self.in_line(&rest.join(" "), &call, depth),
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
                    words = &rest[at + 1..];
                    call.is_given_files = true;
                }
                "nix-shell" | "nix" => {
                    let at = rest
                        .iter()
                        .position(|word| matches!(&**word, "--run" | "--command"))?;
                    return self.in_line(rest.get(at + 1)?, &call, depth);
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
                        call.is_given_files |= matches!(name, "xargs" | "parallel");
                        words = rest;
                    }
                    None => return self.of_tool(words, &call, text),
                },
            }
        }
        None
    }

    /// A text that is one command, or several.
    fn in_line(&mut self, text: &str, call: &Call<'_>, depth: usize) -> Option<&'static str> {
        Some(self.in_shell(text, depth + 1, call.is_given_files)?.tool)
    }

    /// What an interpreter is given: a text, a file, or what it reads.
    fn in_interpreter(
        &mut self,
        rest: &[String],
        call: &Call<'_>,
        depth: usize,
        is_python: bool,
    ) -> Option<&'static str> {
        let is_flag = |word: &&String| word.starts_with('-') && word.len() > 1;
        let is_text = |word: &String| !word.starts_with("--") && word.ends_with('c');
        let flags = rest.iter().take_while(is_flag).count();
        let text = if rest[..flags].iter().any(is_text) {
            rest.get(flags)?.as_str()
        } else {
            match rest.get(flags) {
                Some(name) if name != "-" => {
                    let script = self.script(name)?;
                    return self.in_script(script, &rest[flags + 1..], call, depth);
                }
                _ => call.input?,
            }
        };
        if is_python {
            return Some(self.in_python(text, depth + 1)?.tool);
        }
        self.in_line(text, call, depth)
    }

    /// The script of the repository that a word names.
    fn script(&self, word: &str) -> Option<&'s str> {
        let path = word.rsplit(UNKNOWN).next().unwrap_or(word);
        let path = path.trim_start_matches('/').trim_start_matches("./");
        Some(self.scripts.get_key_value(path)?.0.as_str())
    }

    fn in_script(
        &mut self,
        name: &'s str,
        options: &[String],
        call: &Call<'_>,
        depth: usize,
    ) -> Option<&'static str> {
        // What its own options mean can only be guessed.
        const LOOKING: [&str; 4] = ["keep", "check", "verify", "dry"];
        let mut options = options.iter().filter(|word| word.starts_with('-'));
        if options.any(|word| LOOKING.iter().any(|part| word.contains(part)))
            || !self.seen.insert(name)
        {
            return None;
        }
        let text = self.scripts.get(name)?;
        Some(
            self.in_text(text, name, depth + 1, call.is_given_files)?
                .tool,
        )
    }

    fn of_tool(&self, words: &[String], call: &Call<'_>, text: &str) -> Option<&'static str> {
        let (name, options) = words.split_first()?;
        if options.iter().any(|word| word.contains(UNKNOWN_OPTIONS)) {
            return None;
        }
        let found = if tools::is_jq(tools::base(name)) {
            let program = tools::program_of_jq(options)?;
            let is_in_place = options
                .iter()
                .any(|word| matches!(&**word, "-i" | "--in-place"));
            let program = match program {
                tools::Program::Text(program) => program,
                tools::Program::File(file) => self.scripts.get(self.script(file)?)?,
            };
            let is_about_notebooks = self.is_filter
                || ["cell", "execution_count"]
                    .iter()
                    .any(|word| program.contains(word))
                || text.contains("ipynb");
            let takes = is_about_notebooks && jq::takes_outputs(program);
            takes.then_some(("jq", !is_in_place))
        } else {
            tools::stripping(name, options, call.is_given_files)
        };
        let (tool, prints) = found?;
        (!prints || call.is_written).then_some(tool)
    }
}

/// Whether the output of the first of the commands comes into a file, or into the index.
fn is_written(commands: &[Command]) -> bool {
    for (index, command) in commands.iter().enumerate() {
        let writes = index > 0
            && match command.words.first().map_or("", |word| tools::base(word)) {
                "sponge" | "tee" | "dd" => true,
                "git" => command.words.iter().any(|word| word == "hash-object"),
                _ => false,
            };
        if writes || command.output == Output::File {
            return true;
        }
        if command.output != Output::Next {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests;
