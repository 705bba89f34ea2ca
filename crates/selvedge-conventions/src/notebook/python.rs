//! The string literals of Python code: enough of the language to tell strings from comments.

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

/// The string literals of the code, in order. Code that is no Python gives some texts between
/// quotes, or none.
pub(super) fn literals(code: &str) -> Vec<Literal<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line, mut counted) = (0, 1, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'#' => at = end_of_line(bytes, at),
            b'\'' | b'"' => {
                let triple = bytes[at..].starts_with(&[byte; 3]);
                let start = at + if triple { 3 } else { 1 };
                let (end, after) = closing(bytes, start, byte, triple);
                line += newlines(&bytes[counted..at]);
                counted = at;
                found.push(Literal {
                    line,
                    formatted: has_prefix_f(&bytes[..at]),
                    // Quotes and newlines are ASCII, so both ends lie between characters.
                    text: &code[start..end],
                });
                at = after;
            }
            _ => at += 1,
        }
    }
    found
}

/// Where the text of a literal ends, and where the code goes on. A literal that is not closed ends
/// with its line, or, in triple quotes, with the code.
fn closing(bytes: &[u8], start: usize, quote: u8, triple: bool) -> (usize, usize) {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            at += 2;
        } else if triple && bytes[at..].starts_with(&[quote; 3]) {
            return (at, at + 3);
        } else if !triple && byte == quote {
            return (at, at + 1);
        } else if !triple && byte == b'\n' {
            return (at, at);
        } else {
            at += 1;
        }
    }
    (bytes.len(), bytes.len())
}

/// Whether the code before a quote ends with a string prefix that has an `f`.
fn has_prefix_f(before: &[u8]) -> bool {
    let letters = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let prefix: Vec<u8> = letters.take(3).map(u8::to_ascii_lowercase).collect();
    prefix.len() <= 2 && prefix.contains(&b'f')
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter().position(|byte| *byte == b'\n');
    rest.map_or(bytes.len(), |length| at + length)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::literals;
    use proptest::prelude::*;

    #[test]
    fn strings_are_found_and_comments_are_not() {
        let code =
            "a = 'x' # 'no'\nb = f\"y{c}\"\n'''\nlong \"z\"\n''' + rb'w\\'v'\nopen('\nd = 'é'";
        let found: Vec<_> = literals(code)
            .into_iter()
            .map(|literal| (literal.line, literal.formatted, literal.text))
            .collect();
        assert_eq!(
            found,
            [
                (1, false, "x"),
                (2, true, "y{c}"),
                (3, false, "\nlong \"z\"\n"),
                (5, false, "w\\'v"),
                (6, false, ""),
                (7, false, "é"),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(code in "[a-f'\"#\\\\\n{}é]{0,60}") {
            let _ = literals(&code);
        }
    }
}
