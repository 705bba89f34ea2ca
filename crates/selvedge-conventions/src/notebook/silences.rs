//! What a cell says in its comments of rules that do not hold for it: `# selvedge: ignore NBK003`.

use super::python;
use crate::{Error, Selector};
use selvedge_base::did_you_mean;

/// The rules that the metadata or the comments of something silence, and what is meant so and does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Silences {
    pub(crate) rules: Vec<Selector>,
    pub(crate) misspelt: Vec<Misspelt>,
}

/// Something that is meant to silence a rule, and silences none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misspelt {
    /// The line of the cell, from 1; none of metadata.
    pub(crate) line: Option<usize>,
    pub(crate) problem: String,
}

impl Silences {
    /// Whether the rule of this code is silenced.
    pub(crate) fn has(&self, code: &str) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|selector| selector.specificity(code).is_some())
    }

    /// Reads the comments of a cell.
    pub(super) fn add_comments(&mut self, source: &str, is_python: bool) {
        if place_of_name(source).is_none() {
            return;
        }
        for (line, comment) in comments(source, is_python) {
            // One comment may stand behind another.
            for part in comment.split('#') {
                match meant(part) {
                    Some(Ok(names)) => self.add(names, Some(line)),
                    Some(Err(problem)) => self.misspelt.push(Misspelt {
                        line: Some(line),
                        problem,
                    }),
                    None => {}
                }
            }
        }
    }

    /// Takes the names of rules. A reason may stand behind them.
    pub(super) fn add(&mut self, names: &str, line: Option<usize>) {
        let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '(' | ')');
        let mut is_first = true;
        let mut rest = names;
        loop {
            let word_start = rest.find(|c| !is_between(c)).unwrap_or(rest.len());
            let (between, behind) = rest.split_at(word_start);
            let is_expected = is_first || between.contains(',');
            if behind.is_empty() {
                break;
            }
            let end = behind.find(is_between).unwrap_or(behind.len());
            let (word, behind) = behind.split_at(end);
            let word = word.trim_end_matches(['.', ':', ';', '!']);
            match word.parse::<Selector>() {
                Ok(selector) => self.rules.push(selector),
                Err(error) if is_first || is_code(word) || is_expected && word.contains('-') => {
                    let problem = match error {
                        Error::UnknownRule { given, nearest } => format!(
                            "no rule is called `{given}`{}",
                            did_you_mean(nearest.as_deref())
                        ),
                        other => other.to_string(),
                    };
                    self.misspelt.push(Misspelt { line, problem });
                }
                Err(_) => break,
            }
            is_first = false;
            rest = behind;
        }
        if is_first && names.chars().all(is_between) {
            self.misspelt.push(Misspelt {
                line,
                problem: "it names no rule".to_owned(),
            });
        }
    }
}

/// Whether the word looks like the code of a rule.
fn is_code(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - letters.len();
    digits > 0
        && (2..=4).contains(&letters.len())
        && letters.bytes().all(|b| b.is_ascii_uppercase())
}

/// Whether the text begins with the code or the name of a rule, or with the start of codes, which is no
/// word of a sentence.
pub(super) fn names_rule(text: &str) -> bool {
    let text = text.trim_start_matches(['[', '(', ' ']);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let word = &text[..end.unwrap_or(text.len())];
    let is_no_word = |c: char| c.is_ascii_digit() || c == '-';
    let is_start = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    (word.contains(is_no_word) || is_start) && word.parse::<Selector>().is_ok()
}

/// Where the program is named, in letters of any size.
fn place_of_name(text: &str) -> Option<usize> {
    const NAME: &[u8] = b"selvedge";
    let mut windows = text.as_bytes().windows(NAME.len());
    windows.position(|window| window.eq_ignore_ascii_case(NAME))
}

/// What stands behind `selvedge: ignore`, or why it is meant so and is not that; none of another comment.
fn meant(comment: &str) -> Option<Result<&str, String>> {
    let comment = comment.trim_start();
    let at = place_of_name(comment)?;
    if at > 0 {
        // What another tool reads, up to the end of the line.
        const PRAGMAS: [&str; 7] = [
            "noqa", "type:", "pylint:", "nosec", "fmt:", "mypy:", "pyright:",
        ];
        let is_behind = PRAGMAS.iter().any(|pragma| comment.starts_with(pragma));
        let problem = "it has no `#` of its own behind another comment";
        return (is_behind && meant(&comment[at..]).is_some()).then(|| Err(problem.to_owned()));
    }
    let rest = comment["selvedge".len()..].trim_start();
    let behind_sign = rest.strip_prefix([':', '-']);
    let rest = behind_sign.unwrap_or(rest).trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    let (word, names) = rest.split_at(end.unwrap_or(rest.len()));
    let names = names.trim_start_matches([':', '=', ' ', '-']);
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    let is_near =
        |known: &&str| strsim::damerau_levenshtein(known, &word.to_ascii_lowercase()) <= 1;
    let is_one = ["ignore", "noqa", "disable"].iter().any(is_near);
    let has_rule = names_rule(names);
    match behind_sign {
        // What only speaks of the program is none.
        None if is_one && has_rule => Some(Err("there is no `:` behind `selvedge`".to_owned())),
        None => None,
        Some(_) if is("ignore") => Some(Ok(names)),
        Some(_) if is_one || has_rule && !word.is_empty() => Some(Err(format!(
            "`{word}` is none of its words, and `ignore` is"
        ))),
        Some(_) if names_rule(rest) => Some(Err("it lacks the word `ignore`".to_owned())),
        Some(_) => None,
    }
}

/// The comments of the code, with their lines from 1.
fn comments(source: &str, is_python: bool) -> Vec<(usize, &str)> {
    if let Some(found) = is_python.then(|| python::comments(source)).flatten() {
        return found;
    }
    // Nobody reads other languages here: what begins a comment in one of them does so in all.
    let lines = (1..).zip(source.lines());
    let found = lines.filter_map(|(number, line)| {
        let signs = ["#", "//", "--", "%", ";", "/*", "(*"];
        let at = place_of_name(line)?;
        let before = line[..at].trim_end();
        let is_comment = signs.iter().any(|sign| before.ends_with(sign));
        is_comment.then(|| (number, &line[at..]))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::Silences;

    #[track_caller]
    fn check(source: &str, is_python: bool, rules: &[&str], misspelt: &[(usize, &str)]) {
        let mut found = Silences::default();
        found.add_comments(source, is_python);
        let names: Vec<_> = found.rules.iter().map(ToString::to_string).collect();
        assert_eq!(names, rules, "{source}");
        let problems = found.misspelt.iter();
        let problems: Vec<_> = problems
            .map(|one| (one.line.unwrap_or_default(), &*one.problem))
            .collect();
        assert_eq!(problems, misspelt, "{source}");
    }

    #[test]
    fn rules_are_silenced_in_any_of_the_ways_that_people_write() {
        for comment in [
            "# selvedge: ignore NBK003",
            "#selvedge:ignore NBK003",
            "x = 1  # selvedge: ignore[NBK003]",
            "# selvedge: ignore: NBK003",
            "# selvedge: ignore=NBK003",
            "# selvedge: ignore(error-output)",
            "# selvedge: ignore NBK003 as NBK002 does not hold",
            "# selvedge: ignore nbk003, because it is meant",
            "def f():\n    pass  # selvedge: ignore NBK003 - meant",
            "x = 1  # noqa: F841  # selvedge: ignore NBK003",
            "# Selvedge: Ignore NBK003",
            "# selvedge: ignore NBK003.",
            "!false  # selvedge: ignore NBK003",
        ] {
            check(comment, true, &["NBK003"], &[]);
        }
        check(
            "# selvedge: ignore NBK003, TEN003 NBK",
            true,
            &["NBK003", "TEN003", "NBK"],
            &[],
        );
        check("// selvedge: ignore NBK003", false, &["NBK003"], &[]);
        check("-- selvedge: ignore NBK003", false, &["NBK003"], &[]);
        check("stop() # selvedge: ignore NBK003", false, &["NBK003"], &[]);
        check(
            "throw 1 // Selvedge: ignore NBK003",
            false,
            &["NBK003"],
            &[],
        );
    }

    #[test]
    fn what_silences_nothing_is_told() {
        check(
            "x = 1\n# selvedge: ignore[NBK99]",
            true,
            &[],
            &[(2, "no rule is called `NBK99`")],
        );
        check(
            "# selvedge: ignore NBK003 NBK0002",
            true,
            &["NBK003"],
            &[(1, "no rule is called `NBK0002`; did you mean `NBK002`?")],
        );
        check("# selvedge: ignore", true, &[], &[(1, "it names no rule")]);
        let ignore = |word: &str| format!("`{word}` is none of its words, and `ignore` is");
        check(
            "# selvedge: ignroe NBK003",
            true,
            &[],
            &[(1, &ignore("ignroe"))],
        );
        check(
            "# selvedge: noqa NBK003",
            true,
            &[],
            &[(1, &ignore("noqa"))],
        );
        check(
            "# selvedge: allow(NBK003)",
            true,
            &[],
            &[(1, &ignore("allow"))],
        );
        for (comment, problem) in [
            (
                "# selvedge ignore NBK003",
                "there is no `:` behind `selvedge`",
            ),
            ("# selvedge: NBK003", "it lacks the word `ignore`"),
            (
                "x = 1  # noqa: F841, selvedge: ignore NBK003",
                "it has no `#` of its own behind another comment",
            ),
        ] {
            check(comment, true, &[], &[(1, problem)]);
        }
    }

    /// A text that has such a line in it was taken for a comment.
    #[test]
    fn what_is_no_comment_says_nothing() {
        for source in [
            "print('# selvedge: ignore NBK003')",
            "text = \"\"\"\n# selvedge: ignore NBK99\n\"\"\"",
            "# selvedge: the format of the file",
            "# selvedge ignores nothing here",
            "# Selvedge ignore list",
            "# selvedge: skip ten rows",
            "# Selvedge: notes of the run",
            "# type: ignore of selvedge",
            "# see selvedge: ignore NBK003",
            "f'{x}# selvedge: ignore NBK003'",
        ] {
            check(source, true, &[], &[]);
        }
    }
}
