//! Sizes on the command line: `2GB`, `1.5 GiB`, `4096`, as `selvedge.toml` has them; and whole numbers.

use selvedge_base::units::parse_grouped;
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
    match parse_grouped(text) {
        Some(0) => Err(format!("0 is not in 1..; {expected}")),
        Some(count) => Ok(count),
        None => Err(expected.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_from_1_on() {
        assert_eq!(count("6,001"), Ok(6001));
        assert!(count("0").unwrap_err().starts_with("0 is not in 1.."));
        assert!(count("six").unwrap_err().contains("6_001"));
    }
}
