//! Small charts of block characters.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bars from 0 to the greatest count; an empty one is a space.
pub(super) fn histogram(counts: &[u64]) -> String {
    let greatest = counts.iter().copied().max().unwrap_or(0).max(1);
    counts
        .iter()
        .map(|&count| match count {
            0 => ' ',
            count => bar(count as f64 / greatest as f64),
        })
        .collect()
}

/// Bars from the least value to the greatest; a missing one is a space.
pub(super) fn course(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied();
    let least = known().fold(f64::INFINITY, f64::min);
    let greatest = known().fold(f64::NEG_INFINITY, f64::max);
    values
        .iter()
        .map(|value| match value {
            None => ' ',
            Some(_) if greatest <= least => BARS[3],
            Some(value) => bar((value - least) / (greatest - least)),
        })
        .collect()
}

/// The bar of a height from 0 to 1.
fn bar(height: f64) -> char {
    let steps = f64::from(7_u8) * height;
    let index = (0_u8..7)
        .find(|&step| steps < f64::from(step) + 0.5)
        .unwrap_or(7);
    BARS[usize::from(index)]
}

#[cfg(test)]
mod tests {
    use super::{course, histogram};

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(histogram(&[0, 1, 50, 100]), " ▁▅█");
        assert_eq!(histogram(&[]), "");
        assert_eq!(course(&[Some(2.0), None, Some(3.0), Some(4.0)]), "▁ ▅█");
        assert_eq!(course(&[Some(2.0), Some(2.0)]), "▄▄");
    }
}
