//! The report, printed as it grows and kept as Markdown; and the tables of `record`.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::contender::{Contender, SEED_CHUNK};
use crate::latency::Calls;
use crate::options::Scale;
use crate::rounds::Outcome;
use crate::stats::Spread;
use crate::table::{Table, grouped, megabytes, or_dash, seconds};
use crate::workload::Workload;

/// What the project asks of itself, and what a run has.
#[derive(Debug)]
struct Requirement {
    what: String,
    asked: &'static str,
    found: String,
}

/// A report in Markdown.
#[derive(Debug, Default)]
pub struct Report {
    text: String,
    requirements: Vec<Requirement>,
}

impl Report {
    /// The title, and what the figures depend on.
    pub fn head(&mut self, title: &str, facts: &[(&str, String)]) {
        let mut text = format!("# {title}\n\n");
        for (name, value) in facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        self.add(&text);
    }

    /// A warning where the run is a short one.
    pub fn scale(&mut self, scale: Scale) {
        if scale != Scale::Full {
            self.note("**A short run to see that everything works: no figures to quote.**");
        }
    }

    /// A line for the reader.
    pub fn note(&mut self, note: &str) {
        self.add(&format!("\n{note}\n"));
    }

    /// A table of rounds, with its requirements.
    pub fn rounds(&mut self, workload: &Workload, outcomes: &[Outcome]) {
        let find = |contender| outcomes.iter().find(|found| found.contender == contender);
        let Some(plain) = find(Contender::Plain) else {
            return;
        };
        let mut table = Table::new([
            "contender",
            "a step",
            "MB/s",
            "of plain write's speed",
            "longest step",
            "creation",
        ]);
        for outcome in outcomes {
            let (step, ratio) = (
                median(outcome, |s| Some(s.per_step)),
                outcome.speed_over(plain),
            );
            table.row([
                outcome.contender.name().to_owned(),
                or_dash(step, seconds),
                or_dash(step, |step| megabytes(workload.step_bytes, step)),
                or_dash(ratio, |ratio| ratio.to_string()),
                or_dash(median(outcome, |s| s.longest), seconds),
                or_dash(median(outcome, |s| Some(s.create)), seconds),
            ]);
        }
        self.add(&format!(
            "\n## {}\n\n{} steps of {} bytes: {}.\n\n{table}",
            workload.title,
            grouped(workload.steps),
            grouped(workload.step_bytes),
            workload.what,
        ));
        if let Some(seed) = find(Contender::H5pySeed) {
            self.seed_note(workload, seed);
        }
        self.require_of_rounds(
            workload,
            plain,
            find(Contender::Recorder),
            find(Contender::H5py),
        );
    }

    fn require_of_rounds(
        &mut self,
        workload: &Workload,
        plain: &Outcome,
        recorder: Option<&Outcome>,
        h5py: Option<&Outcome>,
    ) {
        let speed = |other: &Outcome| recorder.and_then(|run| run.speed_over(other));
        match workload.name {
            "large" => self.require(
                "large steps: the recorder's speed over plain write's".to_owned(),
                "floor 0.80, aim 0.95",
                speed(plain),
            ),
            "small" => self.require(
                "small steps: the recorder's speed over h5py's".to_owned(),
                "floor 5, aim 20",
                h5py.and_then(speed),
            ),
            _ => {}
        }
    }

    /// How the row of the seed's settings, which does not record the whole run, is to be read.
    fn seed_note(&mut self, workload: &Workload, seed: &Outcome) {
        let steps = seed.contender.steps(workload);
        let total = median(seed, |sample| Some(sample.total));
        let first = median(seed, |sample| sample.first);
        let fill = SEED_CHUNK * workload.step_bytes;
        self.note(&format!(
            "\\* Measured over the first {steps} steps, which take {}; the first of them alone, \
             which writes {:.2} GB of fill values, takes {}. The row is extrapolated from them to \
             the {} steps of a chunk.",
            or_dash(total, seconds),
            fill as f64 / 1e9,
            or_dash(first, seconds),
            grouped(SEED_CHUNK),
        ));
    }

    /// A table of single calls, with its requirement.
    pub fn latency(&mut self, workload: &Workload, rounds: &[Calls], clock: f64) {
        let Some(some) = rounds.first() else { return };
        let longest = |of: fn(&Calls) -> &Vec<f64>| {
            let all = rounds.iter().filter_map(|calls| of(calls).last());
            all.copied().fold(0.0, f64::max)
        };
        let mut table = Table::new(["", "append", "memcpy", "append / memcpy"]);
        let mut middle = None;
        for percent in [50, 99] {
            let (append, copy): (Vec<f64>, Vec<f64>) =
                rounds.iter().map(|calls| calls.percentile(percent)).unzip();
            let ratio = Spread::of_ratios(&append, &copy);
            if percent == 50 {
                middle = ratio;
            }
            let show =
                |values: &[f64]| or_dash(Spread::of(values), |spread| seconds(spread.median));
            table.row([
                format!("p{percent}"),
                show(&append),
                show(&copy),
                or_dash(ratio, |ratio| ratio.to_string()),
            ]);
        }
        let (append, copy) = (longest(|calls| &calls.append), longest(|calls| &calls.copy));
        table.row([
            "longest of all".to_owned(),
            seconds(append),
            seconds(copy),
            format!("{:.2}", append / copy),
        ]);
        let waits: u64 = rounds.iter().map(|calls| calls.waits).sum();
        self.add(&format!(
            "\n## One append while the queue has room: {}\n\n{} rounds of {} calls, in bursts of \
             {} steps of {} bytes ({}); {waits} calls found the queue full. Every time includes {} of \
             the clock.\n\n{table}",
            workload.title.to_lowercase(),
            rounds.len(),
            grouped(some.append.len() as u64),
            grouped(some.burst),
            grouped(workload.step_bytes),
            workload.what,
            seconds(clock),
        ));
        self.require(
            format!(
                "append over memcpy at p50, {}",
                workload.title.to_lowercase()
            ),
            "at most 1.5",
            middle,
        );
    }

    /// What the project asks of a ratio, for the table of [`requirements`](Self::requirements).
    pub fn require(&mut self, what: String, asked: &'static str, found: Option<Spread>) {
        let found = or_dash(found, |found| found.to_string());
        self.requirements.push(Requirement { what, asked, found });
    }

    /// The requirements next to the figures.
    pub fn requirements(&mut self) {
        let mut table = Table::new(["ratio", "required", "this run"]);
        for requirement in &self.requirements {
            table.row([
                requirement.what.clone(),
                requirement.asked.to_owned(),
                requirement.found.clone(),
            ]);
        }
        self.add(&format!(
            "\n## What is required\n\nRatios are the median of the rounds' (smallest to largest). \
             Nothing is asserted: a figure depends on the machine.\n\n{table}"
        ));
    }

    /// Markdown, printed at once.
    pub fn add(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }

    /// Writes the report of `bench` beside `tmp`, the folder in the target directory that cargo
    /// names to benches.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn save(&self, tmp: &Path, bench: &str) -> Result<()> {
        let folder = tmp.with_file_name("bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{bench}.md"));
        std::fs::write(&path, &self.text)?;
        println!("\nThis report is in {}.", path.display());
        Ok(())
    }
}

fn median(outcome: &Outcome, of: impl Fn(&crate::contender::Sample) -> Option<f64>) -> Option<f64> {
    outcome.spread(of).map(|spread| spread.median)
}
