//! What is made from a report: `docs/generated/benchmarks.md`, the page, the figures of the README, and the tables on the terminal.

use selvedge_testing::with_region;

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
///
/// # Panics
///
/// Where a line of `asked.txt` has too few columns.
pub fn asked(report: &Report) -> Vec<Asked> {
    let lines = include_str!("asked.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let asked = lines.map(|line| Asked::of(line, report).expect(line));
    asked.collect()
}

/// The first figures, so many at most: what is done, how long Selvedge takes, and its speed over another.
fn first(report: &Report, most: usize) -> String {
    let rows = asked(report).into_iter().filter_map(|asked| asked.first);
    let rows: Vec<Vec<String>> = rows.take(most).map(Vec::from).collect();
    table(&["what", "Selvedge takes", "its speed", "over"], &rows)
}

/// `template` with what stands for each `{key}`.
pub(crate) fn fill(template: &str, values: &[(&str, String)]) -> String {
    let template = template.to_owned();
    let fill = |text: String, (key, value): &(&str, String)| text.replace(key, value);
    values.iter().fold(template, fill)
}

/// All but the first heading; for a page with names of the headings and bars in the tables.
fn body(report: &Report, is_page: bool) -> String {
    let failures = report.failures();
    let failures = failures.map(|(of, row, why)| format!("**{of}: {} failed:** {why}", row.name));
    let notes: Vec<String> = report.notes.iter().cloned().chain(failures).collect();
    let machine = report.machine.iter();
    let machine: Vec<String> = machine
        .map(|(of, value)| format!("- {of}: {value}"))
        .collect();
    let versions = report.versions.iter();
    let versions: Vec<String> = versions.map(|(name, of)| format!("{name} {of}")).collect();
    let required = asked(report).into_iter().filter_map(|asked| {
        let missed = if asked.is_missed() { " **missed**" } else { "" };
        let found = format!("{}{missed}", asked.found?);
        let row = vec![asked.name, asked.asked.to_owned(), found];
        Some(row).filter(|row| !row[1].is_empty())
    });
    let required: Vec<Vec<String>> = required.collect();
    let (mut groups, mut section) = (Vec::new(), "");
    for group in &report.groups {
        if group.section() != section {
            section = group.section();
            groups.push(format!("## {} {{#{section}}}", title(section)));
        }
        groups.extend(of_group(group, is_page));
    }
    let values = [
        ("{first}", first(report, usize::MAX)),
        ("{rounds}", report.rounds.to_string()),
        (
            "{certainty}",
            format!("{:.1}", 100.0 * certainty(report.rounds, 0)),
        ),
        ("{created}", report.created.clone()),
        ("{commit}", report.commit.clone()),
        ("{scale}", report.scale.clone()),
        ("{machine}", machine.join("\n")),
        ("{versions}", versions.join(", ")),
        (
            "{asked}",
            table(&["speed of", "asked", "this run"], &required),
        ),
        ("{notes}", notes.join("\n\n")),
        ("{groups}", groups.join("\n\n")),
    ];
    fill(include_str!("document.md"), &values)
}

/// `docs/generated/benchmarks.md`.
pub fn benchmarks(report: &Report) -> String {
    let text = format!("{}\n{}", include_str!("head.md"), body(report, false));
    // Without room for notes where there are none.
    unnamed(text.trim_end()).replace("\n\n\n", "\n") + "\n"
}

/// Without the names of headings, which only the page has.
fn unnamed(text: &str) -> String {
    let plain = |line: &str| match line.split_once(" {#") {
        Some((heading, _)) if line.starts_with('#') => heading.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

/// The report as one page, without scripts and without anything from the network.
pub fn page(report: &Report) -> String {
    super::markdown::page(&body(report, true))
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
    let values = [
        ("{first}", first(report, README)),
        ("{rounds}", report.rounds.to_string()),
        ("{machine}", machine.to_owned()),
    ];
    format!("{warning}{}", fill(include_str!("readme.md"), &values))
}

/// `readme` with the figures of `report` between their two lines.
///
/// # Errors
///
/// A README without these lines.
pub fn replace_region(readme: &str, report: &Report) -> Result<String> {
    let region = format!("\n\n{}\n", readme_region(report));
    let why = || format!("the README has no lines {REGION:?}");
    Ok(with_region(readme, REGION, &region).ok_or_else(why)?)
}

/// The group as Markdown, for the terminal.
pub(crate) fn group_table(group: &Group) -> String {
    unnamed(&of_group(group, false).join("\n\n")) + "\n"
}

/// A heading, what it does, its table, its notes, and a line for each contender that failed.
fn of_group(group: &Group, is_page: bool) -> Vec<String> {
    let mut parts = vec![
        format!("### {} {{#{}}}", group.title, group.name.replace('/', "-")),
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

/// The table of a group, with the columns of which any contender has the figure.
fn table_of(group: &Group, is_page: bool) -> String {
    use Figure as F;
    let (size, count) = (group.bytes as f64, group.count.max(1) as f64);
    let rows = group.rows.iter();
    let any = |has: fn(&Row) -> bool| group.rows.iter().any(has);
    let reads = any(|row| !row.values(F::ReadSeconds).is_empty());
    let tried = any(|row| !row.opened_by.is_empty());
    let (mut head, mut cells) = (Vec::new(), vec![Vec::new(); group.rows.len()]);
    let mut column = |title: &str, show: &dyn Fn(&Row) -> Option<String>| {
        let shown: Vec<Option<String>> = group.rows.iter().map(show).collect();
        if shown.iter().any(Option::is_some) {
            head.push(title.to_owned());
            for (row, cell) in cells.iter_mut().zip(shown) {
                row.push(cell.unwrap_or_else(|| "–".to_owned()));
            }
        }
    };
    let with = |text: String, bar: Option<String>| match bar {
        Some(bar) if is_page => Some(text + &bar),
        _ => Some(text),
    };
    let smaller = |row: &Row| Some(size / row.median(F::OnDisk)?);
    let sizes: Vec<f64> = rows.clone().filter_map(smaller).chain([1.0]).collect();
    let times = |row: &Row| [F::BlockedP50, F::BlockedP99, F::BlockedMax].map(|of| row.median(of));
    let all_times: Vec<f64> = rows.clone().flat_map(times).flatten().collect();
    let ratios = rows.filter_map(|row| group.verdict(row));
    let ratios: Vec<f64> = ratios
        .flat_map(|of| [of.low, of.high])
        .chain([1.0])
        .collect();

    column("contender", &|row| match is_page {
        true => Some(format!("<span class=\"{}\">{}</span>", kind(row), row.name)),
        false => Some(row.name.clone()),
    });
    let unit = format!("a {}", group.unit);
    column(&unit, &|row| Some(seconds(row.median(F::Seconds)? / count)));
    if size > 0.0 {
        column("MB/s", &|row| {
            Some(megabytes(size, row.median(F::Seconds)?))
        });
    }
    // Of the reference, what it is by definition. The bar goes from 1 to the ratio, with its interval.
    column(&format!("speed, of {}", group.reference), &|row| {
        let Some(of) = group.verdict(row) else {
            return (row.name == group.reference).then(|| "1".to_owned());
        };
        let class = format!("{} {}", kind(row), word(group, row));
        let bar = bar(&class, &ratios, [1.0, of.median], [of.low, of.high], 1.0);
        with(of.to_string(), bar)
    });
    column("", &|row| Some(word(group, row).to_owned()));
    column("until usable", &|row| row.median(F::Load).map(seconds));
    // How long a step keeps its caller: from the median to the longest, with the 99th percentile.
    column("blocked p50", &|row| {
        let [Some(middle), Some(late), Some(longest)] = times(row) else {
            return None;
        };
        let bar = bar(&kind(row), &all_times, [middle, longest], [late; 2], middle);
        with(seconds(middle), bar)
    });
    column("p99", &|row| row.median(F::BlockedP99).map(seconds));
    column("max", &|row| row.median(F::BlockedMax).map(seconds));
    column("creation", &|row| row.median(F::Create).map(seconds));
    if reads {
        column("read, MB/s", &|row| {
            Some(megabytes(size, row.median(F::ReadSeconds)?))
        });
        column("smaller by", &|row| {
            let by = smaller(row)?;
            with(factor(by), bar(&kind(row), &sizes, [1.0, by], [by; 2], 1.0))
        });
        column("opened by", &|row| match &row.opened_by[..] {
            _ if !tried => None,
            [] => Some("plugin only".to_owned()),
            readers => Some(readers.join(", ")),
        });
    } else {
        column("memory", &|row| row.median(F::PeakMemory).map(bytes));
        column("written", &|row| row.median(F::Written).map(bytes));
        column("on disk", &|row| row.median(F::OnDisk).map(bytes));
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(&head, &cells)
}

/// Whose it is, as the page has it.
fn kind(row: &Row) -> String {
    format!("{:?}", row.kind).to_lowercase()
}

/// What is said of a row besides its ratio: nothing where that is certain.
fn word(group: &Group, row: &Row) -> &'static str {
    match group.verdict(row) {
        Some(ratio) if ratio.side().is_none() => "noise",
        None if row.name != group.reference => "failed",
        _ => "",
    }
}
