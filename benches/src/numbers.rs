//! Medians and percentiles, and numbers with units.

use selvedge_base::units::Grouped;

/// The median; `None` of no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The value that `percent` per cent of the sorted values do not exceed (nearest rank); `None` of no values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Three digits of a positive number, as many as a median of noisy samples is good for.
fn three_digits(value: f64) -> String {
    let digits = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A ratio: three digits, and of small ones two.
pub(crate) fn factor(value: f64) -> String {
    match value {
        _ if value >= 1000.0 => grouped(value),
        _ if value >= 0.095 || value <= 0.0 => three_digits(value),
        // 0.012 and 0.0012 and so on: two digits from the first that is not 0.
        _ => {
            let first = (1_usize..15).find(|&digits| value * 10_f64.powf(digits as f64) >= 1.0);
            format!("{value:.*}", first.map_or(15, |first| first + 1))
        }
    }
}

fn grouped(value: f64) -> String {
    // Positive, and far below the end of an integer.
    Grouped(format!("{value:.0}").parse().unwrap_or(u64::MAX)).to_string()
}

/// In the first unit that is not too large; what is below all of them is in the last, without digits after the point.
fn scaled(value: f64, units: [(f64, &str); 4]) -> String {
    let large = |(unit, _): &(f64, &str)| value >= 0.9995 * unit;
    match units[..3].iter().find(|unit| large(unit)) {
        Some((unit, name)) => format!("{} {name}", three_digits(value / unit)),
        None => format!("{:.0} {}", value / units[3].0, units[3].1),
    }
}

/// Seconds with a unit that suits them.
pub(crate) fn seconds(value: f64) -> String {
    scaled(
        value,
        [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    )
}

/// Bytes with a unit that suits them; 1 MB is 10⁶ bytes.
pub(crate) fn bytes(value: f64) -> String {
    scaled(value, [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// A rate in MB/s.
pub(crate) fn megabytes(bytes: f64, seconds: f64) -> String {
    let rate = bytes / seconds / 1e6;
    if rate >= 1000.0 {
        grouped(rate)
    } else {
        three_digits(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, factor, median, megabytes, percentile, seconds};

    #[test]
    fn medians_and_percentiles_are_of_sorted_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            [50, 99].map(|of| percentile(&values, of)),
            [Some(100.0), Some(198.0)]
        );
        assert_eq!(
            (percentile(&[5.0], 99), percentile(&[], 50)),
            (Some(5.0), None)
        );
    }

    #[test]
    fn numbers_have_the_digits_that_they_are_good_for() {
        assert_eq!(
            [0.99999, 12.34, 3.5e-7].map(seconds),
            ["1.00 s", "12.3 s", "350 ns"]
        );
        assert_eq!([1.5e9, 999_999.0].map(bytes), ["1.50 GB", "1.00 MB"]);
        assert_eq!(megabytes(4.5e9, 1.0), "4,500");
        let factors = [0.0123, 0.00123, 0.5, 9.87, 48.3, 123.4, 4567.0].map(factor);
        assert_eq!(
            factors,
            ["0.012", "0.0012", "0.50", "9.87", "48.3", "123", "4,567"]
        );
    }
}
