//! The tables of the bench `read`.

use super::contender::{Contender, What};
use crate::report::Report;
use crate::rounds::Outcome;
use crate::stats::Spread;
use crate::table::{Table, or_dash, seconds};

/// Reads, in seconds.
pub type Reads = Outcome<Contender, f64>;

/// Whether the file is in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// It is.
    Warm,
    /// It was dropped from it before each read.
    Cold,
}

impl Cache {
    /// For titles.
    #[must_use]
    pub fn how(self) -> &'static str {
        match self {
            Self::Warm => "from the page cache",
            Self::Cold => "from the disk",
        }
    }
}

/// A table of reads, with the requirements.
pub fn table(report: &mut Report, what: What, cache: Cache, bytes: u64, outcomes: &[Reads]) {
    let find = |who| outcomes.iter().find(|outcome| outcome.contender == who);
    let Some(ours) = find(Contender::Ours) else {
        return;
    };
    let mut table = Table::new(["contender", "time", "GB/s", "Selvedge's speed over it"]);
    for outcome in outcomes {
        let time = outcome.spread(|&seconds| Some(seconds));
        table.row([
            outcome.contender.name().to_owned(),
            or_dash(time, |time| seconds(time.median)),
            or_dash(time, |time| {
                format!("{:.2}", bytes as f64 / time.median / 1e9)
            }),
            or_dash(ours.speed_by(outcome, |&seconds| seconds), |ratio| {
                ratio.to_string()
            }),
        ]);
    }
    let how = cache.how();
    report.add(&format!("\n## {}, {how}\n\n{table}", what.title()));
    if outcomes
        .iter()
        .any(|outcome| outcome.contender == Contender::H5py("rows_fancy"))
    {
        report.note("\\* Of the last sixteenth of the steps; the time is multiplied.");
    }
    if cache == Cache::Warm {
        requirements(report, what, ours, outcomes);
    }
}

fn requirements(report: &mut Report, what: What, ours: &Reads, outcomes: &[Reads]) {
    let mut require = |who: Contender, asked, ratio: fn(&Reads, &Reads) -> Option<Spread>| {
        if let Some(other) = outcomes.iter().find(|outcome| outcome.contender == who) {
            let name = format!("{}: against {}", what.name(), who.name());
            report.require(name, asked, ratio(ours, other));
        }
    };
    let time: fn(&Reads, &Reads) -> Option<Spread> =
        |ours, other| other.speed_by(ours, |&seconds| seconds);
    let speed: fn(&Reads, &Reads) -> Option<Spread> =
        |ours, other| ours.speed_by(other, |&seconds| seconds);
    match what {
        What::Whole => require(Contender::Plain, "time at most 1.60, aim 1.25", time),
        What::Fresh | What::Single => {}
        What::Rows => {
            let masked = "speed at least 2, aim 3";
            require(Contender::H5py("rows_masked"), masked, speed);
            require(Contender::OursThenTake, masked, speed);
            require(Contender::H5py("rows_fancy"), "speed at least 20", speed);
        }
        What::Strided => require(Contender::H5py("strided"), "speed at least 10", speed),
    }
}
