//! Sizes on the command line: `2GB`, `1.5 GiB`, `4096`, as `selvedge.toml` has them; and whole numbers.

use selvedge_conventions::parse_size;

/// Reads a size in bytes, for clap.
///
/// # Errors
///
/// What is expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| {
        "expected a whole number of bytes, or one with a unit such as 2GB, 1.5GB or 64MiB"
            .to_owned()
    })
}

/// Reads a whole number from 1 on, for clap: as it is, as Python groups its digits (`6_001`), or as this
/// program prints it (`6,001`).
///
/// # Errors
///
/// What is expected.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let expected = "expected a whole number such as 6001, 6_001 or 6,001";
    match number(text) {
        Some(0) => Err(format!("0 is not in 1..; {expected}")),
        Some(count) => Ok(count),
        None => Err(expected.to_owned()),
    }
}

/// A whole number, whose digits may be grouped.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    // A comma that is no group of thousands may be one of a fraction.
    let mut groups = text.split(',');
    let first = groups.next()?;
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let thousands = groups
        .clone()
        .all(|group| group.len() == 3 && is_digits(group));
    if text.contains(',') && !(thousands && is_digits(first) && (1..=3).contains(&first.len())) {
        return None;
    }
    text.replace(['_', ','], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{count, number};

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        for text in ["6001", "6_001", "6,001", " 6001 "] {
            assert_eq!(count(text), Ok(6001), "{text}");
        }
        assert_eq!(number("12,345,678"), Some(12_345_678));
        for text in [
            "", "1,5", "6,0011", ",001", "6001,", "-1", "1.5", "0x10", "1234,567",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert!(count("0").unwrap_err().starts_with("0 is not in 1.."));
        assert!(count("six").unwrap_err().contains("6_001"));
    }
}
