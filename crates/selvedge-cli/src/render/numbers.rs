//! Numbers that are measured: a few digits, and the same width wherever they come from.

use crate::stats::Number;

/// Four significant digits, with an exponent where there would be too many zeros.
pub(super) fn float(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs();
    if !(1e-4..1e6).contains(&magnitude) {
        let text = format!("{value:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    // The digits before the point: of 0.01 there are none, but zeros after it.
    let digits = magnitude.log10().floor();
    let decimals = if digits >= 3.0 { 0.0 } else { 3.0 - digits };
    trimmed(&format!("{value:.*}", small(decimals))).to_owned()
}

/// From 0 to 7.
fn small(decimals: f64) -> usize {
    (0_u8..8)
        .find(|&n| f64::from(n) >= decimals)
        .unwrap_or(8)
        .into()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// A value of a tensor: integers as they are.
pub(super) fn number(value: Number) -> String {
    match value {
        Number::Float(value) => float(value),
        other => other.to_string(),
    }
}

/// A share of a whole. What is not all is never 100 %, and what is there is never 0 %.
pub(super) fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.000_05 {
        "<0.01 %".to_owned()
    } else if share < 1.0 && share > 0.999_95 {
        ">99.99 %".to_owned()
    } else {
        format!("{:.2} %", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{float, percent};

    #[test]
    fn floats_have_four_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.123_456, "0.1235"),
            (-12.5, "-12.5"),
            (1234.56, "1235"),
            (999_999.0, "999999"),
            (1e6, "1e6"),
            (0.000_123_46, "0.0001235"),
            (1.25e-7, "1.25e-7"),
            (3.389_531e38, "3.39e38"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn a_share_is_not_rounded_to_nothing_or_all() {
        assert_eq!(percent(0.0), "0.00 %");
        assert_eq!(percent(1e-9), "<0.01 %");
        assert_eq!(percent(0.641), "64.10 %");
        assert_eq!(percent(1.0 - 1e-9), ">99.99 %");
        assert_eq!(percent(1.0), "100.00 %");
    }
}
