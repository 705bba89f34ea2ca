//! The recipes of `make` and `just`, as their files have them.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Stands for files of which the text does not tell which they are: none of the repository.
const NOT_KNOWN: &str = "\u{3}";
/// The most targets that are made, and that one line has, and the most that each of these needs.
const MOST: usize = 256;
/// The longest words, in bytes, that functions of `make` are worked out for.
const LONGEST_WORDS: usize = 4 << 10;

/// The lines that a call runs, in order; none where there is no such file.
pub(super) fn recipes(words: &[String], scripts: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let (name, rest) = words.split_first()?;
    let is_just = name.ends_with("just");
    let names: &[&str] = if is_just {
        &["justfile", "Justfile", ".justfile"]
    } else {
        &["GNUmakefile", "makefile", "Makefile"]
    };
    let (mut folder, mut file, mut targets) = (String::new(), None, Vec::new());
    let mut set = HashMap::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-C" | "--directory" => folder = format!("{}/", rest.next()?.trim_end_matches('/')),
            "-f" | "--file" | "--makefile" | "--justfile" => file = rest.next().cloned(),
            _ if word.starts_with('-') => {}
            _ => match word.split_once('=') {
                Some((name, value)) => {
                    set.insert(name.to_owned(), value.to_owned());
                }
                None => targets.push(word.clone()),
            },
        }
    }
    let in_folder = |name: &str| scripts.get(&format!("{folder}{name}"));
    let text = match file {
        Some(file) => in_folder(file.trim_start_matches("./")),
        None => names.iter().find_map(|name| in_folder(name)),
    }?;
    let file = File::parse(text, is_just, set);
    if targets.is_empty() {
        targets.extend(file.first.clone());
    }
    let mut lines = Vec::new();
    let mut seen = HashSet::new();
    let mut set = file.set.clone();
    while let Some(target) = targets.pop() {
        if seen.insert(target.clone()) && seen.len() < MOST {
            let rule = file.rule(&target);
            set.extend(rule.automatic(target));
            let all = rule.lines.iter();
            lines.extend(all.map(|line| expanded(line, &set, is_just)));
            targets.extend(rule.needs);
        }
    }
    Some(lines)
}

#[derive(Clone, Default)]
struct Rule {
    needs: Vec<String>,
    lines: Vec<String>,
    /// What stands for the `%` of its pattern.
    stem: String,
}

impl Rule {
    /// The variables that `make` sets for each target, by the signs that they are called.
    fn automatic(&self, target: String) -> [(String, String); 6] {
        let first = self.needs.first().cloned().unwrap_or_default();
        let all = self.needs.join(" ");
        let stem = self.stem.clone();
        let values = [target, first, all.clone(), all.clone(), all, stem];
        let mut signs = ["@", "<", "^", "?", "+", "*"].into_iter();
        values.map(|value| (signs.next().unwrap_or_default().to_owned(), value))
    }
}

#[derive(Default)]
struct File {
    rules: HashMap<String, Rule>,
    /// Rules whose target has a `%`, in order.
    patterns: Vec<(String, Rule)>,
    first: Option<String>,
    set: HashMap<String, String>,
}

/// What stands for the `%` of a pattern in a word that is like it.
fn stem<'w>(pattern: &str, word: &'w str) -> Option<&'w str> {
    let (start, end) = pattern.split_once('%')?;
    let stem = word.strip_prefix(start)?.strip_suffix(end)?;
    (!stem.is_empty()).then_some(stem)
}

impl File {
    /// How a target is made. A rule without lines takes those of a pattern that the target is like.
    fn rule(&self, target: &str) -> Rule {
        let mut rule = self.rules.get(target).cloned().unwrap_or_default();
        if rule.lines.is_empty() {
            let mut patterns = self.patterns.iter();
            let found = patterns.find_map(|(pattern, rule)| Some((stem(pattern, target)?, rule)));
            if let Some((stem, of_pattern)) = found {
                stem.clone_into(&mut rule.stem);
                rule.lines.clone_from(&of_pattern.lines);
                let needs = of_pattern.needs.iter().map(|need| need.replace('%', stem));
                // `$<` is that of the pattern.
                rule.needs = needs.chain(std::mem::take(&mut rule.needs)).collect();
            }
        }
        rule
    }

    fn parse(text: &str, is_just: bool, mut set: HashMap<String, String>) -> Self {
        let given: HashSet<String> = set.keys().cloned().collect();
        let mut file = Self::default();
        let mut open: Vec<String> = Vec::new();
        // Whether each condition that a line stands in holds, where nobody sets anything.
        let mut conditions: Vec<bool> = Vec::new();
        let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
        for line in text.lines() {
            let trimmed = line.trim();
            let first = trimmed.split_whitespace().next().unwrap_or_default();
            match first {
                "ifdef" | "ifndef" | "ifeq" | "ifneq" if !is_just => {
                    conditions.push(holds(first, trimmed[first.len()..].trim(), &set));
                    continue;
                }
                "else" if !is_just => {
                    if let Some(last) = conditions.last_mut() {
                        *last = !*last;
                    }
                    continue;
                }
                "endif" if !is_just => {
                    conditions.pop();
                    continue;
                }
                _ => {}
            }
            if trimmed.is_empty() || trimmed.starts_with('#') || conditions.contains(&false) {
                continue;
            }
            let is_recipe = if is_just {
                line.starts_with([' ', '\t'])
            } else {
                line.starts_with('\t')
            };
            if is_recipe {
                let command = trimmed.trim_start_matches(['@', '-', '+']);
                for target in &open {
                    if let Some(rule) = file.rule_mut(target) {
                        rule.lines.push(command.to_owned());
                    }
                }
                continue;
            }
            if let Some((name, value)) = variable(trimmed) {
                if !given.contains(name) {
                    let value = expanded(value.trim_matches(['"', '\'']), &set, is_just);
                    set.insert(name.to_owned(), value);
                }
                open.clear();
                continue;
            }
            let Some((targets, needs)) = trimmed.split_once(':') else {
                open.clear();
                continue;
            };
            let needs = needs.split('#').next().unwrap_or_default();
            let (needs, command) = needs.split_once(';').unwrap_or((needs, ""));
            let (targets, needs) = match is_just {
                true => (targets.to_owned(), needs.to_owned()),
                false => (
                    expanded(targets, &set, false),
                    expanded(needs.trim_start_matches(':'), &set, false),
                ),
            };
            // `a b: %.x: %.y`
            let (pattern, needs) = match needs.split_once(':') {
                Some((pattern, needs)) if pattern.contains('%') => (Some(pattern.trim()), needs),
                _ => (None, &*needs),
            };
            // What stands behind a `|` is no part of `$^`.
            let needs = needs.split('|').next().unwrap_or_default();
            let needs: Vec<&str> = needs.split_whitespace().take(MOST).collect();
            let mut targets = targets
                .split_whitespace()
                .map(|t| t.trim_start_matches('@'))
                .take(MOST);
            open = if is_just {
                // What stands behind the name are its parameters.
                targets.next().map(str::to_owned).into_iter().collect()
            } else {
                targets.map(str::to_owned).collect()
            };
            for target in &open {
                let is_pattern = target.contains('%') && !is_just;
                if file.first.is_none() && !target.starts_with('.') && !is_pattern {
                    file.first = Some(target.clone());
                }
                if is_pattern {
                    file.patterns.push((target.clone(), Rule::default()));
                } else {
                    file.rules.entry(target.clone()).or_default();
                }
                let Some(rule) = file.rule_mut(target) else {
                    continue;
                };
                if let Some(stem) = pattern.and_then(|pattern| stem(pattern, target)) {
                    stem.clone_into(&mut rule.stem);
                }
                let needs = needs.iter().map(|need| match rule.stem.as_str() {
                    "" => (*need).to_owned(),
                    stem => need.replace('%', stem),
                });
                let needs: Vec<String> = needs.collect();
                rule.needs.extend(needs);
                if !command.trim().is_empty() {
                    rule.lines.push(command.trim().to_owned());
                }
            }
        }
        file.set = set;
        file
    }

    /// The rule of a target, or of the last pattern that is written so.
    fn rule_mut(&mut self, target: &str) -> Option<&mut Rule> {
        let mut patterns = self.patterns.iter_mut().rev();
        let of_pattern = patterns.find(|(pattern, _)| pattern == target);
        of_pattern
            .map(|(_, rule)| rule)
            .or_else(|| self.rules.get_mut(target))
    }
}

/// Whether a condition holds, where nobody sets a variable otherwise.
fn holds(word: &str, rest: &str, set: &HashMap<String, String>) -> bool {
    if word.ends_with("def") {
        let is_set = set.get(rest).is_some_and(|value| !value.is_empty());
        return is_set == (word == "ifdef");
    }
    let both = match rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(both) => both.split_once(','),
        None => rest.split_once([' ', '\t']),
    };
    let Some((left, right)) = both else {
        return false;
    };
    let value = |text: &str| {
        let text = text.trim().trim_matches(['"', '\'']);
        expanded(text, set, false).replace("$1", "")
    };
    (value(left) == value(right)) == (word == "ifeq")
}

/// `NAME = value`, `NAME := value`, `NAME ?= value`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end_matches([':', '?', '+', '!']).trim();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, value.trim()))
}

/// The line with the values of variables in it.
fn expanded(line: &str, set: &HashMap<String, String>, is_just: bool) -> String {
    expanded_within(line, set, is_just, 0)
}

fn expanded_within(
    line: &str,
    set: &HashMap<String, String>,
    is_just: bool,
    depth: usize,
) -> String {
    const LONGEST: usize = 16 << 10;
    const DEEPEST: usize = 8;
    let mut text = String::new();
    let mut rest = line;
    while !rest.is_empty() && text.len() < LONGEST {
        let opening = if is_just { "{{" } else { "$" };
        let Some((before, behind)) = rest.split_once(opening) else {
            break;
        };
        text.push_str(before);
        if is_just {
            let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
            text.push_str(set.get(name.trim()).map_or("$1", String::as_str));
            rest = behind;
            continue;
        }
        let Some(first) = behind.chars().next() else {
            break;
        };
        rest = &behind[first.len_utf8()..];
        let name = match first {
            // `$$` is a `$` for the shell.
            '$' => {
                text.push('$');
                continue;
            }
            '(' | '{' => {
                let end = closing(rest, first).unwrap_or(rest.len());
                let name = &rest[..end];
                rest = rest.get(end + 1..).unwrap_or_default();
                name.trim()
            }
            _ => &behind[..first.len_utf8()],
        };
        let value = match set.get(name) {
            Some(value) => value.clone(),
            None if name == "MAKE" => "make".to_owned(),
            None if depth == DEEPEST => NOT_KNOWN.to_owned(),
            None => called(name, |text| expanded_within(text, set, false, depth + 1)),
        };
        text.push_str(&value);
    }
    text.truncate(text.floor_char_boundary(LONGEST));
    text + rest
}

/// Where the bracket closes that was opened before the text.
fn closing(text: &str, opening: char) -> Option<usize> {
    let closing = if opening == '(' { ')' } else { '}' };
    let mut depth = 0;
    text.char_indices().find_map(|(at, c)| {
        if c == opening {
            depth += 1;
        } else if c == closing {
            depth -= 1;
        }
        (depth < 0).then_some(at)
    })
}

/// What a function of `make` gives.
fn called(call: &str, expanded: impl Fn(&str) -> String) -> String {
    let by_pattern = |text: &str, from: &str, to: &str| {
        let words = text.split_whitespace().map(|word| match stem(from, word) {
            Some(stem) => to.replace('%', stem),
            None => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let Some((name, rest)) = call.split_once(char::is_whitespace) else {
        // `NAME:.a=.b`
        let Some((name, (from, to))) = call
            .split_once(':')
            .and_then(|(name, change)| Some((name, change.split_once('=')?)))
        else {
            // A variable of the environment, or what nobody sets.
            return "$1".to_owned();
        };
        let text = expanded(&format!("$({name})"));
        return match from.contains('%') {
            _ if text.len() + to.len() > LONGEST_WORDS => NOT_KNOWN.to_owned(),
            true => by_pattern(&text, from, to),
            false => by_pattern(&text, &format!("%{from}"), &format!("%{to}")),
        };
    };
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(expanded(rest[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(expanded(rest[start..].trim()));
    let each = |text: &str, change: &dyn Fn(&str) -> String| {
        let words: Vec<String> = text.split_whitespace().map(change).collect();
        words.join(" ")
    };
    let length: usize = parts.iter().map(String::len).sum();
    match (name, &parts[..]) {
        _ if length > LONGEST_WORDS => NOT_KNOWN.to_owned(),
        ("wildcard" | "sort" | "strip", [text]) => text.clone(),
        ("shell", _) => format!("$({})", expanded(rest)),
        ("patsubst", [from, to, text]) => by_pattern(text, from, to),
        ("addprefix", [prefix, text]) => each(text, &|word| format!("{prefix}{word}")),
        ("addsuffix", [suffix, text]) => each(text, &|word| format!("{word}{suffix}")),
        _ => NOT_KNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::recipes;

    #[track_caller]
    fn check(name: &str, text: &str, call: &str, expected: &[&str]) {
        let scripts = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        let words = shlex::split(call).unwrap();
        assert_eq!(recipes(&words, &scripts).unwrap(), expected, "{call}");
    }

    #[test]
    fn recipes_of_targets_are_read() {
        let text = "\
TOOL ?= nbstripout
.PHONY: all strip
all: strip # everything
\t@echo done

strip: look
\t-$(TOOL) $(wildcard notebooks/*.ipynb)
\tfor f in *.ipynb; do ${TOOL} \\
\t  $$f; done
look: ; test -d notebooks
ifdef STRIP
all: other
endif
ifneq ($(MODE),look)
all: look
endif
other:
\tnbwipers clean-all .
";
        let strip = [
            "nbstripout notebooks/*.ipynb",
            "for f in *.ipynb; do nbstripout  \t  $f; done",
            "test -d notebooks",
        ];
        check("Makefile", text, "make strip", &strip);
        let all = ["echo done", strip[2], strip[0], strip[1]];
        check("Makefile", text, "make -s", &all);
        check("Makefile", text, "make TOOL=true -j 1 look", &strip[2..]);
        check("sub/Makefile", text, "make -C sub/ look", &strip[2..]);
        let text = "\
NOTEBOOKS := $(wildcard docs/*.ipynb)
%.html: %.ipynb
\tjupyter nbconvert $<
strip: $(NOTEBOOKS:.ipynb=.stripped)
%.stripped: %.ipynb
\tnbstripout $<
\ttouch $@ $*
site/a.bare: %.bare: %.ipynb | site
\tnbstripout $^
each: ; nbstripout $(patsubst %.md,%.ipynb,$(addprefix docs/,a.md b.md))
some:
\tnbstripout $(filter-out docs/%,$(NOTEBOOKS)) $(shell git ls-files docs)
";
        let strip = ["nbstripout docs/*.ipynb", "touch docs/*.stripped docs/*"];
        check("Makefile", text, "make", &strip);
        check(
            "Makefile",
            text,
            "make docs/a.stripped",
            &["nbstripout docs/a.ipynb", "touch docs/a.stripped docs/a"],
        );
        check(
            "Makefile",
            text,
            "make site/a.bare",
            &["nbstripout site/a.ipynb"],
        );
        check(
            "Makefile",
            text,
            "make each",
            &["nbstripout docs/a.ipynb docs/b.ipynb"],
        );
        check(
            "Makefile",
            text,
            "make some",
            &["nbstripout \u{3} $(git ls-files docs)"],
        );
        let text =
            "tool := 'nbstripout'\nstrip file='a': look\n    {{tool}} {{file}}\nlook:\n    true\n";
        check("justfile", text, "just strip", &["nbstripout $1", "true"]);
    }
}
