//! What is made from a report: `docs/generated/benchmarks.md`, the page, the figures of the README, and the tables on the terminal.

use super::markdown::{bar, table};
use super::ratio::certainty;
use super::{Figure, Group, Ratio, Report, Row};
use crate::Result;
use crate::numbers::{bytes, factor, megabytes, seconds};
use crate::sections::title;

/// The lines of the README between which its figures are.
const REGION: [&str; 2] = [
    "<!-- Made by `cargo xtask bench --docs` from benches/record/report.json. -->",
    "<!-- End of what `cargo xtask bench --docs` made. -->",
];

/// A ratio that the project asks for, or that is told first, with what a run has.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose speed, over whose, and in which group.
    pub name: String,
    /// What is asked; empty where nothing is.
    pub asked: &'static str,
    /// What the run has; `None` where the group or a contender did not run.
    pub found: Option<Ratio>,
    /// Its row in the table of the first figures, where it is one of them.
    first: Option<[String; 4]>,
    /// Whether the group ran.
    pub ran: bool,
}

impl Asked {
    fn of(line: &'static str, report: &Report) -> Option<Self> {
        let mut columns = line.split('|').map(str::trim);
        let mut next = || columns.next();
        let (name, who, over, asked, what) = (next()?, next()?, next()?, next()?, next());
        let group = report.group(name);
        let found = group.and_then(|group| group.speed(who, over));
        let first = || {
            let time = group?.row(who)?.median(Figure::Seconds)? / group?.count.max(1) as f64;
            let noise = found?.side().map_or(", noise", |_| "");
            let speed = format!("{}{noise}", found?);
            Some([what?.to_owned(), seconds(time), speed, over.to_owned()])
        };
        Some(Self {
            name: format!("{name}: {who} over {over}"),
            asked,
            found,
            first: first(),
            ran: group.is_some(),
        })
    }

    /// Whether the run has less than what is asked: than the first number of it.
    pub fn is_missed(&self) -> bool {
        let words = self.asked.split([' ', ',']);
        let least = words.filter_map(|word| word.parse::<f64>().ok()).next();
        let [least, found] = [least, self.found.map(|found| found.median)];
        least.is_some_and(|least| found.is_some_and(|found| found < least))
    }
}

/// What the project asks of itself, next to what a run has. Nothing fails by it: a figure depends on the machine.
pub fn asked(report: &Report) -> Vec<Asked> {
    let lines = include_str!("asked.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Asked::of(line, report)).collect()
}

/// The first figures, so many at most: what is done, how long Selvedge takes, and its speed over another.
fn first(report: &Report, most: usize) -> String {
    let rows = asked(report).into_iter().filter_map(|asked| asked.first);
    let rows: Vec<Vec<String>> = rows.take(most).map(Vec::from).collect();
    table(&["what", "Selvedge takes", "its speed", "over"], &rows)
}

/// All but the first heading, by paragraphs; for a page with names of the headings and bars in the tables.
fn body(report: &Report, is_page: bool) -> Vec<String> {
    let heading = |text: &str, name: &str| match is_page {
        true => format!("## {text} {{#{name}}}"),
        false => format!("## {text}"),
    };
    let (rounds, certainty) = (report.rounds, 100.0 * certainty(report.rounds, 0));
    let how = format!(
        "Contenders took turns, round after round. Times are medians of {rounds} rounds; a speed is the median of the rounds' \
         ratios, and in brackets the interval that the true median is in, as ranks tell ({certainty:.1} % or more). \
         Above 1 is faster than the contender that is named. **noise**: this run does not tell which of both is faster, \
         for the interval has 1 inside, or the ratios differ too much to be sure (Student's t, 99 %)."
    );
    let first = first(report, usize::MAX);
    let mut parts = vec![first, heading("The run", "run"), how, facts(report)];
    parts.extend(report.notes.iter().cloned());
    let failures = report.failures();
    parts.extend(
        failures.map(|(group, row, why)| format!("**{group}: {} failed:** {why}", row.name)),
    );
    let required = asked(report).into_iter().filter_map(|asked| {
        let missed = if asked.is_missed() { " **missed**" } else { "" };
        let found = format!("{}{missed}", asked.found?);
        let row = vec![asked.name, asked.asked.to_owned(), found];
        Some(row).filter(|row| !row[1].is_empty())
    });
    let required: Vec<Vec<String>> = required.collect();
    if !required.is_empty() {
        parts.extend([
            heading("What the project asks of itself", "asked"),
            "Nothing fails by it: a figure depends on the machine.".to_owned(),
            table(&["speed of", "asked", "this run"], &required),
        ]);
    }
    let mut section = "";
    for group in &report.groups {
        if group.section() != section {
            section = group.section();
            parts.push(heading(title(section), section));
        }
        parts.extend(of_group(group, is_page));
    }
    parts
}

/// `docs/generated/benchmarks.md`.
pub fn benchmarks(report: &Report) -> String {
    let head = "# Benchmarks\n\nMade by `cargo xtask bench --docs` from [a report](../../benches/record/report.json), which has \
                all samples, and [a page](../../benches/record/report.html) with plots; not typed by hand. \
                [`benches/README.md`](../../benches/README.md) says how it is measured and what the contenders do. \
                `cargo xtask bench` repeats it on your machine.";
    format!("{head}\n\n{}\n", body(report, false).join("\n\n"))
}

/// The report as one page, without scripts and without anything from the network.
pub fn page(report: &Report) -> String {
    super::markdown::page(&body(report, true).join("\n\n"))
}

/// What the figures depend on, line by line.
fn facts(report: &Report) -> String {
    let (rounds, scale) = (report.rounds, &report.scale);
    let mut facts = vec![
        format!("- date: {}", report.created),
        format!("- commit: {}", report.commit),
        format!("- rounds: {rounds}, and one that does not count ({scale})"),
    ];
    let machine = report.machine.iter();
    facts.extend(machine.map(|(what, value)| format!("- {what}: {value}")));
    let versions = report.versions.iter();
    let versions: Vec<String> = versions.map(|(name, of)| format!("{name} {of}")).collect();
    facts.push(format!("- versions: {}", versions.join(", ")));
    facts.join("\n")
}

/// Figures of the README at most.
const README: usize = 5;

/// The figures of the README.
pub fn readme_region(report: &Report) -> String {
    let warning = match report.scale.as_str() {
        "full" => "",
        _ => "**From a short run: no figures to quote.**\n\n",
    };
    let machine = report.machine.iter().find(|(what, _)| what == "processor");
    let machine = machine.map_or("an unknown processor", |(_, value)| value);
    format!(
        "{warning}{}\n\nMedians of {} rounds in which all took turns, on {machine}. [All figures](docs/generated/benchmarks.md), beside \
         those of others; `cargo xtask bench` repeats them on your machine.\n",
        first(report, README),
        report.rounds
    )
}

/// `readme` with the figures of `report` between their two lines.
///
/// # Errors
///
/// A README without these lines.
pub fn replace_region(readme: &str, report: &Report) -> Result<String> {
    let [begin, end] = REGION;
    let parts = readme.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let why = || format!("the README has no lines `{begin}` and `{end}`");
    let (before, after) = parts.ok_or_else(why)?;
    let region = readme_region(report);
    Ok(format!("{before}{begin}\n\n{region}\n{end}{after}"))
}

/// The group as Markdown, for the terminal.
pub(crate) fn group_table(group: &Group) -> String {
    of_group(group, false).join("\n\n") + "\n"
}

/// A heading, what it does, its table, its notes, and a line for each contender that failed.
fn of_group(group: &Group, is_page: bool) -> Vec<String> {
    let name = match is_page {
        true => format!(" {{#{}}}", group.name.replace('/', "-")),
        false => String::new(),
    };
    let mut parts = vec![
        format!("### {}{name}", group.title),
        format!("`{}`: {}", group.name, group.what),
        table_of(group, is_page),
    ];
    parts.extend(group.notes.iter().cloned());
    let failed = |row: &Row| {
        let why = row.failure.as_ref()?;
        Some(format!("**{} failed:** {why}", row.name))
    };
    parts.extend(group.rows.iter().filter_map(failed));
    parts
}

/// What a column shows of a row; `None` where there is nothing.
type Show<'a> = Box<dyn Fn(&Row) -> Option<String> + 'a>;

fn figure<'a>(figure: Figure, show: impl Fn(f64) -> String + 'a) -> Show<'a> {
    Box::new(move |row| row.median(figure).map(&show))
}

/// The table of a group, with the columns of which any contender has the figure.
fn table_of(group: &Group, is_page: bool) -> String {
    use Figure as F;
    let (size, count) = (group.bytes as f64, group.count.max(1) as f64);
    let any = |has: &dyn Fn(&Row) -> bool| group.rows.iter().any(has);
    let reads = any(&|row| !row.values(F::ReadSeconds).is_empty());
    let tried = any(&|row| !row.opened_by.is_empty());
    let each = |time: f64| seconds(time / count);
    let rate = |time: f64| megabytes(size, time);
    let unit = format!("a {}", group.unit);
    let over = format!("speed, of {}", group.reference);
    let name = |row: &Row| match is_page {
        true => format!("<span class=\"{}\">{}</span>", kind(row), row.name),
        false => row.name.clone(),
    };
    let with = |text: String, bar: Option<String>| match bar {
        Some(bar) if is_page => Some(text + &bar),
        _ => Some(text),
    };
    let smaller = |row: &Row| Some(size / row.median(F::OnDisk)?);
    let all: Vec<f64> = group.rows.iter().filter_map(smaller).chain([1.0]).collect();
    let speed = |row: &Row| with(speed(group, row)?, speed_bar(group, row));
    let blocked = |row: &Row| with(seconds(row.median(F::BlockedP50)?), blocked_bar(group, row));
    let smaller = |row: &Row| {
        let by = smaller(row)?;
        with(factor(by), bar(&kind(row), &all, [1.0, by], [by; 2], 1.0))
    };
    let opened = |row: &Row| match &row.opened_by[..] {
        _ if !tried => None,
        [] => Some("plugin only".to_owned()),
        readers => Some(readers.join(", ")),
    };
    let mut columns: Vec<(&str, Show<'_>)> = vec![
        ("contender", Box::new(|row| Some(name(row)))),
        (&unit, figure(F::Seconds, each)),
        ("MB/s", figure(F::Seconds, rate)),
        (&over, Box::new(speed)),
        ("", Box::new(|row| Some(word(group, row).to_owned()))),
        ("until usable", figure(F::Load, seconds)),
        ("blocked p50", Box::new(blocked)),
        ("p99", figure(F::BlockedP99, seconds)),
        ("max", figure(F::BlockedMax, seconds)),
        ("creation", figure(F::Create, seconds)),
        ("read, MB/s", figure(F::ReadSeconds, rate)),
    ];
    if reads {
        columns.push(("smaller by", Box::new(smaller)));
        columns.push(("opened by", Box::new(opened)));
    } else {
        columns.push(("memory", figure(F::PeakMemory, bytes)));
        columns.push(("written", figure(F::Written, bytes)));
        columns.push(("on disk", figure(F::OnDisk, bytes)));
    }
    columns.retain(|(title, show)| match *title {
        "MB/s" => size > 0.0,
        _ => any(&|row| show(row).is_some()),
    });
    let row = |row: &Row| {
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "–".to_owned());
        columns.iter().map(|(_, show)| or_dash(show(row))).collect()
    };
    let rows: Vec<Vec<String>> = group.rows.iter().map(row).collect();
    let head: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    table(&head, &rows)
}

/// Whose it is, as the page has it.
fn kind(row: &Row) -> String {
    format!("{:?}", row.kind).to_lowercase()
}

/// The ratio of a row; of the reference, what it is by definition.
fn speed(group: &Group, row: &Row) -> Option<String> {
    let ratio = group.verdict(row).map(|ratio| ratio.to_string());
    ratio.or_else(|| (row.name == group.reference).then(|| "1".to_owned()))
}

/// From 1 to the ratio, with its interval.
fn speed_bar(group: &Group, row: &Row) -> Option<String> {
    let ratios = group.rows.iter().filter_map(|row| group.verdict(row));
    let ends = ratios.flat_map(|ratio| [ratio.low, ratio.high]);
    let ends: Vec<f64> = ends.chain([1.0]).collect();
    let ratio = group.verdict(row)?;
    let class = format!("{} {}", kind(row), word(group, row));
    bar(
        &class,
        &ends,
        [1.0, ratio.median],
        [ratio.low, ratio.high],
        1.0,
    )
}

/// How long a step keeps its caller: from the median to the longest, with the 99th percentile.
fn blocked_bar(group: &Group, row: &Row) -> Option<String> {
    let figures = [Figure::BlockedP50, Figure::BlockedP99, Figure::BlockedMax];
    let of = |row: &Row| figures.map(|figure| row.median(figure));
    let all: Vec<f64> = group.rows.iter().flat_map(of).flatten().collect();
    let [middle, late, longest] = of(row);
    bar(&kind(row), &all, [middle?, longest?], [late?; 2], middle?)
}

/// What is said of a row besides its ratio: nothing where that is certain.
fn word(group: &Group, row: &Row) -> &'static str {
    match group.verdict(row) {
        Some(ratio) if ratio.side().is_none() => "noise",
        None if row.name != group.reference => "failed",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::asked;

    /// What is asked of a contender that was renamed would be left out in silence.
    #[test]
    fn the_committed_report_has_all_that_is_asked() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("record/report.json");
        let report = crate::report::read(&path).unwrap();
        let lines = include_str!("asked.txt").lines();
        let all = asked(&report);
        assert_eq!(
            all.len(),
            lines.filter(|line| !line.starts_with('#')).count()
        );
        for mut asked in all {
            assert_eq!(asked.found.is_some(), asked.ran, "{}", asked.name);
            // Each has a number, and less than that is a miss.
            if let (false, Some(found)) = (asked.asked.is_empty(), &mut asked.found) {
                found.median = 0.0;
                assert!(asked.is_missed(), "{}", asked.name);
                asked.asked = "at least 0.50, aim 0.80";
                asked.found.as_mut().unwrap().median = 0.5;
                assert!(!asked.is_missed());
            }
        }
    }
}
