//! Sizes on the command line: `2GB`, `1.5 GiB`, `4096`, as `selvedge.toml` has them; and whole numbers.

use selvedge_base::units::parse_grouped;
use selvedge_conventions::parse_size;

/// Reads a size in bytes, for clap: of nothing no chunk, piece or buffer can be made.
///
/// # Errors
///
/// What is expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let expected =
        "expected a whole number of bytes, or one with a unit such as 2GB, 1.5GB or 64MiB";
    match parse_size(text) {
        Some(0) => Err(format!("the least is 1 byte; {expected}")),
        Some(size) => Ok(size),
        None => Err(expected.to_owned()),
    }
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
        Some(0) => Err(format!("the least is 1; {expected}")),
        Some(count) => Ok(count),
        None => Err(expected.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, parse};

    #[test]
    fn counts_are_from_1_on() {
        assert_eq!(count("6,001"), Ok(6001));
        let none = count("0").unwrap_err();
        assert!(none.starts_with("the least is 1; expected"), "{none}");
        assert!(count("six").unwrap_err().contains("6_001"));
    }

    #[test]
    fn sizes_are_of_something() {
        assert_eq!((parse("1"), parse("64MiB")), (Ok(1), Ok(64 << 20)));
        for none in ["0", "0GB"] {
            let none = parse(none).unwrap_err();
            assert!(none.starts_with("the least is 1 byte; expected"), "{none}");
        }
    }
}
