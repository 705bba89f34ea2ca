//! The tables of the bench `safetensors`.

use super::data::Workload;
use super::{load, rows, save};
use crate::report::Report;
use crate::rounds::Outcome;
use crate::stats::Spread;
use crate::table::{Table, grouped, megabytes, or_dash, seconds};

/// Files that were saved, in seconds.
pub type Saves = Outcome<save::Contender, f64>;
/// Files that were loaded and summed.
pub type Loads = Outcome<load::Contender, load::Sample>;
/// Rows that were taken out of a file, in seconds.
pub type Rows = Outcome<rows::Contender, f64>;

/// Where the bytes end, or come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The page cache.
    Cache,
    /// The disk.
    Disk,
}

impl Medium {
    fn of_save(self) -> &'static str {
        match self {
            Self::Cache => "into the page cache",
            Self::Disk => "onto the disk",
        }
    }

    fn of_load(self) -> &'static str {
        match self {
            Self::Cache => "from the page cache",
            Self::Disk => "from the disk",
        }
    }
}

/// A table of saves, with its requirement.
pub fn saves(report: &mut Report, workload: &Workload, medium: Medium, outcomes: &[Saves]) {
    let find = |who| outcomes.iter().find(|outcome| outcome.contender == who);
    let speed = |of: &Saves, over| of.speed_by(find(over)?, |&seconds| seconds);
    let mut table = Table::new(["contender", "a file", "MB/s", "of plain write's speed"]);
    for outcome in outcomes {
        let time = outcome.spread(|&seconds| Some(seconds));
        let ratio = speed(outcome, save::Contender::Plain);
        table.row([
            outcome.contender.name().to_owned(),
            or_dash(time, |time| seconds(time.median)),
            or_dash(time, |time| megabytes(workload.bytes(), time.median)),
            or_dash(ratio, |ratio| ratio.to_string()),
        ]);
    }
    let how = medium.of_save();
    report.add(&format!(
        "\n## Saving {}, {how}\n\n{} bytes: {}.\n\n{table}",
        workload.name,
        grouped(workload.bytes()),
        workload.what,
    ));
    let ours = find(save::Contender::Save);
    report.require(
        format!("save {}, {how}: speed over plain write's", workload.name),
        "floor 0.80, aim 0.95",
        ours.and_then(|ours| speed(ours, save::Contender::Plain)),
    );
}

/// A table of loads, with its requirement.
pub fn loads(report: &mut Report, workload: &Workload, medium: Medium, outcomes: &[Loads]) {
    let find = |who| outcomes.iter().find(|outcome| outcome.contender == who);
    let plain = find(load::Contender::Plain);
    let mut table = Table::new([
        "contender",
        "load and sum",
        "load",
        "sum",
        "MB/s",
        "of plain read's speed",
    ]);
    for outcome in outcomes {
        let median = |of: fn(&load::Sample) -> f64| {
            let spread = outcome.spread(|sample| Some(of(sample)));
            spread.map(|spread| spread.median)
        };
        let total = median(|sample| sample.total);
        let ratio = plain.and_then(|plain| outcome.speed_by(plain, |sample| sample.total));
        table.row([
            outcome.contender.name().to_owned(),
            or_dash(total, seconds),
            or_dash(median(|sample| sample.load), seconds),
            or_dash(median(|sample| sample.sum), seconds),
            or_dash(total, |total| megabytes(workload.bytes(), total)),
            or_dash(ratio, |ratio| ratio.to_string()),
        ]);
    }
    let how = medium.of_load();
    report.add(&format!(
        "\n## Loading and summing, {how}\n\n{} bytes: {}.\n\n{table}",
        grouped(workload.bytes()),
        workload.what,
    ));
    require_first(
        report,
        &format!("load and sum, {how}"),
        (outcomes, load::Contender::Mapped),
        // It maps too, and does the same then.
        |other| other != load::Contender::Crate,
        load::Contender::name,
        |sample| sample.total,
    );
}

/// A table of rows, with its requirement.
pub fn rows(
    report: &mut Report,
    workload: &Workload,
    count: usize,
    medium: Medium,
    outcomes: &[Rows],
) {
    let find = |who| outcomes.iter().find(|outcome| outcome.contender == who);
    let all = find(rows::Contender::All);
    let mut table = Table::new([
        "contender",
        "all rows",
        "a row",
        "of the speed of loading it all",
    ]);
    for outcome in outcomes {
        let time = outcome.spread(|&seconds| Some(seconds));
        let ratio = all.and_then(|all| outcome.speed_by(all, |&seconds| seconds));
        table.row([
            outcome.contender.name().to_owned(),
            or_dash(time, |time| seconds(time.median)),
            or_dash(time, |time| seconds(time.median / count as f64)),
            or_dash(ratio, |ratio| ratio.to_string()),
        ]);
    }
    let how = medium.of_load();
    report.add(&format!(
        "\n## Random rows, {how}\n\n{} rows of {} bytes out of {}.\n\n{table}",
        grouped(count as u64),
        grouped(size_of_val(workload.row(0)) as u64),
        workload.what,
    ));
    require_first(
        report,
        &format!("random rows, {how}"),
        (outcomes, rows::Contender::Mapped),
        rows::Contender::loads_all,
        rows::Contender::name,
        |&seconds| seconds,
    );
    require_first(
        report,
        &format!("random rows, {how}"),
        (outcomes, rows::Contender::Mapped),
        |other| !other.loads_all(),
        rows::Contender::name,
        |&seconds| seconds,
    );
}

/// Requires that contender `who` is faster than those that are `against` it: its speed over that of
/// the best of them, by the median of the ratios.
fn require_first<C: Copy + PartialEq, S>(
    report: &mut Report,
    what: &str,
    (outcomes, who): (&[Outcome<C, S>], C),
    against: impl Fn(C) -> bool,
    name: impl Fn(C) -> &'static str,
    time: impl Fn(&S) -> f64,
) {
    let ours = outcomes.iter().find(|outcome| outcome.contender == who);
    let others = outcomes.iter().filter(|outcome| outcome.contender != who);
    let others = others.filter(|outcome| against(outcome.contender));
    let ratios = others.filter_map(|other| {
        let ratio = ours?.speed_by(other, &time)?;
        Some((other.contender, ratio))
    });
    let next: Option<(C, Spread)> =
        ratios.min_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
    let next_name = next.map_or("any other", |(contender, _)| name(contender));
    report.require(
        format!("{what}: {}, speed over {next_name}", name(who)),
        "above 1: first",
        next.map(|(_, ratio)| ratio),
    );
}
