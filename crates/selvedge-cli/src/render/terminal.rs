//! What `selvedge view --term` draws: curves of dots, and heat maps of half blocks.

use anstyle::{Ansi256Color, Style};
use selvedge_hdf5::Grouped;
use selvedge_report::{Band, Heat, Kind, Picture, Place, TensorReport};
use selvedge_view::About;

use super::numbers::float;
use super::style::{ERROR, HEADING, TITLE, WARNING, styled};
use super::text::{counted, shortened, wrapped};

/// Columns for the numbers beside a curve or a heat map.
const MARGIN: usize = 11;
/// Lines of a curve and of a heat map at most.
const CURVE: usize = 6;
const HEAT: usize = 12;
/// Colours of terminals from little to much, and characters where there are none.
const RAMP: [u8; 12] = [17, 53, 54, 90, 126, 162, 161, 167, 203, 209, 215, 229];
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// The room that there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Columns, and lines where they are limited.
    pub(crate) columns: usize,
    pub(crate) lines: Option<usize>,
    /// Whether there are colours.
    pub(crate) has_colours: bool,
}

/// The files, and what was measured of them.
pub(crate) fn files(files: &[(About, Vec<TensorReport>)], room: Room) -> String {
    let mut lines = Vec::new();
    for (about, tensors) in files {
        let budget = room.lines.map(|lines| lines / files.len().max(1));
        lines.extend(file(
            about,
            tensors,
            Room {
                lines: budget,
                ..room
            },
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn file(about: &About, tensors: &[TensorReport], room: Room) -> Vec<String> {
    let mut lines = vec![styled(TITLE, &about.name).to_string()];
    for line in &about.lines {
        lines.extend(caption(Style::new(), line, 2, room));
    }
    // What cannot be read is told with its tensor.
    let is_part = |tensor: &TensorReport| {
        let unread = tensor.unread_steps.iter();
        let unread: u64 = unread.map(|[first, last]| last - first + 1).sum();
        let looked_at = tensor.measured.saturating_add(unread);
        let has_steps = tensor.unread.is_none() && tensor.kind != Kind::Constant;
        has_steps && tensor.shape.first().is_some_and(|&steps| looked_at < steps)
    };
    if tensors.iter().any(is_part) {
        let text = "some of the steps were read, each with the one before it, and all numbers are of these; with --all-steps, and without --steps, all are";
        lines.extend(caption(HEADING, text, 2, room));
    }
    lines.extend(warnings(tensors, room));
    let scalars = tensors.iter().filter(|tensor| tensor.kind == Kind::Scalar);
    let drawn = scalars.filter_map(|tensor| Some((tensor, tensor.values.as_ref()?)));
    let mut blocks: Vec<Vec<String>> = drawn
        .map(|(tensor, band)| curve(&tensor.name, &tensor.at.0, band, room))
        .collect();
    let steps = tensors.iter().filter(|tensor| tensor.kind == Kind::Steps);
    blocks.extend(steps.map(|tensor| steps_of(tensor, room)));
    if blocks.is_empty() {
        let text = "no tensor has steps to draw; `selvedge inspect --stats` tells what the values are like";
        lines.extend(caption(HEADING, text, 2, room));
    }
    // As many as there is room for, and how many there are beside them.
    let (mut shown, all) = (0, blocks.len());
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        let left = room
            .lines
            .map_or(usize::MAX, |all| all.saturating_sub(lines.len() + 2));
        if block.len() + 1 > left && shown > 0 {
            break;
        }
        shown += 1;
        lines.push(String::new());
        lines.extend(block.into_iter().take(left));
    }
    if shown < all {
        let more = counted((all - shown) as u64, "more tensor");
        lines.push(styled(HEADING, format!("  {more}; --tensor chooses")).to_string());
    }
    lines
}

/// Which steps the numbers of a tensor are of, where these are not all.
fn of_steps(tensor: &TensorReport) -> String {
    match tensor.shape.first() {
        Some(&steps) if tensor.kind != Kind::Constant && tensor.measured < steps => format!(
            " in the {} of {} steps that were measured",
            Grouped(tensor.measured),
            Grouped(steps)
        ),
        _ => String::new(),
    }
}

/// Where numbers end to be numbers, and what cannot be read.
fn warnings(tensors: &[TensorReport], room: Room) -> Vec<String> {
    const MOST: usize = 4;
    let found = tensors.iter().flat_map(|tensor| {
        let name = &tensor.name;
        let kinds = [
            ("NaN", tensor.nan, &tensor.first_nan),
            ("infinite", tensor.infinite, &tensor.first_infinite),
        ];
        let kinds = kinds.into_iter().filter_map(move |(what, count, first)| {
            let Place { step, index } = first.as_ref()?;
            // What has no steps has indices alone, and of one value a step there are none.
            let place = match tensor.kind {
                Kind::Scalar => format!("at step {}", Grouped(*step)),
                Kind::Steps => format!("at step {}, {index:?}", Grouped(*step)),
                Kind::Constant => format!("at {index:?}"),
            };
            let (count, part) = (Grouped(count), of_steps(tensor));
            let of_these = if part.is_empty() { "" } else { " of these" };
            let line = format!("{name}: {count} {what}{part}, the first{of_these} {place}");
            Some((ERROR, line))
        });
        let unread = tensor.unread.iter().chain(&tensor.partly);
        let unread = unread.map(|why| (WARNING, format!("{name}: {why}")));
        kinds.chain(unread).collect::<Vec<_>>()
    });
    found
        .take(MOST)
        .flat_map(|(style, line)| caption(style, &line, 2, room))
        .collect()
}

/// Lines of the width that there is, behind so many columns of space.
fn caption(style: Style, text: &str, indent: usize, room: Room) -> Vec<String> {
    let text = wrapped(text, indent, room.columns);
    let lines = text.lines().map(str::trim_start);
    lines
        .map(|line| format!("{:indent$}{}", "", styled(style, line)))
        .collect()
}

/// A tensor of several values: how far it moved, and which rows when.
fn steps_of(tensor: &TensorReport, room: Room) -> Vec<String> {
    let Some(curves) = &tensor.curves else {
        return Vec::new();
    };
    let title = format!("{}: norm of the change", tensor.name);
    let mut lines = curve(&title, &tensor.at.0, &curves.update, room);
    if let Some(heat) = &tensor.heat {
        let last = tensor
            .shape
            .first()
            .map_or(0, |steps| steps.saturating_sub(1));
        lines.extend(heat_map(heat, last, &of_steps(tensor), room));
    }
    lines
}

fn last(numbers: &[f64]) -> Option<(usize, f64)> {
    let known = numbers.iter().copied().enumerate();
    known.rev().find(|(_, number)| number.is_finite())
}

/// A curve, with the least and the greatest number beside it and the last in its title.
fn curve(title: &str, at: &[f64], band: &Band, room: Room) -> Vec<String> {
    let mean = &band.mean.0;
    let finite = || mean.iter().copied().filter(|number| number.is_finite());
    let Some((point, now)) = last(mean) else {
        return Vec::new();
    };
    let (least, greatest) = finite()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
            (low.min(number), high.max(number))
        });
    let step = at.get(point).copied().unwrap_or(0.0);
    let value = format!(" {} at step {step}", float(now));
    let title = shortened(title, room.columns.saturating_sub(value.len() + 1));
    let mut lines = vec![format!("{}{value}", styled(TITLE, title))];
    let width = room.columns.saturating_sub(MARGIN + 2).max(8);
    let dots = dots(mean, (least, greatest), width, CURVE);
    for (number, line) in dots.into_iter().enumerate() {
        let label = match number {
            0 => float(greatest),
            n if n == CURVE - 1 => float(least),
            _ => String::new(),
        };
        lines.push(format!("{label:>MARGIN$} {line}"));
    }
    lines
}

/// Lines of braille characters, each of which has 2 × 4 dots.
fn dots(
    numbers: &[f64],
    (least, greatest): (f64, f64),
    width: usize,
    height: usize,
) -> Vec<String> {
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let (across, down) = (width * 2, height * 4);
    let mut cells = vec![0_u32; width * height];
    let mut before: Option<usize> = None;
    for x in 0..across {
        // What lies on one dot, or between two numbers where there are fewer of them.
        let between = between(numbers, x, across);
        let of = match &between {
            Some(number) => std::slice::from_ref(number),
            None => &numbers[x * numbers.len() / across..(x + 1) * numbers.len() / across],
        };
        let of = of.iter().copied().filter(|number| number.is_finite());
        let (mut high, mut low, mut last) = (f64::NEG_INFINITY, f64::INFINITY, f64::NAN);
        of.for_each(|number| (low, high, last) = (low.min(number), high.max(number), number));
        if low > high {
            before = None;
            continue;
        }
        let y = |number: f64| {
            let share = if greatest > least {
                (number - least) / (greatest - least)
            } else {
                0.5
            };
            place(1.0 - share, down)
        };
        let (mut top, mut bottom) = (y(high), y(low));
        // Steep parts of the curve are lines, too.
        if let Some(before) = before {
            (top, bottom) = (top.min(before), bottom.max(before));
        }
        before = Some(y(last));
        for y in top..=bottom {
            cells[y / 4 * width + x / 2] |= BITS[y % 4][x % 2];
        }
    }
    let line = |cells: &[u32]| {
        let dots = cells
            .iter()
            .map(|bits| char::from_u32(0x2800 + bits).unwrap_or(' '));
        dots.collect::<String>()
    };
    cells.chunks(width).map(line).collect()
}

/// The number at a dot, of fewer numbers than there are dots; beside one that is missing, the other.
fn between(numbers: &[f64], x: usize, across: usize) -> Option<f64> {
    if numbers.len() >= across {
        return None;
    }
    let at = x as f64 * (numbers.len() - 1) as f64 / (across - 1) as f64;
    let (first, share) = (at.floor(), at.fract());
    let number = |at: f64| {
        numbers[place(at / numbers.len() as f64, numbers.len() + 1).min(numbers.len() - 1)]
    };
    let (one, two) = (number(first), number(first + 1.0));
    let line = one + (two - one) * share;
    Some(if line.is_finite() {
        line
    } else if share < 0.5 {
        one
    } else {
        two
    })
}

/// Which of `count` places a share from 0 to 1 is.
fn place(share: f64, count: usize) -> usize {
    let at = (share * (count - 1) as f64).round().max(0.0);
    // It is at least 0, and less than `count`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = at as usize;
    at.min(count - 1)
}

/// Rows × steps: two rows of cells on each line, the rows that moved most on top. `part` says of which steps it is.
fn heat_map(heat: &Heat, last: u64, part: &str, room: Room) -> Vec<String> {
    let columns = heat.columns.0.len();
    let picture = &heat.sorted;
    let rows = picture.best.0.len();
    if columns == 0 || rows == 0 {
        return Vec::new();
    }
    let width = room.columns.saturating_sub(MARGIN + 2).clamp(8, 400);
    let high = rows.div_ceil(2).min(HEAT) * 2;
    let cells = resized(picture, columns, (width, high));
    let known = || {
        cells
            .iter()
            .copied()
            .filter(|cell| *cell > 0.0 && cell.is_finite())
    };
    let greatest = known().fold(0.0, f32::max);
    let least = known().fold(f32::INFINITY, f32::min).max(greatest / 1e4);
    let share = |cell: f32| {
        let span = (greatest / least).ln();
        let share = if span > 0.0 {
            (cell / least).ln() / span
        } else {
            1.0
        };
        f64::from(share.clamp(0.0, 1.0))
    };
    let together = match heat.unit {
        0 | 1 => String::new(),
        unit => format!(" {unit} as one,"),
    };
    // The classes lie one below the other.
    let is_split = picture.class.iter().any(|class| *class != picture.class[0]);
    let split = match is_split {
        true => format!(" for each value of {}", heat.masks.join(", ")),
        false => String::new(),
    };
    let unsplit = match heat.unsplit.is_empty() {
        true => String::new(),
        false => format!("; not split by {}", heat.unsplit.join(", ")),
    };
    let title = format!(
        "rows,{together} those that moved most on top{split}: {} to {}; {} of {} still{part}{unsplit}",
        float(f64::from(least.min(greatest))),
        float(f64::from(greatest)),
        Grouped(heat.still),
        Grouped(heat.rows),
    );
    let mut lines = caption(HEADING, &title, MARGIN + 1, room);
    for (number, pair) in cells.chunks(width * 2).enumerate() {
        let (top, bottom) = pair.split_at(width);
        let first = number * 2 * rows / high;
        let label = if number % 3 == 0 {
            format!(
                "{}",
                Grouped(u64::from(picture.best.0[first.min(rows - 1)]))
            )
        } else {
            String::new()
        };
        let mut line = format!("{label:>MARGIN$} ");
        for (&top, &bottom) in top.iter().zip(bottom) {
            line.push_str(&cell(top, bottom, &share, room.has_colours));
        }
        lines.push(line);
    }
    let (first, end) = (heat.columns.0[0], last);
    let gap = width.saturating_sub(format!("{first}{end}").len());
    lines.push(format!("{:>MARGIN$} {first}{:gap$}{end}", "", ""));
    lines
}

/// Two cells, one above the other.
fn cell(top: f32, bottom: f32, share: &dyn Fn(f32) -> f64, has_colours: bool) -> String {
    let is_there = |cell: f32| cell > 0.0;
    if !has_colours {
        let most = top.max(bottom);
        let shade = if is_there(most) {
            SHADES[1 + place(share(most), SHADES.len() - 1)]
        } else {
            SHADES[0]
        };
        return if top.is_nan() && bottom.is_nan() {
            " ".to_owned()
        } else {
            shade.to_string()
        };
    }
    let colour = |cell: f32| {
        is_there(cell).then(|| Ansi256Color(RAMP[place(share(cell), RAMP.len())]).into())
    };
    let (style, block) = match (colour(top), colour(bottom)) {
        (None, None) => return " ".to_owned(),
        (Some(top), bottom) => (Style::new().fg_color(Some(top)).bg_color(bottom), '▀'),
        (None, bottom) => (Style::new().fg_color(bottom), '▄'),
    };
    styled(style, block).to_string()
}

/// The picture in so many columns and rows: each cell the greatest of those that it stands for.
fn resized(picture: &Picture, columns: usize, (wide, high): (usize, usize)) -> Vec<f32> {
    let rows = picture.best.0.len();
    let span = |nth: usize, parts: usize, all: usize| {
        let from = nth * all / parts;
        from..((nth + 1) * all / parts).max(from + 1).min(all)
    };
    let mut cells = Vec::with_capacity(wide * high);
    for y in 0..high {
        for x in 0..wide {
            let of = span(y, high, rows)
                .flat_map(|row| span(x, wide, columns).map(move |column| row * columns + column));
            let values = of.map(|at| picture.cells.0[at].to_f32());
            cells.push(values.fold(f32::NAN, f32::max));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_lines_of_dots() {
        let numbers: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(dots(&numbers, (0.0, 7.0), 4, 2), ["⠀⠀⣠⠞", "⣠⠞⠁⠀"]);
        assert_eq!(dots(&[1.0], (1.0, 1.0), 2, 1), ["⠤⠤"]);
        assert_eq!(dots(&[f64::NAN, 1.0], (1.0, 1.0), 2, 1), ["⠀⠤"]);
    }

    #[test]
    fn cells_have_two_colours_or_a_shade() {
        let share = |cell: f32| f64::from(cell);
        assert_eq!(cell(0.0, 0.0, &share, false), "·");
        assert_eq!(cell(f32::NAN, f32::NAN, &share, false), " ");
        assert_eq!(cell(0.2, 1.0, &share, false), "█");
        assert_eq!(
            cell(1.0, 1.0, &share, true),
            "\u{1b}[38;5;229m\u{1b}[48;5;229m▀\u{1b}[0m"
        );
        assert_eq!(cell(0.0, 1.0, &share, true), "\u{1b}[38;5;229m▄\u{1b}[0m");
    }
}
