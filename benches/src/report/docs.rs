//! `docs/benchmarks.md` and the figures of the README, made from a report.

use std::fmt::Write as _;

use super::verdict::certainty;
use super::{Report, conclusions, markdown, requirements};
use crate::Result;
use crate::table::Table;

/// The lines of the README between which its figures are.
pub const REGION: [&str; 2] = [
    "<!-- Made by `cargo xtask bench --docs` from benches/record/report.json. -->",
    "<!-- End of what `cargo xtask bench --docs` made. -->",
];

/// The titles of the sections.
const SECTIONS: &[(&str, &str)] = &[
    ("record", "Recording"),
    ("compress", "What compression costs"),
    ("encode", "Encoding in memory"),
    ("read", "Reading trajectories"),
    ("python", "From PyTorch"),
    ("rechunk", "Rechunking"),
    ("safetensors", "safetensors"),
    ("convert", "Conversion between float32 and bfloat16"),
    ("check", "Checking a repository"),
];

/// The title of a section.
pub(super) fn title(section: &str) -> &str {
    let known = SECTIONS.iter().find(|(name, _)| *name == section);
    known.map_or(section, |(_, title)| title)
}

/// How the ratios of a report are to be read.
pub(super) fn how_to_read(report: &Report) -> String {
    let certainty = 100.0 * certainty(report.rounds, 0);
    format!(
        "Contenders took turns, round after round. Times are medians of {} rounds; a speed is the median of the rounds' \
         ratios, and in brackets the interval that the true median is in, as ranks tell ({certainty:.1} % or more). \
         Above 1 is faster than the contender that is named. **noise**: this run does not tell which of both is faster, \
         for the interval has 1 inside, or the ratios differ too much to be sure (Student's t, 99 %).",
        report.rounds
    )
}

/// `docs/benchmarks.md`.
#[must_use]
pub fn benchmarks(report: &Report) -> String {
    let mut text = "# Benchmarks\n\n\
        Made by `cargo xtask bench --docs` from [a report](../benches/record/report.json), which has all samples, and \
        [a page](../benches/record/report.html) with plots; not typed by hand. [`benches/README.md`](../benches/README.md) \
        says how it is measured and what the contenders do. `cargo xtask bench` repeats it on your machine.\n"
        .to_owned();
    for sentence in conclusions(report) {
        let _ = write!(text, "\n- {sentence}");
    }
    let _ = write!(text, "\n\n## The run\n\n{}\n", how_to_read(report));
    for (what, value) in facts(report) {
        let _ = write!(text, "\n- {what}: {value}");
    }
    text.push('\n');
    for note in &report.notes {
        let _ = write!(text, "\n{note}\n");
    }
    for (group, row, why) in report.failures() {
        let _ = write!(text, "\n**{group}: {} failed:** {why}\n", row.name);
    }
    let required = requirements::requirements(report);
    if !required.is_empty() {
        let mut table = Table::new(
            ["speed of", "asked", "this run"]
                .map(str::to_owned)
                .to_vec(),
        );
        for (name, asked, found) in required {
            let missed = match requirements::is_missed(asked, found) {
                true => " **missed**",
                false => "",
            };
            table.row(vec![name, asked.to_owned(), format!("{found}{missed}")]);
        }
        let _ = write!(
            text,
            "\n## What the project asks of itself\n\nNothing fails by it: a figure depends on the machine.\n\n{table}"
        );
    }
    for section in report.sections() {
        let _ = write!(text, "\n## {}\n", title(section));
        for group in report.of_section(section) {
            let _ = write!(text, "\n{}", markdown::group(group, 3));
        }
    }
    text
}

/// What the figures depend on, line by line.
pub(super) fn facts(report: &Report) -> Vec<(String, String)> {
    let mut facts = vec![
        ("date".to_owned(), report.created.clone()),
        ("commit".to_owned(), report.commit.clone()),
        (
            "rounds".to_owned(),
            format!(
                "{}, and one that does not count ({})",
                report.rounds, report.scale
            ),
        ),
    ];
    facts.extend(report.machine.iter().cloned());
    let versions = report.versions.iter();
    let versions: Vec<String> = versions
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    facts.push(("versions".to_owned(), versions.join(", ")));
    facts
}

/// How many sentences the README has.
const SENTENCES: usize = 5;

/// The figures of the README.
#[must_use]
pub fn readme_region(report: &Report) -> String {
    let mut text = String::new();
    if report.scale != "full" {
        text.push_str("**From a short run: no figures to quote.**\n\n");
    }
    for sentence in conclusions(report).iter().take(SENTENCES) {
        let _ = writeln!(text, "- {sentence}");
    }
    let machine = report.machine.iter().find(|(what, _)| what == "processor");
    let machine = machine.map_or("an unknown processor", |(_, value)| value);
    let _ = write!(
        text,
        "\nMedians of {} rounds in which all took turns, on {machine}. [All figures](docs/benchmarks.md), beside those of others; \
         `cargo xtask bench` repeats them on your machine.\n",
        report.rounds
    );
    text
}

/// `readme` with the figures of `report` between the lines [`REGION`].
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
    let (before, after) =
        parts.ok_or_else(|| format!("the README has no lines `{begin}` and `{end}`"))?;
    Ok(format!(
        "{before}{begin}\n\n{}\n{end}{after}",
        readme_region(report)
    ))
}
