//! The statistics of the values: a table of numbers, and one of charts.

use selvedge_hdf5::Grouped;

use super::numbers::{float, number, percent};
use super::table::{Align, Table};
use super::text::{shown, wrapped};
use super::{Page, sparkline};
use crate::stats::{Magnitudes, TensorStats, ValueStats};

/// Columns of a page from which on there is room for the quartiles.
const WIDE: usize = 100;

/// All tables, indented by `indent` columns.
pub(super) fn tables(stats: &[TensorStats], indent: usize, page: Page) -> String {
    let mut text = numbers(stats, indent, page);
    if let Some(spread) = spread(stats, indent, page) {
        text.push('\n');
        text.push_str(&spread);
    }
    if let Some(charts) = charts(stats, indent, page) {
        text.push('\n');
        text.push_str(&charts);
    }
    let unread = stats.iter().filter_map(|tensor| {
        let why = tensor.unread.as_ref()?;
        Some(format!("`{}` has no statistics: {why}", tensor.tensor))
    });
    for line in unread {
        let line = wrapped(&shown(&line), indent + 2, page.text);
        text.push_str(&format!("{}{line}\n", " ".repeat(indent)));
    }
    text
}

fn numbers(stats: &[TensorStats], indent: usize, page: Page) -> String {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("min", Align::Right),
        ("max", Align::Right),
        ("mean", Align::Right),
        ("zeros", Align::Right),
        ("NaN", Align::Right),
        ("Inf", Align::Right),
        ("unchanged", Align::Right),
    ]);
    for tensor in stats {
        let name = shown(&tensor.tensor);
        let Some(values) = &tensor.values else {
            let no = |text: &str| text.to_owned();
            table.row([
                name,
                no("–"),
                no(""),
                no(""),
                no(""),
                no(""),
                no(""),
                no(""),
            ]);
            continue;
        };
        let of = |value: Option<_>| value.map_or_else(|| "–".to_owned(), number);
        table.row([
            name,
            of(values.min),
            of(values.max),
            values.mean.map_or_else(|| "–".to_owned(), float),
            share(values.zeros, values.count),
            Grouped(values.nan).to_string(),
            Grouped(values.infinite).to_string(),
            values.unchanged.map_or_else(String::new, percent),
        ]);
    }
    table.render(indent, page)
}

/// How far the values lie apart. None where there are none.
fn spread(stats: &[TensorStats], indent: usize, page: Page) -> Option<String> {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("std", Align::Right),
        ("norm", Align::Right),
        ("1 %", Align::Right),
        ("25 %", Align::Right),
        ("50 %", Align::Right),
        ("75 %", Align::Right),
        ("99 %", Align::Right),
    ]);
    let mut any = false;
    for tensor in stats {
        let Some(values) = &tensor.values else {
            continue;
        };
        let Some(quantiles) = &values.quantiles else {
            continue;
        };
        any = true;
        let about = if quantiles.is_exact { "" } else { "~" };
        let [one, mut two, three, mut four, five] = quantiles
            .values
            .map(|value| format!("{about}{}", float(value)));
        if page.table.is_some_and(|columns| columns < WIDE) {
            [two, four] = [String::new(), String::new()];
        }
        let of = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), float);
        let (std, norm) = (of(values.std), of(values.norm));
        table.row([
            shown(&tensor.tensor),
            std,
            norm,
            one,
            two,
            three,
            four,
            five,
        ]);
    }
    any.then(|| table.render(indent, page))
}

fn share(count: u64, all: u64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    percent(count as f64 / all as f64)
}

fn charts(stats: &[TensorStats], indent: usize, page: Page) -> Option<String> {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("from", Align::Right),
        ("magnitude", Align::Left),
        ("to", Align::Left),
        ("over steps", Align::Left),
        ("first", Align::Right),
        ("last", Align::Right),
    ]);
    let mut any = false;
    for tensor in stats {
        let Some(values) = &tensor.values else {
            continue;
        };
        let Some([from, bars, to]) = magnitudes(values) else {
            continue;
        };
        any = true;
        let [course, first, last] = over_steps(values);
        table.row([shown(&tensor.tensor), from, bars, to, course, first, last]);
    }
    any.then(|| table.render(indent, page))
}

/// The powers of two that magnitudes lie between, and the histogram between them.
fn magnitudes(values: &ValueStats) -> Option<[String; 3]> {
    let Magnitudes {
        from_exponent,
        to_exponent,
        counts,
        ..
    } = values.magnitudes.as_ref()?;
    Some([
        format!("2^{from_exponent}"),
        sparkline::histogram(counts),
        format!("2^{to_exponent}"),
    ])
}

fn over_steps(values: &ValueStats) -> [String; 3] {
    let parts = &values.over_steps;
    let known = parts.iter().flatten().next();
    match known {
        None => [String::new(), String::new(), String::new()],
        Some(_) => {
            let end = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), float);
            let ends = [values.first_step, values.last_step].map(end);
            let [first, last] = ends;
            [sparkline::course(parts), first, last]
        }
    }
}
