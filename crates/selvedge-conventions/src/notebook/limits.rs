//! How far Python goes: what is nested deeper, and whole numbers that are longer, nbformat does not open.

use crate::units::Grouped;

/// How deep nbformat goes, at most: Python allows 1,000 calls in each other.
const MOST_LEVELS: usize = 994;
/// The digits of the longest whole number that Python reads.
const MOST_DIGITS: usize = 4300;

/// The line where a JSON goes beyond that, and how.
pub(super) fn exceeded(json: &[u8]) -> Option<(usize, String)> {
    // Counted in bytes, many of them at a time.
    let openings =
        |bytes: &[u8]| -> u8 { bytes.iter().map(|byte| u8::from(is_opening(*byte))).sum() };
    let opening: usize = json
        .chunks(192)
        .map(|bytes| usize::from(openings(bytes)))
        .sum();
    // Most are not gone through.
    if opening <= MOST_LEVELS && !has_digits(json, MOST_DIGITS + 1) {
        return None;
    }
    let line = |at: usize| json[..at].split(|byte| *byte == b'\n').count();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_text(json, at + 1),
            b'0'..=b'9' => {
                let is_of_number = |byte: &&u8| {
                    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
                };
                let number = &json[at..];
                let number = &number[..number.iter().take_while(is_of_number).count()];
                if number.len() > MOST_DIGITS && number.iter().all(u8::is_ascii_digit) {
                    let most = Grouped(MOST_DIGITS as u64);
                    let how = format!(
                        "a whole number has more than {most} digits, and Python reads no longer one"
                    );
                    return Some((line(at), how));
                }
                at += number.len() - 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ if is_opening(byte) => {
                depth += 1;
                if depth > MOST_LEVELS {
                    let how = format!(
                        "lists and objects stand in each other more than {MOST_LEVELS} deep, and nbformat \
                         goes no deeper"
                    );
                    return Some((line(at), how));
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn is_opening(byte: u8) -> bool {
    matches!(byte, b'[' | b'{')
}

/// The place of the quote that ends a text.
fn end_of_text(json: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Whether so many digits stand beside each other. One byte of so many is looked at.
pub(super) fn has_digits(json: &[u8], least: usize) -> bool {
    let mut places = (least - 1..json.len()).step_by(least);
    places.any(|at| {
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let before = json[..at]
            .iter()
            .rev()
            .take(least)
            .take_while(is_digit)
            .count();
        let after = json[at..].iter().take(least).take_while(is_digit).count();
        after > 0 && before + after >= least
    })
}

#[cfg(test)]
mod tests {
    use super::{exceeded, has_digits};

    #[test]
    fn digits_are_found_wherever_they_stand() {
        for before in 0..45 {
            for (digits, expected) in [(19, false), (20, true), (21, true)] {
                let text = format!("{}{}x", "x".repeat(before), "7".repeat(digits));
                assert_eq!(has_digits(text.as_bytes(), 20), expected, "{text}");
            }
        }
    }

    #[test]
    fn what_stands_in_texts_is_no_limit() {
        let digits = |count| "1".repeat(count);
        for (json, expected) in [
            (digits(4300), None),
            (digits(4301), Some(1)),
            (format!("[\n-{}]", digits(4301)), Some(2)),
            (format!("\"\\\"{}\"", digits(4301)), None),
            (
                format!(
                    "[{}.5, {}e1, 1.{}]",
                    digits(4301),
                    digits(4301),
                    digits(4301)
                ),
                None,
            ),
            ("[".repeat(994), None),
            ("[".repeat(995), Some(1)),
            (format!("\"{}\"", "[".repeat(5000)), None),
            ("[],".repeat(5000), None),
        ] {
            let found = exceeded(json.as_bytes()).map(|(line, _)| line);
            assert_eq!(found, expected, "{}", &json[..20]);
        }
    }
}
