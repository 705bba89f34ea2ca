//! Speeds as bars from 1, the reference, to the right where a contender is faster, with the interval as a line.

use std::fmt::Write as _;

use super::axis::{Axis, UNITS, plain};
use super::escape;
use crate::report::{Figure, Group, Kind, Row, Verdict};
use crate::table::{factor, seconds};

/// The bars of a group.
pub(super) fn plot(group: &Group) -> String {
    let verdicts: Vec<Verdict> = group.rows.iter().map(|row| group.verdict(row)).collect();
    let ends = verdicts.iter().filter_map(|verdict| verdict.ratio());
    let ends = ends.flat_map(|ratio| [ratio.low, ratio.high]);
    let Some(axis) = Axis::of(ends.chain([1.0])) else {
        return String::new();
    };
    let mut html = format!(
        "<div class=\"plot bars\">\n<div class=\"row head\"><span></span><span>← slower &emsp; speed, of {} &emsp; faster →</span>\
         <span><b>a {}</b></span></div>\n",
        escape(&group.reference),
        escape(&group.unit)
    );
    for (row, verdict) in group.rows.iter().zip(verdicts) {
        let class = class(row, verdict);
        let count = group.count.max(1) as f64;
        let time = row
            .median(Figure::Seconds)
            .map(|time| seconds(time / count));
        let _ = writeln!(
            html,
            "<div class=\"row {class}\"><span class=\"name\">{}</span>{}<span class=\"value\"><b>{}</b> {}</span></div>",
            escape(&row.name),
            bar(axis, verdict),
            time.unwrap_or_default(),
            value(verdict),
        );
    }
    html.push_str(&axis.labels(|tick| format!("{}×", plain(tick))));
    html.push_str("</div>\n");
    html
}

/// The class of a row: whose it is, and whether it is noise.
pub(super) fn class(row: &Row, verdict: Verdict) -> String {
    let kind = match row.kind {
        Kind::Ours => "ours",
        Kind::Plain => "plain",
        Kind::Peer => "peer",
    };
    let noise = matches!(verdict, Verdict::Noise(_));
    format!("{kind}{}", if noise { " noise" } else { "" })
}

fn bar(axis: Axis, verdict: Verdict) -> String {
    let x = |value: f64| UNITS * axis.at(value);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {UNITS} 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}",
        axis.lines()
    );
    if let Some(ratio) = verdict.ratio() {
        let (from, to) = (x(1.0).min(x(ratio.median)), x(1.0).max(x(ratio.median)));
        let (low, high) = (x(ratio.low), x(ratio.high));
        let interval = format!("M{low:.1} 12H{high:.1}M{low:.1} 8V16M{high:.1} 8V16");
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{from:.1}\" y=\"5\" width=\"{:.1}\" height=\"14\"/>\
             <path class=\"halo\" d=\"{interval}\"/><path class=\"whisker\" d=\"{interval}\"/>",
            (to - from).max(1.0)
        );
    }
    let _ = write!(svg, "<path class=\"one\" d=\"M{:.1} 0V24\"/></svg>", x(1.0));
    svg
}

fn value(verdict: Verdict) -> String {
    match (verdict, verdict.ratio()) {
        (Verdict::Noise(_), Some(ratio)) => format!("{}× <em>noise</em>", factor(ratio.median)),
        (_, Some(ratio)) => format!("{}×", factor(ratio.median)),
        (Verdict::Unknown, None) => "<em>failed</em>".to_owned(),
        (_, None) => "<em>reference</em>".to_owned(),
    }
}
