//! What came of it: rows, the record that is committed, and the table that is made of it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::groups::GROUPS;
use crate::subject::Verdict;

/// Complaints that are kept of a row: the first tell enough.
const MOST_COMPLAINTS: usize = 5;

/// What came of one fault on one kind of work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The group.
    pub group: String,
    /// What was done to a file.
    pub mode: String,
    /// What went wrong meanwhile.
    pub fault: String,
    /// Points that were tried.
    pub tried: usize,
    /// Points that there are; 0 where there is no end to them.
    pub of: usize,
    /// Files that were there under their final names.
    pub files: usize,
    /// Files of these that stock h5py, or safetensors, read as they were.
    pub opened: usize,
    /// Steps that were reported as committed and are not in the file, or wrong.
    pub lost: u64,
    /// Processes that did not come to an end.
    pub hangs: usize,
    /// Points at which the library returned an error.
    pub errors: usize,
    /// Whether anything was promised.
    pub promised: bool,
    /// What else there is to say.
    pub note: String,
    /// What is not as it should be, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

impl Row {
    pub(crate) fn new(group: &str, mode: &str, fault: &str) -> Self {
        Self {
            group: group.to_owned(),
            mode: mode.to_owned(),
            fault: fault.to_owned(),
            promised: true,
            ..Self::default()
        }
    }

    /// Counts what became of one file.
    pub(crate) fn add(&mut self, verdict: &Verdict, point: &str) {
        self.tried += 1;
        self.files += usize::from(verdict.file);
        self.opened += usize::from(verdict.file && verdict.stock);
        self.lost += verdict.lost;
        self.hangs += usize::from(verdict.hung);
        self.errors += usize::from(verdict.error);
        for complaint in &verdict.complaints {
            if self.complaints.len() < MOST_COMPLAINTS {
                self.complaints.push(format!("{point}: {complaint}"));
            }
        }
    }

    /// How many points were tried, in words.
    pub(crate) fn points(&self) -> String {
        match self {
            Self { tried, of: 0, .. } => tried.to_string(),
            Self { tried, of, .. } if tried == of => format!("{tried}: all"),
            Self { tried, of, .. } => format!("{tried} of {of}"),
        }
    }

    /// Whether a promise was broken.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.promised && (self.lost > 0 || self.hangs > 0 || !self.complaints.is_empty())
    }
}

/// A run of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The group.
    pub name: String,
    /// What it tries, in a sentence.
    pub about: String,
    /// The command that repeats it.
    pub command: String,
    /// The day, in UTC.
    pub date: String,
    /// Processor, memory, system and file system.
    pub machine: String,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// What came of it.
    pub rows: Vec<Row>,
}

/// The last run of each group, as it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// In the order in which they run.
    pub groups: Vec<GroupRecord>,
}

impl Record {
    /// Takes a group's run in, in the place of its last one.
    pub fn replace(&mut self, run: GroupRecord) {
        let known = |group: &GroupRecord| GROUPS.iter().position(|known| known.name == group.name);
        self.groups.retain(|group| group.name != run.name);
        self.groups.push(run);
        self.groups.sort_by_key(known);
    }
}

/// The tables, in Markdown, with a line break at the end.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    for group in &record.groups {
        let _ = write!(
            text,
            "### {}\n\n{}\n\n`{}`, {}, {} s, {}.\n\n",
            group.name, group.about, group.command, group.date, group.seconds, group.machine
        );
        text.push_str(
            "| what | fault | points tried | files | opened by stock readers | committed steps lost | hangs | notes |\n\
             |---|---|--:|--:|--:|--:|--:|---|\n",
        );
        for row in &group.rows {
            let tried = row.points();
            let Row {
                mode, fault, note, ..
            } = row;
            let _ = writeln!(
                text,
                "| {mode} | {fault} | {tried} | {} | {} | {} | {} | {note} |",
                row.files, row.opened, row.lost, row.hangs
            );
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
