//! Natural order: numbers inside a text count as numbers, so `1.5d` stands before `1.24c8`.

use std::cmp::Ordering;

/// Compares two texts by their parts: runs of ASCII digits by the number they spell, everything
/// else by character. Texts that differ in leading zeros alone are told apart by their characters,
/// so that only equal texts are equal.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b)).then_with(|| a.cmp(b))
}

/// A part of a text. No character lies between the digits, so ordering a number by its first digit
/// against a character orders all numbers against it alike.
#[derive(PartialEq, Eq)]
enum Part<'a> {
    Character(char),
    /// The digits of a number without its leading zeros.
    Number(&'a str),
}

impl Ord for Part<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Self::Character(a), Self::Character(b)) => a.cmp(b),
            (Self::Number(_), Self::Character(b)) => '0'.cmp(b),
            (Self::Character(a), Self::Number(_)) => a.cmp(&'0'),
        }
    }
}

impl PartialOrd for Part<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            rest = after;
            Some(Part::Number(digits.trim_start_matches('0')))
        } else {
            rest = &rest[first.len_utf8()..];
            Some(Part::Character(first))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::compare;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    #[test]
    fn numbers_count_as_numbers() {
        let sorted = [
            "", "0", "1", "01", "1.5d", "1.5d2", "1.5d10", "1.24c", "1.24c8", "2.1a", "10.1a", "a",
            "a1", "a2", "a10", "b", "é",
        ];
        for pair in sorted.windows(2) {
            let expected = if pair == ["1", "01"] {
                // Equal as numbers: the character decides, and `0` stands before `1`.
                Ordering::Greater
            } else {
                Ordering::Less
            };
            assert_eq!(compare(pair[0], pair[1]), expected, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[0-2a.é]{0,5}", b in "[0-2a.é]{0,5}", c in "[0-2a.é]{0,5}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b) == Ordering::Equal, a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
