//! What a run has measured, as it is kept: every sample, and what it depends on.
//!
//! Nothing that can be computed from the samples is in here: medians, ratios and verdicts are made anew by whoever
//! shows them, so a report of last year is judged by the rules of today.

mod documents;
mod markdown;
mod ratio;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::numbers::median;
use crate::sections::Who;
pub use documents::{asked, benchmarks, page, readme_region, replace_region};
pub(crate) use documents::{fill, group_table};
pub use ratio::{CONTRADICTION, Pair, Ratio, compare};

/// The version of the JSON: it grows when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// A report: the groups of a run, and what its figures depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it was begun: RFC 3339, UTC.
    pub created: String,
    /// The commit that was measured, with `-dirty` where it was changed.
    pub commit: String,
    /// `full`, `quick` or `smoke`.
    pub scale: String,
    /// Rounds that count.
    pub rounds: usize,
    /// The machine, line by line: what, and its value.
    pub machine: Vec<(String, String)>,
    /// The versions of what was measured: what, and its version.
    pub versions: BTreeMap<String, String>,
    /// What the reader has to know of the whole run: peers that are missing, a disk that was too small.
    pub notes: Vec<String>,
    /// The groups, in the order in which they ran.
    pub groups: Vec<Group>,
}

/// Contenders that do the same work in turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `record/large`: the section, and the group's own name.
    pub name: String,
    /// The title of its table.
    pub title: String,
    /// What is done, in words.
    pub what: String,
    /// Bytes of a sample's values.
    pub bytes: u64,
    /// How many of `unit` a sample has.
    pub count: u64,
    /// What a time is told for: a step, a file, a read.
    pub unit: String,
    /// The name of the contender that the others are compared with.
    pub reference: String,
    /// What the reader has to know of this group.
    pub notes: Vec<String>,
    /// One for each contender.
    pub rows: Vec<Row>,
}

/// A contender's samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub kind: Kind,
    /// Which readers open what it wrote, where that was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened_by: Vec<String>,
    /// Why it did not go on; the samples are those from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// For each figure its values, round by round.
    pub samples: BTreeMap<Figure, Vec<f64>>,
}

/// Whose contender it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Selvedge's.
    Ours,
    /// The least that the work takes: a plain `write`, a copy.
    Plain,
    /// A contender of another project.
    Peer,
}

/// What was measured of a sample. Times are in seconds, sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// All of it: the figure that contenders are compared by.
    Seconds,
    /// What comes before the first step: creating the file.
    Create,
    /// How long the caller was kept by a step: the median of the sample's steps.
    BlockedP50,
    /// The same, 99th percentile.
    BlockedP99,
    /// The same, longest.
    BlockedMax,
    /// The part of the seconds until the values can be used.
    Load,
    /// Reading back what was written.
    ReadSeconds,
    /// What the process had at most during the sample, above what it had before.
    PeakMemory,
    /// Handed to the system for writing.
    Written,
    /// What the files take.
    OnDisk,
}

/// The figures of one sample.
pub type Sample = BTreeMap<Figure, f64>;

impl Report {
    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Every contender that did not go on: group, name and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Row, &str)> {
        let rows = self
            .groups
            .iter()
            .flat_map(|of| of.rows.iter().map(|row| (&*of.name, row)));
        rows.filter_map(|(group, row)| Some((group, row, row.failure.as_deref()?)))
    }
}

impl Group {
    /// The part of its name before the slash.
    pub(crate) fn section(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// The row of the contender `name`.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// How many times as fast the contender `who` is as `over`, pair by pair.
    pub fn speed(&self, who: &str, over: &str) -> Option<Ratio> {
        let [who, over] = [who, over].map(|name| Some(self.row(name)?.values(Figure::Seconds)));
        Ratio::of_pairs(over?, who?)
    }

    /// How many times as fast a row is as the reference; `None` of the reference itself, and where there is no pair.
    pub fn verdict(&self, row: &Row) -> Option<Ratio> {
        let other = row.name != self.reference;
        self.speed(&row.name, &self.reference).filter(|_| other)
    }
}

impl Row {
    pub(crate) fn new(who: &Who) -> Self {
        Self {
            name: who.name.to_owned(),
            kind: who.kind,
            opened_by: Vec::new(),
            failure: None,
            samples: BTreeMap::new(),
        }
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        for (figure, value) in sample {
            let values = self.samples.entry(figure).or_default();
            values.push(round(value));
        }
    }

    /// The values of a figure, round by round.
    pub(crate) fn values(&self, figure: Figure) -> &[f64] {
        self.samples.get(&figure).map_or(&[], Vec::as_slice)
    }

    /// The median of a figure over the rounds.
    pub fn median(&self, figure: Figure) -> Option<f64> {
        median(self.values(figure))
    }
}

/// Reads a report.
///
/// # Errors
///
/// A file that cannot be read, is no report, or is one of another schema.
pub fn read(path: &Path) -> Result<Report> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| named(&error))?;
    if report.schema != SCHEMA {
        let found = report.schema;
        return Err(named(&format!("schema {found}, and this program reads {SCHEMA}")).into());
    }
    Ok(report)
}

/// Writes a report.
///
/// # Errors
///
/// The errors of the file system.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    // A line for each group and each row. Within a text, a quote would have a backslash before it.
    let text = serde_json::to_string(report)?;
    let text = text.replace(r#"{"name":"#, "\n{\"name\":") + "\n";
    Ok(fs::write(path, text)?)
}

/// Five digits, more than any clock here is good for; through the decimal text, as dividing by a power of ten would bring
/// digits of its own.
fn round(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn samples_keep_five_digits() {
        assert_eq!(round(0.123_456_789), 0.12346);
        assert_eq!(round(512_000_000.0), 512_000_000.0);
        assert_eq!(round(0.0), 0.0);
    }
}
