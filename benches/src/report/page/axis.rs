//! A logarithmic axis, in per cent of the width that a plot has.

use std::fmt::Write as _;

/// Units of a plot's own coordinates along the axis: thousandths of its width.
pub(super) const UNITS: f64 = 1000.0;

/// From where to where an axis goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// The axis of positive values, with some room at both ends; `None` of none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let positive = values
            .into_iter()
            .filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = positive.fold(None, |range: Option<(f64, f64)>, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })?;
        // At least a factor of 2, so that noise does not fill the width.
        let (low, high) = if high / low < 2.0 {
            let middle = (low * high).sqrt();
            (middle / 2_f64.sqrt(), middle * 2_f64.sqrt())
        } else {
            (low, high)
        };
        let room = (high / low).powf(0.04);
        Some(Self {
            low: low / room,
            high: high * room,
        })
    }

    /// Where a value is, from 0 to 1.
    pub(super) fn at(self, value: f64) -> f64 {
        let part = (value / self.low).ln() / (self.high / self.low).ln();
        part.clamp(0.0, 1.0)
    }

    /// Round values that are far enough from each other for their labels.
    pub(super) fn ticks(self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match decades {
            _ if decades > 2.5 => &[1.0],
            _ if decades > 1.2 => &[1.0, 3.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        };
        let every = if decades > 6.0 { 2 } else { 1 };
        // From attoseconds to exabytes.
        let decade = (-18..=18).filter(|exponent: &i32| exponent.rem_euclid(every) == 0);
        decade
            .flat_map(|exponent| steps.iter().map(move |step| step * 10_f64.powi(exponent)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }

    /// The row under a plot with the labels of the ticks, and the lines of the ticks for its rows.
    pub(super) fn labels(self, show: impl Fn(f64) -> String) -> String {
        let mut html = String::from("<div class=\"row axis\"><span></span><div class=\"ticks\">");
        for tick in self.ticks() {
            let _ = write!(
                html,
                "<i style=\"left:{:.2}%\">{}</i>",
                100.0 * self.at(tick),
                show(tick)
            );
        }
        html.push_str("</div><span></span></div>\n");
        html
    }

    /// The lines of the ticks, as SVG in [`UNITS`].
    pub(super) fn lines(self) -> String {
        let mut svg = String::new();
        for tick in self.ticks() {
            let _ = write!(
                svg,
                "<path class=\"tick\" d=\"M{:.1} 0V24\"/>",
                UNITS * self.at(tick)
            );
        }
        svg
    }
}

/// A tick without zeros that say nothing.
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Axis, plain};

    #[test]
    fn ticks_are_few_and_inside() {
        for (low, high) in [(0.9, 1.1), (0.02, 1.3), (1e-6, 3.0), (0.5, 40.0)] {
            let axis = Axis::of([low, high]).unwrap();
            let ticks = axis.ticks();
            assert!((2..=8).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(axis.at(low) > 0.0 && axis.at(high) < 1.0);
        }
        assert!(Axis::of([]).is_none());
        assert!(Axis::of([f64::NAN, 0.0]).is_none());
    }

    #[test]
    fn labels_have_no_zeros_behind() {
        assert_eq!(
            [0.01, 1.0, 1.5, 30.0].map(plain),
            ["0.01", "1", "1.5", "30"]
        );
    }
}
