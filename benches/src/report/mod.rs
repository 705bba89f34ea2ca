//! What a run has measured, as it is kept: every sample, and what it depends on.
//!
//! Nothing that can be computed from the samples is in here: medians, ratios and verdicts are made anew by whoever
//! shows them, so a report of last year is judged by the rules of today.

mod compare;
mod conclusions;
mod docs;
mod json;
mod markdown;
mod page;
mod requirements;
mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use compare::{Agreement, compare};
pub use conclusions::conclusions;
pub use docs::{REGION, benchmarks, readme_region, replace_region};
pub use json::{read, write};
pub use markdown::group as markdown_of_group;
pub use page::page;
pub use verdict::{Ratio, Verdict};

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
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The names of the sections, in the order in which they ran.
    #[must_use]
    pub fn sections(&self) -> Vec<&str> {
        let mut sections: Vec<&str> = Vec::new();
        for group in &self.groups {
            if !sections.contains(&group.section()) {
                sections.push(group.section());
            }
        }
        sections
    }

    /// The groups of a section.
    pub fn of_section<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a Group> {
        self.groups
            .iter()
            .filter(move |group| group.section() == section)
    }

    /// Every contender that did not go on: group, name and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Row, &str)> {
        self.groups.iter().flat_map(|group| {
            let failed = |row| Some((group.name.as_str(), row, Row::failure(row)?));
            group.rows.iter().filter_map(failed)
        })
    }
}

impl Group {
    /// The part of its name before the slash.
    #[must_use]
    pub fn section(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// The row of the contender `name`.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether any row has this figure.
    #[must_use]
    pub fn has(&self, figure: Figure) -> bool {
        self.rows.iter().any(|row| row.median(figure).is_some())
    }

    /// How many times as fast the contender `who` is as `over`, pair by pair.
    #[must_use]
    pub fn speed(&self, who: &str, over: &str) -> Option<Ratio> {
        self.row(who)?.speed_over(self.row(over)?)
    }

    /// What is certain of a row against the reference.
    #[must_use]
    pub fn verdict(&self, row: &Row) -> Verdict {
        if row.name == self.reference {
            return Verdict::Reference;
        }
        let speed = self.row(&self.reference).and_then(|it| row.speed_over(it));
        speed.map_or(Verdict::Unknown, Verdict::of)
    }
}

impl Row {
    /// A row without samples.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            opened_by: Vec::new(),
            failure: None,
            samples: BTreeMap::new(),
        }
    }

    /// Adds a round.
    pub fn push(&mut self, sample: Sample) {
        for (figure, value) in sample {
            self.samples.entry(figure).or_default().push(value);
        }
    }

    /// The values of a figure, round by round.
    #[must_use]
    pub fn values(&self, figure: Figure) -> &[f64] {
        self.samples.get(&figure).map_or(&[], Vec::as_slice)
    }

    /// The median of a figure over the rounds.
    #[must_use]
    pub fn median(&self, figure: Figure) -> Option<f64> {
        crate::stats::median(self.values(figure))
    }

    /// How many times as fast this is as `other`, pair by pair.
    #[must_use]
    pub fn speed_over(&self, other: &Self) -> Option<Ratio> {
        self.ratio_over(other, Figure::Seconds)
    }

    /// `other`'s figure in units of this one's, pair by pair: above 1 where this one's is less.
    #[must_use]
    pub fn ratio_over(&self, other: &Self, figure: Figure) -> Option<Ratio> {
        Ratio::of_pairs(other.values(figure), self.values(figure))
    }

    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}
