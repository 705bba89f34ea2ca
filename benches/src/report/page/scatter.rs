//! Compression: how much smaller, against how fast it is written. The best is at the top right.

use std::fmt::Write as _;

use super::axis::{Axis, plain};
use super::bars::class;
use super::escape;
use crate::report::{Figure, Group, Verdict};

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 310.0;
/// Room for the axes' labels: left and bottom; top and right have less.
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 44.0;
const EDGE: f64 = 14.0;
/// About the width of a letter, and the height of a line, of the labels.
const LETTER: f64 = 6.7;
const LINE: f64 = 13.0;
const DOT: f64 = 5.0;

/// A rectangle that is taken: left, top, right, bottom.
type Area = [f64; 4];

/// The plots of all groups, side by side where there is room.
pub(super) fn plots<'a>(groups: impl Iterator<Item = &'a Group>) -> String {
    let mut html = String::from("<div class=\"scatters\">\n");
    for group in groups {
        html.push_str(&plot(group).unwrap_or_default());
    }
    html.push_str("</div>\n");
    html
}

struct Point {
    x: f64,
    y: f64,
    class: String,
    name: String,
}

fn plot(group: &Group) -> Option<String> {
    // Two points are no picture.
    if group.rows.len() < 3 {
        return None;
    }
    let size = group.bytes as f64;
    let rate = |row: &crate::report::Row| Some(size / row.median(Figure::Seconds)? / 1e6);
    let smaller = |row: &crate::report::Row| Some(size / row.median(Figure::OnDisk)?);
    let x = Axis::of(group.rows.iter().filter_map(rate))?;
    let most = group.rows.iter().filter_map(smaller).fold(1.0, f64::max);
    // From a little below 1, so that what does not compress is not on the axis.
    let (low, high) = (0.95, (most + 0.1).max(1.5));
    let place_x = |value: f64| LEFT + x.at(value) * (WIDTH - LEFT - EDGE);
    let place_y = |value: f64| EDGE + (high - value) / (high - low) * (HEIGHT - EDGE - BOTTOM);

    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><div class=\"scroll\"><svg class=\"scatter\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"ratio against write speed\">",
        escape(&format!(
            "{}: how small, against how fast",
            group.name.split('/').next_back().unwrap_or_default()
        ))
    );
    for tick in x.ticks() {
        let at = place_x(tick);
        let _ = write!(
            svg,
            "<path class=\"tick\" d=\"M{at:.1} {EDGE}V{:.1}\"/><text class=\"label\" x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            plain(tick)
        );
    }
    let step = if high - low > 1.5 { 0.5 } else { 0.2 };
    let mut tick = 1.0;
    while tick < high {
        let at = place_y(tick);
        let _ = write!(
            svg,
            "<path class=\"tick\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{tick:.1}×</text>",
            WIDTH - EDGE,
            LEFT - 6.0,
            at + 4.0
        );
        tick += step;
    }
    let _ = write!(
        svg,
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">written, MB/s → faster</text>\
         <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">smaller ↑</text>",
        f64::midpoint(LEFT, WIDTH - EDGE),
        HEIGHT - 8.0,
        LEFT + 4.0,
        EDGE + 8.0
    );
    let points: Vec<Point> = group
        .rows
        .iter()
        .filter_map(|row| {
            Some(Point {
                x: place_x(rate(row)?),
                y: place_y(smaller(row)?),
                class: class(row, Verdict::Reference),
                name: row.name.clone(),
            })
        })
        .collect();
    draw(&mut svg, &points);
    svg.push_str("</svg></div></figure>\n");
    Some(svg)
}

/// The points, each with its name at the first place beside it that is free.
fn draw(svg: &mut String, points: &[Point]) {
    let mut taken: Vec<Area> = points
        .iter()
        .map(|point| [point.x - DOT, point.y - DOT, point.x + DOT, point.y + DOT])
        .collect();
    for point in points {
        // Ours are bold.
        let letter = if point.class == "ours" {
            1.15 * LETTER
        } else {
            LETTER
        };
        let width = letter * point.name.chars().count() as f64;
        let (area, far) = place(point, width, &taken);
        taken.push(area);
        if far {
            let _ = write!(
                svg,
                "<path class=\"leader\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
                point.x,
                point.y,
                point.x.clamp(area[0], area[2]),
                point.y.clamp(area[1] + 2.0, area[3])
            );
        }
        let _ = write!(
            svg,
            "<circle class=\"{0}\" cx=\"{1:.1}\" cy=\"{2:.1}\" r=\"{DOT}\"/><text class=\"{0}\" x=\"{3:.1}\" \
             y=\"{4:.1}\">{5}</text>",
            point.class,
            point.x,
            point.y,
            area[0],
            area[3] - 3.0,
            escape(&point.name)
        );
    }
}

/// Where a name of this width goes, and whether it is so far off that a line has to lead to it.
fn place(point: &Point, width: f64, taken: &[Area]) -> (Area, bool) {
    let frame = [LEFT, 0.0, WIDTH, HEIGHT - BOTTOM + 4.0];
    let at = |x: f64, y: f64| -> Area { [x, y, x + width, y + LINE] };
    let gap = DOT + 3.0;
    let mut first = None;
    for ring in 0..8 {
        let off = f64::from(ring) * LINE;
        let middle = point.y - LINE / 2.0;
        let candidates = [
            at(point.x + gap, middle - off),
            at(point.x - gap - width, middle - off),
            at(point.x - width / 2.0, point.y - gap - LINE - off),
            at(point.x - width / 2.0, point.y + gap + off),
            at(point.x + gap, middle + off),
            at(point.x - gap - width, middle + off),
        ];
        for area in candidates {
            let inside = area[0] >= frame[0]
                && area[1] >= frame[1]
                && area[2] <= frame[2]
                && area[3] <= frame[3];
            first.get_or_insert(area);
            if inside && !taken.iter().any(|other| overlap(area, *other)) {
                return (area, ring > 0);
            }
        }
    }
    (first.unwrap_or_default(), false)
}

fn overlap(a: Area, b: Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::{Point, overlap, place};

    #[test]
    fn names_do_not_cover_each_other() {
        let mut taken = Vec::new();
        for name in ["uncompressed", "Selvedge, uncompressed", "lz4", "lzf"] {
            let point = Point {
                x: 460.0,
                y: 250.0,
                class: String::new(),
                name: name.to_owned(),
            };
            let (area, _) = place(&point, 6.0 * name.len() as f64, &taken);
            assert!(taken.iter().all(|other| !overlap(area, *other)), "{name}");
            taken.push(area);
        }
    }
}
