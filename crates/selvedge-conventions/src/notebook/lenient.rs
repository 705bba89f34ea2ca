//! What Python's `json` reads although it is no JSON, and serde's reader refuses: `NaN` and
//! `Infinity`, halves of surrogate pairs, numbers beyond a float.
//!
//! They are put into JSON of the same length, so that lines and columns stay what they are.

/// A text that serde reads, and the line of the first `NaN` or `Infinity`, if there is one.
#[derive(Debug, PartialEq)]
pub(super) struct Lenient {
    pub(super) text: String,
    pub(super) no_number: Option<usize>,
}

/// Whole numbers with fewer digits are such to serde, too.
pub(super) const BEYOND_DIGITS: usize = 19;
/// What stands for those that are larger, or less.
const LARGEST: u64 = u64::MAX;
const LEAST: i64 = i64::MIN;

/// The text with all that replaced; none where there is nothing to replace.
pub(super) fn lenient(json: &str) -> Option<Lenient> {
    let mut bytes = json.as_bytes().to_vec();
    let mut no_number = None;
    let mut changed = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => string(&mut bytes, at + 1, &mut changed),
            b'-' | b'0'..=b'9' | b'N' | b'I' => {
                let rest = &bytes[at..];
                let word = [&b"NaN"[..], b"Infinity", b"-Infinity"]
                    .into_iter()
                    .find(|word| rest.starts_with(word))
                    .filter(|word| !goes_on(rest.get(word.len())))
                    .filter(|_| at == 0 || !goes_on(bytes.get(at - 1)));
                let end = match word {
                    Some(word) => {
                        no_number.get_or_insert(at);
                        at + word.len()
                    }
                    None => at + number_length(rest),
                };
                // Python makes of the largest numbers infinity, and reads whole ones of any length.
                let number = std::str::from_utf8(&bytes[at..end]).unwrap_or_default();
                let is_float = word.is_some() || number.contains(['.', 'e', 'E']);
                let is_too_large = if is_float {
                    number.parse().is_ok_and(f64::is_infinite)
                } else {
                    let digits = number.trim_start_matches('-');
                    let is_whole = !digits.starts_with('0') && number.parse::<f64>().is_ok();
                    is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
                };
                if word.is_some() || is_too_large {
                    changed = true;
                    let plain = match bytes[at] {
                        _ if is_float => "0.5".to_owned(),
                        b'-' => LEAST.to_string(),
                        _ => LARGEST.to_string(),
                    };
                    bytes[at..end].fill(b' ');
                    bytes[at..at + plain.len()].copy_from_slice(plain.as_bytes());
                }
                end.max(at + 1)
            }
            _ => at + 1,
        };
    }
    let line = |at: usize| json[..at].matches('\n').count() + 1;
    changed.then(|| Lenient {
        no_number: no_number.map(line),
        text: String::from_utf8(bytes).expect("only ASCII was replaced, by ASCII"),
    })
}

/// Whether a number or a word goes on with this.
fn goes_on(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'))
}

fn number_length(bytes: &[u8]) -> usize {
    let digits = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    bytes.iter().take_while(digits).count()
}

/// Goes through a string, and returns where the text goes on behind it.
fn string(bytes: &mut [u8], mut at: usize, changed: &mut bool) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => match surrogate(bytes, at) {
                // A pair is one character.
                Some(0xD800..=0xDBFF)
                    if matches!(surrogate(bytes, at + 6), Some(0xDC00..=0xDFFF)) =>
                {
                    at += 12;
                }
                Some(_) => {
                    bytes[at + 2..at + 6].copy_from_slice(b"FFFD");
                    *changed = true;
                    at += 6;
                }
                None => at += 2,
            },
            _ => at += 1,
        }
    }
    at
}

/// Half of a surrogate pair, if its escape stands here.
fn surrogate(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !escape.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let unit = u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str, no_number: Option<usize>) {
        let found = lenient(json).unwrap();
        assert_eq!((&*found.text, found.no_number), (expected, no_number));
        assert_eq!(found.text.len(), json.len());
    }

    #[test]
    fn what_python_reads_is_put_into_json_of_the_same_length() {
        check("[1,\nNaN]", "[1,\n0.5]", Some(2));
        check("[-Infinity]", "[0.5      ]", Some(1));
        check("[1e999, -1.5]", "[0.5  , -1.5]", None);
        check(r#"["\ud83d", NaN]"#, r#"["\uFFFD", 0.5]"#, Some(1));
        assert_eq!(lenient(r#"["\ud83d\ude00 NaN", "\\ud83d", 1e3]"#), None);
        assert_eq!(lenient("[10NaN, NaN0, --Infinity]"), None);
        check(
            "[20000000000000000000, 1]",
            "[18446744073709551615, 1]",
            None,
        );
        check("[-20000000000000000000]", "[-9223372036854775808 ]", None);
        assert_eq!(
            lenient("[18446744073709551615, -3, 20000000000000000000e1]"),
            None
        );
    }
}
