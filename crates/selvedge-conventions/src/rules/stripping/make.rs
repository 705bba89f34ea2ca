//! The recipes of `make` and `just`, as their files have them.

use std::collections::{BTreeMap, HashMap, HashSet};

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
    while let Some(target) = targets.pop() {
        if seen.insert(target.clone())
            && let Some(rule) = file.rules.get(&target)
        {
            lines.extend(rule.lines.iter().cloned());
            targets.extend(rule.needs.iter().cloned());
        }
    }
    Some(lines)
}

#[derive(Default)]
struct Rule {
    needs: Vec<String>,
    lines: Vec<String>,
}

#[derive(Default)]
struct File {
    rules: HashMap<String, Rule>,
    first: Option<String>,
}

impl File {
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
                let command = expanded(command, &set, is_just);
                for target in &open {
                    if let Some(rule) = file.rules.get_mut(target) {
                        rule.lines.push(command.clone());
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
            let mut targets = targets
                .split_whitespace()
                .map(|t| t.trim_start_matches('@'));
            open = if is_just {
                // What stands behind the name are its parameters.
                targets.next().map(str::to_owned).into_iter().collect()
            } else {
                targets.map(str::to_owned).collect()
            };
            for target in &open {
                if file.first.is_none() && !target.starts_with('.') {
                    file.first = Some(target.clone());
                }
                let rule = file.rules.entry(target.clone()).or_default();
                let needs = needs.trim_start_matches(':').split_whitespace();
                rule.needs.extend(needs.map(str::to_owned));
                if !command.trim().is_empty() {
                    rule.lines.push(expanded(command.trim(), &set, is_just));
                }
            }
        }
        file
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
    const LONGEST: usize = 16 << 10;
    let mut text = String::new();
    let mut rest = line;
    while !rest.is_empty() && text.len() < LONGEST {
        let opening = if is_just { "{{" } else { "$" };
        let Some((before, behind)) = rest.split_once(opening) else {
            break;
        };
        text.push_str(before);
        let closing = match behind.chars().next() {
            _ if is_just => Some("}}"),
            Some('(') => Some(")"),
            Some('{') => Some("}"),
            _ => None,
        };
        let Some(closing) = closing else {
            // `$$` is a `$` for the shell, and `$@` what is made.
            let next = behind.chars().next();
            text.push_str(if next == Some('$') { "$" } else { "$1" });
            rest = &behind[next.map_or(0, char::len_utf8)..];
            continue;
        };
        let inner = if is_just { behind } else { &behind[1..] };
        let (name, behind) = inner.split_once(closing).unwrap_or((inner, ""));
        let name = name.trim();
        match set.get(name) {
            Some(value) => text.push_str(value),
            None if name == "MAKE" => text.push_str("make"),
            None => match name.strip_prefix("wildcard ") {
                Some(paths) => text.push_str(paths),
                // A function, or a variable of the environment.
                None => text.push_str("$1"),
            },
        }
        rest = behind;
    }
    text + rest
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
        let text =
            "tool := 'nbstripout'\nstrip file='a': look\n    {{tool}} {{file}}\nlook:\n    true\n";
        check("justfile", text, "just strip", &["nbstripout $1", "true"]);
    }
}
