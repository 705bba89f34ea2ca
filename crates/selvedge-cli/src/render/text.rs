//! Text from files, and lines of it.

use std::ffi::OsStr;

use unicode_width::UnicodeWidthStr as _;

use super::page::Page;

/// Columns of a word that stands before a text, at most.
const LONGEST_LABEL: usize = 12;

/// Columns of the terminal that a text takes, with its styles.
pub(super) fn width(text: &str) -> usize {
    // Most texts are numbers, of which there can be millions.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.len();
    }
    anstream::adapter::strip_str(text).map(str::width).sum()
}

/// Text from a file, or a path, which can hold anything: see [`selvedge_base::text::Shown`].
pub(crate) fn shown<T: AsRef<OsStr> + ?Sized>(text: &T) -> String {
    selvedge_base::text::shown(text).to_string()
}

/// Leaves out the middle of a text that takes more than `room` columns.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let room = room.saturating_sub(1);
    let head = room / 2;
    let start: String = fitting(text.chars(), head).collect();
    let end: String = fitting(text.chars().rev(), room - head).collect();
    let end: String = end.chars().rev().collect();
    format!("{start}…{end}")
}

/// As many of the characters as fit into `room` columns.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> impl Iterator<Item = char> {
    let mut taken = 0;
    chars.take_while(move |c| {
        taken += width(c.encode_utf8(&mut [0; 4]));
        taken <= room
    })
}

/// The text in lines of at most `columns`, broken at spaces; what follows the first line is
/// indented by `indent` columns, which the first line has used up already.
pub(super) fn wrapped(text: &str, indent: usize, columns: usize) -> String {
    let room = columns.saturating_sub(indent).max(16);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        let line = lines.last_mut().expect("there is one from the start");
        let needed = width(line) + usize::from(!line.is_empty()) + width(word);
        if needed <= room {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        // A word longer than a line, such as a hash.
        let mut left = width(word);
        while left > room {
            let piece: String = fitting(word.chars(), room).collect();
            if piece.is_empty() {
                break;
            }
            word = &word[piece.len()..];
            left = left.saturating_sub(width(&piece));
            *lines.last_mut().expect("as above") = piece;
            lines.push(String::new());
        }
        word.clone_into(lines.last_mut().expect("as above"));
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// The lines of a text, broken at spaces where the page has an edge; what follows stands further in, or below what a
/// short word and some spaces stand before.
pub(crate) fn folded(text: &str, page: Page) -> String {
    if page.table.is_none() {
        return text.to_owned();
    }
    let fold = |line: &str| {
        if width(line) <= page.text {
            return format!("{line}\n");
        }
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let label = text.find("  ").filter(|label| *label <= LONGEST_LABEL);
        let rest = label.map_or(text, |label| text[label..].trim_start_matches(' '));
        let (label, _) = text.split_at(text.len() - rest.len());
        let further = if label.is_empty() { 2 } else { width(label) };
        let rest = wrapped(rest, indent + further, page.text);
        format!("{:indent$}{label}{rest}\n", "")
    };
    text.lines().map(fold).collect()
}

/// The names, or the first of them and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    const NAMED: usize = 12;
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", selvedge_hdf5::Grouped(count))
}

#[cfg(test)]
mod tests {
    use super::{Page, shortened, width, wrapped};

    #[test]
    fn the_middle_is_left_out() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("model.layers.0.weight", 11), "model…eight");
        assert_eq!(shortened("层层层层层", 6), "层…层");
        assert_eq!(width(&shortened("层层层层层", 6)), 5);
        assert_eq!(shortened("abc", 0), "…");
    }

    #[test]
    fn lines_are_folded_below_their_labels() {
        let page = Page {
            table: Some(30),
            text: 30,
        };
        let text = "file.h5\n  changed  nothing: all of it is in order\n  note: nothing of it is in order\n";
        let folded = "file.h5\n  changed  nothing: all of it\n           is in order\n  note: nothing of it is in\n    \
                      order\n";
        assert_eq!(super::folded(text, page), folded);
    }

    #[test]
    fn text_is_broken_at_spaces() {
        let text = "one two three four five six";
        assert_eq!(wrapped(text, 2, 18), "one two three\n  four five six");
        let word = "0123456789012345678901234";
        assert_eq!(wrapped(word, 0, 16), "0123456789012345\n678901234");
        assert_eq!(wrapped("", 4, 20), "");
        let styled = "\u{1b}[1m0123\u{1b}[0m 567 901 345";
        assert_eq!(wrapped(styled, 0, 16), styled, "a style takes no room");
    }
}
