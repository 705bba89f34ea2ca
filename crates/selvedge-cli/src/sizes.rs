//! Sizes on the command line: `2GB`, `1.5 GiB`, `4096`.

/// The units that are read, with their bytes. Case does not count.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a size in bytes, for clap.
///
/// # Errors
///
/// What is wrong with it, and what is expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let expected = "expected a number of bytes with a unit, such as 2GB, 1.5GB or 64MiB";
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim();
    let Some((_, factor)) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
    else {
        return Err(format!("unknown unit `{unit}`; {expected}"));
    };
    let too_large = || "more bytes than any disk has".to_owned();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(expected.to_owned());
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        digits => digits.parse::<u64>().ok(),
    };
    let bytes = digits(whole)
        .and_then(|whole| whole.checked_mul(*factor))
        .ok_or_else(too_large)?;
    // In integers, so that 1.1 GB are 1,100,000,000 bytes. What is less than a byte is dropped.
    let part = u32::try_from(fraction.len())
        .ok()
        .and_then(|length| 10_u64.checked_pow(length))
        .zip(digits(fraction))
        .and_then(|(scale, part)| Some(part.checked_mul(*factor)? / scale))
        .ok_or_else(|| format!("too many digits in `{number}`; {expected}"))?;
    bytes.checked_add(part).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, expected) in [
            ("2GB", 2_000_000_000),
            ("1.5 gb", 1_500_000_000),
            ("1.1GB", 1_100_000_000),
            ("64MiB", 64 << 20),
            (" 4096 ", 4096),
            ("0.5KiB", 512),
            (".5kB", 500),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "GB",
            "2XB",
            "1.2.3GB",
            "99999999999GB",
            ".",
            "-1GB",
            "1e9",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("2XB").unwrap_err().starts_with("unknown unit `XB`"));
    }
}
