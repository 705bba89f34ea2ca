//! Numbers for people: sizes that are read, shares, lists; and what the formats have of them, too.

use std::fmt;

pub(crate) use selvedge_base::shape::Shape;
use selvedge_base::units::parse_grouped;
pub(crate) use selvedge_base::units::{Bytes, Grouped};

/// The decimal units that disks are sold in, and the binary ones, with their bytes.
const UNITS: [(&str, u64); 11] = [
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
    ("PiB", 1 << 50),
];

/// Reads a size such as `24 GB`, `2GiB` or `1.5 MB` into bytes; a number alone is bytes. Units are
/// decimal (`kB`, 1,000 bytes) or binary (`KiB`, 1,024), in any case. `None` if the text is no size,
/// or no whole number of bytes that fits 64 bits.
///
/// ```
/// # use selvedge_conventions::parse_size;
/// assert_eq!(parse_size("1.5 MB"), Some(1_500_000));
/// assert_eq!(parse_size("1.5 B"), None);
/// ```
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | ',')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let factor = if unit.is_empty() {
        1
    } else {
        UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))?
            .1
    };
    // In integers: a float would round what people wrote.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut bytes = parse_grouped(whole)?.checked_mul(factor)?;
    let fraction = fraction.replace('_', "");
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok()?;
        let scale = 10_u64.checked_pow(digits)?;
        let part = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
        if part % scale != 0 {
            return None;
        }
        bytes = bytes.checked_add(part / scale)?;
    }
    Some(bytes)
}

/// The shortest exact text of a size, which [`parse_size`] reads back: `24 GB`, `1501 B`.
pub(crate) fn exact_size(bytes: u64) -> String {
    let (unit, factor) = UNITS
        .iter()
        .filter(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor)
        .unwrap_or(&UNITS[0]);
    format!("{} {unit}", bytes / factor)
}

/// A share as a percentage, never `0 %` of something nor `100 %` of what is not all.
pub(crate) struct Percent(pub(crate) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        match percent {
            0.0 => f.write_str("0 %"),
            ..0.1 => f.write_str("under 0.1 %"),
            99.95..100.0 => f.write_str("over 99.9 %"),
            _ => write!(f, "{percent:.1} %"),
        }
    }
}

/// `1 cell`, `3 cells`: a count with its noun, whose plural has an `s`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", Grouped(number as u64))
}

/// At most `shown` items of a list, and how many there are beyond: `4, 7, 9 and 12 more`.
pub(crate) fn shortened(items: &[String], shown: usize) -> String {
    if items.len() <= shown {
        return items.join(", ");
    }
    format!(
        "{} and {} more",
        items[..shown].join(", "),
        items.len() - shown
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("24 GB"), Some(24_000_000_000));
        assert_eq!(parse_size("2GiB"), Some(2 << 30));
        assert_eq!(parse_size("1.5 MB"), Some(1_500_000));
        assert_eq!(parse_size("1.28 mb"), Some(1_280_000));
        for text in [" 4_096 ", "4,096", "4,096 B", "4.096 kB"] {
            assert_eq!(parse_size(text), Some(4096), "{text}");
        }
        assert_eq!(parse_size("1.1GB"), Some(1_100_000_000));
        for wrong in [
            "",
            "GB",
            "-1 GB",
            "1.5 B",
            "1.2.3 GB",
            "1,5 GB",
            "3 apples",
            "99999999 PB",
            "1e3",
        ] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(Percent(0.25).to_string(), "25.0 %");
        assert_eq!(Percent(0.000_01).to_string(), "under 0.1 %");
        assert_eq!(Percent(0.9999).to_string(), "over 99.9 %");
        assert_eq!(exact_size(2_000_000_000), "2 GB");
        assert_eq!(exact_size(1 << 32), "4 GiB");
        assert_eq!(exact_size(0), "0 B");
    }

    proptest! {
        #[test]
        fn an_exact_size_is_read_back(bytes: u64, factor in prop::sample::select(vec![1, 1_000_000, 1 << 20])) {
            for bytes in [bytes, (bytes % 10_000) * factor] {
                prop_assert_eq!(parse_size(&exact_size(bytes)), Some(bytes));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = parse_size(&text);
        }
    }
}
