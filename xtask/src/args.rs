//! Command lines: few flags, and a mistake is answered with the nearest valid one.

use std::ffi::{OsStr, OsString};

use crate::failure::{Failure, Result};

/// Whether `--help` or `-h` stands before a `--`.
pub(crate) fn asks_for_help(args: &[OsString]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--help" || arg == "-h")
}

/// Checks that there is nothing in `args` but the switches in `known`, and returns which of them are given.
///
/// # Errors
/// Names the nearest switch for one that is not known.
pub(crate) fn switches<const N: usize>(
    args: &[OsString],
    known: [&'static str; N],
) -> Result<[bool; N]> {
    let mut given = [false; N];
    for arg in args {
        let arg = arg.to_string_lossy();
        let Some(index) = known.iter().position(|flag| *flag == arg) else {
            return Err(unknown(
                "argument",
                &arg,
                &[&known[..], &["--help"]].concat(),
            ));
        };
        given[index] = true;
    }
    Ok(given)
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// So many texts.
    Texts(usize),
    /// A whole number from 1 on.
    Count,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// Checks, before anything is built for it, that another program will take `args`: that they are these flags, each
/// with what follows it.
///
/// # Errors
/// Names the nearest flag for one that is not known, and what a flag takes.
pub(crate) fn check(args: &[OsString], known: &[(&'static str, Takes)]) -> Result<()> {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    while let Some(arg) = args.next() {
        let (flag, mut value) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg.into_owned(), None),
        };
        let Some((_, takes)) = known.iter().find(|(name, _)| *name == flag) else {
            let mut names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            names.push("--help");
            return Err(unknown("argument", &flag, &names));
        };
        let count = match takes {
            Takes::Nothing => 0,
            Takes::Texts(count) => *count,
            Takes::Count | Takes::OneOf(_) => 1,
        };
        if count == 0 && value.is_some() {
            return Err(Failure::Usage(format!("{flag} takes no value")));
        }
        for _ in 0..count {
            let next = || args.next().map(std::borrow::Cow::into_owned);
            let value = value
                .take()
                .or_else(next)
                .filter(|value| !value.starts_with("--"));
            let value = value.unwrap_or_default();
            let expected = match takes {
                Takes::Count if value.parse().is_ok_and(|count: u64| count > 0) => continue,
                Takes::OneOf(valid) if valid.contains(&&*value) => continue,
                Takes::Texts(_) if !value.is_empty() => continue,
                Takes::Count => "a whole number from 1 on".to_owned(),
                Takes::OneOf(valid) => valid.join(" or "),
                _ => "a value".to_owned(),
            };
            let found = if value.is_empty() { "nothing" } else { &value };
            return Err(Failure::Usage(format!(
                "{flag}: expected {expected}, found {found}"
            )));
        }
    }
    Ok(())
}

/// The value of `--flag VALUE` or `--flag=VALUE`, the last one given.
pub(crate) fn value_of(args: &[OsString], flag: &str) -> Option<OsString> {
    let mut value = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        } else if arg == flag {
            value = args.next().cloned();
        } else if let Some(text) = strip_prefix(arg, &format!("{flag}=")) {
            value = Some(text);
        }
    }
    value
}

fn strip_prefix(arg: &OsStr, prefix: &str) -> Option<OsString> {
    // A path that is not Unicode has to come as an argument of its own.
    arg.to_str()?.strip_prefix(prefix).map(OsString::from)
}

/// The usage error for something that is none of `known`.
pub(crate) fn unknown(kind: &str, given: &str, known: &[&str]) -> Failure {
    let nearest = known.iter().min_by_key(|name| distance(given, name));
    let mut message = format!("unknown {kind} `{given}`");
    if let Some(nearest) = nearest {
        message.push_str(&format!("; did you mean `{nearest}`?"));
    }
    message.push_str(&format!(" (valid: {})", known.join(", ")));
    Failure::Usage(message)
}

/// The Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("test", "test", 0),
            ("tset", "test", 2),
            ("", "abc", 3),
            ("demos", "demo", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn value_of_takes_both_spellings_and_the_last() {
        assert_eq!(value_of(&args("--steps 3"), "--out"), None);
        assert_eq!(
            value_of(&args("--out a --steps 3"), "--out"),
            Some("a".into())
        );
        assert_eq!(
            value_of(&args("--out a --out=b"), "--out"),
            Some("b".into())
        );
        assert_eq!(value_of(&args("--outer a -- --out b"), "--out"), None);
    }

    #[test]
    fn what_another_program_would_refuse_is_refused_at_once() {
        const KNOWN: [(&str, Takes); 4] = [
            ("--quick", Takes::Nothing),
            ("--steps", Takes::Count),
            ("--kind", Takes::OneOf(&["none", "fast"])),
            ("--compare", Takes::Texts(2)),
        ];
        for line in [
            "",
            "--quick --steps 3",
            "--steps=3 --kind=fast",
            "--compare a b --quick",
            "--compare=a b",
        ] {
            assert!(check(&args(line), &KNOWN).is_ok(), "{line}");
        }
        for (line, expected) in [
            ("--quik", "did you mean `--quick`?"),
            ("3", "unknown argument `3`"),
            ("--quick=1", "--quick takes no value"),
            (
                "--steps",
                "--steps: expected a whole number from 1 on, found nothing",
            ),
            ("--steps --quick", "found nothing"),
            ("--steps x", "found x"),
            ("--steps 0", "found 0"),
            ("--kind slow", "--kind: expected none or fast, found slow"),
            ("--compare a", "--compare: expected a value, found nothing"),
        ] {
            let Err(Failure::Usage(message)) = check(&args(line), &KNOWN) else {
                panic!("{line} was accepted");
            };
            assert!(message.contains(expected), "{line}: {message}");
        }
    }

    #[test]
    fn switches_names_the_nearest() {
        assert_eq!(
            switches(&args("--no-python"), ["--no-python"]).unwrap(),
            [true]
        );
        assert_eq!(switches(&[], ["--no-python"]).unwrap(), [false]);
        let Err(Failure::Usage(message)) = switches(&args("--no-pyton"), ["--no-python"]) else {
            panic!("an unknown switch was accepted");
        };
        assert!(message.contains("did you mean `--no-python`?"), "{message}");
    }

    #[test]
    fn help_after_the_separator_belongs_to_the_program() {
        assert!(asks_for_help(&args("--steps 3 -h")));
        assert!(!asks_for_help(&args("-- --help")));
    }
}
