//! Numbers and names for people: bytes in decimal units, counts with separators, lists that end.

use std::fmt;

/// Displays bytes with a decimal unit, as disks are sold: `1.28 MB` is 1,280,000 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        // What would be printed as 1000.00 is 1.00 of the next unit.
        while value >= 999.995 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        f.pad(&format!("{value:.2} {}", UNITS[unit]))
    }
}

/// Displays a count with a comma between groups of three digits: `6,001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        f.pad(&grouped)
    }
}

/// Reads a count: as it is, as Python groups its digits (`6_001`), or as [`Grouped`] displays it (`6,001`).
#[must_use]
pub fn parse_grouped(text: &str) -> Option<u64> {
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

/// Displays names, of which the first twelve are enough, and how many more there are: `` `a`, `b` ``;
/// `none` where there are none.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 12;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}`{name}`")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {} more", Grouped(more as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Grouped, Names, parse_grouped};

    #[test]
    fn counts_are_read_as_they_are_displayed() {
        for text in ["6001", "6_001", "6,001", " 6001 "] {
            assert_eq!(parse_grouped(text), Some(6001), "{text}");
        }
        assert_eq!(parse_grouped("12,345,678"), Some(12_345_678));
        for text in [
            "", "1,5", "6,0011", ",001", "6001,", "-1", "1.5", "0x10", "1234,567",
        ] {
            assert_eq!(parse_grouped(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_of_names_has_an_end() {
        let names: Vec<String> = (0..14).map(|number| format!("h.{number}")).collect();
        assert!(Names(&names).to_string().ends_with("`h.11` and 2 more"));
        assert_eq!(Names(&[]).to_string(), "none");
        assert_eq!(Names(&names[..2]).to_string(), "`h.0`, `h.1`");
    }

    #[test]
    fn bytes_and_counts_read_well() {
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(1_280_000).to_string(), "1.28 MB");
        assert_eq!(Bytes(999_999_999).to_string(), "1.00 GB");
        assert_eq!(Bytes(30_727_680_000).to_string(), "30.73 GB");
        assert_eq!(Grouped(6001).to_string(), "6,001");
        assert_eq!(Grouped(100).to_string(), "100");
        assert_eq!(Grouped(1_234_567).to_string(), "1,234,567");
    }
}
