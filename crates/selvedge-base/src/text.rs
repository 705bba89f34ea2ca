//! The one place where bytes become text, and where text becomes what a screen is given.
//!
//! Nothing of a file, a path or another program is sure to be text: libhdf5 marks text as ASCII or
//! UTF-8 and checks neither, and a name on the disk is bytes. And what is text can still steer the
//! terminal or the build server that shows it. [`checked`] and [`escaped`] are for the first,
//! [`shown`], [`screen`] and [`json`] for the second. [`shell_word`] and [`shell_path`] are for commands that
//! people copy.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt as _;

/// The text that `bytes` are, if they are UTF-8.
///
/// # Errors
///
/// The [`escaped`] text.
pub fn checked(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| escaped(error.as_bytes()))
}

/// `bytes` as text: what is UTF-8 as it is, and any other byte as `\xfc`.
///
/// It keeps apart what [`String::from_utf8_lossy`] makes the same, and is for programs: [`shown`] is
/// for people.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Writing to a string does not fail.
        let _ = write_invalid(&mut text, chunk.invalid());
    }
    text
}

/// A name, a path or a message as people may see it, on one line: see [`Shown`].
pub fn shown<T: AsRef<OsStr> + ?Sized>(text: &T) -> Shown<'_> {
    Shown(text.as_ref())
}

/// Displays text that can hold anything, without what steers the screen.
///
/// Escapes stand for control characters, line breaks among them, for characters that turn the
/// direction of the text or end a line, for bytes that are no UTF-8, and for what build servers take
/// for a command: `::` at the beginning, `##[` and `##word[` anywhere.
///
/// ```
/// use selvedge_base::text::shown;
///
/// assert_eq!(shown("Müller\u{1b}[31m\n").to_string(), "Müller\\u{1b}[31m\\n");
/// assert_eq!(shown("::error::W").to_string(), "\\u{3a}:error::W");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a OsStr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for chunk in self.0.as_bytes().utf8_chunks() {
            write_text(f, chunk.valid(), Allowed::Nothing, first)?;
            write_invalid(f, chunk.invalid())?;
            first = false;
        }
        Ok(())
    }
}

/// A name as one word of a command that people copy into a shell, on one line.
///
/// A plain name stays as it is, and another one stands in quotes. What [`shown`] would escape stands as `\xHH` in
/// `$'…'`, which bash, zsh and ksh read back as the name that it was.
///
/// ```
/// use selvedge_base::text::shell_word;
///
/// assert_eq!(shell_word("runs/thimble_7.h5"), "runs/thimble_7.h5");
/// assert_eq!(shell_word("my run.h5"), "'my run.h5'");
/// assert_eq!(shell_word("it's.h5"), r"'it'\''s.h5'");
/// assert_eq!(shell_word("a\nb"), r"$'a\x0ab'");
/// ```
#[must_use]
pub fn shell_word<T: AsRef<OsStr> + ?Sized>(name: &T) -> String {
    let bytes = name.as_ref().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    let text = match str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(plain) => text,
        Ok(text) if shown(text).to_string() == text => {
            return format!("'{}'", text.replace('\'', r"'\''"));
        }
        _ => return escaped_word(bytes),
    };
    // It would begin a command of a build server.
    match text.starts_with("::") {
        true => escaped_word(bytes),
        false => text.to_owned(),
    }
}

/// A path as one word of a command that people copy into a shell: a [`shell_word`] that is never taken for a flag.
///
/// ```
/// use selvedge_base::text::shell_path;
///
/// assert_eq!(shell_path("-x.h5"), "./-x.h5");
/// // What follows the quotes is the shell's to expand.
/// assert_eq!(format!("{}/*.h5", shell_path("a folder")), "'a folder'/*.h5");
/// ```
#[must_use]
pub fn shell_path<T: AsRef<OsStr> + ?Sized>(path: &T) -> String {
    let path = path.as_ref();
    match path.as_bytes().first() {
        Some(b'-') => {
            let mut here = OsString::from("./");
            here.push(path);
            shell_word(&here)
        }
        _ => shell_word(path),
    }
}

/// The name in `$'…'`.
fn escaped_word(name: &[u8]) -> String {
    let mut word = String::from("$'");
    let hex = |word: &mut String, bytes: &[u8]| {
        // Writing to a string does not fail.
        let _ = write_invalid(word, bytes);
    };
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => word.extend(['\\', c]),
                '#' | ':' => hex(&mut word, &[c as u8]),
                _ if steers(c) => hex(&mut word, c.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => word.push(c),
            }
        }
        hex(&mut word, chunk.invalid());
    }
    word.push('\'');
    word
}

/// A whole text for a screen, as it leaves the program: only line breaks and the styles of the text
/// (`ESC [ … m`) reach the screen, whatever was forgotten to be [`shown`].
///
/// With `commands` a line may begin with `::`, which a build server takes for a command.
#[must_use]
pub fn screen(text: &str, commands: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            safe.push('\n');
        }
        // As above.
        let _ = write_text(&mut safe, line, Allowed::Styles, !commands);
    }
    safe
}

/// JSON for a screen: the same value, in which all that steers a screen is escaped as JSON does it.
///
/// JSON has such characters in its texts only, and line breaks between them.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let harmless = |byte: u8| matches!(byte, b'\n' | b' '..=b'~') && byte != b'#';
    if text.bytes().all(harmless) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c != '\n' && (steers(c) || begins_command(&text[at..])) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // As above.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// What of a text stays as it is although it steers the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Nothing,
    Styles,
}

/// Writes UTF-8 with escapes. `first` says that it begins a line.
fn write_text(out: &mut impl Write, text: &str, allowed: Allowed, first: bool) -> fmt::Result {
    let mut blank = first;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = match allowed {
            Allowed::Styles => style(rest),
            Allowed::Nothing => None,
        };
        if let Some(length) = style {
            out.write_str(&rest[..length])?;
            rest = &rest[length..];
            continue;
        }
        if steers(c) {
            write!(out, "{}", c.escape_default())?;
        } else if (blank && rest.starts_with("::")) || begins_command(rest) {
            write!(out, "{}", c.escape_unicode())?;
        } else {
            out.write_char(c)?;
        }
        blank &= c.is_whitespace();
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}

fn write_invalid(out: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

/// Whether a screen does something else with the character than to show it: control characters, and
/// those that turn the direction of the text or end a line.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// A hash of bytes that is the same in every version: FNV-1a of 64 bits, by G. Fowler, L. Noll and K.-P. Vo.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Whether the text begins with what a build server takes for a command wherever it stands: `##[` of
/// GitHub, `##vso[` of Azure, `##teamcity[`.
fn begins_command(text: &str) -> bool {
    text.strip_prefix("##").is_some_and(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        word.starts_with('[')
    })
}

/// The bytes of the style that the text begins with.
fn style(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let rest = codes.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    let rest = rest.strip_prefix('m')?;
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn only_utf_8_becomes_text() {
        assert_eq!(checked("Müller".into()), Ok("Müller".to_owned()));
        assert_eq!(checked(b"M\xfcller".into()), Err("M\\xfcller".to_owned()));
        // Cut in the middle of a character.
        assert_eq!(escaped(&"café".as_bytes()[..4]), "caf\\xc3");
        for byte in 0..=u8::MAX {
            assert_eq!(checked(vec![byte]).is_ok(), byte.is_ascii(), "{byte:#04x}");
        }
    }

    #[test]
    fn nothing_that_is_shown_steers_the_screen() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text).to_string(), expected);
        check("W\u{1b}[31m\n\u{202e}é", "W\\u{1b}[31m\\n\\u{202e}é");
        check("a\u{9b}2J\u{7f}\r", "a\\u{9b}2J\\u{7f}\\r");
        check(
            "a\u{2028}b\u{200f}c\u{2066}",
            "a\\u{2028}b\\u{200f}c\\u{2066}",
        );
        // What is text stays: combined characters, joined ones, backslashes and wide characters.
        let plain = "e\u{301} 👩\u{200d}🔬 a\\b 层 \u{fe0f} C:\\new # ## ### [x] a::b";
        check(plain, plain);
        let latin1 = OsStr::from_bytes(b"M\xfcller\x1b.h5");
        assert_eq!(shown(latin1).to_string(), "M\\xfcller\\u{1b}.h5");
    }

    #[test]
    fn nothing_that_is_shown_is_a_command_of_a_build_server() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text).to_string(), expected);
        check("::error::x", "\\u{3a}:error::x");
        check(" \u{a0}::error::x", " \u{a0}\\u{3a}:error::x");
        check("a::error::x", "a::error::x");
        check("a ##[error]", "a \\u{23}#[error]");
        check("####[error]", "##\\u{23}#[error]");
        check("##vso[task.x]", "\\u{23}#vso[task.x]");
        check("## Heading [1]", "## Heading [1]");
    }

    /// Every character by itself: escaped, or no control character.
    #[test]
    fn no_control_character_is_left() {
        for c in '\0'..=char::MAX {
            let text = shown(&c.to_string()).to_string();
            assert!(!text.chars().any(steers), "{c:?}");
            assert_eq!(text == c.to_string(), !steers(c), "{c:?}");
        }
    }

    #[test]
    fn a_screen_is_given_lines_and_styles() {
        let text = "\u{1b}[1mW\u{1b}[0m\n\u{1b}[2Jb\u{1b}]0;t\u{7}\u{1b}[31\r\n";
        let expected = "\u{1b}[1mW\u{1b}[0m\n\\u{1b}[2Jb\\u{1b}]0;t\\u{7}\\u{1b}[31\\r\n";
        assert_eq!(screen(text, false), expected);
        let commands = "a\n ::error::b\n\u{1b}[1m::error::c\n##[error]";
        assert_eq!(
            screen(commands, false),
            "a\n \\u{3a}:error::b\n\u{1b}[1m\\u{3a}:error::c\n\\u{23}#[error]"
        );
        assert_eq!(
            screen(commands, true),
            "a\n ::error::b\n\u{1b}[1m::error::c\n\\u{23}#[error]"
        );
    }

    /// Each is read by a shell as the name that it was.
    #[test]
    fn a_word_for_a_shell_is_the_name_again() {
        for (name, word) in [
            (&b"thimble_7.rank0.h5"[..], "thimble_7.rank0.h5"),
            (b"s3://bucket/a,b+c@1%=.h5", "s3://bucket/a,b+c@1%=.h5"),
            (b"my run.h5", "'my run.h5'"),
            (b"it's.h5", r"'it'\''s.h5'"),
            (b"", "''"),
            (b"*.h5", "'*.h5'"),
            (b"$(rm x);`y`&|<>!~{}[]\"\\", "'$(rm x);`y`&|<>!~{}[]\"\\'"),
            ("層 é.h5".as_bytes(), "'層 é.h5'"),
            (b"::error::x", r"$'\x3a\x3aerror\x3a\x3ax'"),
            (b"##[error]", r"$'\x23\x23[error]'"),
            (
                b"M\xfcller's\n\x1b[31m\\.h5",
                r"$'M\xfcller\'s\x0a\x1b[31m\\.h5'",
            ),
            ("a\u{202e}b".as_bytes(), r"$'a\xe2\x80\xaeb'"),
        ] {
            let told = shell_word(OsStr::from_bytes(name));
            assert_eq!(told, word);
            assert_eq!(shown(&told).to_string(), told);
            let printed = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {told}")])
                .output();
            // Not every machine has bash.
            let Ok(printed) = printed else { continue };
            assert_eq!(
                printed.stdout.escape_ascii().to_string(),
                name.escape_ascii().to_string()
            );
        }
        assert_eq!(shell_path("-x.h5"), "./-x.h5");
        assert_eq!(shell_path("- .h5"), "'./- .h5'");
        assert_eq!(shell_path("a-x.h5"), "a-x.h5");
    }

    #[test]
    fn json_keeps_its_value() {
        assert_eq!(
            json("{\n  \"a\u{7f}\u{9b}##[x]\": \"\u{202e}ü\\u001b\"\n}"),
            "{\n  \"a\\u007f\\u009b\\u0023#[x]\": \"\\u202eü\\u001b\"\n}"
        );
    }
}
