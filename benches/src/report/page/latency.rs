//! How long a step keeps its caller: from the median to the longest, with the 99th percentile between them.

use std::fmt::Write as _;

use super::axis::{Axis, UNITS, plain};
use super::bars::class;
use super::escape;
use crate::report::{Figure, Group};
use crate::table::seconds;

const PERCENTILES: [Figure; 3] = [Figure::BlockedP50, Figure::BlockedP99, Figure::BlockedMax];

/// The latencies of a group; nothing where none were measured.
pub(super) fn plot(group: &Group) -> String {
    let times = |row: &crate::report::Row| PERCENTILES.map(|figure| row.median(figure));
    let all = group.rows.iter().flat_map(times).flatten();
    let Some(axis) = Axis::of(all) else {
        return String::new();
    };
    let mut html = String::from(
        "<div class=\"plot latency\">\n<div class=\"row head\"><span></span><span>how long a step blocks the training \
         loop: median ● p99 | longest ○</span><span><b>median</b> / longest</span></div>\n",
    );
    for row in &group.rows {
        let [Some(middle), Some(most), Some(longest)] = times(row) else {
            continue;
        };
        let x = |value: f64| UNITS * axis.at(value);
        let (from, late, to) = (x(middle), x(most), x(longest));
        let _ = writeln!(
            html,
            "<div class=\"row {}\"><span class=\"name\">{}</span><div class=\"range\">\
             <svg viewBox=\"0 0 {UNITS} 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}\
             <path class=\"span\" d=\"M{from:.1} 12H{to:.1}\"/><path class=\"late\" d=\"M{late:.1} 6V18\"/></svg>\
             <i class=\"dot\" style=\"left:{:.2}%\"></i><i class=\"ring\" style=\"left:{:.2}%\"></i></div>\
             <span class=\"value\"><b>{}</b> / {}</span></div>",
            class(row, crate::report::Verdict::Reference),
            escape(&row.name),
            axis.lines(),
            from / UNITS * 100.0,
            to / UNITS * 100.0,
            seconds(middle),
            seconds(longest),
        );
    }
    html.push_str(&axis.labels(time));
    html.push_str("</div>\n");
    html
}

/// A round time, without digits that a tick does not have.
fn time(value: f64) -> String {
    let (scaled, unit) = match value {
        _ if value > 0.999 => (value, "s"),
        _ if value > 0.999e-3 => (value * 1e3, "ms"),
        _ if value > 0.999e-6 => (value * 1e6, "µs"),
        _ => (value * 1e9, "ns"),
    };
    // Rounded, as 0.003 times 1000 is not quite 3.
    format!("{} {unit}", plain((scaled * 1e3).round() / 1e3))
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn ticks_are_round_times() {
        assert_eq!(
            [1e-6, 3e-3, 1.5, 1e-7].map(time),
            ["1 µs", "3 ms", "1.5 s", "100 ns"]
        );
    }
}
