//! Tables of a group, for the terminal and for `docs/benchmarks.md`.

use super::{Figure, Group, Row, Verdict};
use crate::table::{Table, bytes, factor, megabytes, or_dash, seconds};

/// The group as a heading of `level`, what it does, its table, and its notes.
#[must_use]
pub fn group(group: &Group, level: usize) -> String {
    let mut text = format!("{} {}\n\n", "#".repeat(level), group.title);
    text.push_str(&format!(
        "`{}`: {}\n\n{}",
        group.name,
        group.what,
        table(group)
    ));
    for note in notes(group) {
        text.push_str(&format!("\n{note}\n"));
    }
    text
}

/// The group's notes, and a line for each contender that failed.
pub(super) fn notes(group: &Group) -> Vec<String> {
    let mut notes = group.notes.clone();
    for row in &group.rows {
        if let Some(why) = &row.failure {
            notes.push(format!("**{} failed:** {why}", row.name));
        }
    }
    notes
}

/// A column after the contender's name: its title, and a cell.
type Column<'a> = (String, Box<dyn Fn(&Row) -> String + 'a>);

fn table(group: &Group) -> Table {
    let (head, rows) = cells(group);
    let mut table = Table::new(head);
    rows.into_iter().for_each(|row| table.row(row));
    table
}

/// The titles of the columns, and the cells of each row.
pub(super) fn cells(group: &Group) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = columns(group);
    let mut head = vec!["contender".to_owned()];
    head.extend(columns.iter().map(|(title, _)| title.clone()));
    let cells = |row: &Row| {
        let mut cells = vec![row.name.clone()];
        cells.extend(columns.iter().map(|(_, cell)| cell(row)));
        cells
    };
    (head, group.rows.iter().map(cells).collect())
}

/// The columns of a group: those of which any contender has the figure.
fn columns(group: &Group) -> Vec<Column<'_>> {
    let count = group.count.max(1) as f64;
    let size = group.bytes as f64;
    let mut columns: Vec<Column<'_>> = vec![(
        format!("a {}", group.unit),
        Box::new(move |row| or_dash(row.median(Figure::Seconds), |it| seconds(it / count))),
    )];
    if group.bytes > 0 {
        let rate = move |row: &Row| or_dash(row.median(Figure::Seconds), |it| megabytes(size, it));
        columns.push(("MB/s".to_owned(), Box::new(rate)));
    }
    columns.push((
        format!("speed, of {}", group.reference),
        Box::new(|row| ratio(group.verdict(row))),
    ));
    columns.push((
        "".to_owned(),
        Box::new(|row| word(group.verdict(row)).to_owned()),
    ));
    let times = [
        (Figure::Load, "until usable"),
        (Figure::BlockedP50, "blocked p50"),
        (Figure::BlockedP99, "p99"),
        (Figure::BlockedMax, "max"),
        (Figure::Create, "creation"),
    ];
    for (figure, title) in times {
        if group.has(figure) {
            let time = move |row: &Row| or_dash(row.median(figure), seconds);
            columns.push((title.to_owned(), Box::new(time)));
        }
    }
    if group.has(Figure::ReadSeconds) {
        let rate =
            move |row: &Row| or_dash(row.median(Figure::ReadSeconds), |it| megabytes(size, it));
        columns.push(("read, MB/s".to_owned(), Box::new(rate)));
        let smaller = move |row: &Row| or_dash(row.median(Figure::OnDisk), |it| factor(size / it));
        columns.push(("smaller by".to_owned(), Box::new(smaller)));
        // Where it was tried.
        if group.rows.iter().any(|row| !row.opened_by.is_empty()) {
            columns.push((
                "opened by".to_owned(),
                Box::new(|row| match &row.opened_by[..] {
                    [] => "plugin only".to_owned(),
                    readers => readers.join(", "),
                }),
            ));
        }
    } else {
        let sizes = [
            (Figure::PeakMemory, "memory"),
            (Figure::Written, "written"),
            (Figure::OnDisk, "on disk"),
        ];
        for (figure, title) in sizes {
            if group.has(figure) {
                let size = move |row: &Row| or_dash(row.median(figure), bytes);
                columns.push((title.to_owned(), Box::new(size)));
            }
        }
    }
    columns
}

/// The ratio of a row; of the reference, what it is by definition.
pub(super) fn ratio(verdict: Verdict) -> String {
    match verdict {
        Verdict::Reference => "1".to_owned(),
        Verdict::Unknown => "–".to_owned(),
        other => or_dash(other.ratio(), |ratio| ratio.to_string()),
    }
}

/// What is said of a row besides its ratio: nothing where that is certain.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Noise(_) | Verdict::Unknown => verdict.word(),
        _ => "",
    }
}
