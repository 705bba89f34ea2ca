//! What a cell says in its comments of rules that do not hold for it: `# selvedge: ignore NBK003`.

use super::python;
use crate::nearest::did_you_mean;
use crate::{Error, Selector};

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
        if !source.contains("selvedge") {
            return;
        }
        for (line, comment) in comments(source, is_python) {
            match meant(comment) {
                Some(("ignore", names)) => self.add(names, Some(line)),
                Some((other, _)) => self.misspelt.push(Misspelt {
                    line: Some(line),
                    problem: format!("`{other}` is none of its words, and `ignore` is"),
                }),
                None => {}
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

/// The word behind `selvedge:` and what follows, if that is `ignore` or meant so.
fn meant(comment: &str) -> Option<(&str, &str)> {
    let rest = comment.trim_start().strip_prefix("selvedge")?;
    let rest = rest.trim_start().strip_prefix([':', '-'])?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
    // What only speaks of the program is none.
    let is_meant = ["ignore", "noqa", "disable"]
        .iter()
        .any(|known| strsim::damerau_levenshtein(known, &word.to_ascii_lowercase()) <= 1);
    if !is_meant {
        return None;
    }
    Some((word, rest.trim_start_matches([':', '=', ' ', '-'])))
}

/// The comments of the code, with their lines from 1.
fn comments(source: &str, is_python: bool) -> Vec<(usize, &str)> {
    if let Some(found) = is_python.then(|| python::comments(source)).flatten() {
        return found;
    }
    // Nobody reads other languages here. What stands behind code is a comment after the sign that most
    // of them have.
    let lines = (1..).zip(source.lines());
    let found = lines.filter_map(|(number, line)| {
        let line = line.trim();
        let signs = ["//", "--", "%", ";"];
        let whole = signs.iter().find_map(|sign| line.strip_prefix(sign));
        let comment = whole.or_else(|| Some(line.split_once('#')?.1))?;
        Some((
            number,
            comment.trim_start_matches(['/', '-', '%', ';', '#']),
        ))
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
    }

    /// A text that has such a line in it was taken for a comment.
    #[test]
    fn what_is_no_comment_says_nothing() {
        for source in [
            "print('# selvedge: ignore NBK003')",
            "text = \"\"\"\n# selvedge: ignore NBK99\n\"\"\"",
            "# selvedge: the format of the file",
            "# selvedge ignores nothing here",
            "# see selvedge: ignore NBK003",
            "f'{x}# selvedge: ignore NBK003'",
        ] {
            check(source, true, &[], &[]);
        }
    }
}
