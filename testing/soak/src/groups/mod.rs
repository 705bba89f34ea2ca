//! The ways in which it is tried.

mod bad_files;
mod errors;
mod kills;
mod live;
mod pool;
mod power;

pub(crate) use self::bad_files::{READER, serve as read_bad_files};
use crate::budget::Budget;
use crate::result::Row;

/// A way in which it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its word on the command line.
    pub name: &'static str,
    /// What it tries.
    pub about: &'static str,
    /// Its part of the time, of 100.
    pub weight: u32,
    run: Run,
}

/// Tries what there is within the budget, and reports each row.
type Run = fn(&Budget, &mut dyn FnMut(Row)) -> Result<(), String>;

/// All groups, in the order in which they run.
pub const GROUPS: &[Group] = &[
    Group {
        name: "kills",
        about: "The process is killed before each of its calls on the file, and within each write that crosses \
                sectors of 512 bytes: half-way, and at each border of a sector.",
        weight: 20,
        run: kills::run,
    },
    Group {
        name: "power",
        about: "The power goes at each moment: of what was written since the last sync, the disk has any sectors.",
        weight: 28,
        run: power::run,
    },
    Group {
        name: "errors",
        about: "Each of the calls on the file fails, or writes less than it was asked to.",
        weight: 38,
        run: errors::run,
    },
    Group {
        name: "files",
        about: "Files with fields, lengths and links that somebody has changed.",
        weight: 7,
        run: bad_files::run,
    },
    Group {
        name: "live",
        about: "Several at once: writers, readers of a live file, threads.",
        weight: 7,
        run: live::run,
    },
];

impl Group {
    /// Runs it within `budget`, and tells `report` of each row.
    ///
    /// # Errors
    ///
    /// Where something does not work even undisturbed.
    pub fn run(&self, budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
        (self.run)(budget, report)
    }
}
