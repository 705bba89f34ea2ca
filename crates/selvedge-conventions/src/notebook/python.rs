//! Python as ruff's parser reads it, with the `%` and `!` of IPython.

use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, StringFlags as _};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged as _, TextSize};

/// A string literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal<'s> {
    /// The line that it starts in, from 1.
    pub(super) line: usize,
    /// Whether it is an f-string, in which `{…}` stands for a value.
    pub(super) formatted: bool,
    /// What is between the quotes, escapes unread.
    pub(super) text: &'s str,
}

/// What `look` makes of the code; none of code that is too long to be looked at.
///
/// A tree is as deep as its code is nested, and it is dropped level by level: so there is a limit of
/// the length, and a stack that is enough for that. The parser panics behind a bracket that does not match,
/// where a line begins with a sign of IPython such as `;`: nothing is made of such code.
pub(crate) fn parsed<T>(code: &str, look: impl FnOnce(&Parsed<ModModule>) -> T) -> Option<T> {
    const LONGEST: usize = 32 << 10;
    const STACK: usize = 64 << 20;
    // What any code needs, and for each of its bytes as much as one level takes. To make a stack takes some ten
    // times as long as to read a cell.
    const LEAST: usize = 256 << 10;
    const LEVEL: usize = (STACK - LEAST) / LONGEST;
    if code.len() > LONGEST {
        return None;
    }
    stacker::maybe_grow(LEAST + code.len() * LEVEL, STACK, || {
        let parse = || parse_unchecked(code, ParseOptions::from(Mode::Ipython));
        let parsed = quietly(parse)?;
        Some(look(&parsed.try_into_module()?))
    })
}

/// What `parse` gives; none if it panics, of which nobody is told.
fn quietly<T>(parse: impl FnOnce() -> T + std::panic::UnwindSafe) -> Option<T> {
    static HOOK: Once = Once::new();
    thread_local! {
        static IS_PARSING: Cell<bool> = const { Cell::new(false) };
    }
    HOOK.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_PARSING.get() {
                tell(panic);
            }
        }));
    });
    IS_PARSING.set(true);
    let parsed = catch_unwind(parse);
    IS_PARSING.set(false);
    parsed.ok()
}

/// The comments of the code, each with its line from 1 and without its `#`; none of code that is no Python,
/// or has a magic for a whole cell, whose text another program reads.
pub(super) fn comments(code: &str) -> Option<Vec<(usize, &str)>> {
    let mut lines = code.lines().map(str::trim_start);
    let is_of_other = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    if is_of_other.is_some_and(|line| line.starts_with("%%")) {
        return None;
    }
    let found = parsed(code, |parsed| {
        if parsed.has_invalid_syntax() {
            return None;
        }
        let ranges = parsed.tokens().iter().filter_map(|token| {
            let (start, end) = (token.start().to_usize(), token.end().to_usize());
            match token.kind() {
                TokenKind::Comment => Some(start..end),
                // A line for a shell has the comments of a shell.
                TokenKind::IpyEscapeCommand => {
                    let at = code.get(start..end)?.find(" #")?;
                    Some(start + at + 1..end)
                }
                _ => None,
            }
        });
        Some(ranges.collect())
    });
    let found: Vec<std::ops::Range<usize>> = found.flatten()?;
    let found = found.into_iter().filter_map(|range| {
        let line = code[..range.start].matches('\n').count() + 1;
        Some((line, code.get(range)?.trim_start_matches('#')))
    });
    Some(found.collect())
}

/// The string literals of the code, in order. Code that is no Python has some of them, or none.
pub(super) fn literals(code: &str) -> Vec<Literal<'_>> {
    let found = parsed(code, |parsed| {
        let mut found = Vec::new();
        let mut open: Vec<TextSize> = Vec::new();
        let mut add = |formatted, start: TextSize, end: TextSize| {
            let text = code
                .get(start.to_usize()..end.to_usize())
                .unwrap_or_default();
            found.push((start.to_usize(), formatted, text));
        };
        for token in parsed.tokens() {
            match token.kind() {
                // What stands in the value of an f-string is no literal of its own.
                TokenKind::String if open.is_empty() => {
                    if let Some(flags) = token.string_flags() {
                        let (start, end) = (flags.opener_len(), flags.closer_len());
                        add(false, token.start() + start, token.end() - end);
                    }
                }
                TokenKind::FStringStart | TokenKind::TStringStart => open.push(token.end()),
                TokenKind::FStringEnd | TokenKind::TStringEnd => {
                    if let Some(start) = open.pop()
                        && open.is_empty()
                    {
                        add(true, start, token.start());
                    }
                }
                _ => {}
            }
        }
        found
    });
    let found = found.unwrap_or_default().into_iter();
    found
        .map(|(start, formatted, text)| Literal {
            line: code[..start].matches('\n').count() + 1,
            formatted,
            text,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{literals, parsed};

    #[test]
    fn strings_are_found_and_comments_are_not() {
        let code = "a = 'x' # 'no'\nb = f\"y{c['k']}\"\n'''\nlong \"z\"\n''' + rb'w\\'v'\n%time 'no'\n\
                    d = 'é'";
        let found: Vec<_> = literals(code)
            .into_iter()
            .map(|literal| (literal.line, literal.formatted, literal.text))
            .collect();
        assert_eq!(
            found,
            [
                (1, false, "x"),
                (2, true, "y{c['k']}"),
                (3, false, "\nlong \"z\"\n"),
                (5, false, "w\\'v"),
                (7, false, "é"),
            ]
        );
    }

    /// Each of these nests as deep as its length allows.
    #[test]
    fn deep_code_is_read_and_dropped_on_a_small_stack() {
        let deep = |part: &str| part.repeat((32 << 10) / part.len());
        for code in [
            "[",
            "-",
            "not ",
            "a.",
            "a+",
            "f(",
            "lambda:",
            "{1:",
            "x if y else ",
            "f'{",
        ] {
            let code = deep(code);
            let read = std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || parsed(&code, |parsed| parsed.suite().len()).is_some())
                .unwrap();
            assert!(read.join().unwrap());
        }
    }

    /// Ruff's parser took the `;` behind an open bracket for a command of IPython, and panicked.
    #[test]
    fn a_panic_of_the_parser_is_no_panic_of_ours() {
        assert_eq!(literals("{\"\")\n;"), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(code in "[a-f'\"#%!\\\\\n{}()=:é]{0,60}") {
            let _ = literals(&code);
        }
    }
}
